/*
 * Users, passwords, sessions, tokens, the list of deeds, limits and used hours.
 */
#include "server/server.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "client.h"
#include "server/auth.h"
#include "spec.h"
#include "store/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_open(&w, 120 * NS_PER_S);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

#define ASSERT_SAYS(reply, what)                                                                   \
    do {                                                                                           \
        if (!strstr(reply_text(&(reply)), what))                                                   \
            fail_msg("\"%s\" is not in %s", what, reply_text(&(reply)));                           \
    } while (0)

static int status_of(const char *headers, const char *method, const char *path, const char *json,
                     struct reply *r)
{
    char all[1024];
    reply_free(r);
    snprintf(all, sizeof all, "%s%s", headers, json ? "Content-Type: application/json\r\n" : "");
    call(&w, method, path, all, json, json ? strlen(json) : 0, r);
    return r->status;
}

/* Signs in; the status, and the cookie as a header. */
static int sign_in(const char *email, const char *password, char cookie[static 300])
{
    CLEANUP(reply_free) struct reply r = {0};
    char body[512], value[256];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"%s\"}", email, password);
    int status = status_of("-", "POST", "/session", body, &r);
    reply_header_value(&r, "Set-Cookie", value);
    value[strcspn(value, ";")] = '\0';
    snprintf(cookie, 300, "Cookie: %s\r\n", value);
    return status;
}

static int64_t add_user(const char *json, struct reply *r)
{
    call_json(&w, "POST", "/accounts/v1/users", json, 201, r);
    return reply_number(r, "id");
}

/* ---- passwords and sessions ---- */

static void test_one_time_password(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char once[512], cookie[300], other[300], body[2048];
    add_user("{\"email\":\"ann@x.example\",\"name\":\"Ann\"}", &r);
    reply_string(&r, "one_time_password", once);
    assert_int_equal(sign_in("ann@x.example", once, cookie), 204);
    assert_int_equal(sign_in("ANN@X.example", once, other), 204);
    assert_int_equal(status_of(cookie, "GET", "/session", NULL, &r), 200);
    ASSERT_SAYS(r, "\"must_change_password\":true");
    assert_int_equal(status_of(cookie, "GET", "/cloud/v6/projects", NULL, &r), 403);
    ASSERT_SAYS(r, "password_change_required");
    assert_int_equal(status_of(cookie, "POST", "/accounts/v1/me/tokens", "{\"name\":\"x\"}", &r),
                     403);
    snprintf(body, sizeof body, "{\"email\":\"ann@x.example\",\"password\":\"%s\"}", once);
    assert_int_equal(status_of("-", "POST", "/v1/login", body, &r), 403);
    ASSERT_SAYS(r, "has to be changed first");

    static const char *const path = "/accounts/v1/me/password";
    snprintf(body, sizeof body, "{\"old_password\":\"%s\",\"new_password\":\"short\"}", once);
    assert_int_equal(status_of(cookie, "POST", path, body, &r), 400);
    snprintf(body, sizeof body, "{\"old_password\":\"%s\",\"new_password\":\"%s\"}", once, once);
    assert_int_equal(status_of(cookie, "POST", path, body, &r), 400);
    assert_int_equal(status_of(cookie, "POST", path,
                               "{\"old_password\":\"x\",\"new_password\":\"another one\"}", &r),
                     400);
    ASSERT_SAYS(r, "\"target\":\"old_password\"");
    snprintf(body, sizeof body, "{\"old_password\":\"%s\",\"new_password\":\"another one\"}", once);
    assert_int_equal(status_of(cookie, "POST", path, body, &r), 204);
    /* This session goes on, the others have ended; so has the old password. */
    assert_int_equal(status_of(cookie, "GET", "/cloud/v6/projects", NULL, &r), 200);
    assert_int_equal(status_of(other, "GET", "/session", NULL, &r), 401);
    assert_int_equal(sign_in("ann@x.example", once, other), 401);
    assert_int_equal(sign_in("ann@x.example", "another one", other), 204);
}

