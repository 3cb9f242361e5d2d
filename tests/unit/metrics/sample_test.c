#include "metrics/sample.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "metrics/metadata.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct registry *registry;
static struct metrics *metrics;
static struct sample_chunk *first, **last;
static uint64_t lost;

static void keep(void *arg, struct sample_chunk *c)
{
    (void)arg;
    if (!c) {
        lost++;
        return;
    }
    *last = c;
    last = &c->next;
}

static int set_up(void **state)
{
    (void)state;
    first = NULL;
    last = &first;
    lost = 0;
    if (registry_new(&registry) < 0 || metrics_new(registry, &metrics) < 0)
        return -1;
    metrics_want_samples(metrics, keep, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (first) {
        struct sample_chunk *c = first;
        first = c->next;
        sample_chunk_free(c);
    }
    metrics_free(metrics);
    registry_free(registry);
    return 0;
}

static struct tagset *with(struct shard *s, const char *key, const char *value)
{
    struct tag t = {str_of(key), str_of(value)};
    return tags_with(shard_tags(s), tags_empty(shard_tags(s)), &t, 1);
}

static void test_metadata(void **state)
{
    (void)state;
    struct metadata m = {0};
    assert_int_equal(metadata_set(&m, STR("trace"), STR("1")), 0);
    assert_int_equal(metadata_set(&m, STR("iter"), STR("7")), 0);
    assert_int_equal(metadata_set(&m, STR("trace"), STR("22")), 0);
    assert_int_equal(m.len, 2);
    assert_true(str_eqz(m.items[0].key, "iter")); /* sorted */
    assert_true(str_eqz(metadata_find(&m, STR("trace"))->value, "22"));
    metadata_remove(&m, STR("nothing"));
    metadata_remove(&m, STR("iter"));
    assert_null(metadata_find(&m, STR("iter")));
    assert_int_equal(m.len, 1);

    char *large = mem_calloc(1, METADATA_BYTES_MAX);
    assert_non_null(large);
    assert_int_equal(metadata_set(&m, STR("x"), str_new(large, METADATA_BYTES_MAX)), -E2BIG);
    mem_free(large);
    for (int i = 0; i < METADATA_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        int rc = metadata_set(&m, str_of(key), STR("v"));
        assert_int_equal(rc, i < METADATA_MAX - 1 ? 0 : -E2BIG);
    }
    metadata_fini(&m);
}

/* A request's samples with what goes with them, and how the metadata is as it was at each. */
static void test_samples(void **state)
{
    (void)state;
    struct shard *s;
    struct metadata m = {0};
    assert_int_equal(shard_new(metrics, &s), 0);
    assert_true(shard_is_sampled(s));
    assert_int_equal(metadata_set(&m, STR("iter"), STR("1")), 0);
    struct http_sample h = {.duration_ms = 3, .waiting_ms = 2, .failed = -1};
    shard_add_http(s, with(s, "url", "/a"), &m, &h, 100);
    assert_int_equal(metadata_set(&m, STR("iter"), STR("2")), 0);
    shard_add(s, registry_builtin(registry, METRIC_ITERATIONS), with(s, "a", "b"), &m, 1, 200);
    shard_add(s, registry_builtin(registry, METRIC_VUS), tags_empty(shard_tags(s)), NULL, 5, 300);
    assert_null(first);
    shard_flush_samples(s);
    shard_flush_samples(s); /* nothing more to hand over */

    assert_non_null(first);
    assert_null(first->next);
    assert_int_equal(first->len, 10); /* no http_req_failed without a callback */
    const struct sample *x = first->samples;
    assert_string_equal(x[0].metric->name, "http_reqs");
    assert_string_equal(x[1].metric->name, "http_req_duration");
    assert_true(x[1].value == 3 && x[1].wall_ns == 100);
    assert_true(str_eqz(x[7].metadata[0].value, "1"));
    assert_ptr_equal(x[0].tags, x[7].tags);
    assert_string_equal(x[8].metric->name, "iterations");
    assert_true(str_eqz(x[8].metadata[0].value, "2"));
    assert_int_equal(x[9].metadata_len, 0);
    assert_int_equal(x[9].tags_len, 0);
    metadata_fini(&m);
    shard_free(s);
}

static void test_full_chunks(void **state)
{
    (void)state;
    struct shard *s;
    assert_int_equal(shard_new(metrics, &s), 0);
    for (int i = 0; i < SAMPLES_PER_CHUNK + 3; i++)
        shard_add(s, registry_builtin(registry, METRIC_ITERATIONS), tags_empty(shard_tags(s)), NULL,
                  i, i);
    assert_non_null(first);
    assert_int_equal(first->len, SAMPLES_PER_CHUNK);
    shard_finish(s, 1000);
    assert_int_equal(first->next->len, 3);
    assert_true(first->next->samples[2].value == SAMPLES_PER_CHUNK + 2);
    shard_free(s);
}

/* Past the limit the summary's sets lose their url, single samples don't. */
static void test_folded_tags(void **state)
{
    (void)state;
    struct shard *s;
    assert_int_equal(shard_new(metrics, &s), 0);
    char url[32];
    for (int i = 0; i <= TAG_SETS_MAX; i++) {
        (void)snprintf(url, sizeof url, "/%d", i);
        shard_add(s, registry_builtin(registry, METRIC_ITERATIONS), with(s, "url", url), NULL, i,
                  i);
    }
    shard_flush_samples(s);
    int64_t n = 0;
    for (const struct sample_chunk *c = first; c; c = c->next) {
        for (size_t i = 0; i < c->len; i++, n++) {
            (void)snprintf(url, sizeof url, "/%lld", (long long)n);
            assert_int_equal(c->samples[i].tags_len, 1);
            assert_true(str_eqz(c->samples[i].tags[0].value, url));
        }
    }
    assert_int_equal(n, TAG_SETS_MAX + 1);
    assert_true(tag_table_len(shard_tags(s)) <= TAG_SETS_MAX + 2 * TAG_SETS_FOLDED_MAX);
    shard_free(s);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct shard *s;
    assert_int_equal(shard_new(metrics, &s), 0);
    struct tagset *tags = with(s, "a", "b");
    shard_add(s, registry_builtin(registry, METRIC_VUS), tags, NULL, 1, 1);
    shard_flush_samples(s);
    mem_fail_countdown = 0;
    shard_add(s, registry_builtin(registry, METRIC_VUS), tags, NULL, 2, 2);
    mem_fail_countdown = -1;
    assert_int_equal(lost, 1);
    shard_add(s, registry_builtin(registry, METRIC_VUS), tags, NULL, 3, 3);
    shard_flush_samples(s);
    assert_int_equal(first->next->len, 1);
    shard_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metadata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folded_tags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
