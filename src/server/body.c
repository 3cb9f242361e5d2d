#include "server/body.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/multipart_read.h"
#include "server/run_json.h"
#include "server/schema.h"

void body_docp(yyjson_doc **doc)
{
    yyjson_doc_free(*doc);
}

/* ---- errors ---- */

int reply_problems(struct request *r, const struct schema_problems *p)
{
    struct buf *out = &r->reply.body;
    const struct schema_problem *first = &p->list[0];
    struct str message = str_of(first->message);
    if (first->target.len > 0)
        message =
            str_of(arena_printf(&r->arena, "%.*s: %s", STR_ARG(first->target), first->message));
    if (r->route->form == FORM_V1)
        return reply_error(r, 400, 2, "validation_error", "%.*s", STR_ARG(message));
    buf_reset(out);
    buf_z(out, "{\"error\":{");
    json_str(out, "message", message.ptr ? message : STR("the request is not valid"));
    json_str(out, "code", STR("validation_error"));
    json_key(out, "details"); /* no "target": k6 v2 falls over null */
    for (size_t i = 0; i < p->len; i++) {
        buf_byte(out, i == 0 ? '[' : ',');
        buf_byte(out, '{');
        json_str(out, "message", str_of(p->list[i].message));
        json_str(out, "code", str_of(p->list[i].code));
        if (p->list[i].target.len > 0)
            json_str(out, "target", p->list[i].target);
        buf_byte(out, '}');
    }
    buf_z(out, "]}}");
    return reply_json(r, 400);
}

int reply_field(struct request *r, const char *field, const char *code, const char *fmt, ...)
{
    char text[ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct schema_problems p = {
        .arena = &r->arena,
        .list = {{.target = str_of(field), .code = code, .message = text}},
        .len = 1,
    };
    return reply_problems(r, &p);
}

int reply_conflict(struct request *r, const char *fmt, ...)
{
    char text[ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return reply_error(r, 409, 2, "conflict", "%s", text);
}

/* ---- JSON ---- */

static int parse(struct str text, yyjson_doc **ret)
{
    yyjson_read_err e = {0};
    yyjson_doc *doc = NULL;
    /* The flags promise not to write into the text. */
    if (text.len > 0)
        doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, NULL, &e);
    if (!doc)
        return err_set(E_CORRUPT, "the body is not JSON%s%s", text.len ? ": " : "",
                       text.len ? e.msg : "");
    *ret = doc;
    return 0;
}

int body_object(struct request *r, yyjson_doc **ret)
{
    yyjson_doc *doc = NULL;
    int rc = parse(buf_view(&r->body), &doc);
    if (rc < 0)
        return rc;
    if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
        yyjson_doc_free(doc);
        return err_set(E_CORRUPT, "the body is not a JSON object");
    }
    *ret = doc;
    return 0;
}

int body_read(struct request *r, const char *schema, yyjson_doc **ret)
{
    yyjson_doc *doc = NULL;
    int rc = parse(buf_view(&r->body), &doc);
    if (rc < 0)
        return rc;
    struct schema_problems problems = {.arena = &r->arena};
    schema_check(r->server->schema, schema, yyjson_doc_get_root(doc), &problems);
    if (problems.len > 0) {
        yyjson_doc_free(doc);
        return reply_problems(r, &problems);
    }
    *ret = doc;
    return 1;
}

struct str body_text(struct request *r, yyjson_val *object, const char *member)
{
    yyjson_val *v = yyjson_obj_get(object, member);
    if (!yyjson_is_str(v))
        return STR_EMPTY;
    struct str s = str_new(yyjson_get_str(v), yyjson_get_len(v));
    return str_new(arena_dup(&r->arena, s), s.len);
}

int64_t body_number(yyjson_val *object, const char *member, int64_t none)
{
    yyjson_val *v = yyjson_obj_get(object, member);
    if (yyjson_is_int(v))
        return yyjson_get_sint(v);
    if (yyjson_is_real(v) && yyjson_get_real(v) >= -9e15 && yyjson_get_real(v) <= 9e15)
        return (int64_t)yyjson_get_real(v);
    return none;
}

struct str body_json(struct request *r, yyjson_val *value)
{
    size_t len = 0;
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
    struct str copy = text ? str_new(arena_dup(&r->arena, str_new(text, len)), len) : STR_EMPTY;
    /* yyjson allocates by the C library itself. */
    free(text); /* allowed: memory of yyjson */
    return copy;
}

/* ---- forms ---- */

/* As the last part of that name has it; a name of NULL is that of any file. */
static void take_part(struct form_field *fields, size_t len, const struct multipart_part *p)
{
    for (size_t i = 0; i < len; i++) {
        if (fields[i].name ? !str_eqz(p->name, fields[i].name) : !p->filename.ptr)
            continue;
        fields[i].there = true;
        fields[i].value = p->data;
    }
}

int body_form(struct request *r, struct form_field *fields, size_t len)
{
    struct multipart_reader reader;
    struct multipart_part part;
    int rc;
    struct str boundary = multipart_boundary(request_header(r, "Content-Type"));
    if (!boundary.ptr)
        return err_set(E_CORRUPT, "the form has no boundary");
    multipart_reader_init(&reader, buf_view(&r->body), boundary);
    while ((rc = multipart_next(&reader, &part)) > 0)
        take_part(fields, len, &part);
    for (size_t i = 0; i < len && rc == 0; i++) {
        const char *name = fields[i].name ? fields[i].name : "file";
        if (fields[i].value.len > fields[i].max)
            return reply_field(r, name, "too_long", "at most %zu bytes are taken", fields[i].max);
    }
    return rc < 0 ? rc : 1;
}
