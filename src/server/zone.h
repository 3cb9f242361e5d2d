/*
 * zone - time zones of the system's tz database (TZif files).
 */
#ifndef SERVER_ZONE_H
#define SERVER_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct zone_change {
    int64_t at_s;     /* from here on, Unix s */
    int32_t offset_s; /* local time is UTC and this */
};

struct zone {
    struct zone_change *changes; /* by time */
    size_t len;
    int32_t first_offset_s; /* before the first change */
};

/* "Europe/Berlin", "UTC"; E_CONFIG when there is no such zone.  Reads the disk. */
NODISCARD int zone_load(struct str name, struct zone *ret);
void zone_fini(struct zone *z);

/* What holds at that Unix time; after the last known change its offset goes on. */
int32_t zone_offset(const struct zone *z, int64_t s);
/* The Unix time of a local one; false when the clocks skip it. */
bool zone_to_utc(const struct zone *z, int64_t local_s, int64_t *ret_s);

#endif
