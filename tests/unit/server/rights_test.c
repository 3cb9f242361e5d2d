/*
 * Who may use which route: every route of the server, asked by everybody.
 */
#include "client.h"
#include "route_list.h"
#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct world w;

/* Of whom a route takes requests: each level is one more than the one before, but a service has
 * no account of its own. */
enum level { ANYONE, SIGNED_IN, USER, VIEWER, EDITOR, ADMIN, ADMIN_OF_ALL, OWNER };

static const struct {
    const char *method_and_pattern;
    enum level level;
} matrix[] = {
    {"POST /v1/tests", SIGNED_IN}, /* the project is in the body: test_bodies */
    {"POST /v1/tests/{}", EDITOR},
    {"POST /v1/tests/{}/stop", EDITOR},
    {"POST /v1/metrics/{}", EDITOR},
    {"POST /v2/metrics/{}", EDITOR},
    {"POST /v1/validate-token", ANYONE},
    {"POST /v1/login", ANYONE},
    {"POST /v1/validate-options", SIGNED_IN},
    {"POST /v1/archive-upload", SIGNED_IN}, /* test_bodies */
    {"GET /v1/test-progress/{}", VIEWER},
    {"POST /provisioning/v1/test_runs/{}/logs", EDITOR},
    {"GET /api/v1/tail", SIGNED_IN}, /* test_bodies */
    {"POST /session", ANYONE},
    {"GET /session", SIGNED_IN},
    {"DELETE /session", SIGNED_IN},
    {"POST /session/link", USER},
    {"GET /session/link/{}", ANYONE},
    {"GET /accounts/v1/me", SIGNED_IN},
    {"PATCH /accounts/v1/me", USER},
    {"POST /accounts/v1/me/password", USER},
    {"GET /accounts/v1/me/tokens", USER},
    {"POST /accounts/v1/me/tokens", USER},
    {"DELETE /accounts/v1/me/tokens/{}", USER},
    {"GET /accounts/v1/users", OWNER},
    {"POST /accounts/v1/users", OWNER},
    {"GET /accounts/v1/users/{}", OWNER},
    {"PATCH /accounts/v1/users/{}", OWNER},
    {"DELETE /accounts/v1/users/{}", OWNER},
    {"POST /accounts/v1/users/{}/reset_password", OWNER},
    {"PUT /accounts/v1/users/{}/roles", OWNER},
    {"GET /accounts/v1/service_tokens", OWNER},
    {"POST /accounts/v1/service_tokens", OWNER},
    {"PUT /accounts/v1/service_tokens/{}/roles", OWNER},
    {"DELETE /accounts/v1/service_tokens/{}", OWNER},
    {"GET /accounts/v1/projects/{}/members", ADMIN},
    {"PUT /accounts/v1/projects/{}/members/{}", ADMIN},
    {"DELETE /accounts/v1/projects/{}/members/{}", ADMIN},
    {"GET /accounts/v1/audit", OWNER},
    {"GET /accounts/v1/usage", SIGNED_IN}, /* test_lists */
    {"GET /cloud/v6/auth", SIGNED_IN},
    {"GET /cloud/v6/projects", SIGNED_IN}, /* test_lists */
    {"POST /cloud/v6/projects", ADMIN_OF_ALL},
    {"GET /cloud/v6/projects/{}", VIEWER},
    {"PATCH /cloud/v6/projects/{}", ADMIN},
    {"DELETE /cloud/v6/projects/{}", ADMIN},
    {"GET /cloud/v6/projects/{}/limits", VIEWER},
    {"PATCH /cloud/v6/projects/{}/limits", ADMIN_OF_ALL},
    {"GET /cloud/v6/project-limits", SIGNED_IN}, /* test_lists */
    {"GET /cloud/v6/projects/{}/labels", VIEWER},
    {"PUT /cloud/v6/projects/{}/labels", ADMIN},
    {"DELETE /cloud/v6/projects/{}/labels/{}", ADMIN},
    {"GET /cloud/v6/projects/{}/allowed_load_zones", VIEWER},
    {"PUT /cloud/v6/projects/{}/allowed_load_zones", ADMIN},
    {"GET /cloud/v6/projects/{}/load_tests", VIEWER},
    {"POST /cloud/v6/projects/{}/load_tests", EDITOR},
    {"GET /cloud/v6/labels", SIGNED_IN},
    {"POST /cloud/v6/labels", ADMIN_OF_ALL},
    {"PATCH /cloud/v6/labels/{}", ADMIN_OF_ALL},
    {"DELETE /cloud/v6/labels/{}", ADMIN_OF_ALL},
    {"GET /cloud/v6/load_zones", SIGNED_IN},
    {"GET /cloud/v6/load_zones/{}/allowed_projects", SIGNED_IN},
    {"PUT /cloud/v6/load_zones/{}/allowed_projects", ADMIN_OF_ALL},
    {"GET /cloud/v6/load_tests", SIGNED_IN}, /* test_lists */
    {"GET /cloud/v6/load_tests/{}", VIEWER},
    {"PATCH /cloud/v6/load_tests/{}", EDITOR},
    {"DELETE /cloud/v6/load_tests/{}", EDITOR},
    {"PUT /cloud/v6/load_tests/{}/move", EDITOR}, /* and test_bodies */
    {"GET /cloud/v6/load_tests/{}/script", VIEWER},
    {"PUT /cloud/v6/load_tests/{}/script", EDITOR},
    {"POST /cloud/v6/load_tests/{}/start", EDITOR},
    {"GET /cloud/v6/load_tests/{}/schedule", VIEWER},
    {"POST /cloud/v6/load_tests/{}/schedule", EDITOR},
    {"GET /cloud/v6/load_tests/{}/test_runs", VIEWER},
    {"GET /cloud/v6/schedules", SIGNED_IN}, /* test_lists */
    {"GET /cloud/v6/schedules/{}", VIEWER},
    {"DELETE /cloud/v6/schedules/{}", EDITOR},
    {"POST /cloud/v6/schedules/{}/activate", EDITOR},
    {"POST /cloud/v6/schedules/{}/deactivate", EDITOR},
    {"GET /cloud/v6/test_runs", SIGNED_IN}, /* test_lists */
    {"GET /cloud/v6/test_runs/{}", VIEWER},
    {"PATCH /cloud/v6/test_runs/{}", EDITOR},
    {"DELETE /cloud/v6/test_runs/{}", EDITOR},
    {"GET /cloud/v6/test_runs/{}/script", VIEWER},
    {"POST /cloud/v6/test_runs/{}/abort", EDITOR},
    {"POST /cloud/v6/test_runs/{}/star", EDITOR},
    {"POST /cloud/v6/test_runs/{}/unstar", EDITOR},
    {"POST /cloud/v6/test_runs/{}/save", EDITOR},
    {"POST /cloud/v6/test_runs/{}/unsave", EDITOR},
    {"GET /cloud/v6/test_runs/{}/distribution", VIEWER},
    {"GET /cloud/v6/openapi", ANYONE},
    {"POST /cloud/v6/validate_options", SIGNED_IN}, /* test_bodies */
    {"POST /provisioning/v1/load_tests/{}/start_local_execution", EDITOR},
    {"PUT /provisioning/v1/archives/{}", ANYONE}, /* the path is the secret */
    {"POST /provisioning/v1/test_runs/{}/notify", EDITOR},
    {"GET /provisioning/v1/test_runs/{}/decrypt_secret", EDITOR},
    {"GET /provisioning/v1/test_runs/{}/aisdk_session", EDITOR},
    {"GET /cloud/v5/test_runs/events", SIGNED_IN}, /* test_lists */
    {"GET /cloud/v5/test_runs/{}/logs", VIEWER},
    {"GET /cloud/v5/test_runs/{}/outliers", VIEWER},
    {"GET /cloud/v5/test_runs/{}/events", VIEWER},
    {"GET /cloud/v5/test_runs/{}/thresholds", VIEWER},
    {"GET /cloud/v5/test_runs/{}/metrics", VIEWER},
    {"GET /cloud/v5/test_runs/{}/series", VIEWER},
    {"GET /cloud/v5/test_runs/{}/labels", VIEWER},
    {"GET /cloud/v5/test_runs/{}/label/{}/values", VIEWER},
    {"GET /cloud/v5/test_runs/{}/{*}", VIEWER},
    {"GET /cloud/v5/load_tests/{}/{*}", VIEWER},
    {"GET /cloud/v5/projects/{}/settings", VIEWER},
    {"PATCH /cloud/v5/projects/{}/settings", ADMIN},
    {"GET /cloud/v5/{*}", SIGNED_IN},
};

