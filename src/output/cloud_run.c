#include "output/cloud_run.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "output/cloud_archive.h"
#include "rt/co.h"

#include <errno.h>
#include <yyjson.h>

enum { EXIT_GENERIC = 255 };

/* The protocol's run_status numbers. */
enum run_status {
    RUN_FINISHED = 3,
    RUN_ABORTED_USER = 5,
    RUN_ABORTED_SYSTEM = 6,
    RUN_ABORTED_SCRIPT_ERROR = 7,
    RUN_ABORTED_THRESHOLD = 8,
    RUN_ABORTED_LIMIT = 9,
};

static enum run_status run_status_of(enum output_end end)
{
    switch (end) {
    case OUTPUT_END_FINISHED:
        return RUN_FINISHED;
    case OUTPUT_END_ABORTED_USER:
    case OUTPUT_END_ABORTED_SCRIPT:
        return RUN_ABORTED_USER;
    case OUTPUT_END_ABORTED_THRESHOLD:
        return RUN_ABORTED_THRESHOLD;
    case OUTPUT_END_SCRIPT_ERROR:
        return RUN_ABORTED_SCRIPT_ERROR;
    case OUTPUT_END_TIMEOUT:
        return RUN_ABORTED_LIMIT;
    case OUTPUT_END_SYSTEM:
        return RUN_ABORTED_SYSTEM;
    }
    return RUN_ABORTED_SYSTEM;
}

void cloud_run_fini(struct cloud_run *r)
{
    mem_free(r->id);
    mem_free(r->url);
    mem_free(r->push_path);
    *r = (struct cloud_run){0};
}

/* ---- creating: the request ---- */

static const char *run_name(const struct cloud_config *c, const struct output_run_info *info)
{
    return c->name != NULL && c->name[0] != '\0' ? c->name : info->name;
}

static int64_t duration_s(const struct output_run_info *info)
{
    return (info->duration_max_ns + NS_PER_S - 1) / NS_PER_S;
}

/* Thresholds come in groups of one metric; members of a group needn't be neighbours. */
static bool is_first_of_metric(const struct output_threshold *t, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(t[k].metric, t[i].metric) == 0)
            return false;
    return true;
}

static void put_expressions(struct buf *b, const struct output_threshold *t, size_t len, size_t i,
                            bool results)
{
    bool first = true;
    buf_byte(b, results ? '{' : '[');
    for (size_t k = i; k < len; k++) {
        if (strcmp(t[k].metric, t[i].metric) != 0)
            continue;
        buf_z(b, first ? "" : ",");
        first = false;
        buf_json_str(b, str_of(t[k].expression));
        if (results)
            buf_z(b, t[k].failed ? ":true" : ":false");
    }
    buf_byte(b, results ? '}' : ']');
}

/* {"metric":["expr",…]}, or with results {"metric":{"expr":failed,…}}. */
static void put_thresholds(struct buf *b, const struct output_threshold *t, size_t len,
                           bool results)
{
    bool first = true;
    buf_byte(b, '{');
    for (size_t i = 0; i < len; i++) {
        if (!is_first_of_metric(t, i))
            continue;
        buf_z(b, first ? "" : ",");
        first = false;
        buf_json_str(b, str_of(t[i].metric));
        buf_byte(b, ':');
        put_expressions(b, t, len, i, results);
    }
    buf_byte(b, '}');
}

static void put_json(struct buf *b, const struct cloud_config *c,
                     const struct output_run_info *info)
{
    buf_z(b, "{\"name\":");
    buf_json_str(b, str_of(run_name(c, info)));
    if (c->project_id > 0)
        buf_printf(b, ",\"project_id\":%lld", (long long)c->project_id);
    buf_printf(b, ",\"vus\":%u,\"thresholds\":", info->vus_max);
    put_thresholds(b, info->thresholds, info->thresholds_len, false);
    buf_printf(b, ",\"duration\":%lld}", (long long)duration_s(info));
}

static void put_field(struct buf *b, const char *boundary, const char *name, const char *value)
{
    buf_printf(b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", boundary,
               name, value);
}

static void put_number_field(struct buf *b, const char *boundary, const char *name, int64_t value)
{
    buf_printf(b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%lld\r\n", boundary,
               name, (long long)value);
}

static int put_multipart(struct buf *b, const char *boundary, const struct cloud_config *c,
                         const struct output_run_info *info)
{
    CLEANUP(buf_fini) struct buf archive;
    buf_init(&archive, CLOUD_ARCHIVE_MAX);
    int rc = cloud_archive_write(info, &archive);
    if (rc == -EMSGSIZE) {
        (void)err_set(rc, "the archive of %s and its files would be larger than %d MB", info->name,
                      CLOUD_ARCHIVE_MAX / 1000000);
        return err_hint(rc, "--no-archive-upload runs the test without uploading them");
    }
    if (rc < 0)
        return rc;
    put_field(b, boundary, "name", run_name(c, info));
    if (c->project_id > 0)
        put_number_field(b, boundary, "project_id", c->project_id);
    put_number_field(b, boundary, "vus", info->vus_max);
    put_number_field(b, boundary, "duration", duration_s(info));
    buf_printf(b,
               "--%s\r\nContent-Disposition: form-data; name=\"archive.tar\"; "
               "filename=\"archive.tar\"\r\nContent-Type: application/octet-stream\r\n\r\n",
               boundary);
    buf_str(b, buf_view(&archive));
    buf_printf(b, "\r\n--%s--\r\n", boundary);
    return 0;
}

