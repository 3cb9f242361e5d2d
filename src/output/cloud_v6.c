#include "output/cloud_v6.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/time_text.h"
#include "output/cloud_form.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { PATH_BYTES_MAX = 4096 };

static void doc_free(yyjson_doc **doc)
{
    yyjson_doc_free(*doc);
}

/* ---- calls ---- */

struct v6_call {
    const char *method;
    const char *path;
    const char *key; /* NULL: none */
    const char *content_type;
    struct str body;
};

static int call_v6(struct cloud_api *api, const struct cloud_config *config,
                   const struct v6_call *v, struct cloud_reply *reply)
{
    struct cloud_call call = {
        .method = v->method,
        .path = v->path,
        .auth = CLOUD_AUTH_BEARER,
        .content_type = str_of(v->content_type),
        .body = v->body,
        .key = v->key,
        .timeout_ns = config->timeout_ns,
    };
    return cloud_api_call_retry(api, &call, reply);
}

/* The reply as JSON, an object. */
static int read_object(const struct cloud_config *config, const struct cloud_reply *reply,
                       yyjson_doc **ret)
{
    *ret = yyjson_read((const char *)reply->body.data, reply->body.len, 0);
    if (yyjson_is_obj(yyjson_doc_get_root(*ret)))
        return 0;
    return err_set(E_CORRUPT, "the cloud at %s gave an answer that is no JSON object",
                   cloud_config_host_v6(config));
}

int cloud_v6_id(struct yyjson_val *v, char **ret)
{
    char digits[32];
    struct str id = str_new(yyjson_get_str(v), yyjson_get_len(v));
    if (yyjson_is_uint(v))
        id = str_new(digits, (size_t)snprintf(digits, sizeof digits, "%llu",
                                              (unsigned long long)yyjson_get_uint(v)));
    else if (!yyjson_is_str(v))
        id = STR_EMPTY;
    for (size_t i = 0; i < id.len; i++) {
        char ch = id.ptr[i];
        bool ok = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                  (ch >= 'A' && ch <= 'Z') || ch == '-' || ch == '_';
        if (!ok)
            return err_set(E_CORRUPT, "an id that can't be one");
    }
    if (id.len == 0 || id.len > 128)
        return err_set(E_CORRUPT, "no id");
    *ret = str_dup(id);
    return *ret == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

/* ---- who we are ---- */

static bool lacks_v6(int rc, const struct cloud_reply *reply)
{
    return rc < 0 && (reply->status == 404 || reply->status == 405 || reply->status == 501);
}

static void take_ids(struct cloud_api *api, struct cloud_config *config, yyjson_val *root)
{
    if (config->stack_id == 0)
        config->stack_id = yyjson_get_sint(yyjson_obj_get(root, "stack_id"));
    int64_t project = yyjson_get_sint(yyjson_obj_get(root, "default_project_id"));
    if (project > 0)
        config->default_project_id = project;
    cloud_api_set_stack(api, config->stack_id);
    if (config->project_id == 0) {
        log_debug("cloud: no project is given, so it is the default one, %lld",
                  (long long)config->default_project_id);
        config->project_id = config->default_project_id;
    }
}

int cloud_v6_auth(struct cloud_api *api, struct cloud_config *config)
{
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    CLEANUP(doc_free) yyjson_doc *doc = NULL;
    const char *stack = config->stack_url != NULL && config->stack_url[0] != '\0'
                            ? config->stack_url
                            : cloud_config_host_v6(config);
    struct http_header extra = {STR("X-Stack-Url"), str_of(stack)};
    struct cloud_call call = {
        .method = "GET",
        .path = "/cloud/v6/auth",
        .auth = CLOUD_AUTH_BEARER,
        .extra = &extra,
        .extra_len = 1,
        .timeout_ns = config->timeout_ns,
    };
    int rc = cloud_api_call_retry(api, &call, &reply);
    if (lacks_v6(rc, &reply))
        return -ENOENT;
    if (rc < 0)
        return rc;
    doc = yyjson_read((const char *)reply.body.data, reply.body.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_int(yyjson_obj_get(root, "stack_id")))
        return -ENOENT;
    take_ids(api, config, root);
    return 0;
}

/* ---- load tests ---- */

static int find_test(struct cloud_api *api, const struct cloud_config *config, const char *name,
                     int64_t *ret_id)
{
    CLEANUP(buf_fini) struct buf path;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    CLEANUP(doc_free) yyjson_doc *doc = NULL;
    buf_init(&path, PATH_BYTES_MAX);
    buf_printf(&path,
               "/cloud/v6/projects/%lld/load_tests?%%24top=1&name=", (long long)config->project_id);
    url_append_query_escaped(&path, str_of(name));
    if (buf_cstr(&path) == NULL)
        return err_set_errno(buf_finish(&path), "cloud: the test's name");
    struct v6_call call = {.method = "GET", .path = buf_cstr(&path)};
    int rc = call_v6(api, config, &call, &reply);
    if (rc == 0)
        rc = read_object(config, &reply, &doc);
    if (rc < 0)
        return err_wrap(rc, "could not look up the load test '%s'", name);
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "value"));
    if (!yyjson_is_int(yyjson_obj_get(first, "id")))
        return err_set(E_NOT_FOUND, "the cloud at %s has a load test '%s' and doesn't find it",
                       cloud_config_host_v6(config), name);
    *ret_id = yyjson_get_sint(yyjson_obj_get(first, "id"));
    return 0;
}

