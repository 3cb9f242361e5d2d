#include "store/store.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "push.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct fixture f;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mem_fail_countdown = -1;
    fixture_close(&f);
    return 0;
}

static int64_t at(int bucket)
{
    return (T0 + 3 * bucket) * 1000000000LL;
}

static int push_count(const char *key, double n, struct store_push *ret)
{
    struct push_writer p;
    push_begin(&p);
    push_metric(&p, "c", METRICSET_COUNTER);
    push_series(&p, "a=1");
    metricset_put_counter(&p.w, at(0), n);
    return push_end(&p, &f, key, ret);
}

static void test_a_key_counts_once(void **state)
{
    (void)state;
    struct store_push ret;
    bool there = true;
    assert_int_equal(store_has_push(f.store, f.run_id, STR("k1"), &there), 0);
    assert_false(there);
    assert_int_equal(push_count("k1", 5, &ret), 0);
    assert_false(ret.repeated);
    assert_int_equal(push_count("k1", 5, &ret), 0);
    assert_true(ret.repeated);
    assert_true(ask(&f, "increase", "c") == 5);
    fixture_reopen(&f);
    assert_int_equal(push_count("k1", 5, &ret), 0);
    assert_true(ret.repeated);
    assert_int_equal(store_has_push(f.store, f.run_id, STR("k1"), &there), 0);
    assert_true(there);
    /* Without a key there is nothing to know it by; late data adds to its bucket. */
    assert_int_equal(push_count("", 5, &ret), 0);
    assert_int_equal(push_count("k2", 7, &ret), 0);
    assert_true(ask(&f, "increase", "c") == 17);
    assert_true(ask(&f, "increase", "c{a=\"1\"}") == 17);
}

/* Of a push that turns out broken at its end nothing stays, neither values nor names. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    struct store_push ret;
    struct push_writer p;
    assert_int_equal(push_count("k1", 5, &ret), 0);
    push_begin(&p);
    push_metric(&p, "c", METRICSET_COUNTER);
    push_series(&p, "a=1");
    metricset_put_counter(&p.w, at(0), 100);
    push_metric(&p, "new", METRICSET_COUNTER);
    push_series(&p, "b=1");
    metricset_put_counter(&p.w, at(1), 100);
    metricset_end_series(&p.w);
    metricset_end_metric(&p.w);
    p.in_series = p.in_metric = false;
    buf_append(&p.out, "\x1a\x05garba", 7);
    assert_int_equal(push_end(&p, &f, "k2", &ret), E_CORRUPT);
    assert_true(ask(&f, "increase", "c") == 5);
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    struct query_metric *metrics;
    size_t len = 0;
    assert_int_equal(query_metrics(f.store, f.run_id, &a, &metrics, &len), 0);
    assert_int_equal(len, 1);
    bool there = true;
    assert_int_equal(store_has_push(f.store, f.run_id, STR("k2"), &there), 0);
    assert_false(there);
    /* The dictionaries don't remember what was rolled back. */
    push_begin(&p);
    push_metric(&p, "new", METRICSET_GAUGE);
    push_series(&p, "b=1");
    metricset_put_gauge(&p.w, at(1), (struct metricset_gauge){1, 1, 1, 1, 1});
    assert_int_equal(push_end(&p, &f, "k2", &ret), 0);
    assert_true(ask(&f, "last", "new") == 1);
    assert_int_equal(push_count("k3", 1, &ret), 0);
    assert_true(ask(&f, "increase", "c") == 6);
}

static void test_a_metric_keeps_its_type(void **state)
{
    (void)state;
    struct store_push ret;
    struct push_writer p;
    assert_int_equal(push_count("", 5, &ret), 0);
    push_begin(&p);
    push_metric(&p, "c", METRICSET_RATE);
    push_series(&p, "a=1");
    metricset_put_rate(&p.w, at(0), 1, 1);
    assert_int_equal(push_end(&p, &f, "", &ret), E_CORRUPT);
    push_begin(&p);
    push_metric(&p, "r", METRICSET_RATE);
    push_series(&p, "a=1");
    metricset_put_rate(&p.w, at(0), 2, 1);
    assert_int_equal(push_end(&p, &f, "", &ret), E_CORRUPT); /* more non-zero ones than ones */
}

