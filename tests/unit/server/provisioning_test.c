#include "server/server.h"

#include "base/clock.h"
#include "client.h"
#include "spec.h"
#include "store/store.h"
#include "traffic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_open(&w, 120 * NS_PER_S);
    spec_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spec_close();
    world_close(&w);
    return 0;
}

#define ASSERT_SAYS(reply, what)                                                                   \
    do {                                                                                           \
        if (!strstr(reply_text(&(reply)), what))                                                   \
            fail_msg("\"%s\" is not in %s", what, reply_text(&(reply)));                           \
    } while (0)

/* What a client was told at the start. */
struct started {
    int64_t run;
    char token[512];
    char push[512]; /* paths of our server */
    char logs[512];
    char upload[512];
};

/* The path of an URL. */
static void read_path(struct reply *r, const char *name, char out[static 512])
{
    char url[512];
    char base[64];
    reply_string(r, name, url);
    snprintf(base, sizeof base, "http://127.0.0.1:%d/", w.port);
    assert_memory_equal(url, base, strlen(base));
    snprintf(out, 512, "%s", url + strlen(base) - 1);
}

static void read_started(struct reply *r, struct started *s)
{
    memset(s, 0, sizeof *s);
    s->run = reply_number(r, "test_run_id");
    reply_string(r, "runtime_config.test_run_token", s->token);
    read_path(r, "runtime_config.metrics.push_url", s->push);
    read_path(r, "runtime_config.logs.push_url", s->logs);
    if (!strstr(reply_text(r), "\"archive_upload_url\":null"))
        read_path(r, "archive_upload_url", s->upload);
}

/* Headers with a token of one's own. */
static const char *with_token(const char *token, const char *more)
{
    static char text[2048];
    snprintf(text, sizeof text, "Authorization: Bearer %s\r\n%s", token, more);
    return text;
}

static const char json_type[] = "Content-Type: application/json\r\n";

static void create_test(const char *name)
{
    CLEANUP(reply_free) struct reply r = {0};
    char form[512];
    int n = snprintf(form, sizeof form,
                     "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n%s\r\n"
                     "--xyz--\r\n",
                     name);
    api_bytes(&w, "POST", "/cloud/v6/projects/1/load_tests",
              "Content-Type: multipart/form-data; boundary=xyz\r\n", form, (size_t)n, 201, &r);
}

static void start(const char *options, const char *more, struct started *s)
{
    CLEANUP(reply_free) struct reply r = {0};
    char body[1024];
    snprintf(body, sizeof body, "{\"options\":%s,\"max_vus\":3,\"total_duration\":36%s}", options,
             more);
    api(&w, "POST", "/provisioning/v1/load_tests/1/start_local_execution", body, 200, &r);
    read_started(&r, s);
}

static void get_run(int64_t id, struct reply *r)
{
    char path[64];
    snprintf(path, sizeof path, "/cloud/v6/test_runs/%lld", (long long)id);
    api(&w, "GET", path, NULL, 200, r);
}

static int notify(const struct started *s, const char *body)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[128];
    snprintf(path, sizeof path, "/provisioning/v1/test_runs/%lld/notify", (long long)s->run);
    call(&w, "POST", path, with_token(s->token, json_type), body, strlen(body), &r);
    spec_check("POST", path, &r);
    return r.status;
}

/* ---- what k6 does ---- */

/* Lines name their run. */
static void put_own_id(struct traffic_request *q, int64_t run, struct buf *out)
{
    static const char theirs[] = "\"test_run_id\":\"123\"";
    struct str rest = buf_view(&q->body);
    buf_init(out, 1 << 24);
    for (const char *at; (at = memmem(rest.ptr, rest.len, theirs, strlen(theirs)));) {
        size_t before = (size_t)(at - rest.ptr);
        buf_append(out, rest.ptr, before);
        buf_printf(out, "\"test_run_id\":\"%lld\"", (long long)run);
        rest = str_new(at + strlen(theirs), rest.len - before - strlen(theirs));
    }
    buf_str(out, rest);
}