/* Everybody, with what they may do in project 2. */
enum { NOBODY, ELSEWHERE, A_VIEWER, AN_EDITOR, A_SERVICE, AN_ADMIN, A_MANAGER, THE_OWNER, PEOPLE };

static struct {
    const char *name;
    bool service;
    enum level level;
    const char *roles;
    char header[160];
    int64_t id;
} people[PEOPLE] = {
    [NOBODY] = {"nobody", false, ANYONE, NULL, "-", 0},
    [ELSEWHERE] = {"elsewhere", false, USER, "{\"project_id\":1,\"role\":\"admin\"}", "", 0},
    [A_VIEWER] = {"viewer", false, VIEWER, "{\"project_id\":2,\"role\":\"viewer\"}", "", 0},
    [AN_EDITOR] = {"editor", false, EDITOR, "{\"project_id\":2,\"role\":\"editor\"}", "", 0},
    [A_SERVICE] = {"service", true, EDITOR, "{\"project_id\":2,\"role\":\"editor\"}", "", 0},
    [AN_ADMIN] = {"admin", false, ADMIN, "{\"project_id\":2,\"role\":\"admin\"}", "", 0},
    [A_MANAGER] = {"manager", false, ADMIN_OF_ALL, "{\"project_id\":null,\"role\":\"admin\"}", "",
                   0},
    [THE_OWNER] = {"owner", false, OWNER, NULL, "", 0},
};

