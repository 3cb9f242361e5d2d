#include "server/server.h"

#include "base/clock.h"
#include "client.h"
#include "traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

/* What k6 before v0.46, and `k6 cloud` before v2, ask of a server. */

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

/* A recorded request, to run 1 of our own. */
static void send_recorded(struct traffic_request *q, struct reply *ret)
{
    char headers[512];
    snprintf(headers, sizeof headers, "%s%s%sK6-Idempotency-Key: %s\r\n%s%s%s",
             q->type[0] ? "Content-Type: " : "", q->type, q->type[0] ? "\r\n" : "", q->key,
             q->encoding[0] ? "Content-Encoding: " : "", q->encoding, q->encoding[0] ? "\r\n" : "");
    char *ref = strstr(q->path, "/123");
    if (ref)
        snprintf(ref, sizeof q->path - (size_t)(ref - q->path), "/1");
    reply_free(ret);
    call(&w, q->method, q->path, headers, q->body.data, q->body.len, ret);
}

/* All of it, every push twice, as a client does that lost an answer. */
static void replay(const char *name, size_t want)
{
    static struct traffic t;
    traffic_load(&t, name);
    assert_int_equal(t.len, want);
    for (size_t i = 0; i < t.len; i++) {
        CLEANUP(reply_free) struct reply r = {0};
        for (int times = 0; times < 2; times++) {
            send_recorded(&t.requests[i], &r);
            if (r.status != 200)
                fail_msg("%s: %d %s", t.requests[i].path, r.status, reply_text(&r));
        }
    }
    traffic_free(&t);
}

static double ask(const char *query, const char *metric)
{
    CLEANUP(reply_free) struct reply r = {0};
    char path[512];
    double value = 0;
    snprintf(path, sizeof path, "/cloud/v5/test_runs/1/query_aggregate_k6(query='%s',metric='%s')",
             query, metric);
    get(&w, path, &r);
    const char *at = strstr(reply_text(&r), "\"value\":[");
    const char *comma = at ? strchr(at, ',') : NULL;
    const char *end = comma ? strchr(comma, ']') : NULL;
    if (!end || str_to_double(str_new(comma + 1, (size_t)(end - comma - 1)), &value) < 0)
        fail_msg("%s of %s: %s", query, metric, reply_text(&r));
    return value;
}

static void assert_close(double have, double want)
{
    if (!(have > want - 1e-9 * want && have < want + 1e-9 * want))
        fail_msg("%.17g is not %.17g", have, want);
}

static void assert_k6_totals(void)
{
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"status\":\"completed\"");
    ASSERT_SAYS(r, "\"result\":\"passed\"");
    assert_int_equal(ask("increase", "http_reqs"), 270);
    assert_int_equal(ask("increase", "http_reqs{status=\"200\"}"), 270);
    assert_int_equal(ask("increase", "iterations"), 90);
    assert_int_equal(ask("increase", "data_sent"), 23130);
    assert_int_equal(ask("increase", "data_received"), 44370);
    assert_int_equal(ask("increase", "my_counter"), 90);
    assert_int_equal(ask("increase_total", "checks"), 180);
    assert_int_equal(ask("increase_nz", "checks"), 180);
    assert_int_equal(ask("increase_total", "http_req_failed"), 270);
    assert_int_equal(ask("increase_nz", "http_req_failed"), 0);
    assert_int_equal(ask("histogram_count_increase", "http_req_duration"), 270);
    assert_int_equal(ask("histogram_count_increase", "http_req_blocked"), 270);
    assert_int_equal(ask("histogram_count_increase", "iteration_duration"), 90);
    assert_int_equal(ask("histogram_count_increase", "my_trend"), 90);
    assert_int_equal(ask("max", "vus"), 3);
    assert_int_equal(ask("last", "my_gauge"), 2);
}

