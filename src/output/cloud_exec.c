#include "output/cloud_exec.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "output/cloud_form.h"
#include "output/cloud_v6.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

/* The older API's numbers of states and results. */
enum { RUN_RUNNING = 2, RUN_FINISHED = 3, RUN_ABORTED_THRESHOLD = 8, RESULT_FAILED = 1 };

void cloud_exec_fini(struct cloud_exec *e)
{
    mem_free(e->run_id);
    mem_free(e->url);
    *e = (struct cloud_exec){0};
}

static int copy(const char *text, char **ret)
{
    *ret = mem_strdup(text != NULL ? text : "");
    return *ret == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

/* ---- v6 ---- */

/* Where a test is seen that was only uploaded: in its project, or in the app of a stack. */
static int name_test(const struct cloud_config *config, struct cloud_exec *e)
{
    CLEANUP(buf_fini) struct buf url;
    const char *host = cloud_config_host_v6(config), *stack = config->stack_url;
    buf_init(&url, 8192);
    if (stack != NULL && stack[0] != '\0' && strcmp(stack, host) != 0)
        buf_printf(&url, "%s/a/k6-app/tests/%lld", stack, (long long)e->test_id);
    else
        buf_printf(&url, "%s/projects/%lld", host, (long long)config->project_id);
    return copy(buf_cstr(&url), &e->url);
}

static int start_v6(struct cloud_api *api, const struct cloud_config *config,
                    const struct cloud_exec_test *test, cloud_exec_step_fn *step, void *arg,
                    struct cloud_exec *ret)
{
    ret->v6 = true;
    step(arg, "Validating script options");
    int rc = cloud_v6_validate(api, config, test->options_json);
    if (rc < 0)
        return rc;
    step(arg, "Uploading archive");
    rc = cloud_v6_take_test(api, config, test->name, test->archive, &ret->test_id);
    if (rc == -ENOENT)
        rc = err_set(E_NOT_FOUND, "%s", err_message());
    if (rc < 0)
        return rc;
    if (test->upload_only)
        return name_test(config, ret);
    return cloud_v6_start(api, config, ret->test_id, &ret->run_id, &ret->url);
}

static int poll_v6(struct cloud_api *api, const struct cloud_config *config,
                   const struct cloud_exec *e, struct cloud_exec_progress *ret)
{
    struct cloud_v6_run r;
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, sizeof ret->text);
    int rc = cloud_v6_get_run(api, config, e->run_id, &r);
    if (rc < 0)
        return rc;
    cloud_v6_run_text(&r, &text);
    (void)snprintf(ret->text, sizeof ret->text, "%.*s", STR_ARG(buf_view(&text)));
    (void)snprintf(ret->why, sizeof ret->why, "%s", r.message);
    ret->running = strcmp(r.status, "running") == 0;
    ret->ended = cloud_v6_run_ended(&r);
    ret->fraction = ret->ended || strcmp(r.status, "processing_metrics") == 0 ? 1 : 0;
    ret->running_ns = r.running_ns;
    ret->estimated_ns =
        r.estimated_s > 0 && r.estimated_s < INT32_MAX ? r.estimated_s * NS_PER_S : 0;
    if (strcmp(r.result, "passed") == 0)
        ret->result = CLOUD_EXEC_PASSED;
    else if (strcmp(r.result, "failed") == 0)
        ret->result = CLOUD_EXEC_THRESHOLDS;
    else if (strcmp(r.result, "error") == 0)
        ret->result = CLOUD_EXEC_FAILED;
    return 0;
}

/* ---- v1 ---- */

static int call_v1(struct cloud_api *api, const struct cloud_config *config, const char *method,
                   const char *path, const char *content_type, struct str body,
                   struct cloud_reply *reply)
{
    char key[CLOUD_KEY_LEN + 1];
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = method,
        .path = path,
        .content_type = str_of(content_type),
        .body = body,
        .key = strcmp(method, "GET") != 0 ? key : NULL,
        .timeout_ns = config->timeout_ns,
    };
    return cloud_api_call_retry(api, &call, reply);
}

static int validate_v1(struct cloud_api *api, const struct cloud_config *config,
                       struct str options_json)
{
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, options_json.len + 100);
    buf_z(&body, "{\"options\":");
    buf_str(&body, options_json);
    buf_byte(&body, '}');
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "cloud: options");
    int rc = call_v1(api, config, "POST", "/v1/validate-options", "application/json",
                     buf_view(&body), &reply);
    return rc < 0 ? err_wrap(rc, "the options are not accepted") : 0;
}

