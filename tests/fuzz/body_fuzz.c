#include "base/err.h"
#include "server/calendar.h"
#include "server/schema.h"
#include "server/vuh.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JSON as a client may send it: held against the schemas, and read as options and as schedules. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "StartLocalExecutionTestRequest", "ScriptExecutionCompletedNotificationApiModel",
        "CreateScheduleRequest",          "LabelKeyCreateRequest",
        "PatchProjectLimitsRequest",      "ValidateOptionsRequest",
    };
    static struct schema *schema; /* made once: it is large */
    if (!schema && schema_open(&schema) < 0)
        return 0;
    yyjson_doc *doc = yyjson_read((const char *)data, size, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, 1 << 24);
    for (size_t i = 0; doc && i < ARRAY_LEN(names); i++) {
        struct schema_problems problems = {.arena = &a};
        schema_check(schema, names[i], root, &problems);
        CHECK(problems.len <= SCHEMA_PROBLEMS_MAX);
    }
    struct vuh_plan plan;
    if (vuh_plan_of(yyjson_obj_get(root, "options"), &plan) == 0)
        CHECK(plan.max_vus >= plan.max_browser_vus && plan.duration_s >= 0);
    static const int64_t starts_ns = 1767225600000000000, after_ns = 1800000000000000000;
    int64_t next_ns = 0;
    if (calendar_next_by_rule(yyjson_obj_get(root, "recurrence_rule"), starts_ns, after_ns,
                              &next_ns) == 0)
        CHECK(next_ns == 0 || next_ns > after_ns);
    if (calendar_next_by_cron(yyjson_obj_get(root, "cron"), starts_ns, after_ns, &next_ns) == 0)
        CHECK(next_ns == 0 || next_ns > after_ns);
    yyjson_doc_free(doc);
    return 0;
}
