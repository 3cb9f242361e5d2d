#include "server/v6_runs.h"

#include <errno.h>

#include "server/body.h"
#include "server/run_json.h"
#include "store/run_mark.h"

int v6_change_run(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_run run;
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc == 0)
        rc = body_read(r, "PatchTestRunApiModel", &doc);
    if (rc <= 0)
        return rc;
    rc = store_set_note(r->server->store, id, body_text(r, yyjson_doc_get_root(doc), "note"));
    if (rc < 0)
        return rc;
    run_json_publish(r->server, id);
    return reply_empty(r, 204);
}

int v6_delete_run(struct request *r)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_delete_run(r->server->store, id);
    if (rc == -EBUSY)
        return reply_conflict(r, "%s", err_message());
    return rc < 0 ? rc : reply_empty(r, 204);
}

static int mark(struct request *r, enum store_mark which, bool on)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_set_mark(r->server->store, id, which, on);
    if (rc < 0)
        return rc;
    run_json_publish(r->server, id);
    return reply_empty(r, 204);
}

int v6_star_run(struct request *r)
{
    return mark(r, MARK_STARRED, true);
}

int v6_unstar_run(struct request *r)
{
    return mark(r, MARK_STARRED, false);
}

int v6_save_run(struct request *r)
{
    return mark(r, MARK_SAVED, true);
}

int v6_unsave_run(struct request *r)
{
    return mark(r, MARK_SAVED, false);
}

int v6_get_distribution(struct request *r)
{
    struct store_run run;
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc < 0)
        return rc;
    return err_set(E_NOT_FOUND, "test run %lld was not distributed over load zones", (long long)id);
}