static int read_upload(struct cloud_config *config, const struct cloud_reply *reply,
                       struct cloud_exec *ret)
{
    CLEANUP(buf_fini) struct buf url;
    CLEANUP(mem_freep) char *settings = NULL;
    buf_init(&url, 8192);
    yyjson_doc *doc = yyjson_read((const char *)reply->body.data, reply->body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    int rc = cloud_v6_id(yyjson_obj_get(root, "reference_id"), &ret->run_id);
    if (rc == E_CORRUPT)
        rc = err_set(rc, "the cloud at %s gave the run no usable reference_id", config->host);
    if (rc == 0 && yyjson_is_obj(yyjson_obj_get(root, "config")))
        settings = yyjson_val_write(yyjson_obj_get(root, "config"), 0, NULL);
    if (rc == 0 && settings != NULL)
        rc = cloud_config_apply_json(config, str_of(settings), "the cloud's reply");
    yyjson_doc_free(doc);
    if (rc < 0)
        return rc;
    if (config->test_run_details != NULL)
        buf_z(&url, config->test_run_details);
    else if (config->web_app_url != NULL)
        buf_printf(&url, "%s/runs/%s", config->web_app_url, ret->run_id);
    return copy(url.len > 0 ? buf_cstr(&url) : "", &ret->url);
}

static int start_v1(struct cloud_api *api, struct cloud_config *config,
                    const struct cloud_exec_test *test, cloud_exec_step_fn *step, void *arg,
                    struct cloud_exec *ret)
{
    struct cloud_form form;
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, CLOUD_ARCHIVE_MAX + 65536);
    step(arg, "Validating script options");
    int rc = validate_v1(api, config, test->options_json);
    if (rc < 0)
        return rc;
    step(arg, "Uploading archive");
    cloud_form_begin(&form, &body);
    cloud_form_text(&form, "name", test->name);
    if (config->project_id > 0)
        cloud_form_number(&form, "project_id", config->project_id);
    if (test->upload_only)
        cloud_form_text(&form, "upload_only", "true");
    cloud_form_file(&form, "file", "archive.tar", test->archive);
    cloud_form_end(&form);
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "cloud: the archive");
    rc = call_v1(api, config, "POST", "/v1/archive-upload", form.content_type, buf_view(&body),
                 &reply);
    return rc == 0 ? read_upload(config, &reply, ret) : rc;
}

static int poll_v1(struct cloud_api *api, const struct cloud_config *config,
                   const struct cloud_exec *e, struct cloud_exec_progress *ret)
{
    char path[200];
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    (void)snprintf(path, sizeof path, "/v1/test-progress/%s", e->run_id);
    int rc = call_v1(api, config, "GET", path, "application/json", STR_EMPTY, &reply);
    if (rc < 0)
        return rc;
    yyjson_doc *doc = yyjson_read((const char *)reply.body.data, reply.body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *state = yyjson_obj_get(root, "run_status");
    const char *text = yyjson_get_str(yyjson_obj_get(root, "run_status_text"));
    int64_t code = yyjson_get_sint(state);
    bool failed = yyjson_get_sint(yyjson_obj_get(root, "result_status")) == RESULT_FAILED;
    (void)snprintf(ret->text, sizeof ret->text, "%s", text != NULL ? text : "");
    ret->fraction = yyjson_get_num(yyjson_obj_get(root, "progress"));
    ret->running = code == RUN_RUNNING;
    ret->ended = code > RUN_RUNNING;
    if (ret->ended && !failed)
        ret->result = CLOUD_EXEC_PASSED;
    else if (ret->ended)
        ret->result = code == RUN_FINISHED || code == RUN_ABORTED_THRESHOLD ? CLOUD_EXEC_THRESHOLDS
                                                                            : CLOUD_EXEC_FAILED;
    rc = yyjson_is_int(state) ? 0 : err_set(E_CORRUPT, "the cloud's answer has no run_status");
    yyjson_doc_free(doc);
    return rc;
}

static int stop_v1(struct cloud_api *api, const struct cloud_config *config,
                   const struct cloud_exec *e)
{
    char path[200];
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    (void)snprintf(path, sizeof path, "/v1/tests/%s/stop", e->run_id);
    return call_v1(api, config, "POST", path, NULL, STR_EMPTY, &reply);
}

/* ---- either ---- */

int cloud_exec_start(struct cloud_api *api, struct cloud_config *config,
                     const struct cloud_exec_test *test, cloud_exec_step_fn *step, void *arg,
                     struct cloud_exec *ret)
{
    int rc = -ENOENT;
    if (config->api_version == CLOUD_API_ANY || config->api_version == CLOUD_API_6)
        rc = cloud_v6_auth(api, config);
    if (rc == 0)
        return start_v6(api, config, test, step, arg, ret);
    if (rc == -ENOENT && config->api_version == CLOUD_API_6) {
        (void)err_set(E_UNSUPPORTED, "the cloud at %s has no API v6", cloud_config_host_v6(config));
        return err_hint(E_UNSUPPORTED, "K6_CLOUD_API_VERSION=2 asks for its older API");
    }
    return rc == -ENOENT ? start_v1(api, config, test, step, arg, ret) : rc;
}

int cloud_exec_poll(struct cloud_api *api, const struct cloud_config *config,
                    const struct cloud_exec *e, struct cloud_exec_progress *ret)
{
    *ret = (struct cloud_exec_progress){0};
    return e->v6 ? poll_v6(api, config, e, ret) : poll_v1(api, config, e, ret);
}

int cloud_exec_stop(struct cloud_api *api, const struct cloud_config *config,
                    const struct cloud_exec *e)
{
    return e->v6 ? cloud_v6_abort(api, config, e->run_id) : stop_v1(api, config, e);
}
