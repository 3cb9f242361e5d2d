#include "output/cloud_list.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/time_text.h"
#include "output/cloud_v6.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { PAGE_LEN = 1000, COLUMNS_MAX = 4, GAP = 3 };

/* How a value is written in a table. */
enum cell { CELL_TEXT, CELL_NUMBER, CELL_TIME, CELL_YES, CELL_PUBLIC };

struct column {
    const char *title;
    const char *key;
    enum cell cell;
};

static const struct list_form {
    const char *what; /* "projects" */
    const char *keys[6];
    struct column columns[COLUMNS_MAX];
    size_t columns_len;
} forms[] = {
    [CLOUD_LIST_PROJECTS] = {"projects",
                             {"id", "name", "is_default"},
                             {{"ID", "id", CELL_NUMBER},
                              {"NAME", "name", CELL_TEXT},
                              {"DEFAULT", "is_default", CELL_YES}},
                             3},
    [CLOUD_LIST_TESTS] = {"tests",
                          {"id", "project_id", "name", "created", "updated"},
                          {{"ID", "id", CELL_NUMBER},
                           {"NAME", "name", CELL_TEXT},
                           {"CREATED", "created", CELL_TIME},
                           {"UPDATED", "updated", CELL_TIME}},
                          4},
    [CLOUD_LIST_ZONES] = {"load zones",
                          {"id", "k6_load_zone_id", "name", "public", "available"},
                          {{"ID", "k6_load_zone_id", CELL_TEXT},
                           {"NAME", "name", CELL_TEXT},
                           {"TYPE", "public", CELL_PUBLIC},
                           {"AVAILABLE", "available", CELL_YES}},
                          4},
};

/* ---- fetching ---- */

static void put_path(struct buf *b, const struct cloud_config *config, enum cloud_list_of of,
                     size_t skip)
{
    switch (of) {
    case CLOUD_LIST_PROJECTS:
        buf_z(b, "/cloud/v6/projects");
        break;
    case CLOUD_LIST_TESTS:
        buf_printf(b, "/cloud/v6/projects/%lld/load_tests", (long long)config->project_id);
        break;
    case CLOUD_LIST_ZONES:
        buf_z(b, "/cloud/v6/load_zones");
        return; /* it has no pages */
    }
    buf_printf(b, "?%%24skip=%zu&%%24top=%d", skip, PAGE_LEN);
}

static int put_item(struct buf *out, yyjson_val *item, const struct list_form *form)
{
    bool first = true;
    buf_byte(out, '{');
    for (size_t i = 0; i < ARRAY_LEN(form->keys) && form->keys[i] != NULL; i++) {
        char *value = yyjson_val_write(yyjson_obj_get(item, form->keys[i]), 0, NULL);
        buf_printf(out, "%s\"%s\":%s", first ? "" : ",", form->keys[i],
                   value != NULL ? value : "null");
        first = false;
        mem_free(value);
    }
    buf_byte(out, '}');
    return buf_finish(out);
}

/* Appends a page's items; *ret_more: there is another one. */
static int put_page(const struct cloud_config *config, struct str body,
                    const struct list_form *form, size_t *len, struct buf *out, bool *ret_more)
{
    size_t i, max;
    yyjson_val *item;
    yyjson_doc *doc = yyjson_read(body.ptr, body.len, 0);
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), "value");
    yyjson_val *next = yyjson_obj_get(yyjson_doc_get_root(doc), "@nextLink");
    int rc = yyjson_is_arr(value) ? 0
                                  : err_set(E_CORRUPT, "the cloud at %s gave no list of %s",
                                            cloud_config_host_v6(config), form->what);
    yyjson_arr_foreach(value, i, max, item)
    {
        buf_z(out, (*len)++ > 0 ? "," : "");
        if (rc == 0)
            rc = put_item(out, item, form);
    }
    *ret_more = yyjson_get_len(next) > 0 && yyjson_arr_size(value) > 0;
    yyjson_doc_free(doc);
    return rc;
}

static int fetch_page(struct cloud_api *api, const struct cloud_config *config,
                      enum cloud_list_of of, size_t *len, struct buf *out, bool *ret_more)
{
    CLEANUP(buf_fini) struct buf path;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {.body_max = CLOUD_LIST_BYTES};
    buf_init(&path, 200);
    put_path(&path, config, of, *len);
    struct cloud_call call = {
        .method = "GET",
        .path = buf_cstr(&path),
        .auth = CLOUD_AUTH_BEARER,
        .timeout_ns = config->timeout_ns,
    };
    if (call.path == NULL)
        return err_set_errno(buf_finish(&path), "cloud");
    int rc = cloud_api_call_retry(api, &call, &reply);
    if (rc < 0)
        return err_wrap(rc, "could not list the %s", forms[of].what);
    return put_page(config, buf_view(&reply.body), &forms[of], len, out, ret_more);
}

