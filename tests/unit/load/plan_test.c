#include "load/plan.h"

#include "base/clock.h"
#include "load_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct planned {
    struct arena arena;
    struct options options;
    struct segment segment;
    struct plan plan;
};

static void plan_of(struct planned *p, const char *json, const char *segment)
{
    assert_int_equal(load_options(&p->arena, json, &p->options), 0);
    assert_int_equal(options_validate(&p->options, NULL, NULL), 0);
    assert_int_equal(segment_parse(segment, NULL, &p->segment), 0);
    assert_int_equal(plan_make(&p->options, &p->segment, &p->plan), 0);
}

static void planned_fini(struct planned *p)
{
    plan_fini(&p->plan);
    segment_fini(&p->segment);
    arena_fini(&p->arena);
}

/* Nobody is in two places, and everybody's list is in order. */
static void check_sound(const struct plan *p)
{
    for (uint32_t vu = 0; vu < p->vus; vu++)
        for (size_t i = p->first[vu]; i < p->first[vu + 1]; i++) {
            const struct window *w = &p->windows[i];
            assert_int_equal(w->vu, vu);
            assert_true(w->start_ns <= w->stop_ns && w->stop_ns <= w->hard_ns);
            bool last = i + 1 == p->first[vu + 1];
            if (w->hard_ns == INT64_MAX) {
                assert_false(last);
                assert_int_equal(w->scenario, w[1].scenario);
                assert_int_equal(w->index, w[1].index);
            } else if (!last) {
                assert_true(w->hard_ns <= w[1].start_ns);
            }
        }
    assert_int_equal(p->first[p->vus_most], p->windows_len);
}

static void test_vus(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *segment;
        uint32_t vus;
        int64_t end_s;
    } cases[] = {
        {"{}", NULL, 1, 630},
        {"{\"vus\":7,\"duration\":\"5s\"}", NULL, 7, 35},
        {"{\"vus\":3,\"iterations\":30}", NULL, 3, 630},
        {"{\"vus\":3}", NULL, 3, 630},
        {"{\"stages\":[{\"duration\":\"10s\",\"target\":10}]}", NULL, 10, 40},
        /* One after the other: the same virtual users. */
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"vus\":4,\"duration\":\"2s\","
         "\"gracefulStop\":\"1s\"},\"b\":{\"executor\":\"constant-vus\",\"vus\":3,"
         "\"duration\":\"2s\",\"startTime\":\"3s\",\"gracefulStop\":\"0s\"}}}",
         NULL, 4, 5},
        /* A second of overlap: others. */
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"vus\":4,\"duration\":\"2s\","
         "\"gracefulStop\":\"2s\"},\"b\":{\"executor\":\"constant-vus\",\"vus\":3,"
         "\"duration\":\"2s\",\"startTime\":\"3s\",\"gracefulStop\":\"0s\"}}}",
         NULL, 7, 5},
        {"{\"vus\":7,\"duration\":\"5s\"}", "0:1/2", 4, 35},
        {"{\"vus\":7,\"duration\":\"5s\"}", "1/2:1", 3, 35},
        {"{\"vus\":1,\"duration\":\"5s\"}", "1/2:1", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct planned p;
        plan_of(&p, cases[i].json, cases[i].segment);
        assert_int_equal(p.plan.vus, cases[i].vus);
        assert_int_equal(p.plan.end_ns, cases[i].end_s * NS_PER_S);
        check_sound(&p.plan);
        planned_fini(&p);
    }
}

/* The example of k6's own documentation of its reservation: never more than the highest target,
 * however often it goes up and down. */
static void test_ramp_reserves(void **state)
{
    (void)state;
    struct planned p;
    plan_of(&p,
            "{\"scenarios\":{\"r\":{\"executor\":\"ramping-vus\",\"startVUs\":4,\"stages\":["
            "{\"target\":6,\"duration\":\"2s\"},{\"target\":1,\"duration\":\"5s\"},"
            "{\"target\":5,\"duration\":\"4s\"},{\"target\":1,\"duration\":\"4s\"},"
            "{\"target\":4,\"duration\":\"3s\"},{\"target\":4,\"duration\":\"2s\"},"
            "{\"target\":1,\"duration\":\"0s\"},{\"target\":1,\"duration\":\"3s\"}]}}}",
            NULL);
    assert_int_equal(p.plan.vus, 6);
    check_sound(&p.plan);
    /* The sixth leaves at 3 s and may take until 33 s; the first stays to the end at 23 s and has
     * the graceful stop. */
    const struct window *sixth = NULL, *first = NULL;
    for (size_t i = 0; i < p.plan.windows_len; i++) {
        if (p.plan.windows[i].index == 5)
            sixth = &p.plan.windows[i];
        if (p.plan.windows[i].index == 0)
            first = &p.plan.windows[i];
    }
    if (sixth == NULL || first == NULL) {
        fail_msg("the first or the sixth has no window");
        return;
    }
    assert_int_equal(sixth->start_ns, 2 * NS_PER_S);
    assert_int_equal(sixth->stop_ns, 3 * NS_PER_S);
    assert_int_equal(sixth->hard_ns, 33 * NS_PER_S);
    assert_int_equal(first->stop_ns, 23 * NS_PER_S);
    assert_int_equal(first->hard_ns, 53 * NS_PER_S);
    planned_fini(&p);
}