static void test_labels_are_cleaned(void **state)
{
    (void)state;
    struct store_push ret;
    static const char *const same[] = {"a=1,b=2", "b=2,a=1", "b=2,c=,a=1,__x=y,test_run_id=9"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct push_writer p;
        push_begin(&p);
        push_metric(&p, "c", METRICSET_COUNTER);
        push_series(&p, same[i]);
        metricset_put_counter(&p.w, at(0), 1);
        assert_int_equal(push_end(&p, &f, "", &ret), 0);
    }
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    struct query_key *keys;
    size_t len = 0;
    assert_int_equal(list_keys(&f, NULL, 0, &a, &keys, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(keys[0].labels_len, 2);
    assert_true(ask(&f, "increase", "c") == 3);
}

/* Whichever allocation fails, the push is refused whole, and works when it is sent again. */
static void test_no_memory(void **state)
{
    (void)state;
    struct store_push ret;
    int n = 0;
    int rc = -ENOMEM;
    assert_int_equal(push_count("first", 1, &ret), 0);
    for (; rc != 0; n++) {
        struct push_writer p;
        push_begin(&p);
        push_metric(&p, "c", METRICSET_COUNTER);
        push_series(&p, "a=2,b=3");
        metricset_put_counter(&p.w, at(1), 1);
        push_metric(&p, "t", METRICSET_TREND);
        push_series(&p, "a=2,b=3");
        CLEANUP(hdr_fini) struct hdr h = {0};
        assert_int_equal(hdr_add(&h, 50), 0);
        metricset_put_trend(&p.w, at(1), &h);
        metricset_end_series(&p.w);
        metricset_end_metric(&p.w);
        p.in_series = p.in_metric = false;
        mem_fail_countdown = n;
        rc = push_end(&p, &f, "again", &ret);
        mem_fail_countdown = -1;
        if (rc != 0 && rc != -ENOMEM && rc != E_LIMIT)
            fail_msg("allocation %d: %d, %s", n, rc, err_message());
        assert_true(n < 200);
    }
    assert_true(n > 5);
    assert_true(ask(&f, "increase", "c") == 2);
    assert_true(ask(&f, "histogram_count_increase", "t") == 1);
}

static struct store_new_run new_run(const char *name, const char *key)
{
    return (struct store_new_run){.name = str_of(name),
                                  .max_vus = 5,
                                  .estimated_duration = 60,
                                  .idempotency_key = str_of(key),
                                  .now_ns = clock_wall_ns()};
}

static void test_runs(void **state)
{
    (void)state;
    int64_t a = 0, b = 0, c = 0;
    struct store_new_run n = new_run("shop", "key-a");
    static const struct store_threshold thresholds[] = {
        {STR("http_req_duration"), STR("p(95)<500"), THRESHOLD_OPEN},
        {STR("checks{a:b}"), STR("rate>0.9"), THRESHOLD_OPEN},
    };
    n.thresholds = thresholds;
    n.thresholds_len = 2;
    n.archive = STR("bytes of an archive");
    n.project_id = 77;
    assert_int_equal(store_create_run(f.store, &n, &a), 0);
    assert_int_equal(store_create_run(f.store, &n, &b), 0);
    assert_int_equal(a, b); /* the same key */
    struct store_new_run elsewhere = n;
    elsewhere.project_id = 78;
    assert_int_equal(store_create_run(f.store, &elsewhere, &c), E_REFUSED);
    elsewhere.project_id = 0;
    assert_int_equal(store_create_run(f.store, &elsewhere, &c), E_REFUSED);
    elsewhere.test_id = 1; /* a test of the fixture's */
    assert_int_equal(store_create_run(f.store, &elsewhere, &c), E_REFUSED);
    assert_int_equal(c, 0);
    n.idempotency_key = STR("key-b");
    assert_int_equal(store_create_run(f.store, &n, &b), 0);
    assert_true(b != a);

    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, 1 << 20);
    struct store_run run, other;
    assert_int_equal(store_get_run(f.store, a, &arena, &run), 0);
    assert_int_equal(store_get_run(f.store, b, &arena, &other), 0);
    assert_int_equal(run.test_id, other.test_id); /* one test of that name in a project */
    assert_int_equal(run.project_id, 77);
    assert_int_equal(run.code, RUN_CREATED);
    assert_int_equal(run.history_len, 1);
    CLEANUP(buf_fini) struct buf archive;
    buf_init(&archive, 1000);
    assert_int_equal(store_read_archive(f.store, a, &archive), 0);
    assert_true(str_eqz(buf_view(&archive), "bytes of an archive"));
    assert_int_equal(store_read_archive(f.store, f.run_id, &archive), E_NOT_FOUND);
    assert_int_equal(store_get_run(f.store, 999, &arena, &run), E_NOT_FOUND);

    n = new_run("shop", "");
    assert_int_equal(store_create_run(f.store, &n, &c), 0);
    assert_int_equal(store_get_run(f.store, c, &arena, &other), 0);
    assert_true(other.test_id != run.test_id); /* another project */
}

static void test_states(void **state)
{
    (void)state;
    bool repeated = true;
    static const struct store_threshold results[] = {
        {STR("checks"), STR("rate>0.9"), THRESHOLD_FAILED},
    };
    struct store_push ret;
    struct stat st;
    char path[128];
    struct store_finish running = {.state = {.code = RUN_RUNNING, .entered_ns = 10}};
    struct store_finish end = {.state = {.code = RUN_FINISHED, .entered_ns = 20},
                               .result = RESULT_FAILED,
                               .thresholds = results,
                               .thresholds_len = 1,
                               .idempotency_key = STR("fin")};
    assert_int_equal(store_set_state(f.store, f.run_id, &running, &repeated), 1);
    assert_int_equal(store_set_state(f.store, f.run_id, &running, &repeated), 0);
    assert_int_equal(push_count("k", 5, &ret), 0);
    assert_int_equal(store_set_state(f.store, f.run_id, &end, &repeated), 1);
    assert_false(repeated);
    /* What was measured is in the file itself then, not in the log beside it. */
    snprintf(path, sizeof path, "%s/runs/%lld.db-wal", f.dir, (long long)f.run_id);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(store_set_state(f.store, f.run_id, &end, &repeated), 0);
    assert_true(repeated);
    end.idempotency_key = STR("other");
    end.state.code = RUN_TIMED_OUT;
    assert_int_equal(store_set_state(f.store, f.run_id, &end, &repeated), 0);
    assert_false(repeated);
    assert_int_equal(store_set_state(f.store, 999, &end, &repeated), E_NOT_FOUND);
    fixture_reopen(&f);

    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, 1 << 20);
    struct store_run run;
    struct store_threshold *list;
    size_t len = 0;
    assert_int_equal(store_get_run(f.store, f.run_id, &arena, &run), 0);
    assert_int_equal(run.code, RUN_FINISHED);
    assert_int_equal(run.result, RESULT_FAILED);
    assert_int_equal(run.ended_ns, 20);
    assert_int_equal(run.history_len, 3);
    assert_int_equal(store_get_thresholds(f.store, f.run_id, &arena, &list, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(list[0].result, THRESHOLD_FAILED);
}

static void test_lists(void **state)
{
    (void)state;
    int64_t ids[5];
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        struct store_new_run n = new_run(name, "");
        assert_int_equal(store_create_run(f.store, &n, &ids[i]), 0);
    }
    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, 1 << 20);
    struct store_run_filter all = {0};
    struct store_page page = {.top = 2, .skip = 1};
    struct store_run *runs;
    size_t len = 0;
    int64_t total = 0;
    assert_int_equal(store_list_runs(f.store, &all, &page, &arena, &runs, &len, &total), 0);
    assert_int_equal(total, 6);
    assert_int_equal(len, 2);
    assert_int_equal(runs[0].id, ids[3]); /* newest first */
    struct store_page by_name = {.top = 10, .order = "name", .descending = true};
    struct store_test *tests;
    assert_int_equal(
        store_list_tests(f.store, 0, STR_EMPTY, &by_name, &arena, &tests, &len, &total), 0);
    assert_int_equal(len, 6);
    assert_true(str_eqz(tests[0].name, "t4"));
    assert_int_equal(store_list_tests(f.store, 0, STR("t2"), &page, &arena, &tests, &len, &total),
                     0);
    assert_int_equal(total, 1);
}

