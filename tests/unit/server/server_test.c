#include "server/server.h"

#include "base/clock.h"
#include "base/err.h"
#include "client.h"
#include "codec/metricset.h"
#include "codec/snappy.h"
#include "codec/tar.h"
#include "traffic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_open(&w, 120 * NS_PER_S);
    return 0;
}

static int set_up_impatient(void **state)
{
    (void)state;
    world_open(&w, 1500 * NS_PER_MS); /* a busy machine is slow to push */
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

static const char push_headers[] =
    "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n";

static void create_run(void)
{
    CLEANUP(reply_free) struct reply r = {0};
    call_json(
        &w, "POST", "/v1/tests",
        "{\"name\":\"a.js\",\"vus\":3,\"thresholds\":{\"http_reqs{status:200}\":[\"count>3\"]},"
        "\"duration\":36}",
        200, &r);
    ASSERT_SAYS(r, "\"reference_id\":\"1\"");
}

static void finish_run(int code)
{
    CLEANUP(reply_free) struct reply r = {0};
    char body[128];
    snprintf(body, sizeof body, "{\"result_status\":0,\"run_status\":%d,\"thresholds\":{}}", code);
    call_json(&w, "POST", "/v1/tests/1", body, 200, &r);
}

/* A push of `n` requests with one status, to run 1; the status of the answer. */
static int push(double n, const char *key)
{
    CLEANUP(buf_fini) struct buf message;
    CLEANUP(buf_fini) struct buf packed;
    CLEANUP(reply_free) struct reply r = {0};
    struct metricset_writer writer;
    struct metricset_label label = {STR("status"), STR("200")};
    char headers[256];
    buf_init(&message, 1 << 20);
    buf_init(&packed, 1 << 20);
    metricset_writer_init(&writer, &message, STR("1"), 3);
    metricset_begin_metric(&writer, STR("http_reqs"), METRICSET_COUNTER);
    metricset_begin_series(&writer, &label, 1);
    metricset_put_counter(&writer, clock_wall_ns() / (3 * NS_PER_S) * (3 * NS_PER_S), n);
    metricset_end_series(&writer);
    metricset_end_metric(&writer);
    snappy_pack(message.data, message.len, &packed);
    assert_int_equal(buf_finish(&packed), 0);
    snprintf(headers, sizeof headers, "%s%s%s%s", push_headers, key ? "K6-Idempotency-Key: " : "",
             key ? key : "", key ? "\r\n" : "");
    call(&w, "POST", "/v2/metrics/1", headers, packed.data, packed.len, &r);
    return r.status;
}

/* Requests counted so far, as text of the answer's value. */
static void assert_requests(const char *want)
{
    CLEANUP(reply_free) struct reply r = {0};
    char value[64];
    get(&w, "/cloud/v5/test_runs/1/query_aggregate_k6(query='increase',metric='http_reqs')", &r);
    snprintf(value, sizeof value, ",%s]}]", want);
    ASSERT_SAYS(r, value);
}

/* ---- what k6 does ---- */

static void test_k6_recording(void **state)
{
    (void)state;
    static struct traffic t;
    traffic_load(&t, "v0.49-run-out-cloud.jsonl");
    assert_int_equal(t.len, 3);
    for (size_t i = 0; i < t.len; i++) {
        struct traffic_request *q = &t.requests[i];
        CLEANUP(reply_free) struct reply r = {0};
        char headers[512];
        snprintf(headers, sizeof headers, "Content-Type: %s\r\nK6-Idempotency-Key: %s\r\n%s%s%s",
                 q->type, q->key, q->encoding[0] ? "Content-Encoding: " : "", q->encoding,
                 q->encoding[0] ? "\r\n" : "");
        char *ref = strstr(q->path, "/123");
        if (ref)
            snprintf(ref, sizeof q->path - (size_t)(ref - q->path), "/1");
        call(&w, q->method, q->path, headers, q->body.data, q->body.len, &r);
        if (r.status != 200)
            fail_msg("%s: %d %s", q->path, r.status, reply_text(&r));
    }
    traffic_free(&t);

    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"status\":\"completed\"");
    ASSERT_SAYS(r, "\"code\":3}");
    ASSERT_SAYS(r, "\"result\":\"passed\"");
    ASSERT_SAYS(r, "\"max_vus\":3,");
    ASSERT_SAYS(r, "\"estimated_duration\":36,");
    assert_requests("270");
    get(&w,
        "/cloud/v5/test_runs/1/"
        "query_aggregate_k6(query='increase%20by%20(name)',metric='http_reqs')",
        &r);
    ASSERT_SAYS(r, "{\"name\":\"http://127.0.0.1:18080/json\"},\"value\":[1795329630,90]");
    get(&w, "/cloud/v5/test_runs/1/query_aggregate_k6(query='increase_nz',metric='checks')", &r);
    ASSERT_SAYS(r, ",180]}]");
    get(&w,
        "/cloud/v5/test_runs/1/"
        "query_range_k6(query='sum(last%20by%20(instance_id))',metric='vus',step=3)",
        &r);
    ASSERT_SAYS(r, "\"values\":[[1795329624,3],[1795329627,3]]");
    get(&w, "/cloud/v5/test_runs/1/thresholds", &r);
    ASSERT_SAYS(r, "\"metric\":\"checks\",\"selector\":\"\",\"expression\":\"rate>0.9\","
                   "\"result\":\"passed\",\"value\":1}");
    get(&w, "/cloud/v6/load_tests", &r);
    ASSERT_SAYS(r, "\"name\":\"checkout.js\"");
}