static void test_wrong_passwords(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char cookie[300], value[256];
    add_user("{\"email\":\"ann@x.example\",\"password\":\"long enough\"}", &r);
    add_user("{\"email\":\"bob@x.example\",\"password\":\"long enough\"}", &r);
    for (int i = 0; i < SERVER_ACCOUNT_LOGINS_MAX; i++)
        assert_int_equal(sign_in("ann@x.example", "wrong one", cookie), 401);
    /* Not even the right one, of that account alone. */
    assert_int_equal(sign_in("Ann@x.example", "long enough", cookie), 429);
    assert_int_equal(status_of("-", "POST", "/v1/login",
                               "{\"email\":\"ann@x.example\",\"password\":\"long enough\"}", &r),
                     429);
    ASSERT_SAYS(r, "\"code\":6");
    reply_header_value(&r, "Retry-After", value);
    assert_in_range(strtol(value, NULL, 10), 1, SERVER_ACCOUNT_WINDOW_S);
    assert_int_equal(sign_in("bob@x.example", "long enough", cookie), 204);
    /* Then the address has had enough. */
    int status = 401;
    for (int i = 0; i < SERVER_LOGINS_MAX && status == 401; i++)
        status = sign_in("nobody@x.example", "wrong one", cookie);
    assert_int_equal(status, 429);
    assert_int_equal(sign_in("bob@x.example", "long enough", cookie), 429);
    get(&w, "/accounts/v1/audit?action=session.refused&$count=true&$top=1", &r);
    assert_int_equal(reply_number(&r, "@count"), SERVER_LOGINS_MAX);
}

/* Whoever has got into an account sees nothing more once its password is another one. */
static void test_stream_ends(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    CLEANUP(buf_fini) struct buf in;
    char cookie[300], text[512], path[96];
    buf_init(&in, 65536);
    int64_t id = add_user("{\"email\":\"ann@x.example\",\"password\":\"long enough\",\"roles\":"
                          "[{\"project_id\":1,\"role\":\"viewer\"}]}",
                          &r);
    assert_int_equal(sign_in("ann@x.example", "long enough", cookie), 204);
    int fd = dial(&w);
    snprintf(text, sizeof text, "GET /cloud/v5/test_runs/events HTTP/1.1\r\nHost: x\r\n%s\r\n",
             cookie);
    send_all(fd, text, strlen(text));
    read_until(fd, &in, ": open");
    snprintf(path, sizeof path, "/accounts/v1/users/%lld/reset_password", (long long)id);
    call_json(&w, "POST", path, NULL, 200, &r);
    read_until(fd, &in, "\r\n0\r\n");
    close(fd);
}

/* Nor does a link that was kept for later let anybody in again. */
static void test_link_ends(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char cookie[300], value[256], url[512], path[96];
    int64_t id = add_user("{\"email\":\"ann@x.example\",\"password\":\"long enough\"}", &r);
    snprintf(path, sizeof path, "/accounts/v1/users/%lld/reset_password", (long long)id);
    for (int reset = 0; reset < 2; reset++) {
        assert_int_equal(sign_in("ann@x.example", "long enough", cookie), 204);
        assert_int_equal(status_of(cookie, "POST", "/session/link", NULL, &r), 200);
        reply_string(&r, "url", url);
        if (reset)
            call_json(&w, "POST", path, NULL, 200, &r);
        assert_int_equal(status_of("-", "GET", strstr(url, "/session/link/"), NULL, &r), 303);
        reply_header_value(&r, "Set-Cookie", value);
        assert_int_equal(value[0] != '\0', !reset);
    }
}

