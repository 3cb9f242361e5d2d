/*
 * calendar - when something that recurs happens next: recurrence rules and cron lines of schedules.
 *
 * All times are Unix nanoseconds.  A result is after `after_ns`, not before `starts_ns`, and 0 when
 * nothing follows (any more).  E_CONFIG says what is wrong with the rule.
 */
#ifndef SERVER_CALENDAR_H
#define SERVER_CALENDAR_H

#include <stdint.h>
#include <yyjson.h>

#include "base/attr.h"

/* {frequency, interval, byday, until, count} as ScheduleRecurrenceRule has it, in UTC. */
NODISCARD int calendar_next_by_rule(yyjson_val *rule, int64_t starts_ns, int64_t after_ns,
                                    int64_t *ret_ns);

/* {schedule, time_zone}: five fields or @daily and the like, in that zone of the system's tz
 * database. A local time that is skipped happens not at all, one that comes twice the first time.
 * May read the disk. */
NODISCARD int calendar_next_by_cron(yyjson_val *cron, int64_t starts_ns, int64_t after_ns,
                                    int64_t *ret_ns);

#endif
