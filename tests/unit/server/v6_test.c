#include "server/server.h"

#include "base/clock.h"
#include "client.h"
#include "codec/tar.h"
#include "spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

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

/* One request of a table. */
struct step {
    const char *method, *path, *json;
    int status;
    const char *says; /* in the answer; NULL: anything */
};

static void take_steps(const struct step *steps, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        CLEANUP(reply_free) struct reply r = {0};
        api(&w, steps[i].method, steps[i].path, steps[i].json, steps[i].status, &r);
        if (steps[i].says && !strstr(reply_text(&r), steps[i].says))
            fail_msg("%s %s %s: \"%s\" is not in %s", steps[i].method, steps[i].path,
                     steps[i].json ? steps[i].json : "", steps[i].says, reply_text(&r));
    }
}
#define STEPS(list) take_steps(list, ARRAY_LEN(list))

/* `script` NULL: none. */
static void post_test(int project, const char *name, const char *script, int want, struct reply *r)
{
    CLEANUP(buf_fini) struct buf form;
    char path[64];
    buf_init(&form, 1 << 20);
    buf_printf(&form, "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n%s\r\n", name);
    if (script)
        buf_printf(&form,
                   "--xyz\r\nContent-Disposition: form-data; name=\"script\"; filename=\"script\""
                   "\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n",
                   script);
    buf_z(&form, "--xyz--\r\n");
    snprintf(path, sizeof path, "/cloud/v6/projects/%d/load_tests", project);
    api_bytes(&w, "POST", path, "Content-Type: multipart/form-data; boundary=xyz\r\n", form.data,
              form.len, want, r);
}

static void create_test(int project, const char *name, const char *script)
{
    CLEANUP(reply_free) struct reply r = {0};
    post_test(project, name, script, 201, &r);
}

/* A run of a test that has ended, or that is open. */
static void create_run(const char *name, bool ended)
{
    CLEANUP(reply_free) struct reply r = {0};
    char text[640];
    snprintf(text, sizeof text, "{\"name\":\"%s\",\"vus\":3,\"duration\":36}", name);
    call_json(&w, "POST", "/v1/tests", text, 200, &r);
    char id[512];
    reply_string(&r, "reference_id", id);
    snprintf(text, sizeof text, "/v1/tests/%s", id);
    if (ended)
        call_json(&w, "POST", text, "{\"run_status\":3}", 200, &r);
}

/* ---- projects ---- */

static void test_projects(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"POST", "/cloud/v6/projects", "{\"name\":\"Shop\"}", 201, "\"name\":\"Shop\""},
        {"POST", "/cloud/v6/projects", "{\"name\":\"Shop\"}", 409, "\"code\":\"conflict\""},
        {"POST", "/cloud/v6/projects", "{\"name\":\"\"}", 400, "\"target\":\"name\""},
        {"POST", "/cloud/v6/projects", "{}", 400, "\"code\":\"required\",\"target\":\"name\""},
        {"POST", "/cloud/v6/projects", "{\"name\":7}", 400, "\"code\":\"wrong_type\""},
        {"POST", "/cloud/v6/projects", "{\"name\":\"a", 400, "not JSON"},
        {"POST", "/cloud/v6/projects", "{\"name\":\"<script>'); DROP TABLE projects;--\"}", 201,
         "<script>'); DROP TABLE projects;--"},
        {"GET", "/cloud/v6/projects/2", NULL, 200, "\"labels\":{}"},
        {"PATCH", "/cloud/v6/projects/2", "{\"name\":\"Store\"}", 204, NULL},
        {"PATCH", "/cloud/v6/projects/2", "{\"name\":\"Default project\"}", 409, NULL},
        {"PATCH", "/cloud/v6/projects/2", "{\"name\":\"Store\"}", 204, NULL}, /* its own */
        {"PATCH", "/cloud/v6/projects/2", "{\"name\":\"x\",\"is_default\":true}", 400,
         "\"code\":\"unknown_field\",\"target\":\"is_default\""},
        {"PATCH", "/cloud/v6/projects/99", "{\"name\":\"x\"}", 404, NULL},
        {"GET", "/cloud/v6/projects?name=Store", NULL, 200, "\"id\":2"},
        {"GET", "/cloud/v6/projects?$orderby=name%20desc&$top=1&$count=true", NULL, 200,
         "\"@count\":3,\"@nextLink\":"},
        {"GET", "/cloud/v6/projects?$top=1001", NULL, 400, "$top"},
        {"GET", "/cloud/v6/projects?$skip=-1", NULL, 400, "$skip"},
        {"GET", "/cloud/v6/projects?$count=perhaps", NULL, 400, "$count"},
        {"GET", "/cloud/v6/projects?$orderby=hash", NULL, 400, "$orderby"},
        {"DELETE", "/cloud/v6/projects/1", NULL, 409, "default project"},
        {"DELETE", "/cloud/v6/projects/99", NULL, 404, NULL},
        {"DELETE", "/cloud/v6/projects/3", NULL, 204, NULL},
        {"GET", "/cloud/v6/projects/3", NULL, 404, NULL},
    };
    STEPS(steps);
    CLEANUP(reply_free) struct reply r = {0};
    char name[512];
    char body[1100];
    memset(name, 'n', 256);
    name[256] = '\0';
    snprintf(body, sizeof body, "{\"name\":\"%s\"}", name);
    api(&w, "POST", "/cloud/v6/projects", body, 400, &r);
    ASSERT_SAYS(r, "too_long");
    /* 255 characters, not bytes. */
    for (int i = 0; i < 510; i += 2) {
        name[i] = (char)0xc3;
        name[i + 1] = (char)0xa4;
    }
    name[510] = '\0';
    snprintf(body, sizeof body, "{\"name\":\"%s\"}", name);
    api(&w, "POST", "/cloud/v6/projects", body, 201, &r);
}