static int send_guess(const char *password)
{
    char body[128], text[512];
    int fd = dial(&w);
    int len =
        snprintf(body, sizeof body, "{\"email\":\"ann@x.example\",\"password\":\"%s\"}", password);
    snprintf(text, sizeof text,
             "POST /session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: %d\r\n\r\n%s",
             len, body);
    send_all(fd, text, strlen(text));
    return fd;
}

/* Guesses that come all at once are no more than those that come one by one. */
static void test_many_guesses(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    enum { GUESSES = 30 };
    int fds[GUESSES];
    int told = 0;
    add_user("{\"email\":\"ann@x.example\",\"password\":\"long enough\"}", &r);
    for (size_t i = 0; i < GUESSES; i++)
        fds[i] = send_guess("wrong one");
    for (size_t i = 0; i < GUESSES; i++) {
        CLEANUP(buf_fini) struct buf in;
        buf_init(&in, 65536);
        read_until(fds[i], &in, "\r\n\r\n");
        told += strncmp(buf_cstr(&in), "HTTP/1.1 401", 12) == 0;
        close(fds[i]);
    }
    assert_int_equal(told, SERVER_ACCOUNT_LOGINS_MAX);
}

static void test_sign_in_input(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static char large[2400];
    static const char *const bad[] = {
        "{}",
        "{\"email\":\"a\"}",
        "{\"email\":1,\"password\":2}",
        "{\"email\":\"\",\"password\":\"x\"}",
        "{\"email\":\"a\",\"password\":\"\\n\"}",
        "[]",
        "nonsense",
        large,
    };
    snprintf(large, sizeof large, "{\"email\":\"a\",\"password\":\"%01200d\"}", 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(status_of("-", "POST", "/session", bad[i], &r), 400);
        assert_int_equal(status_of("-", "POST", "/v1/login", bad[i], &r), 400);
    }
    assert_int_equal(status_of("-Origin: http://evil.example\r\n", "POST", "/session",
                               "{\"email\":\"a\",\"password\":\"b\"}", &r),
                     403);
}

static void test_service_token(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char token[512], header[600], body[600], path[128];
    call_json(&w, "POST", "/accounts/v1/service_tokens",
              "{\"name\":\"ci\",\"roles\":[{\"project_id\":1,\"role\":\"editor\"}]}", 201, &r);
    int64_t id = reply_number(&r, "id");
    reply_string(&r, "token", token);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    assert_int_equal(status_of(header, "GET", "/cloud/v6/auth", NULL, &r), 200);
    assert_int_equal(status_of(header, "POST", "/v1/tests", "{\"name\":\"a.js\"}", &r), 200);
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    assert_int_equal(status_of("-", "POST", "/session", body, &r), 403);
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"started_by\":\"service-");
    get(&w, "/accounts/v1/service_tokens", &r);
    ASSERT_SAYS(r, "\"name\":\"ci\",\"created_by\":\"admin@localhost\"");
    if (strstr(reply_text(&r), token) || strstr(reply_text(&r), "\"last_used\":null"))
        fail_msg("%s", reply_text(&r));
    snprintf(path, sizeof path, "/accounts/v1/service_tokens/%lld", (long long)id);
    call_json(&w, "DELETE", path, NULL, 204, &r);
    assert_int_equal(status_of(header, "GET", "/cloud/v6/auth", NULL, &r), 401);
    call_json(&w, "DELETE", path, NULL, 404, &r);
}

/* ---- users ---- */