static void test_points(void **state)
{
    (void)state;
    replay("v0.43-run-out-cloud.jsonl", 9);
    assert_k6_totals();
    assert_int_equal(ask("increase_nz", "my_rate"), 45);
    assert_close(ask("histogram_avg", "http_req_duration"), 47.68415800000001 / 270);
    assert_close(ask("histogram_min", "http_req_duration"), 0.033881);
    assert_close(ask("histogram_max", "http_req_duration"), 0.949727);
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v5/test_runs/1/metrics", &r);
    assert_null(strstr(reply_text(&r), "\"estimated\":true"));
    assert_null(strstr(reply_text(&r), "_li_all"));
    get(&w, "/cloud/v5/test_runs/1/outliers?$top=3", &r);
    ASSERT_SAYS(r, "\"@count\":270}");
    ASSERT_SAYS(r, "{\"value\":[{\"time\":\"2026-11-22T06:40:09.552469Z");
}

static void test_aggregated_points(void **state)
{
    (void)state;
    replay("v0.43-run-out-cloud-aggregated.jsonl", 9);
    assert_k6_totals();
    assert_int_equal(ask("increase_nz", "my_rate"), 44);
    assert_close(ask("histogram_avg", "http_req_duration"), 55.290081 / 270);
    assert_close(ask("histogram_avg", "http_req_waiting"), 48.198217 / 270);
    assert_close(ask("histogram_min", "http_req_duration"), 0.024016);
    assert_close(ask("histogram_max", "http_req_duration"), 1.712284);
    double median = ask("histogram_quantile(0.5)", "http_req_duration");
    assert_true(median > 0.024016 && median < 0.7);
    assert_true(ask("histogram_quantile(0.9)", "http_req_duration") > median);
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, "/cloud/v5/test_runs/1/metrics", &r);
    ASSERT_SAYS(r, "\"name\":\"http_req_duration\",\"type\":\"trend\",\"origin\":\"builtin\","
                   "\"test_run_id\":1,\"estimated\":true}");
    ASSERT_SAYS(r, "\"name\":\"iteration_duration\",\"type\":\"trend\",\"origin\":\"builtin\","
                   "\"test_run_id\":1}");
}

/* A question about percentiles of aggregates says that they are guessed; others don't. */
static void test_estimated(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    replay("v0.43-run-out-cloud-aggregated.jsonl", 9);
    get(&w,
        "/cloud/v5/test_runs/1/query_aggregate_k6(query='histogram_quantile(0.95)',"
        "metric='http_req_duration')",
        &r);
    ASSERT_SAYS(r, ",\"estimated\":true}}");
    get(&w,
        "/cloud/v5/test_runs/1/query_range_k6(query='histogram_stddev%20by%20(status)',"
        "metric='http_req_duration',step=3)",
        &r);
    ASSERT_SAYS(r, ",\"estimated\":true}}");
    get(&w,
        "/cloud/v5/test_runs/1/query_aggregate_k6(query='histogram_max',"
        "metric='http_req_duration')",
        &r);
    assert_null(strstr(reply_text(&r), "estimated"));
    get(&w,
        "/cloud/v5/test_runs/1/query_aggregate_k6(query='histogram_quantile(0.95)',"
        "metric='http_req_duration{status=\"500\"}')",
        &r);
    assert_null(strstr(reply_text(&r), "estimated"));
}