static int replace_script(struct cloud_api *api, const struct cloud_config *config, int64_t test,
                          struct str script)
{
    char path[80];
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    (void)snprintf(path, sizeof path, "/cloud/v6/load_tests/%lld/script", (long long)test);
    struct v6_call call = {
        .method = "PUT", .path = path, .content_type = "application/octet-stream", .body = script};
    int rc = call_v6(api, config, &call, &reply);
    return rc < 0 ? err_wrap(rc, "could not upload the script") : 0;
}

static int read_test_id(const struct cloud_config *config, const struct cloud_reply *reply,
                        int64_t *ret_id)
{
    CLEANUP(doc_free) yyjson_doc *doc = NULL;
    int rc = read_object(config, reply, &doc);
    yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(doc), "id");
    if (rc == 0 && !yyjson_is_int(id))
        rc = err_set(E_CORRUPT, "the cloud at %s gave the load test no id",
                     cloud_config_host_v6(config));
    if (rc == 0)
        *ret_id = yyjson_get_sint(id);
    return rc;
}

int cloud_v6_take_test(struct cloud_api *api, const struct cloud_config *config, const char *name,
                       struct str script, int64_t *ret_id)
{
    char path[80];
    struct cloud_form form;
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, script.len + 65536);
    cloud_form_begin(&form, &body);
    cloud_form_text(&form, "name", name);
    if (script.ptr != NULL)
        cloud_form_file(&form, "script", "script", script);
    cloud_form_end(&form);
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "cloud: load test '%s'", name);
    (void)snprintf(path, sizeof path, "/cloud/v6/projects/%lld/load_tests",
                   (long long)config->project_id);
    struct v6_call call = {
        .method = "POST", .path = path, .content_type = form.content_type, .body = buf_view(&body)};
    int rc = call_v6(api, config, &call, &reply);
    if (rc == 0)
        return read_test_id(config, &reply, ret_id);
    if (reply.status == 404)
        return err_set(-ENOENT, "the cloud at %s has no project %lld", cloud_config_host_v6(config),
                       (long long)config->project_id);
    if (reply.status != 409)
        return err_wrap(rc, "could not create the load test '%s'", name);
    rc = find_test(api, config, name, ret_id);
    return rc == 0 && script.ptr != NULL ? replace_script(api, config, *ret_id, script) : rc;
}

int cloud_v6_validate(struct cloud_api *api, const struct cloud_config *config,
                      struct str options_json)
{
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, options_json.len + 200);
    buf_z(&body, "{\"is_local_execution\":false,\"options\":");
    buf_str(&body, options_json);
    if (config->project_id > 0)
        buf_printf(&body, ",\"project_id\":%lld", (long long)config->project_id);
    buf_byte(&body, '}');
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "cloud: options");
    struct v6_call call = {.method = "POST",
                           .path = "/cloud/v6/validate_options",
                           .content_type = "application/json",
                           .body = buf_view(&body)};
    int rc = call_v6(api, config, &call, &reply);
    return rc < 0 ? err_wrap(rc, "the options are not accepted") : 0;
}

/* ---- runs ---- */

static void copy_text(yyjson_val *v, char *to, size_t size)
{
    const char *text = yyjson_get_str(v);
    (void)snprintf(to, size, "%s", text != NULL ? text : "");
}

