#include "output/cloud_provision.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "output/cloud_archive.h"
#include "output/cloud_v6.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

/* Most runs may begin at once; k6 asks every 2 s. */
static const int64_t poll_first_ns = 250 * NS_PER_MS, poll_max_ns = 2 * NS_PER_S;
/* To end a run that was made and can't be used. */
static const int64_t give_up_ns = 5 * NS_PER_S;

/* The codes of the cloud's runners. */
enum { END_NONE = -1, END_UNKNOWN = 0, END_TIMEOUT = 8034, END_SCRIPT = 8035, END_ABORT = 8036 };

/* ---- starting ---- */

static void put_start(struct buf *b, const struct output_run_info *info, size_t archive_len)
{
    buf_z(b, "{\"options\":");
    buf_str(b, info->derived_json);
    buf_printf(b, ",\"max_vus\":%u,\"total_duration\":%lld,\"archive_size\":", info->vus_max,
               (long long)((info->duration_max_ns + NS_PER_S - 1) / NS_PER_S));
    if (archive_len > 0)
        buf_printf(b, "%zu}", archive_len);
    else
        buf_z(b, "null}");
}

/* "3s" of the reply; odd ones leave the setting as it is. */
static void take_text(struct cloud_config *config, yyjson_val *metrics, const char *key,
                      const char *setting)
{
    const char *text = yyjson_get_str(yyjson_obj_get(metrics, key));
    CLEANUP(buf_fini) struct buf json;
    buf_init(&json, 4096);
    if (text == NULL)
        return;
    buf_printf(&json, "{\"%s\":", setting);
    buf_json_str(&json, str_of(text));
    buf_byte(&json, '}');
    if (buf_finish(&json) < 0 ||
        cloud_config_apply_json(config, buf_view(&json), "the cloud's reply") < 0)
        log_warning("cloud: the cloud's %s is odd; it isn't taken", key);
}

static void take_count(yyjson_val *metrics, const char *key, uint32_t *setting)
{
    uint64_t n = yyjson_get_uint(yyjson_obj_get(metrics, key));
    if (n > 0 && n <= UINT32_MAX)
        *setting = (uint32_t)n;
}

static int take_metrics(struct cloud_config *config, yyjson_val *metrics)
{
    take_text(config, metrics, "push_interval", "metricPushInterval");
    take_text(config, metrics, "aggregation_period", "aggregationPeriod");
    take_text(config, metrics, "aggregation_wait_period", "aggregationWaitPeriod");
    take_count(metrics, "push_concurrency", &config->push_concurrency);
    take_count(metrics, "max_samples_per_package", &config->max_series_in_batch);
    return cloud_config_check(config);
}

static int take_string(const struct cloud_config *config, yyjson_val *object, const char *key,
                       char **ret)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    if (text == NULL || text[0] == '\0')
        return err_set(E_CORRUPT, "the cloud at %s gave the run no %s",
                       cloud_config_host_v6(config), key);
    *ret = mem_strdup(text);
    return *ret == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

static int read_start(struct cloud_config *config, yyjson_val *root, struct cloud_run *ret,
                      char **ret_upload)
{
    yyjson_val *runtime = yyjson_obj_get(root, "runtime_config");
    yyjson_val *metrics = yyjson_obj_get(runtime, "metrics");
    const char *url = yyjson_get_str(yyjson_obj_get(root, "test_run_details_page_url"));
    const char *upload = yyjson_get_str(yyjson_obj_get(root, "archive_upload_url"));
    int rc = cloud_v6_id(yyjson_obj_get(root, "test_run_id"), &ret->id);
    if (rc < 0)
        return err_wrap(rc, "the cloud at %s gave the run no usable id",
                        cloud_config_host_v6(config));
    rc = take_string(config, runtime, "test_run_token", &ret->token);
    if (rc == 0)
        rc = take_string(config, metrics, "push_url", &ret->push_url);
    if (rc < 0)
        return rc;
    ret->url = mem_strdup(url != NULL ? url : "");
    *ret_upload = upload != NULL ? mem_strdup(upload) : NULL;
    if (ret->url == NULL || (upload != NULL && *ret_upload == NULL))
        return err_set_errno(-ENOMEM, "cloud");
    cloud_logs_settings_read(&ret->logs, yyjson_obj_get(runtime, "logs"));
    return take_metrics(config, metrics);
}

