#include "server/v6.h"

#include <errno.h>
#include <yyjson.h>

#include "base/clock.h"
#include "codec/tar.h"
#include "server/run_json.h"
#include "server/time_arg.h"

/* A server of one's own is one stack. */
enum { STACK_ID = 1 };

int v6_auth(struct request *r)
{
    buf_byte(&r->reply.body, '{');
    run_json_int(&r->reply.body, "stack_id", STACK_ID);
    run_json_int(&r->reply.body, "default_project_id", store_default_project(r->server->store));
    buf_byte(&r->reply.body, '}');
    return reply_json(r, 200);
}

int v6_not_here(struct request *r)
{
    return err_set(E_UNSUPPORTED, "%.*s is not supported by this server yet", STR_ARG(r->path));
}

/* ---- lists ---- */

struct order {
    const char *field;  /* as the API names it */
    const char *column; /* of the store */
};

static int read_number(struct request *r, const char *name, int64_t none, int64_t max, int64_t *ret)
{
    struct str text = request_arg(r, name);
    int64_t v = none;
    if (text.ptr && (str_to_i64(text, &v) < 0 || v < 0 || v > max))
        return err_set(E_CONFIG, "%s: a number from 0 to %lld is needed", name, (long long)max);
    *ret = v;
    return 0;
}

static int read_order(struct request *r, const struct order *orders, struct store_page *page)
{
    struct str text = request_arg(r, "$orderby");
    if (text.len == 0)
        return 0;
    struct str direction;
    struct str field = str_cut(str_trim(text), ' ', &direction);
    direction = str_trim(direction);
    if (direction.len > 0 && !str_ieq(direction, STR("asc")) && !str_ieq(direction, STR("desc")))
        return err_set(E_CONFIG, "$orderby: asc or desc, not %.*s", STR_ARG(direction));
    for (; orders->field; orders++) {
        if (!str_eqz(field, orders->field))
            continue;
        page->order = orders->column;
        page->descending = str_ieq(direction, STR("desc"));
        return 0;
    }
    return err_set(E_CONFIG, "$orderby: can't order by %.*s", STR_ARG(field));
}

/* `orders` ends with a NULL field. */
static int read_page(struct request *r, const struct order *orders, struct store_page *ret)
{
    *ret = (struct store_page){0};
    int rc = read_number(r, "$top", STORE_LIST_MAX, STORE_LIST_MAX, &ret->top);
    if (rc == 0)
        rc = read_number(r, "$skip", 0, INT32_MAX, &ret->skip);
    if (rc == 0)
        rc = read_order(r, orders, ret);
    return rc;
}

static bool wants_count(struct request *r)
{
    return str_ieq(request_arg(r, "$count"), STR("true"));
}

/* The same list from where this page ends: every argument but $skip as it was. */
static void put_next_link(struct request *r, int64_t skip)
{
    CLEANUP(buf_fini) struct buf url;
    buf_init(&url, SERVER_CONNECTION_BYTES * 2);
    buf_str(&url, request_base_url(r));
    buf_str(&url, r->path);
    buf_printf(&url, "?$skip=%lld", (long long)skip);
    struct str rest = r->query;
    while (rest.len > 0) {
        struct str pair = str_cut(rest, '&', &rest);
        struct str value;
        struct str key = percent_decode(&r->arena, str_cut(pair, '=', &value), true);
        if (key.len == 0 || str_eq(key, STR("$skip")))
            continue;
        buf_byte(&url, '&');
        buf_str(&url, pair);
    }
    if (buf_finish(&url) == 0)
        json_str(&r->reply.body, "@nextLink", buf_view(&url));
}

static int finish_list(struct request *r, const struct store_page *page, size_t len, int64_t total)
{
    struct buf *out = &r->reply.body;
    buf_byte(out, ']');
    if (wants_count(r))
        run_json_int(out, "@count", total);
    if (len > 0 && page->skip + (int64_t)len < total)
        put_next_link(r, page->skip + (int64_t)len);
    buf_byte(out, '}');
    return reply_json(r, 200);
}

static const struct order named_orders[] = {
    {"id", "id"}, {"name", "name"}, {"created", "created_ns"}, {"updated", "updated_ns"},
    {NULL, NULL},
};

int v6_list_projects(struct request *r)
{
    struct store_page page;
    struct store_project *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = read_page(r, named_orders, &page);
    if (rc == 0)
        rc = store_list_projects(r->server->store, request_arg(r, "name"),
                                 request_arg(r, "name_search"), &page, &r->arena, &list, &len,
                                 &total);
    if (rc < 0)
        return rc;
    buf_z(&r->reply.body, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(&r->reply.body, ',');
        project_json_put(&r->reply.body, &list[i]);
    }
    return finish_list(r, &page, len, total);
}

