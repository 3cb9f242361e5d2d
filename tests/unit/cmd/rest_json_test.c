#include "cmd/rest_json.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_status(void **state)
{
    (void)state;
    struct control_status s = {
        .stage = CONTROL_RUNNING, .running = true, .vus = 2, .vus_max = 3, .tainted = true};
    struct buf out;
    buf_init(&out, 1000);
    rest_json_status(&out, &s);
    assert_string_equal(
        buf_cstr(&out),
        "{\"data\":{\"type\":\"status\",\"id\":\"default\",\"attributes\":{\"status\":7,\"paused\":"
        "false,\"vus\":2,\"vus-max\":3,\"stopped\":false,\"running\":true,\"tainted\":true}}}");
    buf_fini(&out);
}

static void test_patch(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        struct rest_patch patch;
    } good[] = {
        {"{}", {0}},
        {"{\"data\":null}", {0}},
        {"{\"data\":{\"attributes\":{\"paused\":null,\"vus\":null,\"stopped\":false}}}", {0}},
        {"{\"data\":{\"attributes\":{\"paused\":true}}}", {.has_paused = true, .paused = true}},
        {"{\"data\":{\"attributes\":{\"paused\":false,\"other\":[1]}}}", {.has_paused = true}},
        {"{\"data\":{\"attributes\":{\"vus\":-3,\"vus-max\":12}}}",
         {.has_vus = true, .vus = -3, .has_vus_max = true, .vus_max = 12}},
        {"{\"data\":{\"attributes\":{\"stopped\":true}}}", {.stopped = true}},
    };
    static const char *const bad[] = {
        "",
        "nope",
        "[]",
        "1",
        "{\"data\":{\"attributes\":{\"paused\":1}}}",
        "{\"data\":{\"attributes\":{\"stopped\":\"true\"}}}",
        "{\"data\":{\"attributes\":{\"vus\":1.5}}}",
        "{\"data\":{\"attributes\":{\"vus\":\"3\"}}}",
        "{\"data\":{\"attributes\":{\"vus\":9223372036854775808}}}",
    };
    struct rest_patch p;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(rest_json_patch(str_of(good[i].body), &p), 0);
        assert_memory_equal(&p, &good[i].patch, sizeof p);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(rest_json_patch(str_of(bad[i]), &p), E_CONFIG);
}

static void test_patch_there_and_back(void **state)
{
    (void)state;
    static const struct rest_patch cases[] = {
        {.stopped = true},
        {.has_paused = true},
        {.has_paused = true, .paused = true, .has_vus_max = true, .vus_max = 7},
        {.has_vus = true, .vus = 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rest_patch p;
        struct buf out;
        buf_init(&out, 1000);
        rest_json_write_patch(&out, &cases[i]);
        assert_int_equal(rest_json_patch(buf_view(&out), &p), 0);
        assert_memory_equal(&p, &cases[i], sizeof p);
        buf_fini(&out);
    }
}

static void test_setup(void **state)
{
    (void)state;
    struct buf data, out;
    buf_init(&data, 1000);
    buf_init(&out, 1000);
    assert_int_equal(rest_json_compact(STR(" { \"a\" : [ 1.50 , 12345678901234567890 ] } "), &data),
                     0);
    rest_json_setup(&out, true, buf_view(&data));
    assert_string_equal(buf_cstr(&out),
                        "{\"data\":{\"type\":\"setupData\",\"id\":\"default\",\"attributes\":{"
                        "\"data\":{\"a\":[1.50,12345678901234567890]}}}}");
    buf_reset(&out);
    rest_json_setup(&out, false, STR_EMPTY);
    assert_string_equal(buf_cstr(&out),
                        "{\"data\":{\"type\":\"setupData\",\"id\":\"default\",\"attributes\":{}}}");
    assert_int_equal(rest_json_compact(STR("{\"a\":}"), &data), E_CONFIG);
    buf_fini(&out);
    buf_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_patch_there_and_back),
        cmocka_unit_test(test_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