static void test_folder(void **state)
{
    (void)state;
    struct store *second = NULL;
    assert_int_equal(store_open(f.dir, &second), -EBUSY);
    assert_non_null(strstr(err_message(), "in use"));
    struct stat st;
    assert_int_equal(stat(f.dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    char path[128];
    snprintf(path, sizeof path, "%s/spate.db", f.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    store_close(f.store);
    f.store = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(f.dir, &second), E_CONFIG);
    assert_non_null(strstr(err_message(), "newer version"));
    assert_int_equal(store_open("/proc/nowhere", &second), -ENOENT);
}

/* More runs than files are held open. */
static void test_many_files(void **state)
{
    (void)state;
    int64_t first = f.run_id;
    struct store_push ret;
    for (int i = 0; i < STORE_OPEN_RUNS_MAX + 10; i++) {
        struct store_new_run n = new_run("many", "");
        assert_int_equal(store_create_run(f.store, &n, &f.run_id), 0);
        assert_int_equal(push_count("k", i, &ret), 0);
    }
    assert_true(ask(&f, "increase", "c") == STORE_OPEN_RUNS_MAX + 9);
    f.run_id = first + 1;
    assert_true(ask(&f, "increase", "c") == 0);
    assert_int_equal(push_count("k", 1, &ret), 0);
    assert_true(ret.repeated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key_counts_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_metric_keeps_its_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_labels_are_cleaned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