/* What paths name. */
static int64_t project_id, test_id, run_id, schedule_id, spare_user, spare_service;

static void make_token(size_t i)
{
    CLEANUP(reply_free) struct reply r = {0};
    char body[256], text[512], email[64];
    snprintf(email, sizeof email, "%s@x.example", people[i].name);
    if (people[i].service) {
        snprintf(body, sizeof body, "{\"name\":\"%s\",\"roles\":[%s]}", people[i].name,
                 people[i].roles);
        call_json(&w, "POST", "/accounts/v1/service_tokens", body, 201, &r);
    } else {
        snprintf(body, sizeof body,
                 "{\"email\":\"%s\",\"password\":\"long enough\",\"roles\":[%s]}", email,
                 people[i].roles);
        call_json(&w, "POST", "/accounts/v1/users", body, 201, &r);
        people[i].id = reply_number(&r, "id");
        snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"long enough\"}", email);
        call_json(&w, "POST", "/v1/login", body, 200, &r);
    }
    reply_string(&r, "token", text);
    snprintf(people[i].header, sizeof people[i].header, "Authorization: Bearer %.64s\r\n", text);
}

/* The objects of project 2 that are gone. */
static void make_objects(void)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[128], text[512];
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a.js\",\"project_id\":2,\"vus\":1}", 200, &r);
    reply_string(&r, "reference_id", text);
    run_id = strtoll(text, NULL, 10);
    snprintf(path, sizeof path, "/cloud/v6/test_runs/%lld", (long long)run_id);
    call_json(&w, "GET", path, NULL, 200, &r);
    test_id = reply_number(&r, "test_id");
    project_id = reply_number(&r, "project_id");
    assert_int_equal(project_id, 2);
    snprintf(path, sizeof path, "/cloud/v6/load_tests/%lld/schedule", (long long)test_id);
    call_json(&w, "POST", path, "{\"starts\":\"2030-01-01T00:00:00Z\"}", 200, &r);
    schedule_id = reply_number(&r, "id");
}

