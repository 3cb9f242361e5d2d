#include "server/quota.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/vuh.h"
#include "store/project.h"
#include "store/query.h"
#include "store/usage.h"

static double vuh_of(const struct store_usage *u)
{
    return vuh_of_minutes(u->cloud_minutes, false) + vuh_of_minutes(u->local_minutes, true);
}

/* ---- before the start ---- */

/* k6 v2 shows what a 403 of the provisioning API says in words of its own; what a 400 says it shows
 * as it is. */
static int refuse(struct request *r, const char *what, int64_t limit, double wanted)
{
    int status = str_starts(r->path, STR("/provisioning/")) ? 400 : 403;
    return reply_error(r, status, 4, "limit_exceeded",
                       "the project is limited to %lld %s; this test would make it %.10g",
                       (long long)limit, what, wanted);
}

static int check_month(struct request *r, const struct store_limits *limits,
                       const struct store_new_run *run)
{
    struct store_usage used;
    struct vuh_cost cost;
    struct vuh_plan plan = {MAX(run->max_vus, 0), run->max_browser_vus,
                            MAX(run->estimated_duration, 0)};
    int rc = store_get_usage(r->server->store, limits->project_id, store_month(run->now_ns),
                             run->now_ns, &used);
    if (rc < 0)
        return rc;
    vuh_cost_of(&plan, !run->cloud, &cost);
    double total = vuh_of(&used) + cost.total;
    if (total > (double)limits->vuh_max)
        return refuse(r, "VU hours a month", limits->vuh_max, total);
    return 1;
}

int quota_check(struct request *r, int64_t project_id, const struct store_new_run *run)
{
    struct store_limits l;
    int64_t before = 0;
    int rc = store_get_limits(r->server->store, project_id, &l);
    if (rc == 0)
        rc = store_find_created(r->server->store, run->idempotency_key, &before);
    if (rc < 0 || before != 0)
        return rc < 0 ? rc : 1;
    if (l.vus_max > 0 && run->max_vus > l.vus_max)
        return refuse(r, "virtual users a test", l.vus_max, (double)run->max_vus);
    if (l.browser_vus_max > 0 && run->max_browser_vus > l.browser_vus_max)
        return refuse(r, "browsers a test", l.browser_vus_max, (double)run->max_browser_vus);
    if (l.duration_max > 0 && run->estimated_duration > l.duration_max)
        return refuse(r, "seconds a test", l.duration_max, (double)run->estimated_duration);
    return l.vuh_max > 0 ? check_month(r, &l, run) : 1;
}

/* ---- on the way ---- */

struct watch {
    struct server *server;
    int64_t now_ns;
    int64_t project_id; /* whose sum this is */
    int32_t month;
    double vuh; /* of what has ended, and of the open runs looked at so far, by what they took */
};

static void abort_run(struct server *s, int64_t id, const char *message)
{
    struct store_finish change = {
        .state = {.code = RUN_ABORTED_BY_LIMIT,
                  .entered_ns = clock_wall_ns(),
                  .message = str_of(message)},
        .result = RESULT_ERROR,
    };
    bool repeated = false;
    if (life_change(s, id, &change, &repeated) < 0)
        log_error("limit of test run %lld: %s", (long long)id, err_message());
    else
        log_info("test run %lld aborted: %s", (long long)id, message);
}

/* What the run has taken so far. */
static double vuh_so_far(const struct watch *w, const struct store_watched *run)
{
    if (run->started_ns == 0)
        return 0;
    struct vuh_cost cost;
    struct vuh_plan plan = {MAX(run->max_vus, 0), run->max_browser_vus,
                            MAX((w->now_ns - run->started_ns) / NS_PER_S, (int64_t)1)};
    vuh_cost_of(&plan, !run->cloud, &cost);
    return cost.total;
}

/* The most virtual users that the run has reported; 0 when it hasn't yet. */
static double vus_seen(struct server *s, int64_t run_id)
{
    struct query q = {.query = STR("sum(max by (instance_id))"),
                      .metric = STR("vus"),
                      .start_s = -1,
                      .end_s = -1};
    struct query_result result;
    double ret = 0;
    if (query_run(s->store, run_id, &q, &result) < 0) {
        err_clear();
        return 0;
    }
    if (result.len == 1 && result.series[0].len > 0)
        ret = result.series[0].points[0].value;
    query_result_fini(&result);
    return ret;
}

/* The oldest run of a project goes on as long as there are hours left. */
static void check_month_so_far(struct watch *w, const struct store_watched *run)
{
    char message[256];
    int32_t month = store_month(run->created_ns);
    if (run->project_id != w->project_id || month != w->month) {
        struct store_usage settled;
        if (store_get_settled(w->server->store, run->project_id, month, &settled) < 0)
            return;
        w->project_id = run->project_id;
        w->month = month;
        w->vuh = vuh_of(&settled);
    }
    w->vuh += vuh_so_far(w, run);
    if (w->vuh <= (double)run->vuh_max)
        return;
    snprintf(message, sizeof message,
             "The project is limited to %lld VU hours a month, and they are used up",
             (long long)run->vuh_max);
    abort_run(w->server, run->run_id, message);
}

/* More virtual users than the client has announced, or it has announced none. */
static void raise_vus(struct watch *w, struct store_watched *run, double vus)
{
    if (!(vus > (double)MAX(run->max_vus, 0)))
        return;
    run->max_vus = (int64_t)MIN(ceil(vus), (double)STORE_VUS_MAX);
    if (store_raise_vus(w->server->store, run->run_id, run->max_vus) < 0)
        log_warning("virtual users of test run %lld: %s", (long long)run->run_id, err_message());
}

static void check_run(struct watch *w, struct store_watched *run)
{
    char message[256];
    int64_t passed_s = run->started_ns > 0 ? (w->now_ns - run->started_ns) / NS_PER_S : 0;
    if (run->duration_max > 0 && passed_s > run->duration_max) {
        snprintf(message, sizeof message, "The project is limited to %lld seconds a test",
                 (long long)run->duration_max);
        abort_run(w->server, run->run_id, message);
        return;
    }
    bool counts = run->started_ns > 0 && (run->vus_max > 0 || run->vuh_max > 0);
    double vus = counts ? vus_seen(w->server, run->run_id) : 0;
    raise_vus(w, run, vus);
    if (run->vus_max > 0 && vus > (double)run->vus_max) {
        snprintf(message, sizeof message,
                 "The project is limited to %lld virtual users a test; this one has %.10g",
                 (long long)run->vus_max, vus);
        abort_run(w->server, run->run_id, message);
        return;
    }
    if (run->vuh_max > 0)
        check_month_so_far(w, run);
}

void quota_tick(struct server *s, int64_t mono_ns)
{
    if (mono_ns - s->quota_ns < SERVER_QUOTA_TICK_S * NS_PER_S)
        return;
    s->quota_ns = mono_ns;
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, STORE_ARENA_MAX);
    struct store_watched *list = NULL;
    size_t len = 0;
    struct watch w = {.server = s, .now_ns = clock_wall_ns()};
    if (store_list_watched(s->store, &a, &list, &len) < 0) {
        log_warning("limits: %s", err_message());
        return;
    }
    for (size_t i = 0; i < len; i++)
        check_run(&w, &list[i]);
}