/* The nine single requests of the aggregated stream, apart from the 261 others. */
static void test_outliers(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    replay("v0.43-run-out-cloud-aggregated.jsonl", 9);
    get(&w, "/cloud/v5/test_runs/1/outliers", &r);
    ASSERT_SAYS(r, "\"@count\":9}");
    ASSERT_SAYS(r, "{\"value\":[{\"time\":\"2026-11-22T06:40:15.192029Z\",\"duration\":1.712284,"
                   "\"failed\":false,\"timings\":{\"blocked\":0.287939,\"connecting\":0.245616,"
                   "\"tls_handshaking\":0,\"sending\":0.038908,\"waiting\":1.625385,"
                   "\"receiving\":0.047991},\"tags\":{\"expected_response\":\"true\","
                   "\"group\":\"::front\",\"kind\":\"page\",\"method\":\"GET\","
                   "\"name\":\"http://127.0.0.1:18080/\"");
    get(&w, "/cloud/v5/test_runs/1/outliers?min_duration=1.7", &r);
    ASSERT_SAYS(r, "\"@count\":1}");
    get(&w, "/cloud/v5/test_runs/1/outliers?match=%7Bstatus%3D%22500%22%7D", &r);
    ASSERT_SAYS(r, "{\"value\":[],\"@count\":0}");
    get(&w, "/cloud/v5/test_runs/1/outliers?match=%7Bkind%3D%22page%22%7D&$top=1&$skip=1", &r);
    ASSERT_SAYS(r, "\"kind\":\"page\"");
    get(&w, "/cloud/v5/test_runs/1/outliers?end=2026-11-22T06:40:15Z", &r);
    ASSERT_SAYS(r, "\"@count\":0}");
    get(&w, "/cloud/v5/test_runs/1/outliers?$orderby=time%20desc&$top=1", &r);
    ASSERT_SAYS(r, "\"@count\":9}");
    call_json(&w, "GET", "/cloud/v5/test_runs/1/outliers?min_duration=x", NULL, 400, &r);
    call_json(&w, "GET", "/cloud/v5/test_runs/1/outliers?match=%7B", NULL, 400, &r);
    call_json(&w, "GET", "/cloud/v5/test_runs/1/outliers?$orderby=name", NULL, 400, &r);
    call_json(&w, "GET", "/cloud/v5/test_runs/9/outliers", NULL, 404, &r);
}

/* ---- pushes that are wrong ---- */

static void create_run(void)
{
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a.js\",\"vus\":3,\"duration\":36}", 200, &r);
}

#define POINT(value)                                                                               \
    "{\"type\":\"Point\",\"metric\":\"m\",\"data\":{\"time\":\"1795329607737049\","                \
    "\"type\":\"counter\",\"tags\":{},\"value\":" value "}}"

static void test_bad_pushes(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *says;
    } table[] = {
        {"", "not a JSON array"},
        {"{}", "not a JSON array"},
        {"[", "cut short"},
        {"[1]", "not an object"},
        {"[" POINT("1"), "cut short"},
        {"[" POINT("1") " " POINT("1") "]", "malformed"},
        {"[" POINT("1") "] x", "behind the array"},
        {"[" POINT("\"x\"") "]", "not a number"},
        {"[" POINT("1e999") "]", "JSON"},
        {"[{\"type\":\"Point\",\"metric\":\"m\",\"data\":{\"time\":\"-5\",\"type\":\"counter\","
         "\"value\":1}}]",
         "a time"},
        {"[{\"type\":\"Point\",\"metric\":\"m\",\"data\":{\"time\":\"5\",\"type\":\"x\","
         "\"value\":1}}]",
         "unknown type"},
        {"[{\"type\":\"Pint\",\"metric\":\"m\",\"data\":{\"time\":\"5\"}}]", "unknown kind"},
        {"[{\"type\":\"AggregatedPoints\",\"metric\":\"http_req_li_all\",\"data\":{\"time\":\"5\","
         "\"count\":2,\"values\":{\"http_req_duration\":{\"min\":3,\"max\":2,\"avg\":2}}}}]",
         "out of order"},
        {"[{\"type\":\"AggregatedPoints\",\"metric\":\"http_req_li_all\",\"data\":{\"time\":\"5\","
         "\"count\":1e30,\"values\":{}}}]",
         "a count"},
        {"[[[[[[[[[[", "not an object"},
        {"[{\"a\":[[[[[[[[[[", "too deep"},
    };
    create_run();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CLEANUP(reply_free) struct reply r = {0};
        call(&w, "POST", "/v1/metrics/1", "Content-Type: application/json\r\n", table[i].body,
             strlen(table[i].body), &r);
        if (r.status != 400)
            fail_msg("%s: %d", table[i].body, r.status);
        ASSERT_SAYS(r, table[i].says);
    }
    CLEANUP(reply_free) struct reply r = {0};
    /* Nothing of a push that has one wrong element stays. */
    call_json(&w, "POST", "/v1/metrics/1", "[" POINT("1") "," POINT("null") "]", 400, &r);
    call_json(&w, "POST", "/v1/metrics/1", " [ " POINT("2") " , " POINT("3") " ] ", 200, &r);
    call_json(&w, "POST", "/v1/metrics/1", "[]", 200, &r);
    assert_int_equal(ask("increase", "m"), 5);
    call_json(&w, "POST", "/v1/metrics/2", "[]", 404, &r);
}