/* A run with an archive in a field of that name. */
static void check_field_name(const char *name)
{
    CLEANUP(buf_fini) struct buf form;
    CLEANUP(reply_free) struct reply r = {0};
    buf_init(&form, 1 << 20);
    buf_printf(&form,
               "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nfield\r\n--xyz\r\n"
               "Content-Disposition: form-data; name=\"%s\"; filename=\"archive.tar\"\r\n"
               "Content-Type: application/octet-stream\r\n\r\n",
               name);
    static const char metadata[] = "{\"options\":{\"vus\":7,\"ext\":{\"loadimpact\":{"
                                   "\"token\":\"0123456789abcdef0123\"}}},\"n\":7}";
    tar_put_file(&form, STR("metadata.json"), metadata, strlen(metadata), 0);
    tar_finish(&form);
    buf_z(&form, "\r\n--xyz--\r\n");
    assert_int_equal(buf_finish(&form), 0);
    call(&w, "POST", "/v1/tests", "Content-Type: multipart/form-data; boundary=xyz\r\n", form.data,
         form.len, &r);
    if (r.status != 200)
        fail_msg("%d: %s", r.status, reply_text(&r));
    get(&w, "/cloud/v6/test_runs/2", &r);
    /* The token that k6 leaves among the options is for nobody else. */
    ASSERT_SAYS(r, "\"options\":{\"vus\":7,\"ext\":{\"loadimpact\":{"
                   "\"token\":\"********************\"}}}");
    get(&w, "/cloud/v6/test_runs/2/script", &r);
    assert_null(memmem(r.body.data, r.body.len, "0123456789", 10));
    assert_non_null(memmem(r.body.data, r.body.len, "\"n\":7}", 7));
}

/* The archive as k6 sends it, in its own form. */
static void test_archive(void **state)
{
    (void)state;
    static struct traffic t;
    traffic_load(&t, "v0.49-cloud.jsonl");
    bool found = false;
    for (size_t i = 0; i < t.len; i++) {
        struct traffic_request *q = &t.requests[i];
        if (!strstr(q->path, "archive-upload"))
            continue;
        CLEANUP(reply_free) struct reply r = {0};
        char headers[256];
        snprintf(headers, sizeof headers, "Content-Type: %s\r\n", q->type);
        call(&w, "POST", "/v1/tests", headers, q->body.data, q->body.len, &r);
        if (r.status != 200)
            fail_msg("%d: %s", r.status, reply_text(&r));
        found = true;
    }
    traffic_free(&t);
    assert_true(found);
    CLEANUP(reply_free) struct reply r = {0};
    char value[256];
    check_field_name("archive.tar");
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"options\":{\"paused\":null");
    get(&w, "/cloud/v5/test_runs/1/thresholds", &r);
    ASSERT_SAYS(r,
                "\"metric\":\"http_req_duration\",\"selector\":\"\",\"expression\":\"p(95)<500\","
                "\"result\":null,\"value\":null}");
    get(&w, "/cloud/v6/test_runs/1/script", &r);
    reply_header_value(&r, "Content-Type", value);
    assert_string_equal(value, "application/x-tar");
    assert_true(r.body.len > 5000);
    assert_memory_equal(r.body.data + 257, "ustar", 5);
    reply_free(&r);
    char accept[256];
    snprintf(accept, sizeof accept, "Accept: text/javascript\r\n");
    call(&w, "GET", "/cloud/v6/test_runs/1/script", accept, NULL, 0, &r);
    assert_int_equal(r.status, 200);
    ASSERT_SAYS(r, "import http from");
    static const char *const bad[] = {
        "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nn\r\n"
        "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"archive.tar\"\r\n\r\n"
        "not a tar\r\n--xyz--\r\n",
        "--xyz\r\nno headers",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        reply_free(&r);
        call(&w, "POST", "/v1/tests", "Content-Type: multipart/form-data; boundary=xyz\r\n", bad[i],
             strlen(bad[i]), &r);
        assert_int_equal(r.status, 400);
    }
}

