#include "server/v6_schedules.h"

#include <errno.h>

#include "base/clock.h"
#include "server/body.h"
#include "server/calendar.h"
#include "server/list.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/time_arg.h"
#include "store/schedule.h"

/* ---- what a schedule says ---- */

static yyjson_doc *parse(struct str text)
{
    return text.ptr ? yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG) : NULL;
}

/* The next time after `now_ns`; 0: none. */
static int64_t next_run(const struct store_schedule *s, int64_t now_ns)
{
    CLEANUP(body_docp) yyjson_doc *rule = parse(s->recurrence);
    CLEANUP(body_docp) yyjson_doc *cron = parse(s->cron);
    int64_t next = 0;
    int rc = 0;
    if (rule)
        rc = calendar_next_by_rule(yyjson_doc_get_root(rule), s->starts_ns, now_ns, &next);
    else if (cron)
        rc = calendar_next_by_cron(yyjson_doc_get_root(cron), s->starts_ns, now_ns, &next);
    else
        next = s->starts_ns > now_ns ? s->starts_ns : 0;
    err_clear();
    return rc < 0 ? 0 : next;
}

static void put_object(struct buf *out, const char *name, struct str json)
{
    json_key(out, name);
    buf_str(out, json.ptr ? json : STR("null"));
}

static void put_schedule(struct buf *out, const struct store_schedule *s)
{
    buf_byte(out, '{');
    run_json_int(out, "id", s->id);
    run_json_int(out, "load_test_id", s->test_id);
    json_time(out, "starts", s->starts_ns);
    put_object(out, "recurrence_rule", s->recurrence);
    put_object(out, "cron", s->cron);
    run_json_bool(out, "deactivated", s->deactivated);
    json_time(out, "next_run", next_run(s, clock_wall_ns()));
    json_str(out, "created_by", s->created_by);
    buf_byte(out, '}');
}

static int find(struct request *r, bool by_test, struct store_schedule *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc < 0)
        return rc;
    return store_get_schedule(r->server->store, by_test ? 0 : id, by_test ? id : 0, &r->arena, ret);
}

static int show(struct request *r, bool by_test)
{
    struct store_schedule schedule;
    int rc = find(r, by_test, &schedule);
    if (rc < 0)
        return rc;
    put_schedule(&r->reply.body, &schedule);
    return reply_json(r, 200);
}

int v6_get_schedule(struct request *r)
{
    return show(r, false);
}

int v6_get_test_schedule(struct request *r)
{
    return show(r, true);
}

int v6_list_schedules(struct request *r)
{
    struct store_page page;
    struct store_schedule *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = list_page(r, NULL, &page);
    if (rc == 0)
        rc = rights_visible(r, &page.visible);
    if (rc == 0)
        rc = store_list_schedules(r->server->store, &page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        put_schedule(&r->reply.body, &list[i]);
    }
    return list_finish(r, &page, len, total);
}

/* ---- making and changing ---- */

/* 1, or 0 when the request has been answered. */
static int read_schedule(struct request *r, yyjson_val *body, struct store_schedule *s)
{
    yyjson_val *rule = yyjson_obj_get(body, "recurrence_rule");
    yyjson_val *cron = yyjson_obj_get(body, "cron");
    int64_t next = 0;
    int rc = time_parse(body_text(r, body, "starts"), &s->starts_ns);
    if (rc < 0)
        return reply_field(r, "starts", "not_a_time", "%s", err_message());
    if (yyjson_is_obj(rule) && yyjson_is_obj(cron))
        return reply_field(r, "cron", "not_allowed", "either recurrence_rule or cron, not both");
    if (yyjson_is_obj(rule)) {
        s->recurrence = body_json(r, rule);
        rc = calendar_next_by_rule(rule, s->starts_ns, 0, &next);
        if (rc < 0)
            return reply_field(r, "recurrence_rule", "not_valid", "%s", err_message());
    }
    if (yyjson_is_obj(cron)) {
        s->cron = body_json(r, cron);
        rc = calendar_next_by_cron(cron, s->starts_ns, 0, &next);
        if (rc < 0)
            return reply_field(r, "cron", "not_valid", "%s", err_message());
    }
    return 1;
}

int v6_put_test_schedule(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_test test;
    struct store_schedule s = {.created_by = r->who.email};
    int rc = request_id(r, 0, &s.test_id);
    if (rc == 0)
        rc = store_get_test(r->server->store, s.test_id, &r->arena, &test);
    if (rc == 0)
        rc = body_read(r, "CreateScheduleRequest", &doc);
    if (rc > 0)
        rc = read_schedule(r, yyjson_doc_get_root(doc), &s);
    if (rc <= 0)
        return rc;
    rc = store_put_schedule(r->server->store, &s);
    return rc < 0 ? rc : show(r, true);
}

int v6_delete_schedule(struct request *r)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_delete_schedule(r->server->store, id);
    return rc < 0 ? rc : reply_empty(r, 204);
}

int v6_activate_schedule(struct request *r)
{
    struct store_schedule s;
    int rc = find(r, false, &s);
    if (rc < 0)
        return rc;
    if (next_run(&s, clock_wall_ns()) == 0)
        return reply_conflict(r, "the schedule has expired");
    rc = store_activate_schedule(r->server->store, s.id, true);
    return rc < 0 ? rc : reply_empty(r, 204);
}

int v6_deactivate_schedule(struct request *r)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_activate_schedule(r->server->store, id, false);
    return rc < 0 ? rc : reply_empty(r, 204);
}
