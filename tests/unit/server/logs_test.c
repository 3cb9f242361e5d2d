#include "server/server.h"

#include "base/clock.h"
#include "client.h"
#include "traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_open(&w, 120 * NS_PER_S);
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a.js\",\"vus\":3,\"duration\":36}", 200, &r);
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

#define PUSH "/provisioning/v1/test_runs/1/logs"
#define LOGS "/cloud/v5/test_runs/1/logs"

static void push(const char *json, int want)
{
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", PUSH, json, want, &r);
}

static const char three[] =
    "{\"streams\":["
    "{\"stream\":{\"level\":\"warn\",\"test_run_id\":\"1\",\"source\":\"console\",\"x\":\"y\"},"
    "\"values\":[[\"1795329638000000002\",\"Half \\\"full\\\"\\n\"]]},"
    "{\"stream\":{\"level\":\"info\",\"instance_id\":\"7\"},"
    "\"values\":[[\"1795329638000000001\",\"half empty\"],[\"1795329639500000000\",\"<b>\"]]}]}";

static void test_search(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    get(&w, LOGS, &r);
    assert_string_equal(reply_text(&r), "{\"value\":[],\"@count\":0,\"dropped\":0}");
    push(three, 204);
    get(&w, LOGS, &r);
    assert_string_equal(
        reply_text(&r),
        "{\"value\":[{\"time\":\"2026-11-22T06:40:38.000000001Z\",\"level\":\"info\","
        "\"message\":\"half empty\",\"labels\":{\"instance_id\":\"7\"}},"
        "{\"time\":\"2026-11-22T06:40:38.000000002Z\",\"level\":\"warning\","
        "\"message\":\"Half \\\"full\\\"\",\"labels\":{\"source\":\"console\"}},"
        "{\"time\":\"2026-11-22T06:40:39.500000000Z\",\"level\":\"info\",\"message\":\"<b>\","
        "\"labels\":{\"instance_id\":\"7\"}}],\"@count\":3,\"dropped\":0}");
    get(&w, LOGS "?level=warning,error", &r);
    ASSERT_SAYS(r, "\"@count\":1,");
    ASSERT_SAYS(r, "full");
    get(&w, LOGS "?text=HALF&$top=1", &r);
    ASSERT_SAYS(r, "\"@count\":2,");
    ASSERT_SAYS(r, "{\"value\":[{\"time\":\"2026-11-22T06:40:38.000000001Z\"");
    get(&w, LOGS "?text=HALF&$top=1&$skip=1", &r);
    ASSERT_SAYS(r, "full");
    get(&w, LOGS "?text=%25", &r);
    ASSERT_SAYS(r, "\"@count\":0,");
    get(&w, LOGS "?start=2026-11-22T06:40:39Z&end=2026-11-22T06:40:40Z", &r);
    ASSERT_SAYS(r, "\"@count\":1,");
    ASSERT_SAYS(r, "<b>");
    get(&w, LOGS "?$orderby=time%20desc&$top=1", &r);
    ASSERT_SAYS(r, "<b>");
    call_json(&w, "GET", LOGS "?level=loud", NULL, 400, &r);
    call_json(&w, "GET", LOGS "?start=soon", NULL, 400, &r);
    call_json(&w, "GET", "/cloud/v5/test_runs/2/logs", NULL, 404, &r);
}

/* What k6 v2.2 sent, and again after a restart of the server. */
static void test_recording(void **state)
{
    (void)state;
    static struct traffic t;
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a.js\",\"vus\":3,\"duration\":36}", 200, &r);
    traffic_load(&t, "v2.2-cloud-run-local-execution.jsonl");
    for (size_t i = 0; i < t.len; i++) {
        struct traffic_request *q = &t.requests[i];
        if (strcmp(q->path, "/logs/push") != 0)
            continue;
        /* Its run is another one: the path has to agree with the streams. */
        reply_free(&r);
        call(&w, "POST", PUSH, "Content-Type: application/json\r\n", q->body.data, q->body.len, &r);
        assert_int_equal(r.status, 400);
        ASSERT_SAYS(r, "of another test run");
        for (char *at = (char *)q->body.data;
             (at = memmem(at, q->body.len - (size_t)(at - (char *)q->body.data), "\"123\"", 5));)
            memcpy(at, "\"1\"  ", 5);
        reply_free(&r);
        call(&w, "POST", PUSH, "Content-Type: application/json\r\n", q->body.data, q->body.len, &r);
        assert_int_equal(r.status, 204);
    }
    traffic_free(&t);
    get(&w, LOGS "?$count=true", &r);
    ASSERT_SAYS(r, "\"@count\":91,");
    world_stop(&w);
    world_restart(&w);
    get(&w, LOGS "?level=warning", &r);
    ASSERT_SAYS(r, "\"message\":\"No projectID specified");
    ASSERT_SAYS(r, "\"@count\":1,");
}