static void make_spares(void)
{
    CLEANUP(reply_free) struct reply r = {0};
    static int n;
    char body[64];
    snprintf(body, sizeof body, "{\"email\":\"spare%d\"}", n++);
    call_json(&w, "POST", "/accounts/v1/users", body, 201, &r);
    spare_user = reply_number(&r, "id");
    call_json(&w, "POST", "/accounts/v1/service_tokens", "{\"name\":\"spare\"}", 201, &r);
    spare_service = reply_number(&r, "id");
}

static int set_up(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    world_open(&w, 120000000000);
    call_json(&w, "POST", "/cloud/v6/projects", "{\"name\":\"Two\"}", 201, &r);
    assert_int_equal(reply_number(&r, "id"), 2);
    for (size_t i = ELSEWHERE; i < THE_OWNER; i++)
        make_token(i);
    snprintf(people[THE_OWNER].header, sizeof people[THE_OWNER].header,
             "Authorization: Bearer %s\r\n", w.token);
    make_objects();
    make_spares();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

/* ---- paths ---- */

static int64_t id_for(const char *before, size_t len)
{
    static const struct {
        const char *ends;
        int64_t *id;
    } names[] = {
        {"/test_runs/", &run_id},
        {"/v1/tests/", &run_id},
        {"/metrics/", &run_id},
        {"/test-progress/", &run_id},
        {"/load_tests/", &test_id},
        {"/projects/", &project_id},
        {"/schedules/", &schedule_id},
        {"/users/", &spare_user},
        {"/service_tokens/", &spare_service},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i].ends);
        if (len >= n && memcmp(before + len - n, names[i].ends, n) == 0)
            return *names[i].id;
    }
    return 999;
}

static void path_of(const char *pattern, char out[static 256])
{
    size_t len = 0;
    for (const char *p = pattern; *p;) {
        if (strncmp(p, "{}", 2) == 0) {
            len += (size_t)snprintf(out + len, 256 - len, "%lld",
                                    (long long)id_for(pattern, (size_t)(p - pattern)));
            p += 2;
        } else if (strncmp(p, "{*}", 3) == 0) {
            len += (size_t)snprintf(out + len, 256 - len, "nothing");
            p += 3;
        } else {
            out[len++] = *p++;
        }
    }
    out[len] = '\0';
}

static enum level level_of(const struct listed_route *route)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s", route->method, route->pattern);
    for (size_t i = 0; i < ARRAY_LEN(matrix); i++)
        if (strcmp(matrix[i].method_and_pattern, text) == 0)
            return matrix[i].level;
    fail_msg("%s isn't in the matrix: who may use it?", text);
    return OWNER;
}

/* ---- the matrix ---- */

static bool admitted(size_t who, enum level need)
{
    if (people[who].service && need == USER)
        return false;
    return people[who].level >= need;
}

static void check_error_form(const struct listed_route *route, struct reply *r)
{
    const char *text = reply_text(r);
    if (!strstr(text, "\"error\":{\"message\":\""))
        fail_msg("%s: %s", route->pattern, text);
    bool v6 = strstr(text, "\"code\":\"") != NULL;
    assert_int_equal(v6, route->v6);
    if (!route->v6 && r->status == 403)
        assert_non_null(strstr(text, "\"code\":4"));
}

static void ask(const struct listed_route *route, size_t who)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[256];
    enum level need = level_of(route);
    bool may = admitted(who, need);
    if (may && strstr(route->pattern, "/events"))
        return; /* would never end */
    if (may && (strcmp(route->method, "DELETE") == 0 || strstr(route->pattern, "/abort") ||
                strstr(route->pattern, "/stop"))) {
        make_objects();
        make_spares();
    }
    path_of(route->pattern, path);
    call(&w, route->method, path, people[who].header, NULL, 0, &r);
    int want = may ? 0 : who == NOBODY ? 401 : 403;
    bool refused = r.status == 401 || r.status == 403;
    if (want == 0 ? refused : r.status != want)
        fail_msg("%s %s by %s: %d: %s", route->method, path, people[who].name, r.status,
                 reply_text(&r));
    if (refused)
        check_error_form(route, &r);
}

