#include "store/user.h"

#include "base/err.h"
#include "base/limits.h"
#include "store/audit.h"
#include "store/project.h"
#include "store/run_mark.h"
#include "store/store_int.h"
#include "store/token.h"
#include "store/usage.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct store *s;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/spate-user-XXXXXX");
    arena_init(&arena, 1 << 24);
    return mkdtemp(dir) && store_open(dir, &s) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"spate.db", "spate.db-wal", "spate.db-shm", "lock",
                                        "runs",     "archives",     "scripts",      ""};
    store_close(s);
    arena_fini(&arena);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (unlink(path) < 0)
            (void)rmdir(path);
    }
    return 0;
}

static int64_t add_user(const char *email, bool owner)
{
    struct store_user u = {
        .email = str_of(email), .name = STR("N"), .owner = owner, .created_ns = 7};
    assert_int_equal(store_add_user(s, &u), 0);
    return u.id;
}

static int64_t add_token(int64_t user_id, uint8_t first, int want)
{
    struct store_token t = {.user_id = user_id,
                            .hash = {first, 1, (uint8_t)user_id},
                            .name = STR("t"),
                            .created_by = STR("x"),
                            .created_ns = first};
    assert_int_equal(store_add_token(s, &t, NULL, 0), want);
    return t.id;
}

static void test_users(void **state)
{
    (void)state;
    struct store_user u;
    struct store_user *list = NULL;
    size_t len = 0;
    int64_t owner = add_user("Owner@X", true);
    int64_t ann = add_user("ann@x", false);
    struct store_user twice = {.email = STR("ANN@x"), .name = STR("N")};
    assert_int_equal(store_add_user(s, &twice), -EEXIST);
    assert_int_equal(store_find_user(s, STR("owner@x"), &arena, &u), 0);
    assert_int_equal(u.id, owner);
    assert_true(u.owner && !u.password.ptr && u.created_ns == 7);
    assert_int_equal(store_find_user(s, STR("nobody"), &arena, &u), E_NOT_FOUND);
    assert_int_equal(store_get_user(s, 99, &arena, &u), E_NOT_FOUND);

    struct store_user_change to_owners = {.email = STR("owner@X")};
    assert_int_equal(store_change_user(s, ann, &to_owners), -EEXIST);
    assert_int_equal(store_change_user(s, 99, &to_owners), E_NOT_FOUND);
    struct store_user_change rename = {.name = STR("Ann")};
    assert_int_equal(store_change_user(s, ann, &rename), 0);
    assert_int_equal(store_list_users(s, &arena, &list, &len), 0);
    assert_int_equal(len, 2);
    assert_true(str_eq(list[1].name, STR("Ann")) && str_eq(list[1].email, STR("ann@x")));

    struct store_user_change demote = {.set_owner = true};
    struct store_user_change disable = {.set_disabled = true, .disabled = true};
    assert_int_equal(store_change_user(s, owner, &demote), E_REFUSED);
    assert_int_equal(store_change_user(s, owner, &disable), E_REFUSED);
    assert_int_equal(store_remove_user(s, owner), E_REFUSED);
    assert_int_equal(store_get_user(s, owner, &arena, &u), 0);
    assert_true(u.owner && !u.disabled); /* nothing has stayed of it */
    assert_int_equal(store_remove_user(s, ann), 0);
    assert_int_equal(store_remove_user(s, ann), E_NOT_FOUND);
}

static bool has_session(uint8_t first)
{
    uint8_t hash[STORE_HASH_LEN] = {first};
    struct store_session found;
    return store_find_session(s, hash, 100, &found) == 0;
}

static void add_session(uint8_t first, int64_t user_id, int64_t token_id)
{
    uint8_t hash[STORE_HASH_LEN] = {first};
    struct store_session session = {user_id, token_id, 1000};
    assert_int_equal(store_add_session(s, hash, &session, 1), 0);
}