static void test_users(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char path[128], cookie[300];
    static const char *const bad[] = {
        "{\"email\":\"\"}",
        "{\"email\":\"a b@x\"}",
        "{\"email\":\"a@b@c\"}",
        "{\"email\":\"@x\"}",
        "{\"email\":\"a@x\",\"name\":\"a\\u0007b\"}",
        "{\"email\":\"a@x\",\"roles\":{}}",
        "{\"email\":\"a@x\",\"roles\":[{\"project_id\":1,\"role\":\"king\"}]}",
        "{\"email\":\"a@x\",\"roles\":[{\"role\":\"viewer\"}]}",
        "{\"email\":\"a@x\",\"roles\":[{\"project_id\":-1,\"role\":\"viewer\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        call_json(&w, "POST", "/accounts/v1/users", bad[i], 400, &r);
    call_json(&w, "POST", "/accounts/v1/users",
              "{\"email\":\"a@x\",\"roles\":[{\"project_id\":9,\"role\":\"viewer\"}]}", 404, &r);
    int64_t id = add_user("{\"email\":\"a@x\",\"password\":\"long enough\"}", &r);
    call_json(&w, "POST", "/accounts/v1/users", "{\"email\":\"A@X\"}", 409, &r);
    snprintf(path, sizeof path, "/accounts/v1/users/%lld", (long long)id);
    /* One owner has to stay. */
    call_json(&w, "DELETE", "/accounts/v1/users/1", NULL, 409, &r);
    ASSERT_SAYS(r, "needs an owner");
    call_json(&w, "PATCH", "/accounts/v1/users/1", "{\"is_owner\":false}", 409, &r);
    call_json(&w, "PATCH", "/accounts/v1/users/1", "{\"is_disabled\":true}", 409, &r);
    call_json(&w, "PATCH", path, "{\"name\":\"Ann\",\"is_owner\":true}", 200, &r);
    ASSERT_SAYS(r, "\"name\":\"Ann\",\"is_owner\":true");
    /* Who is disabled is out at once. */
    assert_int_equal(sign_in("a@x", "long enough", cookie), 204);
    assert_int_equal(status_of(cookie, "GET", "/accounts/v1/users", NULL, &r), 200);
    call_json(&w, "PATCH", path, "{\"is_disabled\":true}", 200, &r);
    assert_int_equal(status_of(cookie, "GET", "/session", NULL, &r), 401);
    assert_int_equal(sign_in("a@x", "long enough", cookie), 401);
    call_json(&w, "PATCH", path, "{\"is_disabled\":false,\"is_owner\":false}", 200, &r);
    assert_int_equal(sign_in("a@x", "long enough", cookie), 204);
    call_json(&w, "DELETE", path, NULL, 204, &r);
    assert_int_equal(status_of(cookie, "GET", "/session", NULL, &r), 401);
    call_json(&w, "GET", path, NULL, 404, &r);
}

/* Another process, as the command line is one, writes beside the server. */
static void test_from_outside(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char dir[128], header[128];
    struct store *s = NULL;
    struct store_token t = {.user_id = 1, .name = STR("x"), .created_by = STR("x")};
    snprintf(dir, sizeof dir, "%s/data", w.dir);
    assert_int_equal(store_open_accounts(dir, &s), 0);
    auth_hash(STR("outside"), t.hash);
    assert_int_equal(store_add_token(s, &t, NULL, 0), 0);
    store_close(s);
    snprintf(header, sizeof header, "Authorization: Bearer outside\r\n");
    int64_t deadline = clock_mono_ns() + 10 * NS_PER_S;
    while (status_of(header, "GET", "/cloud/v6/auth", NULL, &r) != 200)
        assert_true(clock_mono_ns() < deadline);
}

/* ---- deeds ---- */

static void test_deeds(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/cloud/v6/projects", "{\"name\":\"Two\"}", 201, &r);
    call_json(&w, "POST", "/cloud/v6/projects", "{\"name\":\"Two\"}", 409, &r); /* no deed */
    call_json(&w, "PATCH", "/cloud/v6/projects/2/limits", "{\"vu_max_per_test\":5}", 204, &r);
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a.js\"}", 200, &r);
    get(&w, "/accounts/v1/audit?$count=true", &r);
    assert_int_equal(reply_number(&r, "@count"), 3);
    ASSERT_SAYS(r, "\"action\":\"test_run.start\",\"target\":\"1\"");
    ASSERT_SAYS(r, "\"address\":\"127.0.0.1\"");
    ASSERT_SAYS(r, "\"token\":\"first token\"");
    get(&w, "/accounts/v1/audit?action=project&$top=1&$count=true", &r);
    assert_int_equal(reply_number(&r, "@count"), 2);
    ASSERT_SAYS(r, "\"action\":\"project.limits\",\"target\":\"2\"");
    ASSERT_SAYS(r, "@nextLink");
    get(&w, "/accounts/v1/audit?actor=nobody&$count=true", &r);
    assert_int_equal(reply_number(&r, "@count"), 0);
}

