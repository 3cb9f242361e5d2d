#include "spec.h"

#include "base/err.h"
#include "server/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include <cmocka.h>

static yyjson_doc *spec;
static struct schema *schema;

void spec_open(void)
{
    char path[1024];
    const char *root = getenv("SPATE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/cloud-api-v6.json", root ? root : ".");
    spec = yyjson_read_file(path, 0, NULL, NULL);
    assert_non_null(spec);
    assert_int_equal(schema_open(&schema), 0);
}

void spec_close(void)
{
    yyjson_doc_free(spec);
    schema_close(schema);
    spec = NULL;
    schema = NULL;
}

static bool same_path(struct str pattern, struct str path)
{
    while (pattern.ptr && path.ptr) {
        struct str want = str_cut(pattern, '/', &pattern);
        struct str have = str_cut(path, '/', &path);
        if (!str_starts(want, STR("{")) && !str_eq(want, have))
            return false;
    }
    return !pattern.ptr && !path.ptr;
}

/* The operation's responses; NULL when the specification hasn't got it. */
static yyjson_val *find_responses(const char *method, const char *path)
{
    char lower[16];
    struct str rest;
    size_t i, count;
    yyjson_val *pattern, *operations;
    size_t n = 0;
    for (; method[n]; n++)
        lower[n] = (char)(method[n] | 0x20);
    lower[n] = '\0';
    yyjson_obj_foreach(yyjson_obj_get(yyjson_doc_get_root(spec), "paths"), i, count, pattern,
                       operations)
    {
        struct str p = str_new(yyjson_get_str(pattern), yyjson_get_len(pattern));
        yyjson_val *operation = yyjson_obj_get(operations, lower);
        if (operation && same_path(p, str_cut(str_of(path), '?', &rest)))
            return yyjson_obj_get(operation, "responses");
    }
    return NULL;
}

static void check_body(const char *name, const char *what, struct reply *r)
{
    struct arena a;
    arena_init(&a, 1 << 24);
    struct schema_problems problems = {.arena = &a};
    yyjson_doc *doc = yyjson_read(reply_text(r), r->body.len, 0);
    if (!doc)
        fail_msg("%s: not JSON: %s", what, reply_text(r));
    schema_check(schema, name, yyjson_doc_get_root(doc), &problems);
    if (problems.len > 0)
        fail_msg("%s: not a %s: %.*s %s: %s", what, name, STR_ARG(problems.list[0].target),
                 problems.list[0].message, reply_text(r));
    yyjson_doc_free(doc);
    arena_fini(&a);
}

void spec_check(const char *method, const char *path, struct reply *r)
{
    yyjson_val *responses = find_responses(method, path);
    char status[16];
    char what[256];
    if (!responses)
        return;
    snprintf(status, sizeof status, "%d", r->status);
    snprintf(what, sizeof what, "%s %s: %d", method, path, r->status);
    yyjson_val *response = yyjson_obj_get(responses, status);
    if (r->status == 413 || r->status == 415 || r->status == 405)
        return check_body("ErrorResponseApiModel", what, r);
    if (!response)
        fail_msg("%s is none of the specification's: %s", what, reply_text(r));
    if (yyjson_obj_get(response, "$ref"))
        return check_body("ErrorResponseApiModel", what, r);
    yyjson_val *content = yyjson_obj_get(response, "content");
    yyjson_val *json = yyjson_obj_get(yyjson_obj_get(content, "application/json"), "schema");
    const char *ref = yyjson_get_str(yyjson_obj_get(json, "$ref"));
    if (ref)
        check_body(strrchr(ref, '/') + 1, what, r);
    else if (!content)
        assert_int_equal(r->body.len, 0);
}

void api_bytes(struct world *w, const char *method, const char *path, const char *headers,
               const void *body, size_t len, int want, struct reply *ret)
{
    reply_free(ret);
    call(w, method, path, headers, body, len, ret);
    if (ret->status != want)
        fail_msg("%s %s: %d, not %d: %s", method, path, ret->status, want, reply_text(ret));
    spec_check(method, path, ret);
}

void api(struct world *w, const char *method, const char *path, const char *json, int want,
         struct reply *ret)
{
    api_bytes(w, method, path, json ? "Content-Type: application/json\r\n" : NULL, json,
              json ? strlen(json) : 0, want, ret);
}

static yyjson_val *find_value(yyjson_doc *doc, const char *path)
{
    yyjson_val *v = yyjson_doc_get_root(doc);
    struct str rest = str_of(path);
    while (rest.ptr) {
        struct str member = str_cut(rest, '.', &rest);
        int64_t index = 0;
        if (yyjson_is_arr(v) && str_to_i64(member, &index) == 0)
            v = yyjson_arr_get(v, (size_t)index);
        else
            v = yyjson_obj_getn(v, member.ptr, member.len);
    }
    return v;
}

int64_t reply_number(struct reply *r, const char *path)
{
    yyjson_doc *doc = yyjson_read(reply_text(r), r->body.len, 0);
    yyjson_val *v = find_value(doc, path);
    if (!yyjson_is_int(v))
        fail_msg("no number %s in %s", path, reply_text(r));
    int64_t n = yyjson_get_sint(v);
    yyjson_doc_free(doc);
    return n;
}

void reply_string(struct reply *r, const char *path, char out[static 512])
{
    yyjson_doc *doc = yyjson_read(reply_text(r), r->body.len, 0);
    yyjson_val *v = find_value(doc, path);
    if (!yyjson_is_str(v))
        fail_msg("no text %s in %s", path, reply_text(r));
    snprintf(out, 512, "%s", yyjson_get_str(v));
    yyjson_doc_free(doc);
}