static void test_deleting_a_project(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char path[128];
    api(&w, "POST", "/cloud/v6/projects", "{\"name\":\"Shop\"}", 201, &r);
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a\",\"project_id\":2}", 200, &r);
    create_test(2, "b", "export default function () {}");
    snprintf(path, sizeof path, "%s/data/scripts/2.tar", w.dir);
    assert_int_equal(access(path, F_OK), 0);
    api(&w, "DELETE", "/cloud/v6/projects/2", NULL, 409, &r);
    ASSERT_SAYS(r, "test run 1 has not ended");
    api(&w, "GET", "/cloud/v6/load_tests/1", NULL, 200, &r);
    api(&w, "POST", "/cloud/v6/test_runs/1/abort", NULL, 204, &r);
    api(&w, "DELETE", "/cloud/v6/projects/2", NULL, 204, &r);
    api(&w, "GET", "/cloud/v6/load_tests/1", NULL, 404, &r);
    api(&w, "GET", "/cloud/v6/test_runs/1", NULL, 404, &r);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"GET", "/cloud/v6/projects/1/limits", NULL, 200, "\"vu_max_per_test\":null"},
        {"PATCH", "/cloud/v6/projects/1/limits",
         "{\"vu_max_per_test\":10,\"duration_max_per_test\":60,\"vuh_max_per_month\":2}", 204,
         NULL},
        {"PATCH", "/cloud/v6/projects/1/limits", "{\"vu_max_per_test\":0}", 400, "too_small"},
        {"PATCH", "/cloud/v6/projects/1/limits", "{\"vus\":1}", 400, "unknown_field"},
        {"PATCH", "/cloud/v6/projects/9/limits", "{}", 404, NULL},
        {"GET", "/cloud/v6/projects/1/limits", NULL, 200,
         "{\"project_id\":1,\"vuh_max_per_month\":2,\"vu_max_per_test\":10,"
         "\"vu_browser_max_per_test\":null,\"duration_max_per_test\":60}"},
        {"GET", "/cloud/v6/project-limits?$count=true", NULL, 200, "\"@count\":1"},
        {"GET", "/cloud/v6/project-limits?project_id_in=1,2", NULL, 200, "\"project_id\":1"},
        {"GET", "/cloud/v6/project-limits?project_id_in=5", NULL, 200, "{\"value\":[]}"},
        {"GET", "/cloud/v6/project-limits?project_id_in=x", NULL, 400, "project_id_in"},
        {"GET",
         "/cloud/v6/project-limits?project_id_in=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,"
         "20,21,22,23,24,25,26,27,28,29,30,31",
         NULL, 400, "too_many"},
        /* They hold. */
        {"POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":11,\"duration\":\"10s\"}}",
         403, "limit_exceeded"},
        {"POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":1,\"duration\":\"61s\"}}",
         403, "60 seconds a test"},
        {"POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":10,\"duration\":\"60s\"}}",
         200, NULL},
        {"PATCH", "/cloud/v6/projects/1/limits",
         "{\"duration_max_per_test\":null,\"vu_max_per_test\":null}", 204, NULL},
        {"POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":120,\"duration\":\"60s\"}}",
         200, "{\"vuh_usage\":2,"},
        {"POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":121,\"duration\":\"60s\"}}",
         403, "2 VU hours a month"},
    };
    STEPS(steps);
    /* An open run counts as planned: 100 users for a minute, less a quarter. */
    CLEANUP(reply_free) struct reply r = {0};
    call_json(&w, "POST", "/v1/tests", "{\"name\":\"a\",\"vus\":100,\"duration\":60}", 200, &r);
    api(&w, "POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":45,\"duration\":\"60s\"}}",
        200, &r);
    api(&w, "POST", "/cloud/v6/validate_options", "{\"options\":{\"vus\":46,\"duration\":\"60s\"}}",
        403, &r);
    api(&w, "POST", "/provisioning/v1/load_tests/1/start_local_execution",
        "{\"options\":{},\"max_vus\":61,\"total_duration\":60}", 400,
        &r); /* not 403, as k6 v2 hides its words */
    api(&w, "POST", "/provisioning/v1/load_tests/1/start_local_execution",
        "{\"options\":{},\"max_vus\":60,\"total_duration\":60}", 200, &r);
}