static void test_bad_pushes(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{}",
        "[]",
        "{\"streams\":{}}",
        "{\"streams\":[1]}",
        "{\"streams\":[{\"stream\":{},\"values\":[[1,\"x\"]]}]}",
        "{\"streams\":[{\"stream\":{},\"values\":[[\"-1\",\"x\"]]}]}",
        "{\"streams\":[{\"stream\":{},\"values\":[[\"1\",5]]}]}",
        "{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"a\"],[]]}]}",
        "{\"streams\":[{\"stream\":{\"test_run_id\":\"2\"},\"values\":[]}]}",
    };
    CLEANUP(reply_free) struct reply r = {0};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        push(bodies[i], 400);
    call_json(&w, "POST", "/provisioning/v1/test_runs/2/logs", three, 404, &r);
    reply_free(&r);
    call(&w, "POST", PUSH, "-Content-Type: application/json\r\n", three, strlen(three), &r);
    assert_int_equal(r.status, 401);
    reply_free(&r);
    call(&w, "POST", PUSH, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", three,
         strlen(three), &r);
    assert_int_equal(r.status, 400);
    get(&w, LOGS, &r);
    ASSERT_SAYS(r, "\"@count\":0,");
}

static void test_limits(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    CLEANUP(buf_fini) struct buf body;
    buf_init(&body, 1 << 24);
    /* A long line is cut between two characters. */
    buf_z(&body, "{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"");
    for (int i = 0; i < 6000; i++)
        buf_z(&body, "ä");
    buf_z(&body, "!\"]]}]}");
    push(buf_cstr(&body), 204);
    get(&w, LOGS, &r);
    ASSERT_SAYS(r, "ä…\",\"labels\":{}}");
    assert_true(r.body.len < 10300);
    /* The hundred thousandth line is the last. */
    buf_reset(&body);
    buf_z(&body, "{\"streams\":[{\"stream\":{},\"values\":[");
    for (int i = 0; i < 50000; i++)
        buf_z(&body, i > 0 ? ",[\"2\",\"x\"]" : "[\"2\",\"x\"]");
    buf_z(&body, "]}]}");
    push(buf_cstr(&body), 204);
    push(buf_cstr(&body), 204);
    get(&w, LOGS "?$top=0", &r);
    assert_string_equal(reply_text(&r), "{\"value\":[],\"@count\":100000,\"dropped\":1}");
}

static void test_last_words(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/v1/tests/1", "{\"result_status\":0,\"run_status\":3}", 200, &r);
    push(three, 204);
    get(&w, LOGS, &r);
    ASSERT_SAYS(r, "\"@count\":3,");
}

/* ---- following ---- */

static int open_tail(const char *query)
{
    CLEANUP(buf_fini) struct buf text;
    char head[512] = "";
    size_t n = 0;
    int fd = dial(&w);
    buf_init(&text, 4096);
    buf_printf(&text,
               "GET /api/v1/tail?%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: token %s\r\n\r\n",
               query, w.token);
    send_all(fd, text.data, text.len);
    /* No byte more than the head: frames follow. */
    while (!strstr(head, "\r\n\r\n")) {
        assert_true(n + 1 < sizeof head);
        assert_int_equal(recv(fd, head + n, 1, 0), 1);
        head[++n] = '\0';
    }
    if (strncmp(head, "HTTP/1.1 101", 12) != 0)
        fail_msg("%s", head);
    assert_non_null(strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    return fd;
}

static void read_exactly(int fd, void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        if (n <= 0)
            fail_msg("the stream ended, or nothing came for ten seconds");
        p += n;
        len -= (size_t)n;
    }
}

/* The next frame's opcode, its payload in `out`. */
static int read_frame(int fd, struct buf *out)
{
    uint8_t head[2];
    uint8_t more[8];
    read_exactly(fd, head, 2);
    size_t len = head[1] & 0x7f;
    size_t bytes = len == 126 ? 2 : len == 127 ? 8 : 0;
    assert_int_equal(head[0] & 0xf0, 0x80);
    if (bytes > 0) {
        read_exactly(fd, more, bytes);
        len = 0;
        for (size_t i = 0; i < bytes; i++)
            len = len << 8 | more[i];
    }
    assert_true(len < 1 << 20);
    buf_reset(out);
    uint8_t *room = buf_reserve(out, len + 1);
    assert_non_null(room);
    read_exactly(fd, room, len);
    buf_claim(out, len);
    return head[0] & 0x0f;
}

static void expect_text(int fd, const char *want)
{
    CLEANUP(buf_fini) struct buf in;
    buf_init(&in, 1 << 20);
    assert_int_equal(read_frame(fd, &in), 1);
    assert_string_equal(buf_cstr(&in), want);
}

#define STREAM(labels, time, line)                                                                 \
    "{\"stream\":{" labels ",\"test_run_id\":\"1\"},\"values\":[[\"" time "\",\"" line "\"]]}"
#define STREAMS(list) "{\"streams\":[" list "],\"dropped_entries\":null}"

static void test_tail(void **state)
{
    (void)state;
    static const char ping[] = "\x89\x82\0\0\0\0hi";
    static const char bye[] = "\x88\x82\0\0\0\0\x03\xe8";
    CLEANUP(buf_fini) struct buf in;
    buf_init(&in, 4096);
    push(three, 204);
    int all = open_tail("query=%7Btest_run_id%3D%221%22%7D");
    int late = open_tail("query=%7Btest_run_id%3D%221%22%7D&start=1795329639000000000");
    int loud = open_tail("query=%7Btest_run_id%3D%221%22,level%3D~%22warning%7Cerror%22%7D");
#define FULL                                                                                       \
    STREAM("\"source\":\"console\",\"level\":\"warning\"", "1795329638000000002",                  \
           "Half \\\"full\\\"")
#define BOLD STREAM("\"instance_id\":\"7\",\"level\":\"info\"", "1795329639500000000", "<b>")
    expect_text(all, STREAMS(FULL "," STREAM("\"instance_id\":\"7\",\"level\":\"info\"",
                                             "1795329638000000001", "half empty") "," BOLD));
    expect_text(late, STREAMS(BOLD));
    expect_text(loud, STREAMS(FULL));
    push("{\"streams\":[{\"stream\":{},\"values\":[[\"1795329640000000000\",\"quiet\"]]}]}", 204);
    push("{\"streams\":[{\"stream\":{\"level\":\"error\"},"
         "\"values\":[[\"1795329640000000001\",\"loud\"]]}]}",
         204);
    expect_text(loud, STREAMS(STREAM("\"level\":\"error\"", "1795329640000000001", "loud")));
    send_all(all, ping, sizeof ping - 1);
    bool pong = false;
    for (int texts = 0; !pong || texts < 1;) {
        int opcode = read_frame(all, &in);
        pong |= opcode == 10;
        texts += opcode == 1;
    }
    send_all(late, bye, sizeof bye - 1);
    while (read_frame(late, &in) != 8)
        continue;
    char c;
    assert_int_equal(recv(late, &c, 1, 0), 0);
    /* One that leaves without a word. */
    close(all);
    push(three, 204);
    expect_text(loud, STREAMS(FULL));
    close(late);
    close(loud);
}

/* More lines than fit into one message come in their order. */
static void test_long_tail(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(buf_fini) struct buf in;
    buf_init(&body, 1 << 20);
    buf_init(&in, 1 << 20);
    int fd = open_tail("query=%7Btest_run_id%3D%221%22%7D");
    buf_z(&body, "{\"streams\":[{\"stream\":{},\"values\":[");
    for (int i = 0; i < 1000; i++)
        buf_printf(&body, "%s[\"%d\",\"line %d\"]", i > 0 ? "," : "", i + 1, i);
    buf_z(&body, "]}]}");
    push(buf_cstr(&body), 204);
    int next = 0;
    while (next < 1000) {
        assert_int_equal(read_frame(fd, &in), 1);
        const char *at = buf_cstr(&in);
        char want[32];
        for (;;) {
            snprintf(want, sizeof want, "\"line %d\"", next);
            at = strstr(at, want);
            if (!at)
                break;
            next++;
        }
    }
    close(fd);
}

static void test_tail_refused(void **state)
{
    (void)state;
    static const char upgrade[] = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "GET", "/api/v1/tail?query=%7Btest_run_id%3D%221%22%7D", NULL, 400, &r);
    call_json(&w, "GET", "/api/v1/tail?query=%7Btest_run_id%3D%222%22%7D", NULL, 404, &r);
    call_json(&w, "GET", "/api/v1/tail?query=%7Btest_run_id", NULL, 400, &r);
    call_json(&w, "GET", "/api/v1/tail", NULL, 400, &r);
    reply_free(&r);
    /* The connection isn't to be upgraded. */
    call(&w, "GET", "/api/v1/tail?query=%7Btest_run_id%3D%221%22%7D", upgrade, NULL, 0, &r);
    assert_int_equal(r.status, 400);
}