static void replay(struct traffic_request *q, struct started *s, struct reply *r)
{
    char more[512];
    char path[640];
    char *id = strstr(q->path, "/456");
    snprintf(more, sizeof more, "Content-Type: %s\r\n%s%s%s", q->type,
             q->encoding[0] ? "Content-Encoding: " : "", q->encoding, q->encoding[0] ? "\r\n" : "");
    if (id)
        snprintf(path, sizeof path, "%.*s/1%s", (int)(id - q->path), q->path, id + 4);
    else if ((id = strstr(q->path, "/123")) && !strstr(q->path, "/push/"))
        snprintf(path, sizeof path, "%.*s/%lld%s", (int)(id - q->path), q->path, (long long)s->run,
                 id + 4);
    else
        snprintf(path, sizeof path, "%s", q->path);
    if (strcmp(path, "/upload/archive.tar") == 0) {
        char none[1024];
        snprintf(none, sizeof none, "-%s", more);
        call(&w, q->method, s->upload, none, q->body.data, q->body.len, r);
    } else if (strstr(path, "/push/v2")) {
        call(&w, q->method, s->push, with_token(s->token, more), q->body.data, q->body.len, r);
    } else if (strstr(path, "/logs/push")) {
        CLEANUP(buf_fini) struct buf body;
        put_own_id(q, s->run, &body);
        call(&w, q->method, s->logs, with_token(s->token, more), body.data, body.len, r);
    } else if (strstr(path, "/notify")) {
        call(&w, q->method, path, with_token(s->token, more), q->body.data, q->body.len, r);
        spec_check(q->method, path, r);
    } else {
        call(&w, q->method, path, q->type[0] ? more : NULL, q->body.data, q->body.len, r);
        spec_check(q->method, path, r);
    }
}

static void assert_aggregate(const char *query, const char *metric, const char *want)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[256];
    char value[64];
    snprintf(path, sizeof path, "/cloud/v5/test_runs/1/query_aggregate_k6(query='%s',metric='%s')",
             query, metric);
    get(&w, path, &r);
    snprintf(value, sizeof value, ",%s]}]", want);
    ASSERT_SAYS(r, value);
}

static void test_k6_local_execution(void **state)
{
    (void)state;
    static struct traffic t;
    struct started s = {0};
    CLEANUP(reply_free) struct reply r = {0};
    traffic_load(&t, "v2.2-cloud-run-local-execution.jsonl");
    assert_int_equal(t.len, 10);
    for (size_t i = 0; i < t.len; i++) {
        struct traffic_request *q = &t.requests[i];
        reply_free(&r);
        replay(q, &s, &r);
        if (r.status < 200 || r.status > 204)
            fail_msg("%s %s: %d %s", q->method, q->path, r.status, reply_text(&r));
        if (strstr(q->path, "start_local_execution")) {
            read_started(&r, &s);
            /* The archive has yet to come. */
            get_run(s.run, &r);
            ASSERT_SAYS(r, "\"status\":\"created\"");
        }
        if (strcmp(q->path, "/cloud/v6/test_runs/123") == 0)
            ASSERT_SAYS(r, "\"status\":\"initializing\"");
    }
    traffic_free(&t);

    get_run(1, &r);
    ASSERT_SAYS(r, "\"status\":\"completed\"");
    ASSERT_SAYS(r, "\"result\":\"passed\"");
    ASSERT_SAYS(r, "\"max_vus\":3,");
    ASSERT_SAYS(r, "\"estimated_duration\":36,");
    ASSERT_SAYS(r, "\"local_run\":0.25");
    /* As many as the recorded messages hold. */
    assert_aggregate("increase", "http_reqs", "270");
    assert_aggregate("increase", "iterations", "90");
    assert_aggregate("increase", "data_sent", "20430");
    assert_aggregate("increase", "data_received", "44370");
    assert_aggregate("histogram_count_increase", "http_req_duration", "270");
    assert_aggregate("increase_nz", "checks", "180");
    assert_aggregate("increase_nz", "my_rate", "42");
    assert_aggregate("increase_total", "my_rate", "90");
    get(&w, "/cloud/v5/test_runs/1/thresholds", &r);
    ASSERT_SAYS(r, "\"metric\":\"checks\",\"selector\":\"\",\"expression\":\"rate>0.9\","
                   "\"result\":\"passed\",\"value\":1}");
    api(&w, "GET", "/cloud/v6/test_runs/1/script", NULL, 200, &r);
    assert_int_equal(r.body.len, 6144);
    api(&w, "GET", "/cloud/v6/projects/1/load_tests?name=checkout", NULL, 200, &r);
    assert_int_equal(reply_number(&r, "value.0.id"), 1);
}