static int make_body(const struct cloud_config *c, const struct output_run_info *info,
                     struct buf *content_type, struct buf *body)
{
    if (c->no_archive_upload || info->files_len == 0) {
        buf_z(content_type, "application/json");
        put_json(body, c, info);
    } else {
        char boundary[3][CLOUD_KEY_LEN + 1];
        char joined[3 * CLOUD_KEY_LEN + 1] = "";
        for (size_t i = 0; i < ARRAY_LEN(boundary); i++) {
            cloud_api_make_key(boundary[i]);
            memcpy(joined + i * CLOUD_KEY_LEN, boundary[i], CLOUD_KEY_LEN + 1);
        }
        buf_printf(content_type, "multipart/form-data; boundary=%s", joined);
        int rc = put_multipart(body, joined, c, info);
        if (rc < 0)
            return rc;
    }
    if (buf_finish(content_type) < 0 || buf_finish(body) < 0)
        return err_set_errno(buf_finish(body), "cloud: the archive of %s", info->name);
    return 0;
}

/* ---- creating: the reply ---- */

static void log_reply_lines(yyjson_val *logs)
{
    size_t i, max;
    yyjson_val *line;
    yyjson_arr_foreach(logs, i, max, line)
    {
        const char *message = yyjson_get_str(yyjson_obj_get(line, "message"));
        const char *level = yyjson_get_str(yyjson_obj_get(line, "level"));
        if (message == NULL)
            continue;
        enum log_level l = LOG_INFO;
        if (level != NULL && strncmp(level, "warn", 4) == 0)
            l = LOG_WARNING;
        else if (level != NULL && strcmp(level, "error") == 0)
            l = LOG_ERROR;
        else if (level != NULL && strcmp(level, "debug") == 0)
            l = LOG_DEBUG;
        log_fields(l, message, NULL, 0);
    }
}

static int apply_reply_config(struct cloud_config *c, yyjson_val *object)
{
    if (!yyjson_is_obj(object))
        return 0;
    size_t len;
    char *json = yyjson_val_write(object, 0, &len);
    if (json == NULL)
        return err_set_errno(-ENOMEM, "cloud reply");
    int rc = cloud_config_apply_json(c, str_new(json, len), "the cloud's reply");
    mem_free(json);
    return rc == 0 ? cloud_config_check(c) : rc;
}

/* Ids of runs are digits or letters; anything else would be put into URLs by us. */
static bool id_is_sane(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char ch = id.ptr[i];
        bool ok = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                  (ch >= 'A' && ch <= 'Z') || ch == '-' || ch == '_';
        if (!ok)
            return false;
    }
    return id.len > 0 && id.len <= 128;
}

static int name_run(const struct cloud_config *c, struct str id, struct cloud_run *ret)
{
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b, "/v2/metrics/%.*s", STR_ARG(id));
    ret->push_path = mem_strdup(buf_cstr(&b) ? buf_cstr(&b) : "");
    buf_reset(&b);
    if (c->test_run_details != NULL)
        buf_z(&b, c->test_run_details);
    else if (c->web_app_url != NULL)
        buf_printf(&b, "%s/runs/%.*s", c->web_app_url, STR_ARG(id));
    ret->url = mem_strdup(b.len > 0 && buf_cstr(&b) ? buf_cstr(&b) : "");
    ret->id = str_dup(id);
    buf_fini(&b);
    if (ret->push_path == NULL || ret->url == NULL || ret->id == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    return 0;
}

