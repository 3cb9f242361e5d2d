/*
 * schedule - when tests are to be started: kept, not followed.
 */
#ifndef STORE_SCHEDULE_H
#define STORE_SCHEDULE_H

#include "store/store.h"

struct store_schedule {
    int64_t id;
    int64_t test_id;
    int64_t starts_ns;
    struct str recurrence; /* JSON object; NULL ptr: none */
    struct str cron;       /* likewise */
    bool deactivated;
    struct str created_by;
};

/* In place of the one that the test has; the id is given back in it. */
NODISCARD int store_put_schedule(struct store *s, struct store_schedule *schedule);
/* By its own id, or by its test's; E_NOT_FOUND. */
NODISCARD int store_get_schedule(struct store *s, int64_t id, int64_t test_id, struct arena *a,
                                 struct store_schedule *ret);
NODISCARD int store_list_schedules(struct store *s, const struct store_page *page, struct arena *a,
                                   struct store_schedule **ret, size_t *ret_len,
                                   int64_t *ret_total);
NODISCARD int store_activate_schedule(struct store *s, int64_t id, bool active);
NODISCARD int store_delete_schedule(struct store *s, int64_t id);

#endif
