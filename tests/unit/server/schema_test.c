#include "server/schema.h"

#include "base/buf.h"
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Every keyword refuses what it is there to refuse, and names the place. */
static void test_keywords(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *json;
        const char *target, *code; /* NULL: it is good */
    } cases[] = {
        {"CreateProjectApiModel", "{\"name\":\"a\",\"more\":1}", NULL, NULL},
        {"CreateProjectApiModel", "[]", "", "wrong_type"},
        {"CreateProjectApiModel", "null", "", "wrong_type"},
        {"CreateProjectApiModel", "{}", "name", "required"},
        {"CreateProjectApiModel", "{\"name\":null}", "name", "wrong_type"},
        {"CreateProjectApiModel", "{\"name\":\"\"}", "name", "too_short"},
        {"PatchProjectApiModel", "{\"name\":\"a\",\"more\":1}", "more", "unknown_field"},
        {"PatchProjectLimitsRequest", "{\"vu_max_per_test\":null}", NULL, NULL},
        {"PatchProjectLimitsRequest", "{\"vu_max_per_test\":1.0}", NULL, NULL},
        {"PatchProjectLimitsRequest", "{\"vu_max_per_test\":1.5}", "vu_max_per_test", "wrong_type"},
        {"PatchProjectLimitsRequest", "{\"vu_max_per_test\":-1.5}", "vu_max_per_test",
         "wrong_type"},
        {"PatchProjectLimitsRequest", "{\"vu_max_per_test\":18446744073709551615}",
         "vu_max_per_test", "wrong_type"},
        {"PatchProjectLimitsRequest", "{\"vu_max_per_test\":0}", "vu_max_per_test", "too_small"},
        {"StartLocalExecutionTestRequest",
         "{\"options\":{},\"max_vus\":1,\"total_duration\":1,\"archive_size\":100000000}", NULL,
         NULL},
        {"StartLocalExecutionTestRequest",
         "{\"options\":{},\"max_vus\":1,\"total_duration\":1,\"archive_size\":100000001}",
         "archive_size", "too_large"},
        {"StartLocalExecutionTestRequest",
         "{\"options\":{},\"max_vus\":1,\"total_duration\":1,\"instances\":0}", "instances",
         "too_small"},
        {"ScriptExecutionCompletedNotificationApiModel",
         "{\"event_type\":\"script_execution_completed\",\"error\":null}", NULL, NULL},
        {"ScriptExecutionCompletedNotificationApiModel", "{\"event_type\":\"x\"}", "event_type",
         "not_allowed"},
        {"ScriptExecutionCompletedNotificationApiModel",
         "{\"event_type\":\"script_execution_completed\",\"error\":{\"code\":1}}", "error.reason",
         "required"},
        {"ScriptExecutionCompletedNotificationApiModel",
         "{\"event_type\":\"script_execution_completed\",\"error\":7}", "error", "wrong_type"},
        {"LabelKeyCreateRequest", "{\"value\":[]}", "value", "too_few"},
        {"LabelKeyCreateRequest", "{\"value\":[{\"key\":\"a\"},{\"key\":\"b c\"}]}", "value.1.key",
         "bad_characters"},
        {"LabelKeyCreateRequest", "{\"value\":[{\"key\":\"a\\u00a0b\"}]}", "value.0.key",
         "bad_characters"},
        {"LabelKeyCreateRequest", "{\"value\":[{\"key\":\"\\u00e4\\u6f22\"}]}", NULL, NULL},
        {"CreateScheduleRequest", "{\"starts\":\"2026-01-01T00:00:00Z\"}", NULL, NULL},
        {"CreateScheduleRequest", "{\"starts\":\"2026-01-01\"}", "starts", "not_a_time"},
        {"CreateScheduleRequest", "{\"starts\":\"1767225600\"}", "starts", "not_a_time"},
        {"CreateScheduleRequest",
         "{\"starts\":\"2026-01-01T00:00:00Z\",\"recurrence_rule\":{\"frequency\":\"DAILY\","
         "\"byday\":[\"XX\"]}}",
         "recurrence_rule.byday.0", "not_allowed"},
        {"ValidateOptionsRequest", "{\"options\":{},\"k6_dependencies\":{\"k6\":1}}",
         "k6_dependencies.k6", "wrong_type"},
        {"CostBreakdownApiModel",
         "{\"protocol_vuh\":\"1\",\"browser_vuh\":0,\"base_total_vuh\":0.5,\"reduction_rate\":0,"
         "\"reduction_rate_breakdown\":{\"a\":\"b\"}}",
         NULL, NULL},
        {"CostBreakdownApiModel",
         "{\"protocol_vuh\":true,\"browser_vuh\":0,\"base_total_vuh\":0.5,\"reduction_rate\":0,"
         "\"reduction_rate_breakdown\":null}",
         "protocol_vuh", "wrong_type"},
    };
    struct schema *s = NULL;
    assert_int_equal(schema_open(&s), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        arena_init(&a, 1 << 20);
        struct schema_problems p = {.arena = &a};
        yyjson_doc *doc = yyjson_read(cases[i].json, strlen(cases[i].json), 0);
        assert_non_null(doc);
        schema_check(s, cases[i].schema, yyjson_doc_get_root(doc), &p);
        if (!cases[i].code && p.len > 0)
            fail_msg("%s: %.*s %s", cases[i].json, STR_ARG(p.list[0].target), p.list[0].message);
        if (cases[i].code) {
            if (p.len == 0)
                fail_msg("%s: nothing is wrong", cases[i].json);
            assert_string_equal(p.list[0].code, cases[i].code);
            assert_string_equal(p.list[0].target.ptr, cases[i].target);
        }
        yyjson_doc_free(doc);
        arena_fini(&a);
    }
    schema_close(s);
}

/* Many mistakes are told up to a number, and cost no more than that. */
static void test_many_problems(void **state)
{
    (void)state;
    struct schema *s = NULL;
    struct arena a;
    arena_init(&a, 1 << 20);
    struct schema_problems p = {.arena = &a};
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_z(&text, "{\"value\":[");
    for (int i = 0; i < 100; i++)
        buf_z(&text, i ? ",{\"key\":\"\"}" : "{\"key\":\"\"}");
    buf_z(&text, "]}");
    yyjson_doc *doc = yyjson_read((const char *)text.data, text.len, 0);
    assert_int_equal(schema_open(&s), 0);
    schema_check(s, "LabelKeyCreateRequest", yyjson_doc_get_root(doc), &p);
    assert_int_equal(p.len, SCHEMA_PROBLEMS_MAX);
    yyjson_doc_free(doc);
    buf_fini(&text);
    arena_fini(&a);
    schema_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_many_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