static void test_sessions(void **state)
{
    (void)state;
    int64_t owner = add_user("owner@x", true);
    int64_t ann = add_user("ann@x", false);
    int64_t token = add_token(ann, 9, 0);
    uint8_t keep[STORE_HASH_LEN] = {2};
    struct store_session found;
    add_session(1, ann, 0);
    add_session(2, ann, 0);
    add_session(3, ann, token);
    add_session(4, owner, 0);
    assert_int_equal(store_find_session(s, keep, 1000, &found), E_NOT_FOUND); /* expired by then */
    assert_int_equal(store_set_password(s, ann, STR("p"), false, keep), 0);
    assert_true(has_session(2) && has_session(4));
    assert_false(has_session(1));
    assert_true(has_session(3)); /* a first password: the token's goes on, also on the page */
    assert_int_equal(store_remove_token(s, token), 0);
    assert_false(has_session(3)); /* ended with the token that opened it */
    token = add_token(ann, 9, 0);
    add_session(3, ann, token);
    assert_int_equal(store_set_password(s, ann, STR("q"), true, NULL), 0);
    assert_false(has_session(2) || has_session(3));
    assert_int_equal(store_set_password(s, 99, STR("q"), true, NULL), E_NOT_FOUND);
    assert_int_equal(store_expire(s, 1000), 0);
    assert_false(has_session(4));
    for (int i = 0; i < STORE_USER_SESSIONS_MAX + 5; i++) {
        uint8_t hash[STORE_HASH_LEN] = {1, (uint8_t)i};
        struct store_session session = {ann, 0, 1000};
        assert_int_equal(store_add_session(s, hash, &session, i), 0);
    }
    uint8_t first[STORE_HASH_LEN] = {1, 0};
    uint8_t last[STORE_HASH_LEN] = {1, STORE_USER_SESSIONS_MAX + 4};
    assert_int_equal(store_find_session(s, first, 1, &found), E_NOT_FOUND);
    assert_int_equal(store_find_session(s, last, 1, &found), 0);
}

static void test_tokens(void **state)
{
    (void)state;
    struct store_token *list = NULL;
    size_t len = 0;
    int64_t ann = add_user("ann@x", true);
    (void)add_token(99, 1, E_NOT_FOUND);
    for (int i = 0; i < STORE_USER_TOKENS_MAX; i++)
        (void)add_token(ann, (uint8_t)i, 0);
    (void)add_token(ann, 255, E_LIMIT);
    int64_t service = add_token(0, 255, 0); /* another budget */
    assert_int_equal(store_trim_tokens(s, ann, STR("t"), 3), 0);
    assert_int_equal(store_list_tokens(s, &arena, &list, &len), 0);
    assert_int_equal(len, 4);
    assert_int_equal(list[0].hash[0], STORE_USER_TOKENS_MAX - 3); /* the newest stay */
    assert_int_equal(list[3].id, service);
    assert_int_equal(list[3].user_id, 0);
    struct store_token_use uses[] = {{service, 50}, {list[0].id, 60}, {999, 1}};
    assert_int_equal(store_note_uses(s, uses, ARRAY_LEN(uses)), 0);
    uses[0].used_ns = 40; /* never back */
    assert_int_equal(store_note_uses(s, uses, 1), 0);
    assert_int_equal(store_list_tokens(s, &arena, &list, &len), 0);
    assert_int_equal(list[3].used_ns, 50);
    assert_int_equal(list[0].used_ns, 60);
    assert_int_equal(store_remove_token(s, 999), E_NOT_FOUND);
}

static size_t grants_of(int64_t user_id, int64_t token_id)
{
    struct store_grant *list = NULL;
    size_t len = 0;
    size_t n = 0;
    assert_int_equal(store_list_grants(s, &arena, &list, &len), 0);
    for (size_t i = 0; i < len; i++)
        n += list[i].user_id == user_id && list[i].token_id == token_id;
    return n;
}

static void test_roles(void **state)
{
    (void)state;
    int64_t project = 0;
    (void)add_user("owner@x", true);
    int64_t ann = add_user("ann@x", false);
    int64_t personal = add_token(ann, 1, 0);
    int64_t service = add_token(0, 2, 0);
    assert_int_equal(store_create_project(s, STR("Two"), 1, &project), 0);
    struct store_grant two[] = {{.project_id = project, .role = ROLE_EDITOR},
                                {.project_id = 0, .role = ROLE_VIEWER}};
    struct store_grant same[] = {two[0], two[0]};
    struct store_grant unknown = {.project_id = 99, .role = ROLE_VIEWER};
    assert_int_equal(store_set_grants(s, ann, 0, two, 2), 0);
    assert_int_equal(store_set_grants(s, 0, service, two, 1), 0);
    assert_int_equal(store_set_grants(s, ann, 0, same, 2), -EEXIST);
    assert_int_equal(store_set_grants(s, ann, 0, &unknown, 1), E_NOT_FOUND);
    assert_int_equal(store_set_grants(s, 99, 0, two, 1), E_NOT_FOUND);
    assert_int_equal(store_set_grants(s, 0, personal, two, 1), E_NOT_FOUND); /* no service */
    assert_int_equal(grants_of(ann, 0), 2);                                  /* as before */
    assert_int_equal(grants_of(0, service), 1);
    struct store_grant one = {.user_id = ann, .project_id = project, .role = ROLE_ADMIN};
    assert_int_equal(store_set_grant(s, &one), 0);
    assert_int_equal(grants_of(ann, 0), 2);
    one.role = ROLE_NONE;
    assert_int_equal(store_set_grant(s, &one), 0);
    assert_int_equal(grants_of(ann, 0), 1);
    /* What is removed takes its roles along. */
    assert_int_equal(store_delete_project(s, project), 0);
    assert_int_equal(grants_of(0, service), 0);
    assert_int_equal(store_remove_user(s, ann), 0);
    assert_int_equal(grants_of(ann, 0), 0);
}