/* ---- limits and hours ---- */

/* By the older protocol, or by provisioning; each with a key of its own, k0 first. */
static int start(bool provisioned, int vus, int duration_s, struct reply *r)
{
    char body[256];
    char header[128];
    static int key;
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\nK6-Idempotency-Key: k%d\r\n",
             w.token, key++);
    if (!provisioned) {
        snprintf(body, sizeof body,
                 "{\"name\":\"a.js\",\"project_id\":1,\"vus\":%d,\"duration\":%d}", vus,
                 duration_s);
        return status_of(header, "POST", "/v1/tests", body, r);
    }
    snprintf(body, sizeof body, "{\"options\":{},\"max_vus\":%d,\"total_duration\":%d}", vus,
             duration_s);
    return status_of(header, "POST", "/provisioning/v1/load_tests/1/start_local_execution", body,
                     r);
}

static void set_limits(const char *json)
{
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "PATCH", "/cloud/v6/projects/1/limits", json, 204, &r);
}

static void test_refused(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    assert_int_equal(start(false, 1, 60, &r), 200);
    set_limits("{\"vu_max_per_test\":5,\"duration_max_per_test\":600,\"vuh_max_per_month\":1}");
    for (int i = 0; i < 2; i++) {
        int refused = i == 0 ? 403 : 400; /* which k6 v2 shows with its words */
        assert_int_equal(start(i == 1, 6, 60, &r), refused);
        ASSERT_SAYS(r, "limited to 5 virtual users a test; this test would make it 6");
        assert_int_equal(start(i == 1, 5, 601, &r), refused);
        ASSERT_SAYS(r, "limited to 600 seconds a test");
        /* 5 × 10 / 60 × 0.75 = 0.625 of one hour, once */
        assert_int_equal(start(i == 1, 5, 600, &r), i == 0 ? 200 : refused);
    }
    ASSERT_SAYS(r, "limited to 1 VU hours a month");
    /* A lost answer isn't a second run. */
    char header[128];
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\nK6-Idempotency-Key: k3\r\n",
             w.token);
    assert_int_equal(status_of(header, "POST", "/v1/tests",
                               "{\"name\":\"a.js\",\"vus\":5,\"duration\":600}", &r),
                     200);
}

static void push_vus(int64_t run, int vus)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[64], body[256];
    snprintf(path, sizeof path, "/v1/metrics/%lld", (long long)run);
    snprintf(body, sizeof body,
             "[{\"type\":\"Point\",\"metric\":\"vus\",\"data\":{\"time\":\"1700000000000000\","
             "\"type\":\"gauge\",\"tags\":{},\"value\":%d}}]",
             vus);
    call_json(&w, "POST", path, body, 200, &r);
}

static void push_nothing(int64_t run)
{
    push_vus(run, 3);
}

static void await_abort(int64_t run, const char *message)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[64];
    int64_t deadline = clock_mono_ns() + 20 * NS_PER_S;
    snprintf(path, sizeof path, "/cloud/v6/test_runs/%lld", (long long)run);
    do {
        assert_true(clock_mono_ns() < deadline);
        usleep(50000);
        get(&w, path, &r);
    } while (!strstr(reply_text(&r), "\"status\":\"aborted\""));
    ASSERT_SAYS(r, message);
    ASSERT_SAYS(r, "\"result\":\"error\"");
    ASSERT_SAYS(r, "\"code\":9");
    snprintf(path, sizeof path, "/v1/metrics/%lld", (long long)run);
    call_json(&w, "POST", path, "[]", 403, &r);
    ASSERT_SAYS(r, "\"code\":4");
    ASSERT_SAYS(r, "has ended (Aborted by Limit: The project is limited to ");
}

