#include "server/quota.h"

#include <time.h>

#include "base/clock.h"
#include "server/vuh.h"
#include "store/project.h"

/* Midnight UTC of the month's first day. */
static int64_t month_start_ns(int64_t now_ns)
{
    time_t now = (time_t)(now_ns / NS_PER_S);
    struct tm tm;
    gmtime_r(&now, &tm);
    tm.tm_mday = 1;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    return (int64_t)timegm(&tm) * NS_PER_S;
}

static int refuse(struct request *r, const char *what, int64_t limit, double wanted)
{
    return reply_error(r, 403, 4, "limit_exceeded",
                       "the project is limited to %lld %s; this test would make it %.10g",
                       (long long)limit, what, wanted);
}

static int check_month(struct request *r, const struct store_limits *limits,
                       const struct store_new_run *run)
{
    struct store_usage used;
    struct vuh_cost cost;
    struct vuh_plan plan = {run->max_vus, run->max_browser_vus, run->estimated_duration};
    int rc =
        store_get_usage(r->server->store, limits->project_id, month_start_ns(run->now_ns), &used);
    if (rc < 0)
        return rc;
    vuh_cost_of(&plan, !run->cloud, &cost);
    double total = vuh_of_minutes(used.cloud_minutes, false) +
                   vuh_of_minutes(used.local_minutes, true) + cost.total;
    if (total > (double)limits->vuh_max)
        return refuse(r, "VU hours a month", limits->vuh_max, total);
    return 1;
}

int quota_check(struct request *r, int64_t project_id, const struct store_new_run *run)
{
    struct store_limits l;
    int rc = store_get_limits(r->server->store, project_id, &l);
    if (rc < 0)
        return rc;
    if (l.vus_max > 0 && run->max_vus > l.vus_max)
        return refuse(r, "virtual users a test", l.vus_max, (double)run->max_vus);
    if (l.browser_vus_max > 0 && run->max_browser_vus > l.browser_vus_max)
        return refuse(r, "browsers a test", l.browser_vus_max, (double)run->max_browser_vus);
    if (l.duration_max > 0 && run->estimated_duration > l.duration_max)
        return refuse(r, "seconds a test", l.duration_max, (double)run->estimated_duration);
    return l.vuh_max > 0 ? check_month(r, &l, run) : 1;
}
