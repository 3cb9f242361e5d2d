#include "cmd/log_sink.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static const int64_t when_ns = 1795326218 * NS_PER_S; /* 2026-11-22T05:43:38Z */

static void expect(const struct log_line *l, enum log_form form, const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    log_line_format(&out, l, form, when_ns - 65 * NS_PER_S);
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

static void test_forms(void **state)
{
    (void)state;
    const struct log_field fields[] = {{"hint", "script exception"}, {"source", "stacktrace"}};
    const struct log_line l = {.wall_ns = when_ns,
                               .level = LOG_ERROR,
                               .message = "Error: \"x\"\n\tat f",
                               .fields = fields,
                               .fields_len = 2};
    expect(&l, LOG_FORM_TEXT,
           "time=\"2026-11-22T05:43:38Z\" level=error msg=\"Error: \\\"x\\\"\\n\\tat f\" "
           "hint=\"script exception\" source=stacktrace\n");
    expect(&l, LOG_FORM_COLOR,
           "\033[31mERRO\033[0m[0065] Error: \"x\"\n\tat f"
           "                            " /* up to 44 columns */
           "  \033[31mhint\033[0m=\"script exception\" \033[31msource\033[0m=stacktrace\n");
    expect(&l, LOG_FORM_JSON,
           "{\"hint\":\"script exception\",\"level\":\"error\",\"msg\":\"Error: \\\"x\\\"\\n\\tat "
           "f\",\"source\":\"stacktrace\",\"time\":\"2026-11-22T05:43:38Z\"}\n");
    expect(&l, LOG_FORM_RAW, "Error: \"x\"\n\tat f\n");
}

static void test_quoting(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"td", "td"},
        {"a-b._/@^+1", "a-b._/@^+1"},
        {"", ""},
        {"a b", "\"a b\""},
        {"\xc3\xa4", "\"\xc3\xa4\""},
        {"\xff\x01", "\"\\xff\\x01\""},
        {"\\", "\"\\\\\""},
        {"\a\b\t\n\v\f\r", "\"\\a\\b\\t\\n\\v\\f\\r\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[128];
        const struct log_line l = {.wall_ns = when_ns, .level = LOG_INFO, .message = cases[i][0]};
        (void)snprintf(want, sizeof want, "time=\"2026-11-22T05:43:38Z\" level=info%s%s\n",
                       cases[i][1][0] == '\0' ? "" : " msg=", cases[i][1]);
        expect(&l, LOG_FORM_TEXT, want);
    }
}

int main(void)
{
    (void)setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_quoting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