/* gzip of `len` times the letter. */
static void pack(struct buf *out, char letter, size_t len)
{
    static char chunk[65536];
    z_stream z = {0};
    memset(chunk, letter, sizeof chunk);
    buf_init(out, 1 << 26);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    bool last = false;
    while (!last) {
        size_t n = len < sizeof chunk ? len : sizeof chunk;
        len -= n;
        last = len == 0;
        z.next_in = (Bytef *)chunk;
        z.avail_in = (uInt)n;
        do {
            uint8_t *room = buf_reserve(out, 65536);
            assert_non_null(room);
            z.next_out = room;
            z.avail_out = 65536;
            deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
            buf_claim(out, 65536 - z.avail_out);
        } while (z.avail_out == 0);
    }
    deflateEnd(&z);
}

static void test_packed_bodies(void **state)
{
    (void)state;
    static const char gzip[] = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    CLEANUP(buf_fini) struct buf bomb;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    pack(&bomb, ' ', 100u << 20);
    call(&w, "POST", "/v1/metrics/1", gzip, bomb.data, bomb.len, &r);
    assert_int_equal(r.status, 413);
    ASSERT_SAYS(r, "bytes unpacked");
    reply_free(&r);
    call(&w, "POST", "/v1/metrics/1", gzip, bomb.data, bomb.len / 2, &r);
    assert_true(r.status == 400 || r.status == 413);
    reply_free(&r);
    call(&w, "POST", "/v1/metrics/1", gzip, "[]", 2, &r);
    assert_int_equal(r.status, 400);
    ASSERT_SAYS(r, "gzip");
    reply_free(&r);
    call(&w, "POST", "/v1/metrics/1", "Content-Type: application/json\r\nContent-Encoding: br\r\n",
         "[]", 2, &r);
    assert_int_equal(r.status, 415);
    reply_free(&r);
    call(&w, "POST", "/v1/metrics/1", "Content-Type: text/plain\r\n", "[]", 2, &r);
    assert_int_equal(r.status, 415);
}

static void test_after_the_end(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static const char keyed[] = "Content-Type: application/json\r\nK6-Idempotency-Key: k1\r\n";
    static const char body[] = "[" POINT("1") "]";
    create_run();
    call(&w, "POST", "/v1/metrics/1", keyed, body, strlen(body), &r);
    assert_int_equal(r.status, 200);
    call_json(&w, "POST", "/v1/tests/1", "{\"result_status\":0,\"run_status\":3}", 200, &r);
    reply_free(&r);
    call(&w, "POST", "/v1/metrics/1", keyed, body, strlen(body), &r);
    assert_int_equal(r.status, 200);
    call_json(&w, "POST", "/v1/metrics/1", body, 403, &r);
    ASSERT_SAYS(r, "\"code\":4}");
    assert_int_equal(ask("increase", "m"), 1);
}

/* ---- k6 cloud ---- */

static void test_cloud_recording(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    replay("v0.49-cloud.jsonl", 4);
    get(&w, "/v1/test-progress/1", &r);
    ASSERT_SAYS(r, "\"run_status\":6,\"result_status\":1,\"progress\":1}");
    ASSERT_SAYS(r, "No load zone is available");
    get(&w, "/cloud/v6/test_runs/1", &r);
    ASSERT_SAYS(r, "\"status\":\"aborted\"");
    ASSERT_SAYS(r, "\"result\":\"error\"");
    ASSERT_SAYS(r, "\"type\":\"queued\"");
    ASSERT_SAYS(r, "No load zone is available");
    get(&w, "/cloud/v6/test_runs/1/script", &r);
    assert_true(r.body.len > 1024);
    get(&w, "/cloud/v6/test_runs?$count=true", &r);
    ASSERT_SAYS(r, "\"@count\":1");
    call_json(&w, "POST", "/v1/tests/1/stop", NULL, 200, &r);
    get(&w, "/v1/test-progress/1", &r);
    ASSERT_SAYS(r, "\"run_status\":6,");
}

