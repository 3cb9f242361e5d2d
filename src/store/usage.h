/*
 * usage - what a project's runs add up to in a calendar month (UTC), for virtual user hours.
 *
 * A run belongs to the month in which it was created.  When it ends its minutes are written down,
 * and stay when the run is deleted; while it is open it counts as planned, or by the time that it
 * has taken when that is more.
 */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include "store/store.h"

/* (virtual users, browsers ten times) × started minutes, apart for runs that clients executed
 * themselves. */
struct store_usage {
    int64_t project_id;
    int32_t month; /* 202611 */
    int64_t runs;
    int64_t cloud_minutes;
    int64_t local_minutes;
};

/* The month of a time. */
int32_t store_month(int64_t wall_ns);

/* All zero when nothing ran. */
NODISCARD int store_get_usage(struct store *s, int64_t project_id, int32_t month, int64_t now_ns,
                              struct store_usage *ret);

/* Of the months `from` to `to`, of the projects of page->visible: only those in which something
 * ran, the newest month first, then by project. */
NODISCARD int store_list_usage(struct store *s, int32_t from, int32_t to, int64_t now_ns,
                               const struct store_page *page, struct arena *a,
                               struct store_usage **ret, size_t *ret_len, int64_t *ret_total);

/* An open run of a project that has limits. */
struct store_watched {
    int64_t run_id;
    int64_t project_id;
    int64_t created_ns;
    int64_t started_ns;      /* when it began to run; 0: not yet */
    int64_t max_vus;         /* -1: unknown */
    int64_t max_browser_vus; /* among them */
    bool cloud;
    int64_t vuh_max; /* limits of its project, 0: none */
    int64_t vus_max;
    int64_t duration_max; /* s */
};

/* By project, then oldest first. */
NODISCARD int store_list_watched(struct store *s, struct arena *a, struct store_watched **ret,
                                 size_t *ret_len);
/* Who says less than it takes pays for what it takes: the run's users are at least so many. */
NODISCARD int store_raise_vus(struct store *s, int64_t run_id, int64_t vus);
/* What has been written down for ended runs alone. */
NODISCARD int store_get_settled(struct store *s, int64_t project_id, int32_t month,
                                struct store_usage *ret);

#endif