static void test_a_push_counts_once(void **state)
{
    (void)state;
    create_run();
    assert_int_equal(push(5, "k1"), 200);
    assert_int_equal(push(5, "k1"), 200);
    assert_requests("5");
    assert_int_equal(push(5, "k2"), 200);
    assert_requests("10");
    finish_run(3);
    assert_int_equal(push(5, "k2"), 200); /* its answer was lost: said again, not counted */
    assert_int_equal(push(5, "k3"), 403);
    assert_requests("10");
    CLEANUP(reply_free) struct reply r = {0};
    call(&w, "POST", "/v1/tests", "Content-Type: application/json\r\nK6-Idempotency-Key: c1\r\n",
         "{\"name\":\"b\"}", 12, &r);
    ASSERT_SAYS(r, "\"reference_id\":\"2\"");
    reply_free(&r);
    call(&w, "POST", "/v1/tests", "Content-Type: application/json\r\nK6-Idempotency-Key: c1\r\n",
         "{\"name\":\"b\"}", 12, &r);
    ASSERT_SAYS(r, "\"reference_id\":\"2\"");
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        int code, failed;
        const char *status, *result;
    } cases[] = {
        {3, 0, "completed", "passed"}, {3, 1, "completed", "failed"}, {5, 0, "aborted", "error"},
        {6, 0, "aborted", "error"},    {7, 0, "aborted", "error"},    {8, 1, "aborted", "failed"},
        {9, 0, "aborted", "error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(reply_free) struct reply r = {0};
        char path[64], text[160];
        call_json(&w, "POST", "/v1/tests", "{\"name\":\"a\"}", 200, &r);
        snprintf(path, sizeof path, "/v1/tests/%zu", i + 1);
        snprintf(text, sizeof text, "{\"result_status\":%d,\"run_status\":%d,\"thresholds\":{}}",
                 cases[i].failed, cases[i].code);
        call_json(&w, "POST", path, text, 200, &r);
        call_json(&w, "POST", path, text, 200, &r); /* again is no error */
        snprintf(path, sizeof path, "/cloud/v6/test_runs/%zu", i + 1);
        get(&w, path, &r);
        snprintf(text, sizeof text, "\"status\":\"%s\"", cases[i].status);
        ASSERT_SAYS(r, text);
        snprintf(text, sizeof text, "\"result\":\"%s\"", cases[i].result);
        ASSERT_SAYS(r, text);
        snprintf(text, sizeof text, "\"code\":%d}", cases[i].code);
        ASSERT_SAYS(r, text);
        if (cases[i].code == 5)
            ASSERT_SAYS(r, "\"by_user\":\"admin@localhost\"");
    }
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/v1/tests/1", "{\"run_status\":2}", 400, &r);
    call_json(&w, "POST", "/v1/tests/999", "{\"run_status\":3}", 404, &r);
}

static void test_abort(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    assert_int_equal(push(5, "k1"), 200);
    call_json(&w, "POST", "/cloud/v6/test_runs/1/abort", NULL, 204, &r);
    call_json(&w, "POST", "/cloud/v6/test_runs/1/abort", NULL, 409, &r);
    assert_int_equal(push(5, "k2"), 403);
    finish_run(5);
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "Aborted from the cloud");
    assert_requests("5");
}

/* ---- silence and restarts ---- */

static void wait_for_run(const char *what)
{
    CLEANUP(reply_free) struct reply r = {0};
    int64_t end = clock_mono_ns() + 10 * NS_PER_S;
    do {
        get(&w, "/cloud/v6/test_runs/1", &r);
        if (strstr(reply_text(&r), what))
            return;
    } while (clock_mono_ns() < end);
    fail_msg("%s never came: %s", what, reply_text(&r));
}

static void test_time_out(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    assert_int_equal(push(5, "k1"), 200);
    wait_for_run("\"status\":\"aborted\"");
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"message\":\"No data for 1.5s\",\"code\":4}");
    ASSERT_SAYS(r, "\"type\":\"timeout\"");
    assert_requests("5");
    assert_int_equal(push(5, "k2"), 403);
    assert_int_equal(push(5, "k1"), 200);
    call_json(&w, "POST", "/v1/tests/1", "{\"run_status\":3,\"result_status\":0}", 403, &r);
    ASSERT_SAYS(r, "timed out");
    ASSERT_SAYS(r, "\"code\":4");
}

/* Data within the time keeps a run open however long it takes. */
static void test_data_keeps_it_open(void **state)
{
    (void)state;
    create_run();
    int64_t end = clock_mono_ns() + 2200 * NS_PER_MS;
    int pushes = 0;
    for (; clock_mono_ns() < end; pushes++)
        assert_int_equal(push(1, NULL), 200);
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"status\":\"running\"");
}

static void test_restart(void **state)
{
    (void)state;
    char token[80];
    create_run();
    assert_int_equal(push(5, "k1"), 200);
    snprintf(token, sizeof token, "%s", w.token);
    world_stop(&w);
    world_restart(&w);
    assert_string_equal(token, w.token);
    assert_int_equal(push(5, "k1"), 200);
    assert_int_equal(push(6, "k2"), 200);
    assert_requests("11");
    finish_run(3);
    world_stop(&w);
    world_restart(&w);
    wait_for_run("\"status\":\"completed\"");
    assert_int_equal(push(6, "k2"), 200);
    assert_int_equal(push(6, "k3"), 403);
    assert_requests("11");
}

/* ---- live ---- */

static int open_stream(const char *path, struct buf *in)
{
    char request[512];
    int fd = dial(&w);
    int n =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, w.token);
    buf_init(in, 1 << 22);
    send_all(fd, request, (size_t)n);
    return fd;
}