int v6_get_project(struct request *r)
{
    int64_t id = 0;
    struct store_project project;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_project(r->server->store, id, &r->arena, &project);
    if (rc < 0)
        return rc;
    project_json_put(&r->reply.body, &project);
    return reply_json(r, 200);
}

static int list_tests(struct request *r, int64_t project_id)
{
    struct store_page page;
    struct store_test *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = read_page(r, named_orders, &page);
    if (rc == 0)
        rc = store_list_tests(r->server->store, project_id, request_arg(r, "name"), &page,
                              &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    buf_z(&r->reply.body, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(&r->reply.body, ',');
        test_json_put(&r->reply.body, &list[i]);
    }
    return finish_list(r, &page, len, total);
}

int v6_list_tests(struct request *r)
{
    return list_tests(r, 0);
}

int v6_list_project_tests(struct request *r)
{
    int64_t id = 0;
    struct store_project project;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_project(r->server->store, id, &r->arena, &project);
    return rc < 0 ? rc : list_tests(r, id);
}

int v6_get_test(struct request *r)
{
    int64_t id = 0;
    struct store_test test;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_test(r->server->store, id, &r->arena, &test);
    if (rc < 0)
        return rc;
    test_json_put(&r->reply.body, &test);
    return reply_json(r, 200);
}

/* ---- runs ---- */

static int list_runs(struct request *r, int64_t test_id)
{
    static const struct order orders[] = {
        {"id", "id"},
        {"created", "created_ns"},
        {"ended", "ended_ns"},
        {NULL, NULL},
    };
    struct store_run_filter filter = {.test_id = test_id};
    struct store_page page;
    struct store_run *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = read_page(r, orders, &page);
    if (rc == 0)
        rc = time_arg(r, "created_after", &filter.created_after_ns);
    if (rc == 0)
        rc = time_arg(r, "created_before", &filter.created_before_ns);
    if (rc == 0)
        rc = read_number(r, "project_id", 0, INT64_MAX, &filter.project_id);
    if (rc == 0)
        rc = store_list_runs(r->server->store, &filter, &page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    buf_z(&r->reply.body, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(&r->reply.body, ',');
        run_json_put(&r->reply.body, &list[i]);
    }
    return finish_list(r, &page, len, total);
}

int v6_list_runs(struct request *r)
{
    return list_runs(r, 0);
}

int v6_list_test_runs(struct request *r)
{
    int64_t id = 0;
    struct store_test test;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_test(r->server->store, id, &r->arena, &test);
    return rc < 0 ? rc : list_runs(r, id);
}

int v6_get_run(struct request *r)
{
    int64_t id = 0;
    struct store_run run;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc < 0)
        return rc;
    run_json_put(&r->reply.body, &run);
    return reply_json(r, 200);
}

int v6_abort_run(struct request *r)
{
    int64_t id = 0;
    bool repeated = false;
    struct store_finish f = {
        .state = {.code = RUN_ABORTED_BY_USER,
                  .entered_ns = clock_wall_ns(),
                  .by_user = r->token.user,
                  .message = STR("Aborted from the cloud")},
        .result = RESULT_ERROR,
    };
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = life_change(r->server, id, &f, &repeated);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return reply_error(r, 409, 2, "conflict", "test run %lld has ended already", (long long)id);
    return reply_empty(r, 204);
}

/* ---- the script ---- */

/* The main script is the entry `data`. */
static int put_main_script(struct request *r, struct str archive)
{
    struct tar_reader tar;
    struct tar_entry entry;
    bool found = false;
    int rc = 0;
    tar_reader_init(&tar, archive.ptr, archive.len);
    while (!found && (rc = tar_next(&tar, &entry)) > 0)
        found = entry.type == TAR_FILE && str_eq(entry.path, STR("data"));
    if (found)
        buf_str(&r->reply.body, entry.data);
    tar_reader_fini(&tar);
    if (rc < 0)
        return rc;
    return found ? 0 : err_set(E_NOT_FOUND, "the archive has no main script");
}

int v6_get_script(struct request *r)
{
    int64_t id = 0;
    struct store_run run;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc < 0)
        return rc;
    struct str accept = request_header(r, "Accept");
    if (accept.len > 0 && memmem(accept.ptr, accept.len, "text/javascript", 15)) {
        CLEANUP(buf_fini) struct buf archive;
        buf_init(&archive, SERVER_REPLY_BYTES);
        rc = store_read_archive(r->server->store, id, &archive);
        if (rc == 0)
            rc = put_main_script(r, buf_view(&archive));
        r->reply.content_type = "text/javascript; charset=utf-8";
    } else {
        rc = store_read_archive(r->server->store, id, &r->reply.body);
        r->reply.content_type = "application/x-tar";
    }
    if (rc == 0)
        r->reply.status = 200;
    return rc;
}