static int start_run(struct cloud_api *api, struct cloud_config *config,
                     const struct output_run_info *info, int64_t test, size_t archive_len,
                     struct cloud_run *ret, char **ret_upload)
{
    char path[100], key[CLOUD_KEY_LEN + 1];
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, info->derived_json.len + 200);
    put_start(&body, info, archive_len);
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "cloud: options");
    cloud_api_make_key(key);
    (void)snprintf(path, sizeof path, "/provisioning/v1/load_tests/%lld/start_local_execution",
                   (long long)test);
    struct cloud_call call = {
        .method = "POST",
        .path = path,
        .auth = CLOUD_AUTH_BEARER,
        .content_type = STR("application/json"),
        .body = buf_view(&body),
        .key = key,
        .timeout_ns = config->timeout_ns,
    };
    int rc = cloud_api_call_retry(api, &call, &reply);
    if (rc < 0 && (reply.status == 404 || reply.status == 405 || reply.status == 501))
        return err_set(-ENOENT, "the cloud at %s has no provisioning",
                       cloud_config_host_v6(config));
    if (rc < 0)
        return rc;
    yyjson_doc *doc = yyjson_read((const char *)reply.body.data, reply.body.len, 0);
    rc = read_start(config, yyjson_doc_get_root(doc), ret, ret_upload);
    yyjson_doc_free(doc);
    return rc;
}

/* ---- making it ready ---- */

static int upload(struct cloud_api *api, const struct cloud_config *config, const char *url,
                  struct str archive)
{
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    struct cloud_call call = {
        .method = "PUT",
        .url = url,
        .auth = CLOUD_AUTH_NONE,
        .content_type = STR("application/x-tar"),
        .body = archive,
        .timeout_ns = config->timeout_ns,
    };
    int rc = cloud_api_call_retry(api, &call, &reply);
    return rc < 0 ? err_wrap(rc, "could not upload the archive") : 0;
}

/* An ended run before its beginning: what the cloud says about it. */
static int not_startable(const struct cloud_v6_run *r)
{
    if (strcmp(r->status, "aborted") == 0)
        return err_set(E_REFUSED, "the cloud aborted the run before it began%s%s",
                       r->message[0] != '\0' ? ": " : "", r->message);
    return err_set(E_REFUSED, "the run was over before it began");
}

static int wait_ready(struct cloud_api *api, const struct cloud_config *config, const char *id)
{
    char seen[sizeof((struct cloud_v6_run){0}).status] = "";
    for (int64_t gap_ns = poll_first_ns;; gap_ns = MIN(2 * gap_ns, poll_max_ns)) {
        struct cloud_v6_run r;
        int rc = cloud_v6_get_run(api, config, id, &r);
        if (rc < 0)
            return err_wrap(rc, "could not see whether the run may begin");
        if (strcmp(r.status, "initializing") == 0 || strcmp(r.status, "running") == 0)
            return 0;
        if (cloud_v6_run_ended(&r))
            return not_startable(&r);
        if (strcmp(seen, r.status) != 0)
            log_debug("cloud: run %s is %s", id, r.status);
        (void)snprintf(seen, sizeof seen, "%s", r.status);
        rc = co_sleep_until(clock_mono_ns() + gap_ns);
        if (rc < 0)
            return err_wrap(rc, "cloud");
    }
}

static int make_ready(struct cloud_api *api, struct cloud_config *config, struct cloud_run *run,
                      const char *upload_url, struct str archive)
{
    int rc = 0;
    if (archive.len > 0 && upload_url == NULL)
        log_warning("cloud: the cloud doesn't want the archive; it isn't uploaded");
    else if (archive.len > 0)
        rc = upload(api, config, upload_url, archive);
    return rc == 0 ? wait_ready(api, config, run->id) : rc;
}

