#include "cmd/loki.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add(struct loki *l, int64_t wall_ns, enum log_level level, const char *message,
                const struct log_field *fields, int n)
{
    const struct log_line line = {wall_ns, level, message, fields, n};
    loki_add(l, &line);
}

static void expect(struct loki *l, const char *json)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(loki_take(l, &out));
    assert_string_equal(buf_cstr(&out), json);
    assert_false(loki_take(l, &out));
}

static void test_streams(void **state)
{
    (void)state;
    const struct loki_settings s = {.url = "http://h",
                                    .period_ns = NS_PER_S,
                                    .limit = 10,
                                    .message_max = 100,
                                    .labels = {{"app", "x\"y"}},
                                    .labels_len = 1};
    const struct log_field console = {"source", "console"};
    struct loki *l;
    assert_int_equal(loki_new_idle(&s, &l), 0);
    add(l, 1, LOG_INFO, "one", &console, 1);
    add(l, 2, LOG_WARNING, "two\n", NULL, 0);
    add(l, 3, LOG_INFO, "three", &console, 1);
    expect(l, "{\"streams\":["
              "{\"stream\":{\"app\":\"x\\\"y\",\"level\":\"info\",\"source\":\"console\"},"
              "\"values\":[[\"1\",\"one\"],[\"3\",\"three\"]]},"
              "{\"stream\":{\"app\":\"x\\\"y\",\"level\":\"warning\"},"
              "\"values\":[[\"2\",\"two\\n\"]]}]}");
    loki_free(l);
}

static void test_allowed_labels(void **state)
{
    (void)state;
    const struct loki_settings s = {.url = "http://h",
                                    .period_ns = NS_PER_S,
                                    .limit = 10,
                                    .message_max = 12,
                                    .allowed_set = true,
                                    .allowed = {"level"},
                                    .allowed_len = 1};
    const struct log_field fields[] = {{"a", "1"}, {"b", "2"}};
    struct loki *l;
    assert_int_equal(loki_new_idle(&s, &l), 0);
    add(l, 1, LOG_ERROR, "m", fields, 2);
    add(l, 2, LOG_ERROR, "äöüäöüäöüäöüß", NULL, 0);
    expect(l, "{\"streams\":[{\"stream\":{\"level\":\"error\"},\"values\":["
              "[\"1\",\"m a=1 b=2\"],"
              "[\"2\",\"äöüäöü... omitting 1 characters ...öüäöüß\"]]}]}");
    loki_free(l);
}

static void test_limit(void **state)
{
    (void)state;
    const struct loki_settings s = {
        .url = "http://h", .period_ns = NS_PER_S, .limit = 2, .message_max = 100};
    CLEANUP(buf_fini) struct buf out;
    struct loki *l;
    buf_init(&out, 1 << 20);
    assert_int_equal(loki_new_idle(&s, &l), 0);
    for (int i = 0; i < 5; i++)
        add(l, i, LOG_INFO, "x", NULL, 0);
    assert_true(loki_take(l, &out));
    assert_non_null(strstr(buf_cstr(&out), "\"3 log lines were left out: more than 2 within 1s\""));
    add(l, 9, LOG_INFO, "again", NULL, 0); /* the limit is a period's */
    buf_reset(&out);
    assert_true(loki_take(l, &out));
    assert_non_null(strstr(buf_cstr(&out), "again"));
    assert_null(strstr(buf_cstr(&out), "left out"));
    loki_free(l);
}

/* Without memory lines are left out, and counted. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    const struct loki_settings s = {
        .url = "http://h", .period_ns = NS_PER_S, .limit = 2, .message_max = 100};
    for (int n = 0; n < 12; n++) {
        CLEANUP(buf_fini) struct buf out;
        struct loki *l;
        buf_init(&out, 1 << 20);
        assert_int_equal(loki_new_idle(&s, &l), 0);
        mem_fail_countdown = n;
        add(l, 1, LOG_INFO, "x", NULL, 0);
        (void)loki_take(l, &out);
        mem_fail_countdown = -1;
        loki_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_allowed_labels),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