static void test_labels(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"GET", "/cloud/v6/labels", NULL, 200, "{\"value\":[]}"},
        {"POST", "/cloud/v6/labels",
         "{\"value\":[{\"key\":\"team\",\"description\":\"who\"},{\"key\":\"cost\"}]}", 201,
         "{\"id\":1,\"key\":\"team\",\"description\":\"who\"}"},
        {"POST", "/cloud/v6/labels", "{\"value\":[{\"key\":\"new\"},{\"key\":\"team\"}]}", 409,
         "\\\"team\\\""},
        {"GET", "/cloud/v6/labels", NULL, 200, "\"description\":null},{\"id\":1"}, /* none of it */
        {"POST", "/cloud/v6/labels", "{\"value\":[]}", 400, "\"target\":\"value\""},
        {"POST", "/cloud/v6/labels", "{\"value\":[{\"key\":\"a b\"}]}", 400,
         "\"target\":\"value.0.key\""},
        {"POST", "/cloud/v6/labels", "{\"value\":[{\"key\":\"a'b\"}]}", 400, "bad_characters"},
        {"POST", "/cloud/v6/labels", "{\"value\":[{\"key\":\"a\",\"description\":\"\"}]}", 400,
         "value.0.description"},
        {"PATCH", "/cloud/v6/labels/1", "{\"key\":\"squad\"}", 200,
         "{\"id\":1,\"key\":\"squad\",\"description\":\"who\"}"},
        {"PATCH", "/cloud/v6/labels/1", "{\"description\":null}", 200, "\"description\":null}"},
        {"PATCH", "/cloud/v6/labels/1", "{\"key\":\"cost\"}", 409, NULL},
        {"PATCH", "/cloud/v6/labels/1", "{\"id\":4}", 400, "unknown_field"},
        {"PATCH", "/cloud/v6/labels/77", "{}", 404, NULL},
        {"PUT", "/cloud/v6/projects/1/labels",
         "{\"value\":[{\"key_id\":1,\"value\":\"red\"},{\"key\":\"env\",\"value\":\"prod\"}]}", 200,
         "\"key\":\"env\",\"value\":\"prod\""},
        {"GET", "/cloud/v6/projects/1/labels", NULL, 200,
         "[{\"key\":\"env\",\"value\":\"prod\"},{\"key\":\"squad\",\"value\":\"red\"}]"},
        {"GET", "/cloud/v6/projects/1", NULL, 200,
         "\"labels\":{\"env\":\"prod\",\"squad\":\"red\"}"},
        {"PUT", "/cloud/v6/projects/1/labels", "{\"value\":[{\"value\":\"x\"}]}", 400, "key_id"},
        {"PUT", "/cloud/v6/projects/1/labels", "{\"value\":[{\"key_id\":77,\"value\":\"x\"}]}", 404,
         NULL},
        {"PUT", "/cloud/v6/projects/1/labels",
         "{\"value\":[{\"key\":\"a\",\"value\":\"x\"},{\"key\":\"a\",\"value\":\"y\"}]}", 409,
         "twice"},
        {"PUT", "/cloud/v6/projects/9/labels", "{\"value\":[]}", 404, NULL},
        {"GET", "/cloud/v6/projects/1", NULL, 200, "\"squad\":\"red\""}, /* as they were */
        {"DELETE", "/cloud/v6/projects/1/labels/env", NULL, 204, NULL},
        {"DELETE", "/cloud/v6/projects/1/labels/env", NULL, 404, NULL},
        {"DELETE", "/cloud/v6/labels/1", NULL, 204, NULL}, /* and with it the project's */
        {"GET", "/cloud/v6/projects/1/labels", NULL, 200, "{\"value\":[]}"},
        {"DELETE", "/cloud/v6/labels/1", NULL, 404, NULL},
    };
    STEPS(steps);
}

