#include "server/v6.h"

#include <errno.h>

#include "base/clock.h"
#include "server/archive.h"
#include "server/list.h"
#include "server/openapi.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/time_arg.h"

/* A server of one's own is one stack. */
enum { STACK_ID = 1 };

int v6_auth(struct request *r)
{
    buf_byte(&r->reply.body, '{');
    run_json_int(&r->reply.body, "stack_id", STACK_ID);
    run_json_int(&r->reply.body, "default_project_id", rights_default_project(r));
    buf_byte(&r->reply.body, '}');
    return reply_json(r, 200);
}

int v6_openapi(struct request *r)
{
    buf_append(&r->reply.body, openapi_text, openapi_text_len);
    return reply_json(r, 200);
}

int v6_not_here(struct request *r)
{
    return err_set(E_UNSUPPORTED, "%.*s is not supported by this server yet", STR_ARG(r->path));
}

/* ---- lists ---- */

static const struct list_order named_orders[] = {
    {"id", "id"}, {"name", "name"}, {"created", "created_ns"}, {"updated", "updated_ns"},
    {NULL, NULL},
};

static int put_project(struct request *r, const struct store_project *project)
{
    struct store_label *labels = NULL;
    size_t len = 0;
    int rc = store_list_labels(r->server->store, project->id, &r->arena, &labels, &len);
    if (rc == 0)
        project_json_put(&r->reply.body, project, labels, len);
    return rc;
}

int v6_list_projects(struct request *r)
{
    struct store_page page;
    struct store_project *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = list_page(r, named_orders, &page);
    if (rc == 0)
        rc = rights_visible(r, &page.visible);
    if (rc == 0)
        rc = store_list_projects(r->server->store, request_arg(r, "name"),
                                 request_arg(r, "name_search"), &page, &r->arena, &list, &len,
                                 &total);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len && rc == 0; i++) {
        list_item(r);
        rc = put_project(r, &list[i]);
    }
    if (rc < 0)
        return rc;
    return list_finish(r, &page, len, total);
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
    rc = put_project(r, &project);
    return rc < 0 ? rc : reply_json(r, 200);
}

static int list_tests(struct request *r, int64_t project_id)
{
    struct store_page page;
    struct store_test *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = list_page(r, named_orders, &page);
    if (rc == 0)
        rc = rights_visible(r, &page.visible);
    if (rc == 0)
        rc = store_list_tests(r->server->store, project_id, request_arg(r, "name"), &page,
                              &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        test_json_put(&r->reply.body, &list[i]);
    }
    return list_finish(r, &page, len, total);
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
    static const struct list_order orders[] = {
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
    int rc = list_page(r, orders, &page);
    if (rc == 0)
        rc = time_arg(r, "created_after", &filter.created_after_ns);
    if (rc == 0)
        rc = time_arg(r, "created_before", &filter.created_before_ns);
    if (rc == 0)
        rc = list_number(r, "project_id", 0, INT64_MAX, &filter.project_id);
    bool given = false;
    bool starred = false;
    if (rc == 0)
        rc = list_flag(r, "is_starred", &given, &starred);
    filter.starred = given && starred;
    filter.not_starred = given && !starred;
    if (rc == 0)
        rc = rights_visible(r, &page.visible);
    if (rc == 0)
        rc = store_list_runs(r->server->store, &filter, &page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        run_json_put(&r->reply.body, &list[i]);
    }
    return list_finish(r, &page, len, total);
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
                  .by_user = r->who.email,
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

int v6_put_script(struct request *r, int (*read)(struct store *s, int64_t id, struct buf *out),
                  int64_t id)
{
    struct str accept = request_header(r, "Accept");
    bool any = accept.len == 0 || memmem(accept.ptr, accept.len, "*/*", 3) ||
               memmem(accept.ptr, accept.len, "application/*", 13);
    bool tar = any || memmem(accept.ptr, accept.len, "application/x-tar", 17);
    bool text = accept.len > 0 && (memmem(accept.ptr, accept.len, "text/javascript", 15) ||
                                   memmem(accept.ptr, accept.len, "text/*", 6));
    int rc = 0;
    if (text) {
        CLEANUP(buf_fini) struct buf archive;
        buf_init(&archive, SERVER_REPLY_BYTES);
        rc = read(r->server->store, id, &archive);
        if (rc == 0)
            rc = archive_main_script(buf_view(&archive), &r->reply.body);
        r->reply.content_type = "text/javascript; charset=utf-8";
    } else if (tar) {
        rc = read(r->server->store, id, &r->reply.body);
        r->reply.content_type = "application/x-tar";
    } else {
        return reply_error(r, 406, 2, "not_acceptable",
                           "a script is to be had as text/javascript or application/x-tar");
    }
    if (rc == 0)
        r->reply.status = 200;
    return rc;
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
    return v6_put_script(r, store_read_archive, id);
}