static void raw(const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    char *message = NULL;
    snprintf(path, sizeof path, "%s/spate.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void test_deeds(void **state)
{
    (void)state;
    static char text[STORE_AUDIT_TEXT_MAX + 3];
    struct store_deed *list = NULL;
    struct store_deed_filter all = {0};
    struct store_deed_filter users = {.action = STR("user")};
    struct store_deed_filter anns = {.actor = STR("ANN")};
    struct store_page page = {.top = 10};
    size_t len = 0;
    int64_t total = 0;
    /* Cut between characters. */
    memset(text, 'a', sizeof text - 1);
    memcpy(text + STORE_AUDIT_TEXT_MAX - 1, "\xc3\xa4", 2);
    struct store_deed first = {
        .at_ns = 1, .actor = STR("ann"), .action = STR("user.create"), .target = str_of(text)};
    struct store_deed second = {
        .at_ns = 2, .actor = STR("bob"), .action = STR("users.no"), .token = STR("t")};
    assert_int_equal(store_add_deed(s, &first), 0);
    assert_int_equal(store_add_deed(s, &second), 0);
    assert_int_equal(store_list_deeds(s, &all, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(len, 2);
    assert_true(str_eq(list[0].actor, STR("bob")) && str_eq(list[0].token, STR("t")));
    assert_null(list[1].token.ptr);
    assert_int_equal(list[1].target.len, STORE_AUDIT_TEXT_MAX - 1);
    assert_int_equal(store_list_deeds(s, &users, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(total, 1);
    assert_int_equal(store_list_deeds(s, &anns, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(total, 1);
    /* As if so many had come between. */
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE sqlite_sequence SET seq=%d WHERE name='audit'",
             STORE_AUDIT_MAX + 1);
    raw(sql);
    assert_int_equal(store_add_deed(s, &second), 0);
    assert_int_equal(store_list_deeds(s, &all, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(total, 1);
}

static void test_changed_outside(void **state)
{
    (void)state;
    bool changed = true;
    assert_int_equal(store_changed_outside(s, &changed), 0);
    assert_false(changed);
    (void)add_user("owner@x", true);
    assert_int_equal(store_changed_outside(s, &changed), 0);
    assert_false(changed); /* by ourselves */
    struct store *other = NULL;
    assert_int_equal(store_open_accounts(dir, &other), 0); /* while the folder is served */
    struct store_user u = {.email = STR("ann@x"), .name = STR("Ann")};
    assert_int_equal(store_add_user(other, &u), 0);
    store_close(other);
    assert_int_equal(store_changed_outside(s, &changed), 0);
    assert_true(changed);
    assert_int_equal(store_changed_outside(s, &changed), 0);
    assert_false(changed);
    assert_int_equal(store_open_accounts("/nonexistent", &other), E_NOT_FOUND);
    raw("PRAGMA user_version=2");
    assert_int_equal(store_open_accounts(dir, &other), E_CONFIG);
    raw("PRAGMA user_version=99");
    assert_int_equal(store_open_accounts(dir, &other), E_CONFIG);
}

/* ---- used hours ---- */

static const int64_t minute_ns = 60 * 1000000000LL;
static const int64_t november_ns = 1795392000LL * 1000000000; /* 2026-11-23 00:00 UTC */

static int64_t run(int64_t created_ns, int64_t vus, int64_t browsers, bool cloud)
{
    int64_t id = 0;
    struct store_new_run n = {.name = STR("a.js"),
                              .max_vus = vus,
                              .max_browser_vus = browsers,
                              .estimated_duration = 600,
                              .cloud = cloud,
                              .now_ns = created_ns};
    assert_int_equal(store_create_run(s, &n, &id), 0);
    return id;
}

static void enter(int64_t id, int code, int64_t at_ns)
{
    bool repeated;
    struct store_finish f = {.state = {.code = code, .entered_ns = at_ns}};
    if (code == RUN_TIMED_OUT)
        f.silent_ns = 2 * minute_ns; /* which aren't counted */
    assert_int_equal(store_set_state(s, id, &f, &repeated), 1);
}

static struct store_usage used(int32_t month, int64_t now_ns)
{
    struct store_usage u;
    assert_int_equal(store_get_usage(s, 1, month, now_ns, &u), 0);
    return u;
}

static void test_usage(void **state)
{
    (void)state;
    int64_t t = november_ns;
    assert_int_equal(store_month(t), 202611);
    assert_int_equal(store_month(t + 8 * 24 * 60 * minute_ns), 202612);
    int64_t id = run(t, 10, 0, false);
    assert_int_equal(used(202611, t).local_minutes, 100); /* planned */
    enter(id, RUN_RUNNING, t);
    assert_int_equal(used(202611, t + 5 * minute_ns).local_minutes, 100);
    assert_int_equal(used(202611, t + 20 * minute_ns + 1).local_minutes,
                     210); /* longer than that */
    enter(id, RUN_ABORTED_BY_USER, t + 2 * minute_ns + 1);
    assert_int_equal(used(202611, t + 20 * minute_ns).local_minutes, 30); /* three were begun */
    /* One that never ran costs nothing; a browser counts ten times. */
    enter(run(t, 10, 0, true), RUN_ABORTED_BY_SYSTEM, t + minute_ns);
    int64_t browsers = run(t, 5, 2, true);
    enter(browsers, RUN_RUNNING, t);
    enter(browsers, RUN_TIMED_OUT, t + 3 * minute_ns);
    struct store_usage u = used(202611, t);
    assert_int_equal(u.runs, 3);
    assert_int_equal(u.cloud_minutes, 5 + 9 * 2);
    assert_int_equal(u.local_minutes, 30);
    /* Of the month in which it was created; deleting gives nothing back. */
    int64_t late = run(t + 8 * 24 * 60 * minute_ns, 1, 0, true);
    assert_int_equal(used(202612, t).cloud_minutes, 10);
    enter(late, RUN_FINISHED, t + 8 * 24 * 60 * minute_ns);
    assert_int_equal(store_delete_run(s, id), 0);
    assert_int_equal(used(202611, t).local_minutes, 30);

    struct store_usage *list = NULL;
    struct store_page page = {.top = 10};
    size_t len = 0;
    int64_t total = 0;
    assert_int_equal(store_list_usage(s, 202611, 202612, t, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(total, 2);
    assert_int_equal(list[0].month, 202612);
    page.visible = STR("[2]");
    assert_int_equal(store_list_usage(s, 202611, 202612, t, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(total, 0);
}

/* What a client makes up neither keeps a run from ending nor spoils the sums. */
static void test_nonsense(void **state)
{
    (void)state;
    struct store_usage *list = NULL;
    struct store_page page = {.top = 10};
    size_t len = 0;
    int64_t total = 0;
    int64_t t = november_ns;
    int64_t ids[3];
    struct store_new_run n = {
        .name = STR("n"), .max_vus = INT64_MAX, .estimated_duration = 1, .now_ns = t};
    assert_int_equal(store_create_run(s, &n, &ids[0]), E_CONFIG);
    n.max_vus = 1;
    n.estimated_duration = INT64_MAX;
    assert_int_equal(store_create_run(s, &n, &ids[0]), E_CONFIG);
    n.estimated_duration = STORE_DURATION_MAX_S;
    n.max_vus = STORE_VUS_MAX;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_int_equal(store_create_run(s, &n, &ids[i]), 0);
        enter(ids[i], RUN_RUNNING, t);
    }
    /* Of before there were bounds. */
    assert_int_equal(sqlite3_exec(s->db,
                                  "UPDATE runs SET max_vus=9223372036854775807,"
                                  " estimated_duration=9223372036854775807",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_true(used(202611, t).local_minutes > (INT64_C(1) << 60));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        enter(ids[i], RUN_FINISHED, t + 5 * minute_ns);
    assert_int_equal(used(202611, t).runs, ARRAY_LEN(ids));
    assert_true(used(202611, t).local_minutes > (INT64_C(1) << 60));
    assert_int_equal(store_list_usage(s, 202611, 202611, t, &page, &arena, &list, &len, &total), 0);
    assert_int_equal(total, 1);
}

static void test_watched(void **state)
{
    (void)state;
    struct store_watched *list = NULL;
    size_t len = 0;
    int64_t id = run(5, 10, 0, false);
    assert_int_equal(store_list_watched(s, &arena, &list, &len), 0);
    assert_int_equal(len, 0); /* no limits, nothing to watch */
    struct store_limits limits = {.project_id = 1, .vuh_max = 3, .duration_max = 9};
    assert_int_equal(store_set_limits(s, &limits), 0);
    enter(id, RUN_RUNNING, 6);
    assert_int_equal(store_list_watched(s, &arena, &list, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(list[0].run_id, id);
    assert_int_equal(list[0].started_ns, 6);
    assert_int_equal(list[0].vuh_max, 3);
    assert_int_equal(list[0].vus_max, 0);
    assert_int_equal(list[0].duration_max, 9);
    enter(id, RUN_FINISHED, 7);
    assert_int_equal(store_list_watched(s, &arena, &list, &len), 0);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_users, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deeds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_outside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_usage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watched, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
