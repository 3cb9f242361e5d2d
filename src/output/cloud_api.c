#include "output/cloud_api.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/dial.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <yyjson.h>

enum { HEADERS_MAX = 8, TRIES = 3 };
static const int64_t try_gap_ns = 500 * NS_PER_MS;

struct cloud_api {
    const struct cloud_config *config;
    struct dial_rules rules;
    struct dns_cache *dns;
    struct dialer *dialer;
    struct http_client *client;
};

int cloud_api_new(const struct cloud_config *config, struct cloud_api **ret)
{
    struct cloud_api *a = mem_calloc(1, sizeof *a);
    if (a == NULL)
        return err_set_errno(-ENOMEM, "cloud client");
    a->config = config;
    dial_rules_init(&a->rules);
    int rc = dns_cache_new(&a->dns);
    if (rc == 0)
        rc = dialer_new(&a->rules, a->dns, &a->dialer);
    if (rc == 0)
        rc = http_client_new(&(struct http_client_options){.dialer = a->dialer,
                                                           .user_agent = "k6cloud/2.2.0",
                                                           .idle_per_host_max = 8},
                             &a->client);
    if (rc < 0) {
        cloud_api_free(a);
        return err_wrap(rc, "cloud client");
    }
    *ret = a;
    return 0;
}

void cloud_api_free(struct cloud_api *a)
{
    if (a == NULL)
        return;
    http_client_free(a->client);
    dialer_free(a->dialer);
    dns_cache_free(a->dns);
    dial_rules_fini(&a->rules);
    mem_free(a);
}

void cloud_api_make_key(char out[static CLOUD_KEY_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t random[CLOUD_KEY_LEN / 2];
    CHECK(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        out[2 * i] = hex[random[i] >> 4];
        out[2 * i + 1] = hex[random[i] & 15];
    }
    out[CLOUD_KEY_LEN] = '\0';
}

void cloud_reply_fini(struct cloud_reply *r)
{
    buf_fini(&r->body);
}

/* ---- one call ---- */

static size_t make_headers(const struct cloud_api *a, const struct cloud_call *call,
                           char authorization[static CLOUD_TOKEN_MAX + 8],
                           struct http_header headers[static HEADERS_MAX])
{
    size_t n = 0;
    int len = snprintf(authorization, CLOUD_TOKEN_MAX + 8, "Token %s", a->config->token);
    if (a->config->token != NULL && len < CLOUD_TOKEN_MAX + 8)
        headers[n++] =
            (struct http_header){STR("Authorization"), str_new(authorization, (size_t)len)};
    if (call->content_type.len > 0)
        headers[n++] = (struct http_header){STR("Content-Type"), call->content_type};
    if (call->key != NULL)
        headers[n++] = (struct http_header){STR("K6-Idempotency-Key"), str_of(call->key)};
    for (size_t i = 0; i < call->extra_len && n < HEADERS_MAX; i++)
        headers[n++] = call->extra[i];
    return n;
}

/* {"error":{"message","code"}}, or FastAPI-like {"detail"}; what isn't there stays. */
static void read_error(struct str body, const char **message, int64_t *code, yyjson_doc **doc)
{
    *doc = yyjson_read(body.ptr, body.len, 0);
    yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(*doc), "error");
    if (yyjson_is_str(yyjson_obj_get(error, "message")))
        *message = yyjson_get_str(yyjson_obj_get(error, "message"));
    if (yyjson_is_int(yyjson_obj_get(error, "code")))
        *code = yyjson_get_sint(yyjson_obj_get(error, "code"));
}

static int refusal(const struct cloud_api *a, struct cloud_reply *r)
{
    const char *message = NULL;
    yyjson_doc *doc;
    read_error(buf_view(&r->body), &message, &r->code, &doc);
    bool again = r->status >= 500 || r->status == 429;
    int rc = again ? E_UNAVAILABLE : E_REFUSED;
    if (message != NULL)
        (void)err_set(rc, "the cloud at %s says: %s (status %d)", a->config->host, message,
                      r->status);
    else
        (void)err_set(rc, "the cloud at %s answered with status %d", a->config->host, r->status);
    yyjson_doc_free(doc);
    if (r->status == 401)
        (void)err_hint(rc, "log in with `spate cloud login --token TOKEN`, or set K6_CLOUD_TOKEN");
    return rc;
}

static int unreachable(const struct cloud_api *a, int rc)
{
    if (rc == -ECANCELED || rc == -ENOMEM)
        return err_wrap(rc, "cloud");
    (void)err_set(E_UNAVAILABLE, "the cloud at %s can't be reached: %s", a->config->host,
                  err_message());
    return err_hint(E_UNAVAILABLE, "start one with `spate server`, or choose another with "
                                   "K6_CLOUD_HOST or `spate cloud login --host URL`");
}

int cloud_api_call(struct cloud_api *a, const struct cloud_call *call, struct cloud_reply *ret)
{
    CLEANUP(buf_fini) struct buf text;
    CLEANUP(url_fini) struct url url = {0};
    buf_init(&text, 4096);
    buf_printf(&text, "%s%s", a->config->host, call->path);
    int rc = buf_finish(&text) < 0 ? E_CONFIG : url_parse(buf_view(&text), &url);
    if (rc < 0)
        return err_set(E_CONFIG, "cloud host '%s': not a URL", a->config->host);

    char authorization[CLOUD_TOKEN_MAX + 8];
    struct http_header headers[HEADERS_MAX];
    size_t headers_len = make_headers(a, call, authorization, headers);
    struct http_request req = {
        .method = str_of(call->method),
        .url = &url,
        .headers = headers,
        .headers_len = headers_len,
        .body = call->body,
        .body_given = call->body.len > 0,
        .deadline_ns = clock_mono_ns() + call->timeout_ns,
        .body_mode = HTTP_BODY_KEEP,
        .body_max = CLOUD_REPLY_MAX,
    };
    CLEANUP(http_response_fini) struct http_response res = {0};
    rc = http_do(a->client, &req, &res);
    ret->status = res.status;
    ret->code = 0;
    buf_reset(&ret->body);
    ret->body.max = CLOUD_REPLY_MAX;
    buf_str(&ret->body, res.body);
    if (rc < 0)
        return unreachable(a, rc);
    if (buf_finish(&ret->body) < 0)
        return err_set_errno(buf_finish(&ret->body), "cloud: reply");
    return res.status >= 200 && res.status < 300 ? 0 : refusal(a, ret);
}

int cloud_api_call_retry(struct cloud_api *a, const struct cloud_call *call,
                         struct cloud_reply *ret)
{
    for (int i = 1;; i++) {
        int rc = cloud_api_call(a, call, ret);
        if (rc != E_UNAVAILABLE || i == TRIES)
            return rc;
        rc = co_sleep_until(clock_mono_ns() + try_gap_ns);
        if (rc < 0)
            return err_wrap(rc, "cloud");
    }
}