static void test_matrix(void **state)
{
    (void)state;
    struct listed_route route;
    for (size_t i = 0; route_list_get(i, &route); i++) {
        make_objects(); /* of which the route before may have left none */
        for (size_t who = 0; who < PEOPLE; who++)
            ask(&route, who);
    }
}

/* ---- rights that depend on bodies ---- */

static int try_json(size_t who, const char *method, const char *path, const char *json)
{
    CLEANUP(reply_free) struct reply r = {0};
    char headers[256];
    snprintf(headers, sizeof headers, "%s%s", people[who].header,
             json ? "Content-Type: application/json\r\n" : "");
    call(&w, method, path, headers, json, json ? strlen(json) : 0, &r);
    return r.status;
}

static void test_bodies(void **state)
{
    (void)state;
    char path[128];
    static const char in_two[] = "{\"name\":\"b.js\",\"project_id\":2,\"vus\":1,\"duration\":1}";
    static const char unnamed[] = "{\"name\":\"b.js\",\"vus\":1,\"duration\":1}";
    static const char in_new[] = "{\"name\":\"b.js\",\"project_id\":77,\"vus\":1,\"duration\":1}";
    for (size_t who = ELSEWHERE; who < PEOPLE; who++) {
        bool editor = people[who].level >= EDITOR;
        bool viewer = people[who].level >= VIEWER;
        assert_int_equal(try_json(who, "POST", "/v1/tests", in_two), editor ? 200 : 403);
        /* Whoever may run tests somewhere may do it without naming the project. */
        assert_int_equal(try_json(who, "POST", "/v1/tests", unnamed), who == A_VIEWER ? 403 : 200);
        assert_int_equal(try_json(who, "POST", "/cloud/v6/validate_options",
                                  "{\"project_id\":2,\"options\":{}}"),
                         viewer ? 200 : 403);
        snprintf(path, sizeof path, "/api/v1/tail?query={test_run_id=%%22%lld%%22}",
                 (long long)run_id);
        assert_int_equal(try_json(who, "GET", path, NULL), viewer ? 400 : 403);
    }
    /* A project that isn't there is made only by those who may make projects. */
    assert_int_equal(try_json(AN_ADMIN, "POST", "/v1/tests", in_new), 403);
    assert_int_equal(try_json(A_MANAGER, "POST", "/v1/tests", in_new), 200);
    /* Moving takes a role in both projects. */
    snprintf(path, sizeof path, "/cloud/v6/load_tests/%lld/move", (long long)test_id);
    assert_int_equal(try_json(AN_EDITOR, "PUT", path, "{\"project_id\":1}"), 403);
    assert_int_equal(try_json(AN_EDITOR, "PUT", path, "{\"project_id\":2}"), 204);
    assert_int_equal(try_json(A_MANAGER, "PUT", path, "{\"project_id\":1}"), 204);
    assert_int_equal(try_json(A_MANAGER, "PUT", path, "{\"project_id\":2}"), 204);
}

static int start_with_key(size_t who, const char *json)
{
    CLEANUP(reply_free) struct reply r = {0};
    char headers[256];
    snprintf(headers, sizeof headers,
             "%sContent-Type: application/json\r\nK6-Idempotency-Key: known\r\n",
             people[who].header);
    call(&w, "POST", "/v1/tests", headers, json, strlen(json), &r);
    return r.status;
}

/* Who knows the key by which a run was made doesn't get at the run. */
static void test_keys(void **state)
{
    (void)state;
    static const char in_two[] = "{\"name\":\"k.js\",\"project_id\":2}";
    assert_int_equal(start_with_key(AN_EDITOR, in_two), 200);
    assert_int_equal(start_with_key(AN_EDITOR, in_two), 200);
    assert_int_equal(try_json(ELSEWHERE, "POST", "/v1/tests", "{\"name\":\"k.js\"}"), 200);
    assert_int_equal(start_with_key(ELSEWHERE, "{\"name\":\"k.js\"}"), 403);
}