static void test_k6_cloud_run(void **state)
{
    (void)state;
    static struct traffic t;
    struct started s = {.run = 1};
    CLEANUP(reply_free) struct reply r = {0};
    traffic_load(&t, "v2.2-cloud-run.jsonl");
    for (size_t i = 0; i < t.len; i++) {
        struct traffic_request *q = &t.requests[i];
        if (strstr(q->path, "/test_runs/0")) /* the recorder's mistake */
            snprintf(q->path, sizeof q->path, "/cloud/v6/test_runs/123");
        reply_free(&r);
        replay(q, &s, &r);
        if (r.status < 200 || r.status > 204)
            fail_msg("%s %s: %d %s", q->method, q->path, r.status, reply_text(&r));
        if (strstr(q->path, "validate_options"))
            ASSERT_SAYS(r, "{\"vuh_usage\":0.05,");
        if (strstr(q->path, "/start"))
            ASSERT_SAYS(r, "/runs/1\"");
    }
    traffic_free(&t);
    /* What the client makes exit code 97 of. */
    ASSERT_SAYS(r, "\"status\":\"aborted\"");
    ASSERT_SAYS(r, "\"result\":\"error\"");
    ASSERT_SAYS(r, "No load zone is available");
    ASSERT_SAYS(r, "\"type\":\"queued\"");
    ASSERT_SAYS(r, "\"max_vus\":3,");
    ASSERT_SAYS(r, "\"estimated_duration\":6,");
}

static void test_k6_lists_and_upload(void **state)
{
    (void)state;
    static struct traffic t;
    struct started s = {.run = 1};
    traffic_load(&t, "v2.2-lists-and-upload.jsonl");
    for (size_t i = 0; i < t.len; i++) {
        CLEANUP(reply_free) struct reply r = {0};
        struct traffic_request *q = &t.requests[i];
        replay(q, &s, &r);
        if (r.status != 200 && r.status != 201)
            fail_msg("%s %s: %d %s", q->method, q->path, r.status, reply_text(&r));
    }
    /* A second upload of the name finds it and puts its script into it. */
    CLEANUP(reply_free) struct reply r = {0};
    struct traffic_request *upload = &t.requests[t.len - 1];
    assert_non_null(strstr(upload->path, "load_tests"));
    char type[256];
    snprintf(type, sizeof type, "Content-Type: %s\r\n", upload->type);
    api_bytes(&w, "POST", "/cloud/v6/projects/1/load_tests", type, upload->body.data,
              upload->body.len, 409, &r);
    traffic_free(&t);
    api(&w, "GET", "/cloud/v6/load_tests/1/script", NULL, 200, &r);
    CLEANUP(buf_fini) struct buf script;
    buf_init(&script, 1 << 20);
    buf_append(&script, r.body.data, r.body.len);
    assert_int_equal(script.len, 6656);
    api_bytes(&w, "PUT", "/cloud/v6/load_tests/1/script",
              "Content-Type: application/octet-stream\r\n", script.data, script.len, 204, &r);
}

/* ---- credentials ---- */

