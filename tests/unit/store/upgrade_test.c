#include "store/store.h"

#include "base/err.h"
#include "store/credential.h"
#include "store/project.h"
#include "store/run_mark.h"
#include "store/schedule.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder as the first format had it. */
static void make_old_folder(char dir[static 64])
{
    char path[1024];
    static char sql[1 << 16];
    const char *root = getenv("SPATE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/store/format1.sql", root ? root : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(sql, 1, sizeof sql - 1, file);
    fclose(file);
    sql[n] = '\0';
    snprintf(dir, 64, "/tmp/spate-upgrade-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spate.db", dir);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = {"spate.db", "spate.db-wal", "spate.db-shm", "lock",
                                        "runs",     "archives",     "scripts",      ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (unlink(path) < 0)
            (void)rmdir(path);
    }
}

static void check_old_data(struct store *s)
{
    struct arena a;
    struct store_run run;
    struct store_token *tokens = NULL;
    struct store_threshold *thresholds = NULL;
    size_t len = 0;
    arena_init(&a, 1 << 20);
    assert_int_equal(store_get_run(s, 1, &a, &run), 0);
    assert_int_equal(run.project_id, 7);
    assert_int_equal(run.code, RUN_FINISHED);
    assert_int_equal(run.max_vus, 3);
    assert_int_equal(run.max_browser_vus, 0);
    assert_false(run.starred || run.saved || run.cloud);
    assert_true(str_eq(run.note, STR("kept")));
    assert_int_equal(run.history_len, 2);
    assert_true(str_eq(run.history[1].message, STR("well")));
    assert_int_equal(run.history[1].error_code, 0);
    assert_int_equal(store_get_thresholds(s, 1, &a, &thresholds, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(store_list_tokens(s, &a, &tokens, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(tokens[0].hash[31], 0x1f);
    arena_fini(&a);
}

static void test_upgrade(void **state)
{
    (void)state;
    char dir[64];
    struct store *s = NULL;
    make_old_folder(dir);
    for (int i = 0; i < 2; i++) { /* the second time it is up to date */
        if (store_open(dir, &s) < 0)
            fail_msg("%s", err_message());
        check_old_data(s);
        store_close(s);
    }
    assert_int_equal(store_open(dir, &s), 0);
    /* What is new works on it. */
    struct store_limits limits = {.project_id = 7, .vus_max = 5};
    assert_int_equal(store_set_limits(s, &limits), 0);
    assert_int_equal(store_set_mark(s, 1, MARK_STARRED, true), 0);
    struct store_credential c = {.run_id = 2, .purpose = CREDENTIAL_PUSH};
    uint8_t hash[STORE_HASH_LEN] = {1};
    assert_int_equal(store_add_credential(s, hash, &c), 0);
    assert_int_equal(store_find_credential(s, hash, CREDENTIAL_UPLOAD, &c), E_NOT_FOUND);
    assert_int_equal(store_find_credential(s, hash, CREDENTIAL_PUSH, &c), 0);
    assert_int_equal(c.run_id, 2);
    struct store_schedule schedule = {.test_id = 1, .starts_ns = 1};
    assert_int_equal(store_put_schedule(s, &schedule), 0);
    assert_int_equal(store_delete_run(s, 2), -EBUSY);
    assert_int_equal(store_delete_project(s, 7), -EBUSY);
    assert_int_equal(store_delete_run(s, 1), 0);
    store_close(s);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