static void test_load_zones(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"GET", "/cloud/v6/load_zones", NULL, 200, "{\"value\":[]}"},
        {"GET", "/cloud/v6/projects/1/allowed_load_zones", NULL, 200, "{\"value\":[]}"},
        {"GET", "/cloud/v6/projects/9/allowed_load_zones", NULL, 404, NULL},
        {"PUT", "/cloud/v6/projects/1/allowed_load_zones", "{\"value\":[]}", 200, NULL},
        {"PUT", "/cloud/v6/projects/1/allowed_load_zones", "{\"value\":[{\"id\":4}]}", 400,
         "no load zone"},
        {"PUT", "/cloud/v6/projects/1/allowed_load_zones", "{}", 400, "required"},
        {"GET", "/cloud/v6/load_zones/1/allowed_projects", NULL, 404, NULL},
        {"PUT", "/cloud/v6/load_zones/1/allowed_projects", "{\"value\":[]}", 404, NULL},
    };
    STEPS(steps);
}

/* ---- tests ---- */

static void test_load_tests(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"GET", "/cloud/v6/load_tests/1", NULL, 200,
         "\"baseline_test_run_id\":null,\"k6_version\":null"},
        {"GET", "/cloud/v6/load_tests?name=b", NULL, 200, "{\"value\":[{\"id\":2,"},
        {"GET", "/cloud/v6/projects/9/load_tests", NULL, 404, NULL},
        {"PATCH", "/cloud/v6/load_tests/1", "{\"name\":\"b\"}", 409, NULL},
        {"PATCH", "/cloud/v6/load_tests/1", "{\"name\":\"c\",\"k6_version\":5}", 204, NULL},
        {"PATCH", "/cloud/v6/load_tests/1", "{\"project_id\":2}", 400, "unknown_field"},
        {"PATCH", "/cloud/v6/load_tests/1", "{\"baseline_test_run_id\":1}", 204, NULL},
        {"PATCH", "/cloud/v6/load_tests/2", "{\"baseline_test_run_id\":1}", 400, "no run of"},
        {"GET", "/cloud/v6/load_tests/1", NULL, 200,
         "\"name\":\"c\",\"baseline_test_run_id\":1,\"k6_version\":5,"},
        {"PATCH", "/cloud/v6/load_tests/1", "{\"k6_version\":null}", 204, NULL},
        {"GET", "/cloud/v6/load_tests/1", NULL, 200, "\"k6_version\":null,"},
        {"PATCH", "/cloud/v6/load_tests/9", "{}", 404, NULL},
        {"PUT", "/cloud/v6/load_tests/1/move", "{\"project_id\":2}", 204, NULL},
        {"PUT", "/cloud/v6/load_tests/1/move", "{\"project_id\":9}", 404, NULL},
        {"PUT", "/cloud/v6/load_tests/1/move", "{}", 400, "required"},
        {"PUT", "/cloud/v6/load_tests/9/move", "{\"project_id\":2}", 404, NULL},
        {"GET", "/cloud/v6/test_runs/1", NULL, 200, "\"test_id\":1,\"project_id\":2,"},
        {"PUT", "/cloud/v6/load_tests/2/move", "{\"project_id\":2}", 204, NULL},
        {"DELETE", "/cloud/v6/test_runs/1", NULL, 204, NULL},
        {"GET", "/cloud/v6/load_tests/1", NULL, 200, "\"baseline_test_run_id\":null"},
        {"DELETE", "/cloud/v6/load_tests/1", NULL, 204, NULL},
        {"DELETE", "/cloud/v6/load_tests/1", NULL, 404, NULL},
    };
    CLEANUP(reply_free) struct reply r = {0};
    api(&w, "POST", "/cloud/v6/projects", "{\"name\":\"P\"}", 201, &r);
    create_run("a", true);
    create_test(1, "b", NULL);
    STEPS(steps);
    /* In another project it would be the second of its name. */
    create_test(1, "b", NULL);
    api(&w, "PUT", "/cloud/v6/load_tests/3/move", "{\"project_id\":2}", 409, &r);
    post_test(1, "b", NULL, 409, &r);
    post_test(1, "", NULL, 400, &r);
    ASSERT_SAYS(r, "\"target\":\"name\"");
    post_test(9, "b", NULL, 404, &r);
    api_bytes(&w, "POST", "/cloud/v6/projects/1/load_tests",
              "Content-Type: multipart/form-data; boundary=xyz\r\n", "--xyz--\r\n", 9, 400, &r);
    api(&w, "POST", "/cloud/v6/projects/1/load_tests", "{\"name\":\"x\"}", 415, &r);
}