static void status_for(const char *headers, const char *want)
{
    CLEANUP(buf_fini) struct buf text;
    CLEANUP(buf_fini) struct buf in;
    buf_init(&text, 4096);
    buf_init(&in, 65536);
    int fd = dial(&w);
    buf_printf(&text,
               "GET /api/v1/tail?query=%%7Btest_run_id%%3D%%221%%22%%7D HTTP/1.1\r\n"
               "Host: 127.0.0.1:6600\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
               headers);
    send_all(fd, text.data, text.len);
    read_until(fd, &in, "\r\n\r\n");
    if (strncmp(buf_cstr(&in), want, strlen(want)) != 0)
        fail_msg("%s: %s", headers, buf_cstr(&in));
    close(fd);
}

/* Another site's page, also one on this very machine, is told nothing of what its visitor may see.
 */
static void test_tail_from_elsewhere(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char body[160], cookie[256], headers[512];
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", w.token);
    call_json(&w, "POST", "/session", body, 204, &r);
    reply_header_value(&r, "Set-Cookie", cookie);
    *strchr(cookie, ';') = '\0';
    static const struct {
        const char *header, *want;
    } cases[] = {
        {"Origin: http://127.0.0.1:8000\r\n", "HTTP/1.1 401"},
        {"Origin: http://evil.example\r\n", "HTTP/1.1 401"},
        {"Sec-Fetch-Site: same-site\r\n", "HTTP/1.1 401"},
        {"Origin: http://127.0.0.1:6600\r\n", "HTTP/1.1 101"},
        {"", "HTTP/1.1 101"}, /* no browser */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(headers, sizeof headers, "Cookie: %s\r\n%s", cookie, cases[i].header);
        status_for(headers, cases[i].want);
    }
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n%s", w.token, cases[0].header);
    status_for(headers, "HTTP/1.1 101"); /* a token isn't sent by itself */
}

static void test_stop(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf in;
    buf_init(&in, 4096);
    int a = open_tail("query=%7Btest_run_id%3D%221%22%7D");
    int b = open_tail("query=%7Btest_run_id%3D%221%22%7D");
    /* Both are being served, not only accepted. */
    push(three, 204);
    assert_int_equal(read_frame(a, &in), 1);
    assert_int_equal(read_frame(b, &in), 1);
    world_stop(&w);
    assert_int_equal(read_frame(a, &in), 8);
    assert_memory_equal(in.data, "\x03\xe9", 2); /* 1001: going away */
    assert_int_equal(read_frame(b, &in), 8);
    close(a);
    close(b);
    world_restart(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_search, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_pushes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_last_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail_from_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