static void test_aborted(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    assert_int_equal(start(false, 100, 60, &r), 200);
    push_nothing(1);
    set_limits("{\"vuh_max_per_month\":1}"); /* a minute of 100 is 1.25 */
    await_abort(1, "VU hours a month, and they are used up");
    set_limits("{\"vuh_max_per_month\":null,\"vu_max_per_test\":2}");
    assert_int_equal(start(false, 2, 60, &r), 200);
    push_nothing(2);
    await_abort(2, "limited to 2 virtual users a test; this one has 3");
    assert_int_equal(start(false, 1, 60, &r), 200);
    push_nothing(3);
    set_limits("{\"vu_max_per_test\":null,\"duration_max_per_test\":1}");
    await_abort(3, "limited to 1 seconds a test");
}

/* Hours are those that a run takes, whatever it has announced. */
static void test_modest(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    set_limits("{\"vuh_max_per_month\":1}");
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a.js\"}", 200, &r);
    push_vus(1, 100);
    await_abort(1, "VU hours a month, and they are used up");
    get(&w, "/accounts/v1/usage", &r);
    ASSERT_SAYS(r, "\"runs\":1,\"vuh\":1.25,");
}

/* Planned while it is open, what it took when it has ended, and that also after it was deleted. */
static void test_usage(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static const char *const path = "/accounts/v1/usage";
    assert_int_equal(start(false, 60, 120, &r), 200);
    get(&w, path, &r);
    ASSERT_SAYS(r, "\"runs\":1,\"vuh\":1.5,\"vuh_max\":null"); /* 60 × 2 / 60 × 0.75 */
    push_nothing(1);
    call_json(&w, "POST", "/v1/tests/1", "{\"run_status\":5,\"result_status\":0}", 200, &r);
    get(&w, path, &r);
    ASSERT_SAYS(r, "\"runs\":1,\"vuh\":0.75"); /* one started minute */
    call_json(&w, "DELETE", "/cloud/v6/test_runs/1", NULL, 204, &r);
    get(&w, path, &r);
    ASSERT_SAYS(r, "\"runs\":1,\"vuh\":0.75");
    get(&w, "/accounts/v1/usage?from=2001-01&to=2001-12&$count=true", &r);
    assert_int_equal(reply_number(&r, "@count"), 0);
    call_json(&w, "GET", "/accounts/v1/usage?from=2001", NULL, 400, &r);
}

/* ---- stacks ---- */

static void test_stack(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static const char *const stacks[] = {
        "X-Stack-Url: https://my-team.grafana.net\r\n",
        "X-Stack-Url: http://127.0.0.1:6600\r\n",
        "X-Stack-Id: 12345\r\n",
    };
    char header[256];
    for (size_t i = 0; i < ARRAY_LEN(stacks); i++) {
        snprintf(header, sizeof header, "Authorization: Bearer %s\r\n%s", w.token, stacks[i]);
        assert_int_equal(status_of(header, "GET", "/cloud/v6/auth", NULL, &r), 200);
        assert_string_equal(reply_text(&r), "{\"stack_id\":1,\"default_project_id\":1}");
        snprintf(header, sizeof header, "Authorization: Bearer wrong\r\n%s", stacks[i]);
        assert_int_equal(status_of(header, "GET", "/cloud/v6/auth", NULL, &r), 401);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_time_password, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_passwords, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stream_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_guesses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sign_in_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_users, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_from_outside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deeds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aborted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_usage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stack, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