static void test_scripts(void **state)
{
    (void)state;
    static const char script[] = "export default function () { /* one */ }";
    CLEANUP(reply_free) struct reply r = {0};
    create_test(1, "a", script);
    create_test(1, "b", NULL);
    api_bytes(&w, "GET", "/cloud/v6/load_tests/1/script", "Accept: text/javascript\r\n", NULL, 0,
              200, &r);
    assert_string_equal(reply_text(&r), script);
    api_bytes(&w, "GET", "/cloud/v6/load_tests/1/script", "Accept: application/x-tar\r\n", NULL, 0,
              200, &r);
    struct tar_reader tar;
    struct tar_entry entry;
    tar_reader_init(&tar, r.body.data, r.body.len);
    assert_int_equal(tar_next(&tar, &entry), 1);
    assert_memory_equal(entry.path.ptr, "metadata.json", entry.path.len);
    tar_reader_fini(&tar);
    api_bytes(&w, "GET", "/cloud/v6/load_tests/1/script", "Accept: image/png\r\n", NULL, 0, 406,
              &r);
    api(&w, "GET", "/cloud/v6/load_tests/2/script", NULL, 404, &r);
    api(&w, "GET", "/cloud/v6/load_tests/9/script", NULL, 404, &r);
    static const char bytes[] = "Content-Type: application/octet-stream\r\n";
    api_bytes(&w, "PUT", "/cloud/v6/load_tests/2/script", bytes, "let a;", 6, 204, &r);
    api_bytes(&w, "PUT", "/cloud/v6/load_tests/9/script", bytes, "let a;", 6, 404, &r);
    api_bytes(&w, "PUT", "/cloud/v6/load_tests/2/script", bytes, "\x00\x01\xff", 3, 400, &r);
    ASSERT_SAYS(r, "\"target\":\"script\"");
    api_bytes(&w, "PUT", "/cloud/v6/load_tests/2/script", bytes, NULL, 0, 400, &r);
    api_bytes(&w, "GET", "/cloud/v6/load_tests/2/script", "Accept: text/javascript\r\n", NULL, 0,
              200, &r);
    assert_string_equal(reply_text(&r), "let a;");
    /* An archive that isn't whole. */
    CLEANUP(buf_fini) struct buf broken;
    buf_init(&broken, 1 << 20);
    tar_put_file(&broken, STR("data"), "x", 1, 0);
    tar_finish(&broken);
    api_bytes(&w, "PUT", "/cloud/v6/load_tests/2/script", bytes, broken.data, broken.len, 400, &r);
    ASSERT_SAYS(r, "metadata.json");
}

static void test_starting(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    create_test(1, "a", "export default function () {}");
    create_test(1, "b", NULL);
    api(&w, "POST", "/cloud/v6/load_tests/2/start", NULL, 404, &r);
    api(&w, "POST", "/cloud/v6/load_tests/9/start", NULL, 404, &r);
    static const char key[] = "K6-Idempotency-Key: k\r\n";
    api_bytes(&w, "POST", "/cloud/v6/load_tests/1/start", key, NULL, 0, 200, &r);
    assert_int_equal(reply_number(&r, "id"), 1);
    ASSERT_SAYS(r, "\"status\":\"aborted\"");
    ASSERT_SAYS(r, "\"reduction_rate\":0,"); /* not the client's own machines */
    api_bytes(&w, "POST", "/cloud/v6/load_tests/1/start", key, NULL, 0, 200, &r);
    assert_int_equal(reply_number(&r, "id"), 1);
    api(&w, "POST", "/cloud/v6/load_tests/1/start", NULL, 200, &r);
    assert_int_equal(reply_number(&r, "id"), 2);
    api_bytes(&w, "GET", "/cloud/v6/test_runs/2/script", "Accept: text/javascript\r\n", NULL, 0,
              200, &r);
    assert_string_equal(reply_text(&r), "export default function () {}");
    api(&w, "GET", "/cloud/v6/test_runs/2/distribution", NULL, 404, &r);
    api(&w, "POST", "/cloud/v6/test_runs/2/abort", NULL, 409, &r);
}