static void test_live_events(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf one;
    CLEANUP(buf_fini) struct buf all;
    int all_fd = open_stream("/cloud/v5/test_runs/events", &all);
    read_until(all_fd, &all, ": open");
    create_run();
    read_until(all_fd, &all, "event: run\ndata: {\"id\":1,");
    int fd = open_stream("/cloud/v5/test_runs/1/events", &one);
    read_until(fd, &one, "\"status\":\"created\"");
    assert_non_null(strstr(buf_cstr(&one), "text/event-stream"));
    int64_t before = clock_wall_ns() / NS_PER_S - 3;
    assert_int_equal(push(5, "k1"), 200);
    read_until(fd, &one, "\"status\":\"running\"");
    read_until(fd, &one, "event: metrics\ndata: {\"time\":");
    const char *time = strstr(buf_cstr(&one), "{\"time\":");
    int64_t told = 0;
    assert_int_equal(str_to_i64(str_new(time + 8, strcspn(time + 8, "}")), &told), 0);
    assert_true(told >= before && told <= before + 10);
    /* Many at once are told once, and the last one is not forgotten. */
    for (int i = 0; i < 5; i++)
        assert_int_equal(push(1, NULL), 200);
    finish_run(3);
    read_until(fd, &one, "\"status\":\"completed\"");
    read_until(all_fd, &all, "\"status\":\"completed\"");
    assert_null(strstr(buf_cstr(&all), "event: metrics"));
    /* A stop ends the streams. */
    world_stop(&w);
    read_until(fd, &one, "0\r\n\r\n");
    close(fd);
    close(all_fd);
    world_restart(&w);
}

static void test_events_of_nobody(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "GET", "/cloud/v5/test_runs/9/events", NULL, 404, &r);
    create_run();
    for (int i = 0; i < 20; i++) { /* readers that go away */
        CLEANUP(buf_fini) struct buf in;
        int fd = open_stream("/cloud/v5/test_runs/1/events", &in);
        read_until(fd, &in, "\"status\":");
        close(fd);
        assert_int_equal(push(1, NULL), 200);
    }
    assert_requests("20");
}

/* ---- who may ---- */

static void test_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"-", 401},
        {"Authorization: Token wrong\r\n", 401},
        {"Authorization: Bearer \r\n", 401},
        {"Authorization: Basic abc\r\n", 401},
        {"Cookie: "
         "spate_session=0123456789012345678901234567890123456789012345678901234567890123\r\n",
         401},
        {"Cookie: spate_session=x\r\n", 401},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(reply_free) struct reply r = {0};
        call(&w, "GET", "/cloud/v6/auth", cases[i].headers, NULL, 0, &r);
        assert_int_equal(r.status, cases[i].status);
    }
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v6/auth", &r);
    assert_string_equal(reply_text(&r), "{\"stack_id\":1,\"default_project_id\":1}");
    char text[160];
    snprintf(text, sizeof text, "{\"token\":\"%s\"}", w.token);
    call_json(&w, "POST", "/v1/validate-token", text, 200, &r);
    ASSERT_SAYS(r, "\"is_valid\":true");
    call_json(&w, "POST", "/v1/validate-token", "{\"token\":\"no\"}", 200, &r);
    ASSERT_SAYS(r, "\"is_valid\":false");
    for (int i = 0; i < 30 && r.status == 200; i++) {
        reply_free(&r);
        call(&w, "POST", "/v1/validate-token", "Content-Type: application/json\r\n",
             "{\"token\":\"no\"}", 14, &r);
    }
    assert_int_equal(r.status, 429);
}

static void cookie_of(struct reply *r, char out[static 300])
{
    char value[256];
    reply_header_value(r, "Set-Cookie", value);
    assert_non_null(strstr(value, "HttpOnly"));
    assert_non_null(strstr(value, "SameSite=Lax"));
    value[strcspn(value, ";")] = '\0';
    snprintf(out, 300, "Cookie: %s\r\n", value);
}

static void test_session(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char text[512], cookie[300];
    call_json(&w, "POST", "/session", "{\"token\":\"wrong\"}", 401, &r);
    call_json(&w, "POST", "/session", "nonsense", 400, &r);
    snprintf(text, sizeof text, "{\"token\":\"%s\"}", w.token);
    call_json(&w, "POST", "/session", text, 204, &r);
    cookie_of(&r, cookie);
    reply_free(&r);
    call(&w, "GET", "/session", cookie, NULL, 0, &r);
    assert_int_equal(r.status, 200);
    ASSERT_SAYS(r, "\"email\":\"admin@localhost\"");
    ASSERT_SAYS(r, "\"must_change_password\":false"); /* that is about signing in by password */
    create_run();
    static const struct {
        const char *header;
        int status;
    } origins[] = {
        {"Origin: http://evil.example\r\n", 401}, {"Sec-Fetch-Site: cross-site\r\n", 401},
        {"Sec-Fetch-Site: same-site\r\n", 401},   {"Origin: null\r\n", 401},
        {"Sec-Fetch-Site: same-origin\r\n", 204},
    };
    for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
        reply_free(&r);
        snprintf(text, sizeof text, "%s%s", cookie, origins[i].header);
        call(&w, "POST", "/cloud/v6/test_runs/1/abort", text, NULL, 0, &r);
        assert_int_equal(r.status, origins[i].status);
    }
    reply_free(&r);
    world_stop(&w);
    world_restart(&w); /* a session outlives the process */
    snprintf(text, sizeof text, "%sOrigin: http://127.0.0.1:%d\r\n", cookie, w.port);
    call(&w, "DELETE", "/session", text, NULL, 0, &r);
    assert_int_equal(r.status, 204);
    reply_free(&r);
    call(&w, "GET", "/session", cookie, NULL, 0, &r);
    assert_int_equal(r.status, 401);
}