/* ---- lists show what may be seen ---- */

static int64_t count_of(size_t who, const char *path)
{
    CLEANUP(reply_free) struct reply r = {0};
    call(&w, "GET", path, people[who].header, NULL, 0, &r);
    assert_int_equal(r.status, 200);
    return reply_number(&r, "@count");
}

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int64_t all, in_two, elsewhere;
    } lists[] = {
        {"/cloud/v6/projects?$count=true", 2, 1, 1},
        {"/cloud/v6/project-limits?$count=true", 2, 1, 1},
        {"/cloud/v6/load_tests?$count=true", 2, 1, 1},
        {"/cloud/v6/test_runs?$count=true", 2, 1, 1},
        {"/cloud/v6/schedules?$count=true", 1, 1, 0},
        {"/accounts/v1/usage?$count=true", 2, 1, 1},
    };
    assert_int_equal(try_json(THE_OWNER, "POST", "/v1/tests", "{\"name\":\"mine.js\"}"), 200);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        assert_int_equal(count_of(THE_OWNER, lists[i].path), lists[i].all);
        assert_int_equal(count_of(A_MANAGER, lists[i].path), lists[i].all);
        assert_int_equal(count_of(A_VIEWER, lists[i].path), lists[i].in_two);
        assert_int_equal(count_of(A_SERVICE, lists[i].path), lists[i].in_two);
        assert_int_equal(count_of(ELSEWHERE, lists[i].path), lists[i].elsewhere);
    }
}

/* The stream of all runs tells a viewer of those of their projects. */
static void test_events(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf in;
    char head[512];
    buf_init(&in, 1 << 20);
    int fd = dial(&w);
    snprintf(head, sizeof head, "GET /cloud/v5/test_runs/events HTTP/1.1\r\nHost: x\r\n%s\r\n",
             people[A_VIEWER].header);
    send_all(fd, head, strlen(head));
    read_until(fd, &in, ": open");
    assert_int_equal(try_json(THE_OWNER, "POST", "/v1/tests", "{\"name\":\"hidden.js\"}"), 200);
    assert_int_equal(
        try_json(THE_OWNER, "POST", "/v1/tests", "{\"name\":\"seen.js\",\"project_id\":2}"), 200);
    read_until(fd, &in, "\"project_id\":2");
    assert_null(strstr(buf_cstr(&in), "\"project_id\":1,"));
    /* Another role is another stream: this one ends, whole. */
    char path[64];
    snprintf(path, sizeof path, "/accounts/v1/users/%lld/roles", (long long)people[A_VIEWER].id);
    assert_int_equal(try_json(THE_OWNER, "PUT", path, "{\"value\":[]}"), 204);
    read_until(fd, &in, "\r\n0\r\n");
    close(fd);
}

/* Whoever follows a log is told good-bye with the role. */
static void test_tail(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf in;
    char head[700], path[64];
    buf_init(&in, 1 << 20);
    int fd = dial(&w);
    snprintf(head, sizeof head,
             "GET /api/v1/tail HTTP/1.1\r\nHost: x\r\n%sX-K6TestRun-Id: %lld\r\n"
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             people[A_VIEWER].header, (long long)run_id);
    send_all(fd, head, strlen(head));
    read_until(fd, &in, "\r\n\r\n");
    assert_non_null(strstr(buf_cstr(&in), " 101 "));
    snprintf(path, sizeof path, "/accounts/v1/users/%lld", (long long)people[A_VIEWER].id);
    assert_int_equal(try_json(THE_OWNER, "PATCH", path, "{\"is_disabled\":true}"), 200);
    read_until(fd, &in, "\x88\x02\x03\xe9"); /* closing: going away */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_matrix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
    };
    spec_open();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    spec_close();
    return rc;
}
