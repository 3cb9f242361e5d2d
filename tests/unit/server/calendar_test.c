#include "server/calendar.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "server/time_arg.h"
#include "server/zone.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int64_t at(const char *text)
{
    int64_t ns = 0;
    if (!text)
        return 0;
    assert_int_equal(time_parse(str_of(text), &ns), 0);
    return ns;
}

typedef int next_fn(yyjson_val *rule, int64_t starts_ns, int64_t after_ns, int64_t *ret_ns);

static void check(next_fn *next, const char *json, const char *starts, const char *after,
                  const char *want)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    int64_t found = 0;
    char text[40] = "nothing";
    assert_non_null(doc);
    if (next(yyjson_doc_get_root(doc), at(starts), at(after), &found) < 0)
        fail_msg("%s: %s", json, err_message());
    if (found)
        clock_format_utc(found, 0, text);
    if (found != at(want))
        fail_msg("%s from %s, after %s: %s, not %s", json, starts, after, text, want);
    yyjson_doc_free(doc);
}

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *starts, *after, *want;
    } cases[] = {
        {"{\"frequency\":\"HOURLY\"}", "2026-01-01T00:30:00Z", "2026-01-01T00:30:00Z",
         "2026-01-01T01:30:00Z"},
        {"{\"frequency\":\"HOURLY\",\"interval\":5}", "2026-01-01T00:00:00Z",
         "2026-03-01T00:00:00Z", "2026-03-01T04:00:00Z"},
        {"{\"frequency\":\"DAILY\"}", "2026-01-01T10:00:00Z", "2025-01-01T00:00:00Z",
         "2026-01-01T10:00:00Z"},
        {"{\"frequency\":\"DAILY\",\"count\":3}", "2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z",
         "2026-01-03T10:00:00Z"},
        {"{\"frequency\":\"DAILY\",\"count\":3}", "2026-01-01T10:00:00Z", "2026-01-03T10:00:00Z",
         NULL},
        {"{\"frequency\":\"DAILY\",\"until\":\"2026-01-03T10:00:00Z\"}", "2026-01-01T10:00:00Z",
         "2026-01-02T10:00:00Z", "2026-01-03T10:00:00Z"},
        {"{\"frequency\":\"DAILY\",\"until\":\"2026-01-03T09:59:59Z\"}", "2026-01-01T10:00:00Z",
         "2026-01-02T10:00:00Z", NULL},
        /* 2026-01-01 was a Thursday. */
        {"{\"frequency\":\"WEEKLY\"}", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z",
         "2026-01-08T10:00:00Z"},
        {"{\"frequency\":\"WEEKLY\",\"byday\":[\"MO\",\"FR\"]}", "2026-01-01T10:00:00Z",
         "2025-12-01T00:00:00Z", "2026-01-02T10:00:00Z"},
        {"{\"frequency\":\"WEEKLY\",\"byday\":[\"MO\",\"FR\"]}", "2026-01-01T10:00:00Z",
         "2026-01-02T10:00:00Z", "2026-01-05T10:00:00Z"},
        {"{\"frequency\":\"WEEKLY\",\"interval\":2,\"byday\":[\"MO\"]}", "2026-01-01T10:00:00Z",
         "2026-01-01T10:00:00Z", "2026-01-12T10:00:00Z"},
        {"{\"frequency\":\"WEEKLY\",\"byday\":[\"MO\",\"FR\"],\"count\":2}", "2026-01-01T10:00:00Z",
         "2026-01-05T10:00:00Z", NULL},
        {"{\"frequency\":\"WEEKLY\",\"byday\":[\"SU\"]}", "2026-01-01T10:00:00Z",
         "2036-01-01T00:00:00Z", "2036-01-06T10:00:00Z"},
        /* Held within the month, and back to the day after it. */
        {"{\"frequency\":\"MONTHLY\"}", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z",
         "2026-02-28T10:00:00Z"},
        {"{\"frequency\":\"MONTHLY\"}", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z",
         "2026-03-31T10:00:00Z"},
        {"{\"frequency\":\"MONTHLY\",\"interval\":13}", "2026-12-15T00:00:00Z",
         "2026-12-15T00:00:00Z", "2028-01-15T00:00:00Z"},
        {"{\"frequency\":\"YEARLY\"}", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z",
         "2025-02-28T00:00:00Z"},
        {"{\"frequency\":\"YEARLY\",\"interval\":100000}", "2024-02-29T00:00:00Z",
         "2024-03-01T00:00:00Z", NULL},
        {"{\"frequency\":\"YEARLY\"}", "2024-02-29T00:00:00Z", "2027-12-31T00:00:00Z",
         "2028-02-29T00:00:00Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(calendar_next_by_rule, cases[i].rule, cases[i].starts, cases[i].after, cases[i].want);
}

static void test_cron(void **state)
{
    (void)state;
    static const struct {
        const char *schedule, *zone, *after, *want;
    } cases[] = {
        {"*/15 * * * *", "UTC", "2026-01-01T00:07:00Z", "2026-01-01T00:15:00Z"},
        {"0 0 1 1 *", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
        {"@yearly", "UTC", "2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"},
        {"@hourly", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
        {"30 9 * * MON-FRI", "UTC", "2026-01-02T09:30:00Z", "2026-01-05T09:30:00Z"},
        {"0 12 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T12:00:00Z"},
        /* Either the day or the weekday. */
        {"0 0 13 * FRI", "UTC", "2026-01-03T00:00:00Z", "2026-01-09T00:00:00Z"},
        {"0 0 13 * FRI", "UTC", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"},
        {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 31 2 *", "UTC", "2026-01-01T00:00:00Z", NULL},
        {"5,35 1-3/2 * jan,dec *", "UTC", "2026-01-01T01:35:00Z", "2026-01-01T03:05:00Z"},
        {"  0   6  *  *  *  ", "UTC", "2026-01-01T07:00:00Z", "2026-01-02T06:00:00Z"},
        /* Winter and summer time. */
        {"0 9 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T08:00:00Z"},
        {"0 9 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z"},
        /* 2:30 isn't there on the last Sunday of March, and twice on that of October. */
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
        {"0 0 * * *", "America/New_York", "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z"},
        {"0 0 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T18:30:00Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char json[256];
        struct zone z = {0};
        if (zone_load(str_of(cases[i].zone), &z) < 0)
            continue; /* a machine without that part of the tz database */
        zone_fini(&z);
        snprintf(json, sizeof json, "{\"schedule\":\"%s\",\"time_zone\":\"%s\"}", cases[i].schedule,
                 cases[i].zone);
        check(calendar_next_by_cron, json, "2020-01-01T00:00:00Z", cases[i].after, cases[i].want);
    }
    check(calendar_next_by_cron, "{\"schedule\":\"@daily\",\"time_zone\":\"UTC\"}",
          "2026-05-05T00:00:00Z", "2026-01-01T00:00:00Z", "2026-05-05T00:00:00Z");
}

static void test_bad_cron(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "x * * * *",
        "1,,2 * * * *",
        "@often",
        "99999999999999999999 * * * *",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char json[256];
        int64_t found = 0;
        snprintf(json, sizeof json, "{\"schedule\":\"%s\",\"time_zone\":\"UTC\"}", cases[i]);
        yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
        if (calendar_next_by_cron(yyjson_doc_get_root(doc), 0, 0, &found) != E_CONFIG)
            fail_msg("\"%s\" was taken", cases[i]);
        yyjson_doc_free(doc);
    }
    struct zone z = {0};
    static const char *const zones[] = {"",       "/etc/passwd", "../x", "Europe/../Europe/Berlin",
                                        "Europe", "No/Where"};
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        assert_int_equal(zone_load(str_of(zones[i]), &z), E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_cron),
        cmocka_unit_test(test_bad_cron),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