static void test_a_token_is_of_one_run(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    struct started a;
    struct started b;
    create_test("t");
    start("{}", "", &a);
    start("{}", "", &b);
    assert_string_not_equal(a.token, b.token);
    get_run(a.run, &r);
    ASSERT_SAYS(r, "\"status\":\"initializing\"");
    static const char push[] =
        "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n";
    reply_free(&r);
    call(&w, "POST", b.push, with_token(a.token, push), "\0", 1, &r);
    assert_int_equal(r.status, 403);
    reply_free(&r);
    call(&w, "POST", a.push, with_token(a.token, push), "\0", 1, &r);
    assert_int_equal(r.status, 200);
    /* For nothing else. */
    static const char *const closed[] = {"/cloud/v6/test_runs/1", "/cloud/v6/projects",
                                         "/cloud/v6/auth", "/session"};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        reply_free(&r);
        call(&w, "GET", closed[i], with_token(a.token, ""), NULL, 0, &r);
        assert_int_equal(r.status, 401);
    }
    struct started wrong = {.run = b.run};
    snprintf(wrong.token, sizeof wrong.token, "%s", a.token);
    assert_int_equal(notify(&wrong, "{\"event_type\":\"script_execution_completed\"}"), 403);
    assert_int_equal(notify(&a, "{\"event_type\":\"script_execution_completed\"}"), 204);
    get_run(b.run, &r);
    ASSERT_SAYS(r, "\"status\":\"initializing\"");
    /* After a restart it still is: what is kept is its hash. */
    world_stop(&w);
    world_restart(&w);
    assert_int_equal(notify(&b, "{\"event_type\":\"script_execution_completed\"}"), 204);
}

static void test_no_secret_is_kept(void **state)
{
    (void)state;
    struct started s;
    char command[256];
    create_test("t");
    start("{}", ",\"archive_size\":512", &s);
    world_stop(&w);
    const char *secrets[] = {s.token, strrchr(s.upload, '/') + 1};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        snprintf(command, sizeof command, "%s/data/spate.db", w.dir);
        FILE *f = fopen(command, "r");
        assert_non_null(f);
        static char text[1 << 20];
        size_t n = fread(text, 1, sizeof text, f);
        fclose(f);
        assert_true(n > 4096 && n < sizeof text);
        assert_null(memmem(text, n, secrets[i], strlen(secrets[i])));
    }
    world_restart(&w);
}

static void test_repeated_start(void **state)
{
    (void)state;
    static const char path[] = "/provisioning/v1/load_tests/1/start_local_execution";
    static const char body[] = "{\"options\":{},\"max_vus\":1,\"total_duration\":1}";
    CLEANUP(reply_free) struct reply r = {0};
    struct started a;
    struct started b;
    char headers[128];
    create_test("t");
    snprintf(headers, sizeof headers, "%sK6-Idempotency-Key: abc\r\n", json_type);
    api_bytes(&w, "POST", path, headers, body, strlen(body), 200, &r);
    read_started(&r, &a);
    api_bytes(&w, "POST", path, headers, body, strlen(body), 200, &r);
    read_started(&r, &b);
    assert_int_equal(a.run, b.run);
    assert_int_equal(notify(&a, "{\"event_type\":\"script_execution_completed\"}"), 204);
    assert_int_equal(notify(&b, "{\"event_type\":\"script_execution_completed\"}"), 204);
    /* Asked again after the end: the run stays ended. */
    api_bytes(&w, "POST", path, headers, body, strlen(body), 200, &r);
    get_run(a.run, &r);
    ASSERT_SAYS(r, "\"status\":\"completed\"");
    snprintf(headers, sizeof headers, "%sK6-Idempotency-Key: %040d\r\n", json_type, 1);
    api_bytes(&w, "POST", path, headers, body, strlen(body), 400, &r);
}

/* ---- the archive ---- */

static int upload(const struct started *s, const void *data, size_t len, const char *says)
{
    CLEANUP(reply_free) struct reply r = {0};
    call(&w, "PUT", s->upload, "-Content-Type: application/x-tar\r\n", data, len, &r);
    if (says)
        ASSERT_SAYS(r, says);
    return r.status;
}

