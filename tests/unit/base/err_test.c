#include "base/err.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_causes_join(void **state)
{
    (void)state;
    int rc = err_set_errno(-ENOENT, "stat %s", "a.js");
    rc = err_wrap(rc, "open script");
    assert_int_equal(rc, -ENOENT);
    assert_string_equal(err_message(), "open script: stat a.js: no such file or directory");

    rc = err_wrap(-ETIMEDOUT, "read"); /* nobody had left a message for that one */
    assert_string_equal(err_message(), "read: connection timed out");

    (void)err_hint(err_exit(rc, 107), "try %d", 2);
    assert_int_equal(err_get()->exit_code, 107);
    assert_string_equal(err_get()->hint, "try 2");
    err_clear();
    assert_string_equal(err_message(), "no error");
}

static void test_long_messages_end_in_an_ellipsis(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)err_set(E_CONFIG, "%s", text);
    size_t len = strlen(err_message());
    assert_true(len < ERR_MESSAGE_MAX);
    assert_string_equal(err_message() + len - 3, "\xe2\x80\xa6");
    (void)err_wrap(E_CONFIG, "more");
    assert_memory_equal(err_message(), "more: xxx", 9);
}

static void test_slots(void **state)
{
    (void)state;
    static struct err slot;
    (void)err_set(E_EOF, "outside");
    struct err *before = err_switch(&slot);
    (void)err_set(E_TLS, "inside");
    assert_ptr_equal(err_switch(before), &slot);
    assert_string_equal(err_message(), "outside");
    assert_string_equal(slot.message, "inside");
}

static void test_arena(void **state)
{
    (void)state;
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, 100000);
    char *p = arena_dup(&a, STR("first"));
    struct arena_mark m = arena_mark(&a);
    size_t total = a.total;
    for (int i = 0; i < 1000; i++)
        if (arena_alloc(&a, 100) == NULL)
            break;
    assert_true(a.total <= 100000);
    assert_null(arena_alloc(&a, 100001));
    assert_null(arena_calloc(&a, SIZE_MAX, 2));
    arena_rewind(&a, m);
    assert_int_equal(a.total, total);
    assert_string_equal(p, "first");
    assert_string_equal(arena_printf(&a, "%d-%s", 5, "x"), "5-x");
}

static void test_times(void **state)
{
    (void)state;
    char out[40];
    clock_format_utc(1795329636567513988, 0, out);
    assert_string_equal(out, "2026-11-22T06:40:36Z");
    clock_format_utc(1795329636067513988, 3, out);
    assert_string_equal(out, "2026-11-22T06:40:36.067Z");
    clock_format_utc(-1, 9, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999999999Z");
}

static void remember(void *arg, const struct log_line *line)
{
    char *out = arg;
    strncat(out, line->message, 100);
    for (int i = 0; i < line->fields_len; i++)
        strncat(out, line->fields[i].key, 10);
}

static void test_log(void **state)
{
    (void)state;
    char out[400] = "";
    assert_false(log_wants(LOG_ERROR));
    assert_int_equal(log_add_sink(LOG_WARNING, remember, out), 0);
    assert_true(log_wants(LOG_ERROR) && !log_wants(LOG_INFO));
    log_info("no");
    log_fields(LOG_ERROR, "yes ", (struct log_field[]){{"b", "2"}, {"a", "1"}}, 2);
    log_remove_sink(remember, out);
    log_error("gone");
    assert_string_equal(out, "yes ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_causes_join), cmocka_unit_test(test_long_messages_end_in_an_ellipsis),
        cmocka_unit_test(test_slots),       cmocka_unit_test(test_arena),
        cmocka_unit_test(test_times),       cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