static void test_link(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char path[256], value[256], cookie[300];
    static const struct {
        const char *to, *location;
    } cases[] = {
        {"?to=/runs/12", "/runs/12"},  {"", "/"},
        {"?to=//evil.example/", "/"},  {"?to=http://evil.example/", "/"},
        {"?to=/%5Cevil.example", "/"}, {"?to=/x%0d%0aSet-Cookie:a=b", "/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        call_json(&w, "POST", "/session/link", NULL, 200, &r);
        const char *at = strstr(reply_text(&r), "/session/link/");
        assert_non_null(at);
        snprintf(path, sizeof path, "%.*s%s", (int)strcspn(at, "\""), at, cases[i].to);
        reply_free(&r);
        call(&w, "GET", path, "-", NULL, 0, &r);
        assert_int_equal(r.status, 303);
        reply_header_value(&r, "Location", value);
        assert_string_equal(value, cases[i].location);
        cookie_of(&r, cookie);
    }
    reply_free(&r);
    call(&w, "GET", "/session", cookie, NULL, 0, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    call(&w, "GET", path, "-", NULL, 0, &r); /* once is once */
    assert_int_equal(r.status, 303);
    reply_header_value(&r, "Set-Cookie", value);
    assert_string_equal(value, "");
}

static void test_token_file(void **state)
{
    (void)state;
    struct stat st;
    char old[80];
    assert_int_equal(stat(w.token_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(old, sizeof old, "%s", w.token);
    static const char *const contents[] = {"garbage\n", "", NULL};
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        world_stop(&w);
        unlink(w.token_file);
        FILE *f = contents[i] ? fopen(w.token_file, "w") : NULL;
        if (f) {
            fputs(contents[i], f);
            fclose(f);
        }
        world_restart(&w);
        assert_string_not_equal(old, w.token);
        assert_int_equal(stat(w.token_file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        CLEANUP(reply_free) struct reply r = {0};
        get(&w, "/cloud/v6/auth", &r);
        /* The one before stays valid: it may be in use elsewhere. */
        char headers[128];
        snprintf(headers, sizeof headers, "Authorization: Token %s\r\n", old);
        reply_free(&r);
        call(&w, "GET", "/cloud/v6/auth", headers, NULL, 0, &r);
        assert_int_equal(r.status, 200);
    }
}

static void test_first_token(void **state)
{
    (void)state;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/other", w.dir);
    struct server_config config = {
        .listen = "127.0.0.1:0", .data_dir = dir, .run_timeout_ns = NS_PER_S};
    struct server *s = NULL;
    assert_int_equal(server_start(&config, &s), 0);
    assert_non_null(server_new_token(s));
    assert_int_equal(strlen(server_new_token(s)), 64);
    server_forget_token(s);
    assert_null(server_new_token(s));
    server_stop(s);
    assert_int_equal(server_start(&config, &s), 0);
    assert_null(server_new_token(s)); /* shown once */
    server_stop(s);
}

/* ---- bad input ---- */

static void test_bad_pushes(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    call(&w, "POST", "/v2/metrics/1", push_headers, "not snappy", 10, &r);
    assert_int_equal(r.status, 400);
    ASSERT_SAYS(r, "{\"error\":{\"message\":\"");
    reply_free(&r);
    CLEANUP(buf_fini) struct buf packed;
    buf_init(&packed, 1 << 20);
    snappy_pack("\x1a\xff garbage", 10, &packed);
    call(&w, "POST", "/v2/metrics/1", push_headers, packed.data, packed.len, &r);
    assert_int_equal(r.status, 400);
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        {"/v2/metrics/1", "Content-Type: application/json\r\nContent-Encoding: snappy\r\n", 415},
        {"/v2/metrics/1", "Content-Type: application/x-protobuf\r\n", 415},
        {"/v2/metrics/77", push_headers, 404},
        {"/v2/metrics/abc", push_headers, 404},
        {"/v2/metrics/-1", push_headers, 404},
        {"/v1/login", "-Content-Type: application/json\r\n", 400},
        {"/v1/nonsense", NULL, 404},
        {"/cloud/v6/load_tests/1/start", NULL, 404},
        {"/provisioning/v1/load_tests/1/start_local_execution", NULL, 415},
        {"/cloud/v6/test_runs/1", NULL, 405},
        {"/session/link/x", NULL, 405},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        reply_free(&r);
        call(&w, "POST", cases[i].path, cases[i].headers, "{}", 2, &r);
        if (r.status != cases[i].status)
            fail_msg("%s: %d, not %d: %s", cases[i].path, r.status, cases[i].status,
                     reply_text(&r));
    }
    assert_int_equal(push(5, "k1"), 200);
    assert_requests("5");
}

static void test_large_bodies(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    size_t len = 17 * 1024 * 1024;
    char *body = calloc(1, len + 64);
    assert_non_null(body);
    call(&w, "POST", "/v2/metrics/1", push_headers, body, len, &r);
    assert_int_equal(r.status, 413);
    reply_free(&r);
    /* The same without a length, in one chunk. */
    char headers[256];
    snprintf(headers, sizeof headers, "%sTransfer-Encoding: chunked\r\n", push_headers);
    memset(body, 0, len);
    int head = snprintf(body, 32, "%zx\r\n", len);
    memcpy(body + (size_t)head + len, "\r\n0\r\n\r\n", 7);
    call(&w, "POST", "/v2/metrics/1", headers, body, (size_t)head + len + 7, &r);
    assert_int_equal(r.status, 413);
    free(body);
    /* Four gigabytes are announced in a few bytes. */
    reply_free(&r);
    call(&w, "POST", "/v2/metrics/1", push_headers, "\xff\xff\xff\xff\x0f", 5, &r);
    assert_int_equal(r.status, 413);
    assert_int_equal(push(5, "k1"), 200);
}

static void test_bad_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
    } cases[] = {
        {"", 415}, /* no body, no type */
        {"{", 400},
        {"[]", 400},
        {"{}", 400},
        {"{\"name\":\"\"}", 400},
        {"{\"name\":5}", 400},
        {"{\"name\":\"x\",\"project_id\":-4}", 400},
        {"{\"name\":\"x\",\"project_id\":9223372036854775807}", 400},
        {"{\"name\":\"x\",\"vus\":9223372036854775807}", 400},
        {"{\"name\":\"x\",\"duration\":9223372036854775807}", 400},
        {"{\"name\":\"x\",\"thresholds\":5}", 200},
        {"{\"name\":\"x\",\"project_id\":12,\"vus\":1e3}", 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(reply_free) struct reply r = {0};
        call_json(&w, "POST", "/v1/tests", cases[i].body[0] ? cases[i].body : NULL, cases[i].status,
                  &r);
    }
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v6/projects/12", &r);
    ASSERT_SAYS(r, "\"name\":\"Project 12\"");
    /* The one that is made here follows: it isn't thrown among numbers that no client can read. */
    call_json(&w, "POST", "/cloud/v6/projects", "{\"name\":\"next\"}", 201, &r);
    ASSERT_SAYS(r, "{\"id\":13,");
}

static void test_junk(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        "POST / HTTP/1.1\r\nHost",
        "GET / HTTP/9.9\r\nContent-Length: -5\r\n\r\n",
        "POST /v1/tests HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        int fd = dial(&w);
        send_all(fd, junk[i], strlen(junk[i]));
        close(fd);
    }
    uint64_t seed = 3;
    for (int i = 0; i < 50; i++) {
        char noise[500];
        for (size_t k = 0; k < sizeof noise; k++) {
            seed = seed * 6364136223846793005u + 1;
            noise[k] = (char)(seed >> 33);
        }
        int fd = dial(&w);
        send_all(fd, noise, sizeof noise);
        close(fd);
    }
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v6/auth", &r);
}

static void test_bad_questions(void **state)
{
    (void)state;
    create_run();
    assert_int_equal(push(5, "k1"), 200);
    static const struct {
        const char *path;
        int status;
        const char *says;
    } cases[] = {
        {"/cloud/v5/test_runs/1/query_range_k6", 400, "query: it is needed"},
        {"/cloud/v5/test_runs/1/query_range_k6(", 400, "parentheses"},
        {"/cloud/v5/test_runs/1/query_range_k6()", 400, "query: it is needed"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate')", 400, "metric: it is needed"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate,metric='http_reqs')", 400, "expected"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate',metric='http_reqs',step=x)", 400,
         "step"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate',metric='http_reqs',start=x)", 400,
         "start: not a time"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate',metric='http_reqs',x=1)", 400,
         "unknown parameter"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='bogus',metric='http_reqs')", 400, "bogus"},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate',metric='nope')", 400,
         "unknown metric \\\"nope\\\""},
        {"/cloud/v5/test_runs/1/query_range_k6(query='rate',metric='http_reqs%7Ba=~%22(%22%7D')",
         400, "regular expression"},
        {"/cloud/v5/test_runs/1/series?match[]=%7B", 400, "match[]"},
        {"/cloud/v5/test_runs/2/metrics", 404, "no test run"},
        {"/cloud/v5/test_runs/1/nonsense", 404, "no such route"},
        {"/cloud/v5/load_tests/1/nothing", 404, "no such route"},
        {"/cloud/v5/load_tests/9/metrics", 404, "no load test"},
        {"/cloud/v5/load_tests/1/metrics(test_run_count=0)", 400, "test_run_count"},
        {"/cloud/v5/load_tests/1/metrics(test_run_ids=[1,x])", 400, "test_run_ids"},
        {"/cloud/v5/load_tests/1/metrics(test_run_ids=[1)", 400, "bracket"},
        {"/cloud/v5/load_tests/1/metrics(test_run_ids=[77])", 400, "77 is no run of this test"},
        {"/cloud/v5/load_tests/1/query_aggregate_k6(query='rate')", 400, "metric: it is needed"},
        {"/cloud/v5/load_tests/1/query_aggregate_k6(query='rate',metric='no')", 400,
         "unknown metric"},
        {"/cloud/v5/nothing", 501, "not"},
        {"/cloud/v6/test_runs/x", 404, "no such id"},
        {"/cloud/v6/nonsense", 404, "no such route"},
        {"/cloud/v6/test_runs?$top=x", 400, "$top"},
        {"/cloud/v6/test_runs?$top=1001", 400, "$top"},
        {"/cloud/v6/test_runs?$orderby=1;drop", 400, "$orderby"},
        {"/cloud/v6/test_runs?created_after=yesterday", 400, "not a time"},
        {"/cloud/v6/test_runs/1/script", 404, "no archive"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(reply_free) struct reply r = {0};
        call_json(&w, "GET", cases[i].path, NULL, cases[i].status, &r);
        ASSERT_SAYS(r, cases[i].says);
        ASSERT_SAYS(r, "\"code\":\""); /* v6's form: words, not numbers */
    }
}

/* ---- lists, queries, page ---- */

static void test_lists(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    for (int i = 0; i < 5; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"name\":\"t%d\"}", i);
        call_json(&w, "POST", "/v1/tests", body, 200, &r);
    }
    get(&w, "/cloud/v6/test_runs?$top=2&$count=true", &r);
    ASSERT_SAYS(r, "{\"value\":[{\"id\":5,");
    ASSERT_SAYS(r, "\"@count\":5");
    ASSERT_SAYS(r, "/cloud/v6/test_runs?$skip=2&$top=2&$count=true\"");
    get(&w, "/cloud/v6/test_runs?%24skip=4&%24top=2", &r);
    ASSERT_SAYS(r, "{\"value\":[{\"id\":1,");
    assert_null(strstr(reply_text(&r), "@nextLink"));
    get(&w, "/cloud/v6/test_runs?$orderby=created%20asc&$top=1", &r);
    ASSERT_SAYS(r, "{\"value\":[{\"id\":1,");
    get(&w, "/cloud/v6/load_tests?$orderby=name+desc", &r);
    ASSERT_SAYS(r, "{\"value\":[{\"id\":5,\"project_id\":1,\"name\":\"t4\"");
    get(&w, "/cloud/v6/load_tests?name=t2", &r);
    ASSERT_SAYS(r, "{\"value\":[{\"id\":3,");
    get(&w, "/cloud/v6/load_tests/3/test_runs", &r);
    ASSERT_SAYS(r, "{\"value\":[{\"id\":3,");
    get(&w, "/cloud/v6/projects", &r);
    ASSERT_SAYS(r, "\"is_default\":true");
    get(&w, "/cloud/v6/test_runs?created_after=2199-01-01T00:00:00Z", &r);
    assert_string_equal(reply_text(&r), "{\"value\":[]}");
}