static void test_upload(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static struct traffic t;
    struct buf archive = {0};
    struct started s;
    char more[64];
    traffic_load(&t, "v2.2-cloud-run-local-execution.jsonl");
    for (size_t i = 0; i < t.len; i++)
        if (strcmp(t.requests[i].method, "PUT") == 0)
            archive = t.requests[i].body;
    create_test("t");
    snprintf(more, sizeof more, ",\"archive_size\":%zu", archive.len);
    start("{}", more, &s);
    /* Less and more than announced. */
    assert_int_equal(upload(&s, archive.data, archive.len - 512, "were announced"), 400);
    CLEANUP(buf_fini) struct buf longer;
    buf_init(&longer, 1 << 20);
    buf_append(&longer, archive.data, archive.len);
    buf_fill(&longer, 0, 512);
    assert_int_equal(upload(&s, longer.data, longer.len, "too large"), 413);
    get_run(s.run, &r);
    ASSERT_SAYS(r, "\"status\":\"created\"");
    assert_int_equal(upload(&s, archive.data, archive.len, NULL), 200);
    assert_int_equal(upload(&s, archive.data, archive.len, NULL), 200);
    get_run(s.run, &r);
    ASSERT_SAYS(r, "\"status\":\"initializing\"");
    assert_int_equal(notify(&s, "{\"event_type\":\"script_execution_completed\"}"), 204);
    assert_int_equal(upload(&s, archive.data, archive.len, "has ended"), 403);

    /* What is no archive ends the run, with the reason. */
    struct started bad;
    start("{}", more, &bad);
    memset(longer.data, 'x', archive.len);
    assert_int_equal(upload(&bad, longer.data, archive.len, "archive"), 400);
    get_run(bad.run, &r);
    ASSERT_SAYS(r, "\"status\":\"aborted\"");
    traffic_free(&t);

    /* A guessed place, and too many guesses. */
    struct started guessed = {0};
    snprintf(guessed.upload, sizeof guessed.upload, "/provisioning/v1/archives/%064d", 7);
    assert_int_equal(upload(&guessed, "x", 1, "no such upload"), 404);
    for (int i = 0; i < 20; i++)
        (void)upload(&guessed, "x", 1, NULL);
    assert_int_equal(upload(&guessed, "x", 1, "too many"), 429);
}

static void test_bad_starts(void **state)
{
    (void)state;
    static const char path[] = "/provisioning/v1/load_tests/1/start_local_execution";
    static const struct {
        const char *body;
        const char *says;
    } cases[] = {
        {"{\"max_vus\":1,\"total_duration\":1}", "\"target\":\"options\""},
        {"{\"options\":[],\"max_vus\":1,\"total_duration\":1}", "\"target\":\"options\""},
        {"{\"options\":{},\"max_vus\":\"1\",\"total_duration\":1}", "\"target\":\"max_vus\""},
        {"{\"options\":{},\"max_vus\":-1,\"total_duration\":1}", "\"target\":\"max_vus\""},
        {"{\"options\":{},\"max_vus\":1,\"total_duration\":1,\"archive_size\":0}", "archive_size"},
        {"{\"options\":{},\"max_vus\":1,\"total_duration\":1,\"archive_size\":100000001}",
         "archive_size"},
        {"{\"options\":{},\"max_vus\":1,\"total_duration\":1,\"instances\":0}", "instances"},
        {"[]", "validation_error"},
        {"{", "not JSON"},
    };
    CLEANUP(reply_free) struct reply r = {0};
    create_test("t");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        api(&w, "POST", path, cases[i].body, 400, &r);
        ASSERT_SAYS(r, cases[i].says);
    }
    api(&w, "POST", "/provisioning/v1/load_tests/99/start_local_execution",
        "{\"options\":{},\"max_vus\":1,\"total_duration\":1}", 404, &r);
    api(&w, "GET", "/cloud/v6/test_runs", NULL, 200, &r);
    ASSERT_SAYS(r, "{\"value\":[]}");
}