static void test_validate_options(void **state)
{
    (void)state;
    static const char path[] = "/cloud/v6/validate_options";
    static const struct {
        const char *options;
        double vuh;
    } cases[] = {
        {"{\"vus\":100,\"duration\":\"10m\"}", 100 * 10 / 60.0}, /* the published example */
        {"{}", 10 / 60.0},                                       /* one iteration, ten minutes */
        {"{\"scenarios\":{\"b\":{\"executor\":\"constant-vus\",\"vus\":1,\"duration\":\"6m\","
         "\"options\":{\"browser\":{\"type\":\"chromium\"}}}}}",
         1},
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"vus\":10,\"duration\":\"5m\"},"
         "\"b\":{\"executor\":\"constant-vus\",\"vus\":1,\"duration\":\"5m\","
         "\"options\":{\"browser\":{\"type\":\"chromium\"}}}}}",
         50 / 60.0 + 50 / 60.0},
        {"{\"scenarios\":{\"a\":{\"executor\":\"ramping-arrival-rate\",\"preAllocatedVUs\":5,"
         "\"maxVUs\":60,\"stages\":[{\"duration\":\"30s\",\"target\":500},"
         "{\"duration\":31000,\"target\":0}]}}}",
         2},
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-arrival-rate\",\"preAllocatedVUs\":6,"
         "\"rate\":100,\"duration\":\"10m\"}}}",
         1},
        {"{\"stages\":[{\"duration\":\"1m\",\"target\":30},{\"duration\":\"1m\",\"target\":0}]}",
         1},
        /* One after the other: 60 at most at once, for two minutes. */
        {"{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"vus\":60,\"duration\":\"1m\"},"
         "\"b\":{\"executor\":\"constant-vus\",\"vus\":60,\"duration\":\"1m\","
         "\"startTime\":\"1m\"}}}",
         2},
        {"{\"scenarios\":{\"a\":{\"executor\":\"shared-iterations\",\"vus\":6,\"iterations\":9,"
         "\"maxDuration\":\"10m\"}}}",
         1},
        {"{\"vus\":60,\"duration\":\"60.001s\"}", 2},
        {"{\"scenarios\":{\"a\":{\"executor\":\"ramping-vus\",\"stages\":[{\"duration\":\"1m\","
         "\"target\":60}]}}}",
         1},
    };
    CLEANUP(reply_free) struct reply r = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int local = 0; local < 2; local++) {
            char body[1024];
            snprintf(body, sizeof body, "{\"options\":%s,\"is_local_execution\":%s}",
                     cases[i].options, local ? "true" : "false");
            api(&w, "POST", path, body, 200, &r);
            yyjson_doc *doc = yyjson_read(reply_text(&r), r.body.len, 0);
            double vuh = yyjson_get_num(yyjson_obj_get(yyjson_doc_get_root(doc), "vuh_usage"));
            yyjson_doc_free(doc);
            double want = cases[i].vuh * (local ? 0.75 : 1);
            if (vuh < want - 1e-9 || vuh > want + 1e-9)
                fail_msg("%s: %f, not %f", body, vuh, want);
        }
    }
    static const struct step steps[] = {
        {"POST", path, "{}", 400, "\"target\":\"options\""},
        {"POST", path, "{\"options\":{\"cloud\":7}}", 400, "options.cloud"},
        {"POST", path, "{\"options\":{\"cloud\":{\"projectID\":\"x\"}}}", 400,
         "\"target\":\"options.cloud.projectID\""},
        {"POST", path, "{\"options\":{},\"project_id\":77}", 400, "\"target\":\"project_id\""},
        {"POST", path, "{\"options\":{\"duration\":\"soon\"}}", 400, "duration"},
        {"POST", path, "{\"options\":{\"vus\":-1,\"duration\":\"1s\"}}", 400, "vus"},
        {"POST", path, "{\"options\":{\"scenarios\":{\"a\":{\"executor\":\"x\"}}}}", 400,
         "scenarios.a"},
        {"POST", path, "{\"options\":{\"scenarios\":[]}}", 400, "scenarios"},
        {"POST", path, "{\"options\":{\"stages\":[7]}}", 200, NULL},
        {"POST", path, "{\"options\":{\"duration\":\"99999999999h\"}}", 400, "duration"},
    };
    STEPS(steps);
}

/* ---- runs ---- */

