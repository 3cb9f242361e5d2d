#include "server/project_setting.h"

#include "base/clock.h"
#include "server/body.h"
#include "server/run_json.h"
#include "store/project.h"

/* A second is a mistake, a week without a word is no run any more. */
enum { TIMEOUT_MIN_S = 10, TIMEOUT_MAX_S = 7 * 24 * 3600 };

int project_setting_show(struct request *r)
{
    struct store_project project;
    int64_t id = 0;
    int64_t timeout_s = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_project(r->server->store, id, &r->arena, &project);
    if (rc == 0)
        rc = store_get_run_timeout(r->server->store, id, &timeout_s);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    buf_byte(out, '{');
    run_json_int(out, "project_id", id);
    if (timeout_s > 0)
        run_json_int(out, "run_timeout_seconds", timeout_s);
    else
        json_null(out, "run_timeout_seconds");
    buf_byte(out, '}');
    return reply_json(r, 200);
}

static int set_timeout(struct request *r, int64_t id, yyjson_val *value)
{
    int64_t seconds = yyjson_is_null(value) ? 0 : yyjson_get_sint(value);
    if (!yyjson_is_null(value) &&
        (!yyjson_is_int(value) || seconds < TIMEOUT_MIN_S || seconds > TIMEOUT_MAX_S))
        return reply_field(r, "run_timeout_seconds", "out_of_range",
                           "a whole number from %d to %d, or null, is needed", TIMEOUT_MIN_S,
                           TIMEOUT_MAX_S);
    int rc = store_set_run_timeout(r->server->store, id, seconds);
    if (rc < 0)
        return rc;
    life_set_timeout(r->server, id, seconds > 0 ? seconds * NS_PER_S : r->server->run_timeout_ns);
    return 1;
}

int project_setting_change(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    size_t i, n;
    yyjson_val *key, *value;
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key, value)
    {
        if (!yyjson_equals_str(key, "run_timeout_seconds"))
            return reply_field(r, yyjson_get_str(key), "unknown_field", "is unknown");
        rc = set_timeout(r, id, value);
        if (rc <= 0)
            return rc;
    }
    return project_setting_show(r);
}
