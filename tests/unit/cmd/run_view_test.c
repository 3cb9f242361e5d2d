#include "cmd/run_view.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS NS_PER_MS

static void test_columns(void **state)
{
    (void)state;
    static const struct scenario constant = {.name = "c", .type = EXECUTOR_CONSTANT_VUS};
    static const struct scenario ramping = {.name = "r", .type = EXECUTOR_RAMPING_VUS};
    static const struct scenario shared = {.name = "s", .type = EXECUTOR_SHARED_ITERATIONS};
    static const struct scenario each = {
        .name = "p", .type = EXECUTOR_PER_VU_ITERATIONS, .iterations = {true, 4}};
    static const struct {
        struct scenario_status s;
        enum progress_status status;
        const char *columns[4];
    } cases[] = {
        {{.config = &constant,
          .state = SCENARIO_RUNNING,
          .elapsed_ns = 1000 * MS,
          .duration_ns = 2000 * MS,
          .vus = 1,
          .vus_max = 2},
         PROGRESS_RUNNING,
         {"2 VUs", "1.0s/2s"}},
        {{.config = &constant,
          .state = SCENARIO_DONE,
          .elapsed_ns = 2000 * MS,
          .duration_ns = 2000 * MS,
          .vus_max = 2},
         PROGRESS_DONE,
         {"2 VUs", "2s"}},
        {{.config = &constant,
          .state = SCENARIO_WAITING,
          .waiting_ns = 1500 * MS,
          .duration_ns = 2000 * MS,
          .vus_max = 2},
         PROGRESS_WAITING,
         {"waiting", "1.5s"}},
        {{.config = &ramping,
          .state = SCENARIO_RUNNING,
          .elapsed_ns = 1000 * MS,
          .duration_ns = 20000 * MS,
          .vus = 3,
          .vus_max = 50},
         PROGRESS_RUNNING,
         {"03/50 VUs", "01.0s/20.0s"}},
        {{.config = &shared,
          .state = SCENARIO_INTERRUPTED,
          .elapsed_ns = 1000 * MS,
          .duration_ns = 600000 * MS,
          .vus_max = 2,
          .iterations = 2,
          .iterations_total = 100},
         PROGRESS_INTERRUPTED,
         {"2 VUs", "00m01.0s/10m0s", "002/100 shared iters"}},
        {{.config = &each,
          .state = SCENARIO_STOPPING,
          .elapsed_ns = 1000 * MS,
          .duration_ns = 1000 * MS,
          .vus_max = 2,
          .iterations = 7,
          .iterations_total = 8},
         PROGRESS_STOPPING,
         {"2 VUs", "1s", "7/8 iters, 4 per VU"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct progress_bar bar;
        run_view_bar(&cases[i].s, &bar);
        assert_string_equal(bar.name, cases[i].s.config->name);
        assert_int_equal(bar.status, cases[i].status);
        uint32_t n = 0;
        for (; cases[i].columns[n] != NULL; n++)
            assert_string_equal(bar.columns[n], cases[i].columns[n]);
        assert_int_equal(bar.columns_len, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