static void test_runs(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"PATCH", "/cloud/v6/test_runs/1", "{\"note\":\"after the \\\"fix\\\"\"}", 204, NULL},
        {"PATCH", "/cloud/v6/test_runs/1", "{}", 400, "required"},
        {"PATCH", "/cloud/v6/test_runs/1", "{\"note\":null}", 400, "wrong_type"},
        {"PATCH", "/cloud/v6/test_runs/1", "{\"note\":\"x\",\"result\":\"passed\"}", 400,
         "unknown_field"},
        {"PATCH", "/cloud/v6/test_runs/9", "{\"note\":\"x\"}", 404, NULL},
        {"POST", "/cloud/v6/test_runs/1/star", NULL, 204, NULL},
        {"POST", "/cloud/v6/test_runs/1/star", NULL, 204, NULL},
        {"POST", "/cloud/v6/test_runs/1/save", NULL, 204, NULL},
        {"POST", "/cloud/v6/test_runs/1/unsave", NULL, 204, NULL},
        {"POST", "/cloud/v6/test_runs/9/star", NULL, 404, NULL},
        {"GET", "/cloud/v6/test_runs/1", NULL, 200, "\"note\":\"after the \\\"fix\\\"\""},
        {"GET", "/cloud/v6/test_runs/1", NULL, 200, "\"is_starred\":true"},
        {"GET", "/cloud/v6/load_tests/1/test_runs?is_starred=true", NULL, 200,
         "{\"value\":[{\"id\":1,"},
        {"GET", "/cloud/v6/load_tests/1/test_runs?is_starred=false&$count=true", NULL, 200,
         "\"@count\":1"},
        {"GET", "/cloud/v6/load_tests/1/test_runs?is_starred=yes", NULL, 400, "is_starred"},
        {"GET", "/cloud/v6/load_tests/1/test_runs?$orderby=created", NULL, 200,
         "{\"value\":[{\"id\":1,"},
        {"GET", "/cloud/v6/load_tests/9/test_runs", NULL, 404, NULL},
        {"GET", "/cloud/v6/test_runs?created_after=2020-01-01T00:00:00Z&$top=1", NULL, 200,
         "\"@nextLink\""},
        {"GET", "/cloud/v6/test_runs?created_before=2020-01-01T00:00:00Z", NULL, 200,
         "{\"value\":[]}"},
        {"GET", "/cloud/v6/test_runs?created_after=yesterday", NULL, 400, "created_after"},
        {"POST", "/cloud/v6/test_runs/1/unstar", NULL, 204, NULL},
        {"GET", "/cloud/v6/test_runs/1", NULL, 200, "\"is_starred\":false"},
        {"DELETE", "/cloud/v6/test_runs/2", NULL, 409, "has not ended"},
        {"DELETE", "/cloud/v6/load_tests/1", NULL, 409, "has not ended"},
        {"DELETE", "/cloud/v6/test_runs/9", NULL, 404, NULL},
        {"DELETE", "/cloud/v6/test_runs/1", NULL, 204, NULL},
        {"GET", "/cloud/v6/test_runs/1", NULL, 404, NULL},
        {"POST", "/cloud/v6/test_runs/2/abort", NULL, 204, NULL},
        {"GET", "/cloud/v6/test_runs/2", NULL, 200, "\"total_vuh\":0,"},
    };
    create_run("a", true);
    create_run("a", false);
    STEPS(steps);
}

/* ---- schedules ---- */

static void test_schedules(void **state)
{
    (void)state;
    static const char path[] = "/cloud/v6/load_tests/1/schedule";
    static const struct step steps[] = {
        {"GET", path, NULL, 404, NULL},
        {"POST", path, "{\"starts\":\"2200-01-31T10:00:00Z\"}", 200,
         "\"next_run\":\"2200-01-31T10:00:00"},
        {"POST", path, "{\"starts\":\"2020-01-31T10:00:00Z\"}", 200, "\"next_run\":null"},
        {"POST", "/cloud/v6/schedules/1/activate", NULL, 409, "expired"},
        {"POST", path,
         "{\"starts\":\"2200-01-31T10:00:00+02:00\",\"recurrence_rule\":{\"frequency\":\"MONTHLY\","
         "\"interval\":1,\"byday\":null,\"until\":null,\"count\":2},\"cron\":null}",
         200, "\"recurrence_rule\":{\"frequency\":\"MONTHLY\",\"interval\":1,"},
        {"GET", path, NULL, 200, "\"starts\":\"2200-01-31T08:00:00"},
        {"GET", "/cloud/v6/schedules/1", NULL, 200, "\"created_by\":\"admin@localhost\""},
        {"GET", "/cloud/v6/schedules?$count=true", NULL, 200, "\"@count\":1"},
        {"POST", path,
         "{\"starts\":\"2200-01-01T00:00:00Z\",\"cron\":{\"schedule\":\"30 9 * * MON-FRI\","
         "\"time_zone\":\"UTC\"}}",
         200, "\"next_run\":\"2200-01-01T09:30:00"},
        {"POST", path,
         "{\"starts\":\"2200-01-01T00:00:00Z\",\"cron\":{\"schedule\":\"* * *\","
         "\"time_zone\":\"UTC\"}}",
         400, "month is missing"},
        {"POST", path,
         "{\"starts\":\"2200-01-01T00:00:00Z\",\"cron\":{\"schedule\":\"@daily\","
         "\"time_zone\":\"../../etc/passwd\"}}",
         400, "time_zone"},
        {"POST", path, "{\"starts\":\"2200-01-01T00:00:00Z\",\"cron\":{\"schedule\":\"@daily\"}}",
         400, "cron.time_zone"},
        {"POST", path, "{\"starts\":\"tomorrow\"}", 400, "not_a_time"},
        {"POST", path,
         "{\"starts\":\"2200-01-01T00:00:00Z\",\"recurrence_rule\":{\"frequency\":\"SOMETIMES\"}}",
         400, "recurrence_rule.frequency"},
        {"POST", path,
         "{\"starts\":\"2200-01-01T00:00:00Z\",\"recurrence_rule\":{\"frequency\":\"DAILY\","
         "\"byday\":[\"MO\"]}}",
         400, "byday"},
        {"POST", path,
         "{\"starts\":\"2200-01-01T00:00:00Z\",\"recurrence_rule\":{\"frequency\":\"DAILY\"},"
         "\"cron\":{\"schedule\":\"@daily\",\"time_zone\":\"UTC\"}}",
         400, "not both"},
        {"POST", "/cloud/v6/load_tests/9/schedule", "{\"starts\":\"2200-01-01T00:00:00Z\"}", 404,
         NULL},
        {"POST", "/cloud/v6/schedules/1/deactivate", NULL, 204, NULL},
        {"GET", path, NULL, 200, "\"deactivated\":true"},
        {"POST", "/cloud/v6/schedules/1/activate", NULL, 204, NULL},
        {"GET", path, NULL, 200, "\"deactivated\":false"},
        {"POST", "/cloud/v6/schedules/9/deactivate", NULL, 404, NULL},
        {"DELETE", "/cloud/v6/schedules/1", NULL, 204, NULL},
        {"GET", path, NULL, 404, NULL},
        {"DELETE", "/cloud/v6/schedules/1", NULL, 404, NULL},
        {"POST", path, "{\"starts\":\"2200-01-01T00:00:00Z\"}", 200, NULL},
        {"DELETE", "/cloud/v6/load_tests/1", NULL, 204, NULL}, /* takes it along */
        {"GET", "/cloud/v6/schedules", NULL, 200, "{\"value\":[]}"},
    };
    create_test(1, "a", NULL);
    STEPS(steps);
}