/* The run that was made doesn't wait for its time-out. */
static void abandon(struct cloud_api *api, struct cloud_config *config, struct cloud_run *run,
                    int rc)
{
    struct err kept = *err_get();
    struct cloud_end end = {rc == -ECANCELED ? END_ABORT : END_UNKNOWN, kept.message};
    if (run->id == NULL || run->token == NULL)
        return;
    co_cancel_clear();
    if (cloud_notify(api, config, run, end, clock_mono_ns() + give_up_ns) < 0)
        log_debug("cloud: %s", err_message());
    *err_get() = kept;
}

int cloud_provision(struct cloud_api *api, struct cloud_config *config,
                    const struct output_run_info *info, struct cloud_run *ret)
{
    int64_t test = 0;
    CLEANUP(buf_fini) struct buf archive;
    CLEANUP(mem_freep) char *upload_url = NULL;
    buf_init(&archive, CLOUD_ARCHIVE_MAX);
    int rc = cloud_run_archive(config, info, &archive);
    if (rc == 0)
        rc = cloud_v6_take_test(api, config, cloud_run_name(config, info), STR_EMPTY, &test);
    if (rc < 0)
        return rc;
    ret->provisioned = true;
    rc = start_run(api, config, info, test, archive.len, ret, &upload_url);
    if (rc == 0)
        rc = make_ready(api, config, ret, upload_url, buf_view(&archive));
    if (rc < 0 && rc != -ENOENT)
        abandon(api, config, ret, rc);
    return rc;
}

/* ---- ending ---- */

struct cloud_end cloud_end_of(const struct output_result *result, bool by_output)
{
    const char *reason = result->message != NULL ? result->message : "unknown error";
    switch (result->end) {
    case OUTPUT_END_FINISHED:
        return (struct cloud_end){END_NONE, ""};
    case OUTPUT_END_ABORTED_USER:
    case OUTPUT_END_ABORTED_SCRIPT:
    case OUTPUT_END_ABORTED_THRESHOLD:
        return (struct cloud_end){END_ABORT, reason};
    case OUTPUT_END_SCRIPT_ERROR:
        return (struct cloud_end){END_SCRIPT, reason};
    case OUTPUT_END_TIMEOUT:
        return (struct cloud_end){END_TIMEOUT, reason};
    case OUTPUT_END_SYSTEM:
        break;
    }
    return (struct cloud_end){by_output ? END_TIMEOUT : END_UNKNOWN, reason};
}

static int put_end(struct buf *b, struct cloud_end end)
{
    buf_z(b, "{\"event_type\":\"script_execution_completed\",\"error\":");
    if (end.code == END_NONE) {
        buf_z(b, "null}");
    } else {
        buf_printf(b, "{\"code\":%d,\"reason\":", end.code);
        buf_json_str(b, str_of(end.reason));
        buf_z(b, "}}");
    }
    return buf_finish(b);
}

int cloud_notify(struct cloud_api *api, const struct cloud_config *config,
                 const struct cloud_run *run, struct cloud_end end, int64_t deadline_ns)
{
    char path[200];
    CLEANUP(buf_fini) struct buf body;
    buf_init(&body, (size_t)ERR_MESSAGE_MAX * 8);
    if (put_end(&body, end) < 0)
        return err_set_errno(buf_finish(&body), "cloud: end of the run");
    (void)snprintf(path, sizeof path, "/provisioning/v1/test_runs/%s/notify", run->id);
    CLEANUP(buf_fini) struct buf url;
    buf_init(&url, 8192);
    buf_printf(&url, "%s%s", cloud_config_host_v6(config), path);
    struct cloud_call call = {
        .method = "POST",
        .url = buf_cstr(&url),
        .auth = CLOUD_AUTH_RUN,
        .token = run->token,
        .content_type = STR("application/json"),
        .body = buf_view(&body),
    };
    if (call.url == NULL)
        return err_set_errno(buf_finish(&url), "cloud: end of the run");
    return cloud_run_tell(api, config, run, &call, deadline_ns);
}
