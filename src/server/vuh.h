/*
 * vuh - what a test costs in virtual user hours, by its options or by what it took.  Pure.
 *
 * VUH = virtual users × started minutes / 60; a browser counts ten times.  Executed by the client
 * itself a test costs a quarter less.
 */
#ifndef SERVER_VUH_H
#define SERVER_VUH_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/attr.h"
#include "base/buf.h"

struct vuh_plan {
    int64_t max_vus;         /* at once, browsers among them */
    int64_t max_browser_vus; /* at once */
    int64_t duration_s;      /* from the start to the last scenario's end, without graceful stops */
};

struct vuh_cost {
    double protocol;
    double browser;
    double base;      /* both */
    double reduction; /* part of it, 0 to 1 */
    double total;
};

/* By k6's options, with scenarios or the short forms; NULL or an empty object: one iteration by one
 * user.  E_CONFIG names what can't be. */
NODISCARD int vuh_plan_of(yyjson_val *options, struct vuh_plan *ret);

/* `local`: executed by the client. */
void vuh_cost_of(const struct vuh_plan *plan, bool local, struct vuh_cost *ret);

/* Of (virtual users, browsers ten times) × minutes, as the store adds them up. */
double vuh_of_minutes(int64_t minutes, bool local);

/* v6's breakdown, an object. */
void vuh_put_breakdown(struct buf *out, const struct vuh_cost *cost);

#endif