/* ---- the specification ---- */

/* The method in capitals, and the path with numbers for its parameters. */
static void fill_in(yyjson_val *method, yyjson_val *pattern, char name[static 16],
                    char at[static 256])
{
    struct str m = str_new(yyjson_get_str(method), yyjson_get_len(method));
    struct str rest = str_new(yyjson_get_str(pattern), yyjson_get_len(pattern));
    size_t n = 0;
    for (; n < m.len && n < 15; n++)
        name[n] = (char)(m.ptr[n] & ~0x20);
    name[n] = '\0';
    n = 0;
    while (rest.len > 0 && n < 250) {
        struct str after;
        struct str plain = str_cut(rest, '{', &after);
        n += (size_t)snprintf(at + n, 256 - n, "%.*s%s", STR_ARG(plain), after.ptr ? "1" : "");
        (void)str_cut(after, '}', &rest);
    }
}

static void test_openapi(void **state)
{
    (void)state;
    CLEANUP(reply_free) struct reply r = {0};
    char path[1024];
    call(&w, "GET", "/cloud/v6/openapi", "-", NULL, 0, &r); /* by anyone */
    assert_int_equal(r.status, 200);
    yyjson_doc *served = yyjson_read(reply_text(&r), r.body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(served);
    const char *source = getenv("SPATE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/cloud-api-v6.json", source ? source : ".");
    yyjson_doc *want = yyjson_read_file(path, 0, NULL, NULL);
    assert_non_null(want);
    assert_true(yyjson_equals(yyjson_obj_get(yyjson_obj_get(root, "components"), "schemas"),
                              yyjson_obj_get(yyjson_doc_get_root(want), "schemas")));
    size_t i, count, routes = 0;
    yyjson_val *pattern, *operations;
    yyjson_obj_foreach(yyjson_obj_get(yyjson_doc_get_root(want), "paths"), i, count, pattern,
                       operations)
    {
        yyjson_val *there = yyjson_obj_get(yyjson_obj_get(root, "paths"), yyjson_get_str(pattern));
        size_t j, inner;
        yyjson_val *method, *operation;
        yyjson_obj_foreach(operations, j, inner, method, operation)
        {
            assert_non_null(yyjson_obj_get(there, yyjson_get_str(method)));
            /* There is such a route: without a token it says so, and not that there is none. */
            CLEANUP(reply_free) struct reply answer = {0};
            char name[16];
            char at[256];
            fill_in(method, pattern, name, at);
            call(&w, name, at, "-", NULL, 0, &answer);
            if (answer.status != 401)
                fail_msg("%s %s: %d %s", name, at, answer.status, reply_text(&answer));
            spec_check(name, at, &answer);
            routes++;
        }
    }
    assert_int_equal(routes, 55);
    yyjson_doc_free(want);
    yyjson_doc_free(served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_projects), TEST(test_deleting_a_project), TEST(test_limits),
        TEST(test_labels),   TEST(test_load_zones),         TEST(test_load_tests),
        TEST(test_scripts),  TEST(test_starting),           TEST(test_validate_options),
        TEST(test_runs),     TEST(test_schedules),          TEST(test_openapi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