static void test_questions(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    assert_int_equal(push(5, "k1"), 200);
    get(&w, "/cloud/v5/test_runs/1/metrics", &r);
    assert_string_equal(reply_text(&r), "{\"value\":[{\"id\":1,\"name\":\"http_reqs\",\"type\":"
                                        "\"counter\",\"origin\":\"builtin\",\"test_run_id\":1}]}");
    get(&w, "/cloud/v5/test_runs/1/series?match[]=http_reqs", &r);
    ASSERT_SAYS(r, "[{\"__name__\":\"http_reqs\",\"test_run_id\":\"1\",\"status\":\"200\"}]");
    get(&w, "/cloud/v5/test_runs/1/labels", &r);
    ASSERT_SAYS(r, "[\"__name__\",\"status\"]");
    get(&w, "/cloud/v5/test_runs/1/label/status/values", &r);
    ASSERT_SAYS(r, "[\"200\"]");
    get(&w,
        "/cloud/v5/test_runs/1/query_aggregate_k6(query='increase%20by%20(status)',"
        "metric='http_reqs%7Bstatus=~%22(2%7C3)%5Cd%5Cd%22,name!=%22it''s%22%7D')",
        &r);
    ASSERT_SAYS(r, "\"metric\":{\"status\":\"200\"}");
    ASSERT_SAYS(r, ",5]}]");
    get(&w,
        "/cloud/v5/test_runs/1/query_range_k6(query='rate',metric='http_reqs',"
        "start=2020-01-01T00:00:00Z,end=2199-01-01T00:00:00.5+02:00)",
        &r);
    ASSERT_SAYS(r, "\"resultType\":\"matrix\"");
    get(&w, "/cloud/v5/test_runs/1/thresholds", &r);
    ASSERT_SAYS(r,
                "\"metric\":\"http_reqs\",\"selector\":\"status:200\",\"expression\":\"count>3\","
                "\"result\":null,\"value\":5}");
}