int cloud_list_fetch(struct cloud_api *api, struct cloud_config *config, enum cloud_list_of of,
                     struct buf *out)
{
    size_t len = 0;
    bool more = true;
    int rc = cloud_v6_auth(api, config);
    if (rc == -ENOENT)
        return err_set(E_UNSUPPORTED, "the cloud at %s has no API v6, so no lists",
                       cloud_config_host_v6(config));
    if (rc == 0 && of == CLOUD_LIST_TESTS && config->project_id == 0)
        rc = err_set(E_CONFIG, "no project is given, and the cloud names no default one: "
                               "--project-id or K6_CLOUD_PROJECT_ID says which");
    buf_byte(out, '[');
    while (rc == 0 && more)
        rc = fetch_page(api, config, of, &len, out, &more);
    buf_byte(out, ']');
    if (rc == 0 && buf_finish(out) < 0)
        rc = err_set_errno(buf_finish(out), "list of %s", forms[of].what);
    return rc;
}

/* ---- the table ---- */

/* "2026-11-22T05:58:38Z" → "2026-11-22 05:58", UTC. */
static void put_time(struct buf *out, yyjson_val *v)
{
    char text[40];
    int64_t ns;
    if (time_text_parse(str_new(yyjson_get_str(v), yyjson_get_len(v)), &ns) < 0)
        return;
    clock_format_utc(ns, 0, text);
    text[10] = ' ';
    buf_append(out, text, 16);
}

/* A name is somebody else's: what steers a terminal isn't let through. */
static void put_text(struct buf *out, yyjson_val *v)
{
    const char *text = yyjson_get_str(v);
    for (size_t i = 0; i < yyjson_get_len(v); i++) {
        unsigned char c = (unsigned char)text[i];
        buf_byte(out, c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void put_cell(struct buf *out, const struct column *c, yyjson_val *item)
{
    yyjson_val *v = yyjson_obj_get(item, c->key);
    switch (c->cell) {
    case CELL_TEXT:
        put_text(out, v);
        break;
    case CELL_NUMBER:
        buf_printf(out, "%lld", (long long)yyjson_get_sint(v));
        break;
    case CELL_TIME:
        put_time(out, v);
        break;
    case CELL_YES:
        buf_z(out, yyjson_is_true(v) ? "yes" : "no");
        break;
    case CELL_PUBLIC:
        buf_z(out, yyjson_is_true(v) ? "public" : "private");
        break;
    }
}

static size_t characters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

static void measure(const struct list_form *form, yyjson_val *items, size_t widths[COLUMNS_MAX])
{
    CLEANUP(buf_fini) struct buf cell;
    buf_init(&cell, CLOUD_LIST_BYTES);
    for (size_t c = 0; c < form->columns_len; c++) {
        size_t i, max;
        yyjson_val *item;
        widths[c] = strlen(form->columns[c].title);
        yyjson_arr_foreach(items, i, max, item)
        {
            buf_reset(&cell);
            put_cell(&cell, &form->columns[c], item);
            widths[c] = MAX(widths[c], characters(buf_view(&cell)));
        }
    }
}

static void put_row(struct buf *out, const struct list_form *form, yyjson_val *item,
                    const size_t widths[COLUMNS_MAX])
{
    CLEANUP(buf_fini) struct buf cell;
    buf_init(&cell, CLOUD_LIST_BYTES);
    for (size_t c = 0; c < form->columns_len; c++) {
        buf_reset(&cell);
        if (item != NULL)
            put_cell(&cell, &form->columns[c], item);
        else
            buf_z(&cell, form->columns[c].title);
        buf_str(out, buf_view(&cell));
        if (c + 1 < form->columns_len)
            buf_fill(out, ' ', widths[c] + GAP - characters(buf_view(&cell)));
    }
    buf_byte(out, '\n');
}

static void put_title(struct buf *out, const struct cloud_config *config, enum cloud_list_of of)
{
    const char *stack = config->stack_url != NULL && config->stack_url[0] != '\0'
                            ? config->stack_url
                            : cloud_config_host_v6(config);
    if (of == CLOUD_LIST_TESTS)
        buf_printf(out, "Tests in project %lld:\n\n", (long long)config->project_id);
    else
        buf_printf(out, "%s for %s:\n\n", of == CLOUD_LIST_PROJECTS ? "Projects" : "Load zones",
                   stack);
}

int cloud_list_table(const struct cloud_config *config, enum cloud_list_of of, struct str json,
                     struct buf *out)
{
    size_t i, max, widths[COLUMNS_MAX];
    yyjson_val *item;
    const struct list_form *form = &forms[of];
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, 0);
    yyjson_val *items = yyjson_doc_get_root(doc);
    if (!yyjson_is_arr(items)) {
        yyjson_doc_free(doc);
        return err_set(E_CORRUPT, "list of %s", form->what);
    }
    put_title(out, config, of);
    if (yyjson_arr_size(items) == 0) {
        buf_printf(out, "No %s found.\n", form->what);
    } else {
        measure(form, items, widths);
        put_row(out, form, NULL, widths);
        yyjson_arr_foreach(items, i, max, item) put_row(out, form, item, widths);
    }
    yyjson_doc_free(doc);
    return 0;
}