static void read_history(yyjson_val *history, struct cloud_v6_run *ret)
{
    size_t i, max;
    yyjson_val *entry;
    yyjson_arr_foreach(history, i, max, entry)
    {
        yyjson_val *type = yyjson_obj_get(entry, "type");
        yyjson_val *extra = yyjson_obj_get(entry, "extra");
        const char *by = yyjson_get_str(yyjson_obj_get(extra, "by_user"));
        if (yyjson_equals_str(type, "running") &&
            time_text_parse(str_of(yyjson_get_str(yyjson_obj_get(entry, "entered"))),
                            &ret->running_ns) < 0)
            ret->running_ns = 0;
        if (!yyjson_equals_str(type, "aborted"))
            continue;
        ret->by_user |= by != NULL && by[0] != '\0';
        copy_text(yyjson_obj_get(extra, "message"), ret->message, sizeof ret->message);
    }
}

int cloud_v6_get_run(struct cloud_api *api, const struct cloud_config *config, const char *id,
                     struct cloud_v6_run *ret)
{
    char path[200];
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    CLEANUP(doc_free) yyjson_doc *doc = NULL;
    *ret = (struct cloud_v6_run){0};
    (void)snprintf(path, sizeof path, "/cloud/v6/test_runs/%s", id);
    struct v6_call call = {.method = "GET", .path = path};
    int rc = call_v6(api, config, &call, &reply);
    if (rc == 0)
        rc = read_object(config, &reply, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    copy_text(yyjson_obj_get(root, "status"), ret->status, sizeof ret->status);
    copy_text(yyjson_obj_get(root, "result"), ret->result, sizeof ret->result);
    ret->estimated_s = yyjson_get_sint(yyjson_obj_get(root, "estimated_duration"));
    read_history(yyjson_obj_get(root, "status_history"), ret);
    return 0;
}

bool cloud_v6_run_ended(const struct cloud_v6_run *r)
{
    return strcmp(r->status, "completed") == 0 || strcmp(r->status, "aborted") == 0;
}

void cloud_v6_run_text(const struct cloud_v6_run *r, struct buf *out)
{
    if (r->by_user) {
        buf_z(out, "Aborted (by user)");
        return;
    }
    if (strcmp(r->status, "completed") == 0) {
        buf_z(out, "Finished");
        return;
    }
    bool first = true;
    for (const char *p = r->status; *p != '\0'; p++) {
        bool lower = *p >= 'a' && *p <= 'z';
        buf_byte(out, (uint8_t)(*p == '_' ? ' ' : first && lower ? *p - 'a' + 'A' : *p));
        first = *p == '_';
    }
}

int cloud_v6_start(struct cloud_api *api, const struct cloud_config *config, int64_t test_id,
                   char **ret_id, char **ret_url)
{
    char path[80], key[CLOUD_KEY_LEN + 1];
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    CLEANUP(doc_free) yyjson_doc *doc = NULL;
    cloud_api_make_key(key);
    (void)snprintf(path, sizeof path, "/cloud/v6/load_tests/%lld/start", (long long)test_id);
    struct v6_call call = {.method = "POST", .path = path, .key = key};
    int rc = call_v6(api, config, &call, &reply);
    if (rc == 0)
        rc = read_object(config, &reply, &doc);
    if (rc == 0)
        rc = cloud_v6_id(yyjson_obj_get(yyjson_doc_get_root(doc), "id"), ret_id);
    if (rc < 0)
        return err_wrap(rc, "could not start the test");
    const char *url =
        yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "test_run_details_page_url"));
    *ret_url = mem_strdup(url != NULL ? url : "");
    return *ret_url == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

int cloud_v6_abort(struct cloud_api *api, const struct cloud_config *config, const char *id)
{
    char path[200];
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    (void)snprintf(path, sizeof path, "/cloud/v6/test_runs/%s/abort", id);
    struct v6_call call = {.method = "POST", .path = path};
    int rc = call_v6(api, config, &call, &reply);
    return rc < 0 && reply.status == 409 ? 0 : rc;
}

int cloud_v6_set_note(struct cloud_api *api, const struct cloud_config *config, const char *id,
                      const char *note)
{
    char path[200];
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    buf_init(&body, CLOUD_REPLY_MAX);
    buf_z(&body, "{\"note\":");
    buf_json_str(&body, str_of(note));
    buf_byte(&body, '}');
    if (buf_finish(&body) < 0)
        return err_set_errno(buf_finish(&body), "cloud: the note");
    (void)snprintf(path, sizeof path, "/cloud/v6/test_runs/%s", id);
    struct v6_call call = {.method = "PATCH",
                           .path = path,
                           .content_type = "application/json",
                           .body = buf_view(&body)};
    return call_v6(api, config, &call, &reply);
}