/* Without a graceful ramp-down those who leave are free for others at once. */
static void test_ramp_frees(void **state)
{
    (void)state;
    struct planned p;
    plan_of(&p,
            "{\"scenarios\":{\"down\":{\"executor\":\"ramping-vus\",\"startVUs\":10,\"stages\":["
            "{\"target\":0,\"duration\":\"10s\"}],\"gracefulRampDown\":\"0s\","
            "\"gracefulStop\":\"0s\"},\"up\":{\"executor\":\"ramping-vus\",\"startVUs\":0,"
            "\"stages\":[{\"target\":10,\"duration\":\"10s\"}],\"gracefulStop\":\"0s\"}}}",
            NULL);
    check_sound(&p.plan);
    assert_int_equal(p.plan.vus, 10);
    planned_fini(&p);
}

static void test_shared_iterations_of_segments(void **state)
{
    (void)state;
    uint64_t sum = 0;
    static const char *const halves[] = {"0:1/2", "1/2:1"};
    for (size_t i = 0; i < 2; i++) {
        struct planned p;
        plan_of(&p, "{\"vus\":5,\"iterations\":11}", halves[i]);
        assert_int_equal(p.plan.scenarios_len, 1);
        sum += p.plan.scenarios[0].iterations;
        planned_fini(&p);
    }
    assert_int_equal(sum, 11);
}

/* Those that may be made later have numbers behind all planned ones. */
static void test_arrival_extras(void **state)
{
    (void)state;
    struct planned p;
    plan_of(&p,
            "{\"scenarios\":{\"a\":{\"executor\":\"constant-arrival-rate\",\"rate\":5,"
            "\"duration\":\"2s\",\"preAllocatedVUs\":2,\"maxVUs\":4},\"v\":{\"executor\":"
            "\"constant-vus\",\"vus\":3,\"duration\":\"1s\"}}}",
            NULL);
    assert_int_equal(p.plan.vus, 5);
    assert_int_equal(p.plan.vus_most, 7);
    assert_int_equal(p.plan.scenarios[0].vus_planned, 2);
    assert_int_equal(p.plan.scenarios[0].first_extra, 5);
    assert_int_equal(p.plan.windows[p.plan.first[5]].vu, 5);
    assert_int_equal(p.plan.windows[p.plan.first[6]].index, 3);
    check_sound(&p.plan);
    planned_fini(&p);
}

/* maxVUs of them are there from the beginning; without a duration it has no end, and the others'
 * lengths are what the test's is. */
static void test_external(void **state)
{
    (void)state;
    struct planned p;
    plan_of(&p,
            "{\"scenarios\":{\"e\":{\"executor\":\"externally-controlled\",\"vus\":2,\"maxVUs\":5,"
            "\"duration\":\"0\",\"startTime\":\"1s\"},\"v\":{\"executor\":\"constant-vus\","
            "\"vus\":3,\"duration\":\"2s\",\"gracefulStop\":\"0s\"}}}",
            NULL);
    assert_int_equal(p.plan.vus, 8);
    assert_int_equal(p.plan.vus_most, 8);
    assert_int_equal(p.plan.end_ns, 2 * NS_PER_S);
    assert_int_equal(p.plan.scenarios[1].vus, 5);
    assert_int_equal(p.plan.scenarios[1].stop_ns, PLAN_FOREVER_NS);
    check_sound(&p.plan);
    planned_fini(&p);
    /* One that ends gives its virtual users to what comes after it. */
    plan_of(&p,
            "{\"scenarios\":{\"e\":{\"executor\":\"externally-controlled\",\"vus\":5,"
            "\"duration\":\"1s\"},\"v\":{\"executor\":\"constant-vus\",\"vus\":3,\"duration\":"
            "\"2s\",\"startTime\":\"1s\"}}}",
            NULL);
    assert_int_equal(p.plan.vus, 5);
    check_sound(&p.plan);
    planned_fini(&p);
}

/* What has no work here is in the list of all, and nowhere else. */
static void test_all(void **state)
{
    (void)state;
    struct planned p;
    plan_of(&p,
            "{\"scenarios\":{\"b\":{\"executor\":\"constant-vus\",\"vus\":1,\"duration\":\"1s\"},"
            "\"a\":{\"executor\":\"constant-vus\",\"vus\":4,\"duration\":\"1s\"}}}",
            "3/4:1");
    assert_int_equal(p.plan.scenarios_len, 1);
    assert_string_equal(p.plan.scenarios[0].config->name, "a");
    assert_int_equal(p.plan.all_len, 2);
    assert_string_equal(p.plan.all[1]->name, "b");
    planned_fini(&p);
}

static void test_too_big(void **state)
{
    (void)state;
    struct planned p = {0};
    assert_int_equal(load_options(&p.arena, "{\"vus\":2000000,\"duration\":\"1s\"}", &p.options),
                     0);
    assert_int_equal(segment_whole(&p.segment), 0);
    assert_int_equal(plan_make(&p.options, &p.segment, &p.plan), E_LIMIT);
    planned_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vus),
        cmocka_unit_test(test_ramp_reserves),
        cmocka_unit_test(test_ramp_frees),
        cmocka_unit_test(test_shared_iterations_of_segments),
        cmocka_unit_test(test_arrival_extras),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_too_big),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
