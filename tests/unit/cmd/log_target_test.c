#include "cmd/log_target.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct arena *a, struct log_target *t)
{
    arena_init(a, 1 << 20);
    return log_target_parse(text, a, t);
}

static void test_plain(void **state)
{
    (void)state;
    struct arena a;
    struct log_target t;
    assert_int_equal(parse("stdout", &a, &t), 0);
    assert_int_equal(t.kind, LOG_TARGET_STDOUT);
    arena_fini(&a);
    assert_int_equal(parse("file=/x/y.log,level=warn", &a, &t), 0);
    assert_int_equal(t.kind, LOG_TARGET_FILE);
    assert_string_equal(t.path, "/x/y.log");
    assert_int_equal(t.level, LOG_WARNING);
    arena_fini(&a);
    assert_int_equal(parse("file=x,level=FATAL", &a, &t), 0);
    assert_true(t.silent);
    arena_fini(&a);
}

static void test_loki(void **state)
{
    (void)state;
    struct arena a;
    struct log_target t;
    assert_int_equal(parse("loki", &a, &t), 0);
    assert_string_equal(t.loki.url, "http://127.0.0.1:3100/loki/api/v1/push");
    assert_int_equal(t.loki.limit, 100);
    assert_int_equal(t.loki.message_max, 1 << 20);
    assert_int_equal(t.loki.period_ns, NS_PER_S);
    assert_false(t.loki.allowed_set);
    arena_fini(&a);
    assert_int_equal(parse("loki=http://h:1/p,limit=7,msgMaxSize=9,pushPeriod=1m30s,profile=true,"
                           "level=error,allowedLabels=[a,b],label.x=1,header.H=v=w",
                           &a, &t),
                     0);
    assert_string_equal(t.loki.url, "http://h:1/p");
    assert_int_equal(t.loki.limit, 7);
    assert_int_equal(t.loki.message_max, 9);
    assert_int_equal(t.loki.period_ns, 90 * NS_PER_S);
    assert_true(t.loki.profile);
    assert_int_equal(t.level, LOG_ERROR);
    assert_int_equal(t.loki.allowed_len, 2);
    assert_string_equal(t.loki.allowed[1], "b");
    assert_string_equal(t.loki.labels[0].key, "x");
    assert_string_equal(t.loki.headers[0].value, "v=w");
    arena_fini(&a);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"x", "unsupported log output 'x'"},
        {"", "unsupported log output ''"},
        {"lok=http://h,header.Authorization=secret", "unsupported log output 'lok'"},
        {"file", "logfile configuration should be in the form `file=path-to-local-file` but is "
                 "`file`"},
        {"file=", "key `file=` with no value"},
        {"file=,level=info", "filepath must not be empty"},
        {"file=x,level", "key `level` with no value"},
        {"file=x,level=loud", "unknown log level loud"},
        {"file=x,size=1", "unknown logfile config key size"},
        {"lokix", "loki configuration should be in the form `loki=url-to-push` but is `lokix`"},
        {"loki=u,limit=x", "couldn't parse the loki limit as a number: 'x'"},
        {"loki=u,limit=0", "loki limit needs to be a positive number, is 0"},
        {"loki=u,msgMaxSize=-1", "loki msgMaxSize needs to be a positive number, is -1"},
        {"loki=u,pushPeriod=5", "couldn't parse the loki pushPeriod: time: missing unit in "
                                "duration \"5\""},
        {"loki=u,pushPeriod=0s", "couldn't parse the loki pushPeriod: '0s' is less than 1ms"},
        {"loki=u,foo=1", "unknown loki config key foo"},
        {"loki=u,allowedLabels=[a", "array value for key `allowedLabels` didn't end"},
        {"loki=u,allowedLabels=[a]b", "there was no ',' after an array with key 'allowedLabels'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct log_target t;
        assert_int_equal(parse(cases[i].text, &a, &t), E_CONFIG);
        assert_string_equal(err_message(), cases[i].message);
        assert_int_equal(err_get()->exit_code, 255);
        arena_fini(&a);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf text;
    struct arena a;
    struct log_target t;
    buf_init(&text, 1 << 16);
    buf_z(&text, "loki=u");
    for (int i = 0; i <= LOG_TARGET_PAIRS_MAX; i++)
        buf_printf(&text, ",label.l%d=1", i);
    assert_int_equal(parse(buf_cstr(&text), &a, &t), E_CONFIG);
    assert_string_equal(err_message(), "more than 64 labels for loki");
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_loki),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
