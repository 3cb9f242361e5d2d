#include "output/cloud_run.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "output/cloud_archive.h"
#include "output/cloud_form.h"
#include "output/cloud_provision.h"
#include "output/cloud_v6.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
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
    mem_free(r->push_url);
    mem_free(r->token);
    cloud_logs_settings_fini(&r->logs);
    *r = (struct cloud_run){0};
}

/* ---- creating: the request ---- */

const char *cloud_run_name(const struct cloud_config *config, const struct output_run_info *info)
{
    const char *name = config->name != NULL && config->name[0] != '\0' ? config->name : info->name;
    return strcmp(name, "-") == 0 ? "k6 test" : name;
}

static int check_name(const struct cloud_config *c, const struct output_run_info *info)
{
    size_t characters = 0;
    const char *name = cloud_run_name(c, info);
    for (const char *p = name; *p != '\0'; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;
    if (characters <= CLOUD_TEST_NAME_MAX && str_is_utf8(str_of(name)))
        return 0;
    return err_exit(err_set(E_CONFIG,
                            "the test's name (K6_CLOUD_NAME, options.cloud.name, else the "
                            "script's) has to be UTF-8 of at most %d characters",
                            CLOUD_TEST_NAME_MAX),
                    104);
}

int cloud_run_archive(const struct cloud_config *config, const struct output_run_info *info,
                      struct buf *out)
{
    if (config->no_archive_upload || info->files_len == 0)
        return 0;
    int rc = cloud_archive_write(info, out);
    if (rc != -EMSGSIZE)
        return rc;
    (void)err_set(rc, "the archive of %s and its files would be larger than %d MB", info->name,
                  CLOUD_ARCHIVE_MAX / 1000000);
    return err_hint(rc, "--no-archive-upload runs the test without uploading them");
}

static int64_t duration_s(const struct output_run_info *info)
{
    /* One without an end has no length. */
    return info->duration_max_ns > 0 ? (info->duration_max_ns + NS_PER_S - 1) / NS_PER_S : -1;
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
    buf_json_str(b, str_of(cloud_run_name(c, info)));
    if (c->project_id > 0)
        buf_printf(b, ",\"project_id\":%lld", (long long)c->project_id);
    buf_printf(b, ",\"vus\":%u,\"thresholds\":", info->vus_max);
    put_thresholds(b, info->thresholds, info->thresholds_len, false);
    buf_printf(b, ",\"duration\":%lld}", (long long)duration_s(info));
}

static void put_form(struct cloud_form *f, const struct cloud_config *c,
                     const struct output_run_info *info, struct str archive)
{
    cloud_form_text(f, "name", cloud_run_name(c, info));
    if (c->project_id > 0)
        cloud_form_number(f, "project_id", c->project_id);
    cloud_form_number(f, "vus", info->vus_max);
    cloud_form_number(f, "duration", duration_s(info));
    cloud_form_file(f, "archive.tar", "archive.tar", archive);
    cloud_form_end(f);
}

/* `form` keeps what the content type says. */
static int make_body(const struct cloud_config *c, const struct output_run_info *info,
                     struct cloud_form *form, struct buf *body)
{
    CLEANUP(buf_fini) struct buf archive;
    buf_init(&archive, CLOUD_ARCHIVE_MAX);
    int rc = cloud_run_archive(c, info, &archive);
    if (rc < 0)
        return rc;
    cloud_form_begin(form, body);
    if (archive.len > 0) {
        put_form(form, c, info, buf_view(&archive));
    } else {
        (void)snprintf(form->content_type, sizeof form->content_type, "application/json");
        put_json(body, c, info);
    }
    if (buf_finish(body) < 0)
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

/* `ret->id` is known. */
static int name_run(const struct cloud_config *c, struct cloud_run *ret)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 8192);
    if (ret->push_url == NULL) {
        buf_printf(&b, "%s/v%u/metrics/%s", c->host, c->stream, ret->id);
        ret->push_url = mem_strdup(buf_cstr(&b) ? buf_cstr(&b) : "");
    }
    buf_reset(&b);
    if (c->test_run_details != NULL)
        buf_z(&b, c->test_run_details);
    else if (c->web_app_url != NULL)
        buf_printf(&b, "%s/runs/%s", c->web_app_url, ret->id);
    ret->url = mem_strdup(b.len > 0 && buf_cstr(&b) ? buf_cstr(&b) : "");
    if (ret->push_url == NULL || ret->url == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    return 0;
}

static int read_reply(struct cloud_config *c, struct str body, struct cloud_run *ret)
{
    yyjson_doc *doc = yyjson_read(body.ptr, body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    int rc = cloud_v6_id(yyjson_obj_get(root, "reference_id"), &ret->id);
    if (rc == E_CORRUPT)
        rc = err_set(E_CORRUPT, "the cloud at %s gave the run no usable reference_id", c->host);
    if (rc == 0) {
        log_reply_lines(yyjson_obj_get(root, "logs"));
        rc = apply_reply_config(c, yyjson_obj_get(root, "config"));
    }
    if (rc == 0)
        rc = name_run(c, ret);
    yyjson_doc_free(doc);
    return rc;
}

/* ---- a run that somebody else has made ---- */

static int copy_env(const char *value, char **ret)
{
    *ret = value[0] != '\0' ? mem_strdup(value) : NULL;
    return value[0] != '\0' && *ret == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

/* Where its measurements and log lines go, and the token for it. */
static int borrow_credentials(const char *(*get)(void *arg, const char *name), void *arg,
                              struct cloud_run *ret)
{
    const char *url = get(arg, "K6_CLOUD_METRICS_PUSH_URL");
    const char *token = get(arg, "K6_CLOUD_TEST_RUN_TOKEN");
    url = url != NULL ? url : "";
    token = token != NULL ? token : "";
    int rc = cloud_logs_settings_env(&ret->logs, get, arg);
    if (rc < 0)
        return rc;
    if ((url[0] == '\0') != (token[0] == '\0'))
        return err_exit(err_set(E_CONFIG, "K6_CLOUD_METRICS_PUSH_URL and K6_CLOUD_TEST_RUN_TOKEN "
                                          "have to be set together"),
                        104);
    if (ret->logs.push_url != NULL && token[0] == '\0')
        return err_exit(
            err_set(E_CONFIG, "K6_CLOUD_LOGS_PUSH_URL needs K6_CLOUD_TEST_RUN_TOKEN as well"), 104);
    rc = copy_env(url, &ret->push_url);
    return rc == 0 ? copy_env(token, &ret->token) : rc;
}

static int borrow_run(const struct cloud_config *c, const char *(*get)(void *arg, const char *name),
                      void *arg, struct cloud_run *ret)
{
    CLEANUP(buf_fini) struct buf json;
    buf_init(&json, 4096);
    buf_json_str(&json, str_of(c->push_ref_id));
    yyjson_doc *doc = yyjson_read((const char *)json.data, json.len, 0);
    int rc = cloud_v6_id(yyjson_doc_get_root(doc), &ret->id);
    yyjson_doc_free(doc);
    if (rc < 0)
        return err_exit(
            err_set(E_CONFIG, "K6_CLOUD_PUSH_REF_ID: '%s' is no run's id", c->push_ref_id), 104);
    ret->borrowed = true;
    rc = borrow_credentials(get, arg, ret);
    return rc == 0 ? name_run(c, ret) : rc;
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

/* The older API: POST /v1/tests. */
static int create_v1(struct cloud_api *api, struct cloud_config *config,
                     const struct output_run_info *info, struct cloud_run *ret)
{
    char key[CLOUD_KEY_LEN + 1];
    struct cloud_form form;
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, CLOUD_ARCHIVE_MAX + 65536);
    int rc = make_body(config, info, &form, &body);
    if (rc < 0)
        return rc;
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = "POST",
        .path = "/v1/tests",
        .content_type = str_of(form.content_type),
        .body = buf_view(&body),
        .key = key,
        .timeout_ns = config->timeout_ns,
    };
    rc = cloud_api_call_retry(api, &call, &reply);
    return rc == 0 ? read_reply(config, buf_view(&reply.body), ret) : rc;
}

static int create_v6(struct cloud_api *api, struct cloud_config *config,
                     const struct output_run_info *info, struct cloud_run *ret)
{
    int rc = cloud_v6_auth(api, config);
    if (rc == -ENOENT)
        return err_set(-ENOENT, "the cloud at %s has no API v6", cloud_config_host_v6(config));
    return rc == 0 ? cloud_provision(api, config, info, ret) : rc;
}

static int create(struct cloud_api *api, struct cloud_config *config,
                  const struct output_run_info *info, struct cloud_run *ret)
{
    bool forced = config->api_version == CLOUD_API_6;
    bool any = config->api_version == CLOUD_API_ANY && config->prefers_v6 && config->stream == 2;
    if (!forced && !any)
        return create_v1(api, config, info, ret);
    int64_t project = config->project_id;
    int rc = create_v6(api, config, info, ret);
    if (rc != -ENOENT)
        return rc;
    if (forced) {
        (void)err_set(E_UNSUPPORTED, "%s", err_message());
        return err_hint(E_UNSUPPORTED, "K6_CLOUD_API_VERSION=2 asks for its older API");
    }
    log_debug("cloud: %s; its older API is used", err_message());
    cloud_run_fini(ret);
    cloud_logs_settings_init(&ret->logs);
    config->project_id = project;
    return create_v1(api, config, info, ret);
}

/* A note that can't be left spoils nothing. */
static void leave_note(struct cloud_api *api, const struct cloud_config *config,
                       const struct cloud_run *run)
{
    if (config->note == NULL || config->note[0] == '\0')
        return;
    int rc = cloud_v6_set_note(api, config, run->id, config->note);
    if (rc < 0 && rc != -ECANCELED)
        log_warning("cloud: the run's note can't be left: %s", err_message());
}

int cloud_run_create(struct cloud_api *api, struct cloud_config *config,
                     const char *(*env_get)(void *arg, const char *name), void *env_arg,
                     const struct output_run_info *info, struct cloud_run *ret)
{
    cloud_logs_settings_init(&ret->logs);
    int rc = 0;
    if (config->push_ref_id != NULL && config->push_ref_id[0] != '\0') {
        rc = borrow_run(config, env_get, env_arg, ret);
        return with_exit(rc == 0 && ret->token == NULL ? require_token(config) : rc);
    }
    rc = require_token(config);
    if (rc == 0)
        rc = check_name(config, info);
    if (rc < 0)
        return with_exit(rc);
    rc = create(api, config, info, ret);
    if (rc == 0)
        leave_note(api, config, ret);
    else if (rc != E_CONFIG)
        rc = err_wrap(rc, "could not create the run");
    return with_exit(rc);
}

/* ---- finishing ---- */

int cloud_run_tell(struct cloud_api *api, const struct cloud_config *config,
                   const struct cloud_run *run, struct cloud_call *call, int64_t deadline_ns)
{
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    for (;;) {
        int64_t left_ns = deadline_ns - clock_mono_ns();
        call->timeout_ns = MIN(config->timeout_ns, MAX(left_ns, NS_PER_S));
        int rc = cloud_api_call(api, call, &reply);
        if (rc == 0)
            return 0;
        if (rc != E_UNAVAILABLE || left_ns < NS_PER_S)
            return err_wrap(rc, "could not tell the cloud that run %s has ended", run->id);
        rc = co_sleep_until(clock_mono_ns() + NS_PER_S / 2);
        if (rc < 0)
            return err_wrap(rc, "cloud");
    }
}

static int finish_v1(struct cloud_api *api, const struct cloud_config *config,
                     const struct cloud_run *run, const struct output_result *result,
                     int64_t deadline_ns)
{
    char key[CLOUD_KEY_LEN + 1], path[200];
    CLEANUP(buf_fini) struct buf body;
    buf_init(&body, 16u << 20);
    (void)snprintf(path, sizeof path, "/v1/tests/%s", run->id);
    buf_printf(&body, "{\"result_status\":%d,\"run_status\":%d,\"thresholds\":",
               result->thresholds_failed ? 1 : 0, (int)run_status_of(result->end));
    put_thresholds(&body, result->thresholds, result->thresholds_len, true);
    buf_byte(&body, '}');
    if (buf_finish(&body) < 0)
        return err_set_errno(-ENOMEM, "cloud: end of the run");
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = "POST",
        .path = path,
        .content_type = STR("application/json"),
        .body = buf_view(&body),
        .key = key,
    };
    return cloud_run_tell(api, config, run, &call, deadline_ns);
}

int cloud_run_finish(struct cloud_api *api, const struct cloud_config *config,
                     const struct cloud_run *run, const struct output_result *result,
                     bool by_output, int64_t deadline_ns)
{
    if (run->borrowed)
        return 0;
    if (!run->provisioned)
        return finish_v1(api, config, run, result, deadline_ns);
    return cloud_notify(api, config, run, cloud_end_of(result, by_output), deadline_ns);
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