static void test_page(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char value[256], headers[300];
    call(&w, "GET", "/", "-", NULL, 0, &r);
    assert_int_equal(r.status, 200);
    ASSERT_SAYS(r, "<html");
    reply_header_value(&r, "Content-Security-Policy", value);
    assert_non_null(strstr(value, "default-src 'self'"));
    reply_header_value(&r, "X-Content-Type-Options", value);
    assert_string_equal(value, "nosniff");
    reply_header_value(&r, "ETag", value);
    snprintf(headers, sizeof headers, "-If-None-Match: %s\r\n", value);
    reply_free(&r);
    call(&w, "GET", "/runs/12", headers, NULL, 0, &r); /* a page of the app is index.html */
    assert_int_equal(r.status, 304);
    reply_free(&r);
    call(&w, "GET", "/assets/nothing.js", "-", NULL, 0, &r);
    assert_int_equal(r.status, 404);
    reply_free(&r);
    call(&w, "GET", "/../../etc/passwd", "-", NULL, 0, &r);
    assert_null(strstr(reply_text(&r), "root:"));
    reply_free(&r);
    call(&w, "HEAD", "/", "-", NULL, 0, &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 0);
}

/* A project may have more patience than the server, or less. */
static void test_project_timeout(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static const char path[] = "/cloud/v5/projects/1/settings";
    get(&w, path, &r);
    ASSERT_SAYS(r, "{\"project_id\":1,\"run_timeout_seconds\":null}");
    call_json(&w, "PATCH", path, "{\"run_timeout_seconds\":600}", 200, &r);
    ASSERT_SAYS(r, "\"run_timeout_seconds\":600}");
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"patient\",\"vus\":1,\"duration\":1}", 200, &r);
    call_json(&w, "POST", "/v1/tests",
              "{\"name\":\"other\",\"project_id\":2,\"vus\":1,\"duration\":1}", 200, &r);
    /* That of the other project is timed out by the server's own 1.5 s. */
    int64_t end = clock_mono_ns() + 20 * NS_PER_S;
    do {
        assert_true(clock_mono_ns() < end);
        get(&w, "/cloud/v6/test_runs/2", &r);
    } while (!strstr(reply_text(&r), "\"status\":\"aborted\""));
    ASSERT_SAYS(r, "No data for 1.5s");
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"status\":\"created\"");
    /* It holds after a restart; without it the run has been silent too long. */
    world_stop(&w);
    world_restart(&w);
    get(&w, path, &r);
    ASSERT_SAYS(r, "\"run_timeout_seconds\":600}");
    call_json(&w, "PATCH", path, "{\"run_timeout_seconds\":null}", 200, &r);
    end = clock_mono_ns() + 20 * NS_PER_S;
    do {
        assert_true(clock_mono_ns() < end);
        get(&w, "/cloud/v6/test_runs/1", &r);
    } while (!strstr(reply_text(&r), "\"status\":\"aborted\""));
    static const char *const bad[] = {"{\"run_timeout_seconds\":9}",
                                      "{\"run_timeout_seconds\":1e9}",
                                      "{\"run_timeout_seconds\":\"5m\"}", "{\"timeout\":60}", "[]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        call_json(&w, "PATCH", path, bad[i], 400, &r);
    call_json(&w, "PATCH", "/cloud/v5/projects/99/settings", "{\"run_timeout_seconds\":60}", 404,
              &r);
}