static int read_reply(struct cloud_config *c, struct str body, struct cloud_run *ret)
{
    yyjson_doc *doc = yyjson_read(body.ptr, body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *id = yyjson_obj_get(root, "reference_id");
    char digits[32];
    struct str text = str_new(yyjson_get_str(id), yyjson_get_len(id));
    if (yyjson_is_uint(id)) {
        struct buf b;
        buf_init(&b, sizeof digits);
        buf_printf(&b, "%llu", (unsigned long long)yyjson_get_uint(id));
        memcpy(digits, b.data, b.len);
        text = str_new(digits, b.len);
        buf_fini(&b);
    }
    int rc = 0;
    if (!id_is_sane(text))
        rc = err_set(E_CORRUPT, "the cloud at %s gave the run no usable reference_id", c->host);
    if (rc == 0) {
        log_reply_lines(yyjson_obj_get(root, "logs"));
        rc = apply_reply_config(c, yyjson_obj_get(root, "config"));
    }
    if (rc == 0)
        rc = name_run(c, text, ret);
    yyjson_doc_free(doc);
    return rc;
}

static int borrow_run(const struct cloud_config *c, struct cloud_run *ret)
{
    if (!id_is_sane(str_of(c->push_ref_id)))
        return err_exit(
            err_set(E_CONFIG, "K6_CLOUD_PUSH_REF_ID: '%s' is no run's id", c->push_ref_id), 104);
    ret->borrowed = true;
    return name_run(c, str_of(c->push_ref_id), ret);
}

static int with_exit(int rc)
{
    if (rc < 0 && err_get()->exit_code == 0)
        (void)err_exit(rc, EXIT_GENERIC);
    return rc;
}

static int require_token(const struct cloud_config *c)
{
    if (c->token != NULL && c->token[0] != '\0')
        return 0;
    (void)err_set(E_CONFIG, "not logged in to the cloud at %s", c->host);
    return err_hint(E_CONFIG, "run `spate cloud login --token TOKEN` first, or set K6_CLOUD_TOKEN");
}

int cloud_run_create(struct cloud_api *api, struct cloud_config *config,
                     const struct output_run_info *info, struct cloud_run *ret)
{
    int rc = require_token(config);
    if (rc < 0)
        return with_exit(rc);
    if (config->push_ref_id != NULL)
        return with_exit(borrow_run(config, ret));

    CLEANUP(buf_fini) struct buf content_type, body;
    buf_init(&content_type, 200);
    buf_init(&body, CLOUD_ARCHIVE_MAX + 65536);
    rc = make_body(config, info, &content_type, &body);
    if (rc < 0)
        return with_exit(rc);
    char key[CLOUD_KEY_LEN + 1];
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = "POST",
        .path = "/v1/tests",
        .content_type = buf_view(&content_type),
        .body = buf_view(&body),
        .key = key,
        .timeout_ns = config->timeout_ns,
    };
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    rc = cloud_api_call_retry(api, &call, &reply);
    if (rc == 0)
        rc = read_reply(config, buf_view(&reply.body), ret);
    else
        rc = err_wrap(rc, "could not create the run");
    return with_exit(rc);
}

/* ---- finishing ---- */

int cloud_run_finish(struct cloud_api *api, const struct cloud_config *config,
                     const struct cloud_run *run, const struct output_result *result,
                     int64_t deadline_ns)
{
    if (run->borrowed)
        return 0;
    CLEANUP(buf_fini) struct buf path, body;
    buf_init(&path, 300);
    buf_init(&body, 16u << 20);
    buf_printf(&path, "/v1/tests/%s", run->id);
    buf_printf(&body, "{\"result_status\":%d,\"run_status\":%d,\"thresholds\":",
               result->thresholds_failed ? 1 : 0, (int)run_status_of(result->end));
    put_thresholds(&body, result->thresholds, result->thresholds_len, true);
    buf_byte(&body, '}');
    if (buf_cstr(&path) == NULL || buf_finish(&body) < 0)
        return err_set_errno(-ENOMEM, "cloud: end of the run");

    char key[CLOUD_KEY_LEN + 1];
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = "POST",
        .path = buf_cstr(&path),
        .content_type = STR("application/json"),
        .body = buf_view(&body),
        .key = key,
    };
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    for (;;) {
        int64_t left_ns = deadline_ns - clock_mono_ns();
        call.timeout_ns = MIN(config->timeout_ns, MAX(left_ns, NS_PER_S));
        int rc = cloud_api_call(api, &call, &reply);
        if (rc == 0)
            return 0;
        if (rc != E_UNAVAILABLE || left_ns < NS_PER_S)
            return err_wrap(rc, "could not tell the cloud that run %s has ended", run->id);
        rc = co_sleep_until(clock_mono_ns() + NS_PER_S / 2);
        if (rc < 0)
            return err_wrap(rc, "cloud");
    }
}

/* ---- tokens ---- */

int cloud_validate_token(struct cloud_api *api, const struct cloud_config *config)
{
    CLEANUP(buf_fini) struct buf body;
    buf_init(&body, CLOUD_TOKEN_MAX * 6 + 100);
    buf_z(&body, "{\"token\":");
    buf_json_str(&body, str_of(config->token));
    buf_byte(&body, '}');
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "token");
    char key[CLOUD_KEY_LEN + 1];
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = "POST",
        .path = "/v1/validate-token",
        .content_type = STR("application/json"),
        .body = buf_view(&body),
        .key = key,
        .timeout_ns = config->timeout_ns,
    };
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    int rc = cloud_api_call_retry(api, &call, &reply);
    if (rc < 0)
        return err_wrap(rc, "could not check the token");
    yyjson_doc *doc = yyjson_read((const char *)reply.body.data, reply.body.len, 0);
    bool valid = yyjson_is_true(yyjson_obj_get(yyjson_doc_get_root(doc), "is_valid"));
    yyjson_doc_free(doc);
    if (!valid)
        return err_set(E_REFUSED, "the cloud at %s doesn't know this token", config->host);
    return 0;
}