/* ---- the end ---- */

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        const char *status, *result;
        int code;
        bool by_user;
    } cases[] = {
        {"null", "completed", "passed", 3, false},
        {"{\"code\":8036,\"reason\":\"test run was aborted because k6 received a 'interrupt' "
         "signal\"}",
         "aborted", "error", 5, true},
        {"{\"code\":8036,\"reason\":\"test aborted: enough\"}", "aborted", "error", 5, true},
        {"{\"code\":8036,\"reason\":\"thresholds on metrics 'checks' were crossed; at least one "
         "has abortOnFail enabled, stopping test prematurely\"}",
         "aborted", "failed", 8, false},
        {"{\"code\":8035,\"reason\":\"Error: no\"}", "aborted", "error", 7, false},
        {"{\"code\":8034,\"reason\":\"setup() execution timed out after 60 seconds\"}", "aborted",
         "error", 9, false},
        {"{\"code\":8034,\"reason\":\"output failed\"}", "aborted", "error", 6, false},
        {"{\"code\":0,\"reason\":\"something\",\"detail\":\"else\"}", "aborted", "error", 6, false},
        {"{\"code\":8032,\"reason\":\"out of memory\"}", "aborted", "error", 6, false},
    };
    create_test("t");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(reply_free) struct reply r = {0};
        struct started s;
        char text[512];
        start("{}", "", &s);
        snprintf(text, sizeof text, "{\"event_type\":\"script_execution_completed\",\"error\":%s}",
                 cases[i].error);
        assert_int_equal(notify(&s, text), 204);
        assert_int_equal(notify(&s, text), 204);
        get_run(s.run, &r);
        snprintf(text, sizeof text, "\"status\":\"%s\"", cases[i].status);
        ASSERT_SAYS(r, text);
        snprintf(text, sizeof text, "\"result\":\"%s\"", cases[i].result);
        ASSERT_SAYS(r, text);
        snprintf(text, sizeof text, "\"code\":%d}", cases[i].code);
        ASSERT_SAYS(r, text);
        assert_int_equal(strstr(reply_text(&r), "\"by_user\":\"admin@localhost\"") != NULL,
                         cases[i].by_user);
        if (strstr(cases[i].error, "8035"))
            ASSERT_SAYS(r, "\"message\":\"Error: no\",\"code\":8035}");
    }
    struct started s;
    start("{}", "", &s);
    assert_int_equal(notify(&s, "{\"event_type\":\"something_else\"}"), 400);
    assert_int_equal(notify(&s, "{\"event_type\":\"script_execution_completed\",\"error\":{}}"),
                     400);
}

/* The client says how the run ended, not how its thresholds did. */
static void test_thresholds_are_judged(void **state)
{
    (void)state;
    static struct traffic t;
    CLEANUP(reply_free) struct reply r = {0};
    struct started s;
    create_test("t");
    start("{\"thresholds\":{\"http_reqs\":[\"count<270\",\"count>=270\"],"
          "\"http_req_duration\":[{\"threshold\":\"max<60000\",\"abortOnFail\":true}],"
          "\"nothing\":[\"count>1\"]}}",
          "", &s);
    traffic_load(&t, "v2.2-cloud-run-local-execution.jsonl");
    for (size_t i = 0; i < t.len; i++)
        if (strstr(t.requests[i].path, "/push/v2"))
            replay(&t.requests[i], &s, &r);
    traffic_free(&t);
    assert_int_equal(r.status, 200);
    get_run(s.run, &r);
    ASSERT_SAYS(r, "\"status\":\"running\"");
    assert_int_equal(notify(&s, "{\"event_type\":\"script_execution_completed\"}"), 204);
    get_run(s.run, &r);
    ASSERT_SAYS(r, "\"status\":\"completed\"");
    ASSERT_SAYS(r, "\"result\":\"failed\"");
    get(&w, "/cloud/v5/test_runs/1/thresholds", &r);
    ASSERT_SAYS(r, "\"expression\":\"count<270\",\"result\":\"failed\",\"value\":270}");
    ASSERT_SAYS(r, "\"expression\":\"count>=270\",\"result\":\"passed\",\"value\":270}");
    ASSERT_SAYS(r, "\"expression\":\"max<60000\",\"result\":\"passed\"");
    ASSERT_SAYS(r, "\"expression\":\"count>1\",\"result\":\"passed\",\"value\":null}");
}

static void test_what_is_not_kept(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    struct started s;
    create_test("t");
    start("{}", "", &s);
    call(&w, "GET", "/provisioning/v1/test_runs/1/decrypt_secret?name=a", with_token(s.token, ""),
         NULL, 0, &r);
    assert_int_equal(r.status, 404);
    api(&w, "GET", "/provisioning/v1/test_runs/1/decrypt_secret", NULL, 400, &r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_k6_local_execution),
        TEST(test_k6_cloud_run),
        TEST(test_k6_lists_and_upload),
        TEST(test_a_token_is_of_one_run),
        TEST(test_no_secret_is_kept),
        TEST(test_repeated_start),
        TEST(test_upload),
        TEST(test_bad_starts),
        TEST(test_ends),
        TEST(test_thresholds_are_judged),
        TEST(test_what_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