static void test_start_failures(void **state)
{
    (void)state;
    char dir[128], listen[64];
    struct server *s = NULL;
    snprintf(dir, sizeof dir, "%s/data", w.dir);
    struct server_config config = {
        .listen = "127.0.0.1:0", .data_dir = dir, .run_timeout_ns = NS_PER_S};
    assert_int_equal(server_start(&config, &s), -EBUSY);
    assert_non_null(strstr(err_message(), "in use"));
    snprintf(dir, sizeof dir, "%s/other", w.dir);
    snprintf(listen, sizeof listen, "127.0.0.1:%d", w.port);
    config.listen = listen;
    assert_int_equal(server_start(&config, &s), -EADDRINUSE);
    static const char *const bad[] = {
        "",        "6600",   "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "host.example:80",
        "[::1:80", "1.2.3:4"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        config.listen = bad[i];
        assert_int_equal(server_start(&config, &s), E_CONFIG);
    }
    config.listen = "127.0.0.1:0";
    config.token_file = "/proc/nowhere/token";
    assert_int_equal(server_start(&config, &s), -ENOENT);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_k6_recording),
        WITH_SERVER(test_archive),
        WITH_SERVER(test_a_push_counts_once),
        WITH_SERVER(test_ends),
        WITH_SERVER(test_abort),
        cmocka_unit_test_setup_teardown(test_time_out, set_up_impatient, tear_down),
        cmocka_unit_test_setup_teardown(test_project_timeout, set_up_impatient, tear_down),
        cmocka_unit_test_setup_teardown(test_data_keeps_it_open, set_up_impatient, tear_down),
        WITH_SERVER(test_restart),
        WITH_SERVER(test_live_events),
        WITH_SERVER(test_events_of_nobody),
        WITH_SERVER(test_tokens),
        WITH_SERVER(test_session),
        WITH_SERVER(test_link),
        WITH_SERVER(test_token_file),
        WITH_SERVER(test_first_token),
        WITH_SERVER(test_bad_pushes),
        WITH_SERVER(test_large_bodies),
        WITH_SERVER(test_bad_bodies),
        WITH_SERVER(test_junk),
        WITH_SERVER(test_bad_questions),
        WITH_SERVER(test_lists),
        WITH_SERVER(test_questions),
        WITH_SERVER(test_page),
        WITH_SERVER(test_start_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