static void test_progress(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_run();
    get(&w, "/v1/test-progress/1", &r);
    ASSERT_SAYS(r, "{\"run_status_text\":\"Created\",\"run_status\":-2,\"result_status\":0,"
                   "\"progress\":0}");
    call_json(&w, "POST", "/v1/metrics/1", "[" POINT("1") "]", 200, &r);
    get(&w, "/v1/test-progress/1", &r);
    ASSERT_SAYS(r, "\"run_status_text\":\"Running\",\"run_status\":2,\"result_status\":0,");
    call_json(&w, "POST", "/v1/tests/1/stop", NULL, 200, &r);
    get(&w, "/v1/test-progress/1", &r);
    ASSERT_SAYS(r, "\"run_status\":5,\"result_status\":1,\"progress\":1}");
    call_json(&w, "POST", "/v1/tests/2/stop", NULL, 404, &r);
    call_json(&w, "GET", "/v1/test-progress/2", NULL, 404, &r);
}

static void test_bad_uploads(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    static const char no_file[] = "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n"
                                  "a.js\r\n--xyz--\r\n";
    static const char no_tar[] =
        "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na.js\r\n--xyz\r\n"
        "Content-Disposition: form-data; name=\"file\"; filename=\"archive.tar\"\r\n\r\n"
        "not a tar\r\n--xyz--\r\n";
    static const char form[] = "Content-Type: multipart/form-data; boundary=xyz\r\n";
    call(&w, "POST", "/v1/archive-upload", form, no_file, strlen(no_file), &r);
    assert_int_equal(r.status, 400);
    ASSERT_SAYS(r, "archive");
    reply_free(&r);
    call(&w, "POST", "/v1/archive-upload", form, no_tar, strlen(no_tar), &r);
    assert_int_equal(r.status, 400);
    call_json(&w, "POST", "/v1/archive-upload", "{}", 415, &r);
    call_json(&w, "POST", "/v1/validate-options", "{\"options\":{\"vus\":1}}", 200, &r);
    call_json(&w, "POST", "/v1/validate-options", "{\"options\":1}", 400, &r);
    call_json(&w, "POST", "/v1/validate-options", "[", 400, &r);
    get(&w, "/cloud/v6/test_runs?$count=true", &r);
    ASSERT_SAYS(r, "\"@count\":0");
}

/* As k6 v0.43 does it: the password comes with the line's end on it. */
static void test_login(void **state)
{
    (void)state;
    static struct traffic t;
    CLEANUP(reply_free) struct reply r = {0};
    char headers[160];
    traffic_load(&t, "v0.43-login-email.jsonl");
    send_recorded(&t.requests[0], &r);
    assert_int_equal(r.status, 401);
    ASSERT_SAYS(r, "\"code\":6");
    call_json(&w, "POST", "/accounts/v1/users",
              "{\"email\":\"me@example.com\",\"password\":\"secret\"}", 400, &r);
    ASSERT_SAYS(r, "too short");
    reply_free(&r);
    traffic_free(&t);
    call_json(&w, "POST", "/v1/login", "{\"email\":\"me@example.com\"}", 400, &r);
    ASSERT_SAYS(r, "email and password");
    call_json(&w, "POST", "/accounts/v1/users",
              "{\"email\":\"me@example.com\",\"password\":\"long enough\"}", 201, &r);
    call_json(&w, "POST", "/v1/login",
              "{\"email\":\"ME@example.com\",\"password\":\"long enough\\n\"}", 200, &r);
    const char *token = strstr(reply_text(&r), "\"token\":\"");
    assert_non_null(token);
    snprintf(headers, sizeof headers, "Authorization: Token %.64s\r\n", token + 9);
    reply_free(&r);
    call(&w, "GET", "/cloud/v6/auth", headers, NULL, 0, &r);
    assert_int_equal(r.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aggregated_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_estimated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outliers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_pushes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_packed_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cloud_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_progress, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_uploads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_login, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
