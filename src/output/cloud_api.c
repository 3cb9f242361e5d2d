#include "output/cloud_api.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/dial.h"
#include "net/proxy.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <yyjson.h>

enum { HEADERS_MAX = 8, TRIES = 3, URL_MAX = 8192 };
static const int64_t try_gap_ns = 500 * NS_PER_MS;

struct cloud_api {
    const struct cloud_config *config;
    struct dial_rules rules;
    struct dns_cache *dns;
    struct dialer *dialer;
    struct http_client *client;
    int64_t stack_id; /* 0: none */
};

static const char *of_process(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

int cloud_api_new(const struct cloud_config *config, struct cloud_api **ret)
{
    struct cloud_api *a = mem_calloc(1, sizeof *a);
    if (a == NULL)
        return err_set_errno(-ENOMEM, "cloud client");
    a->config = config;
    dial_rules_init(&a->rules);
    int rc = proxies_from_env(of_process, NULL, &a->rules.proxies);
    if (rc == 0)
        rc = dns_cache_new(&a->dns);
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

void cloud_api_set_stack(struct cloud_api *a, int64_t stack_id)
{
    a->stack_id = stack_id;
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

/* What a call's headers are written into. */
struct scratch {
    char authorization[CLOUD_TOKEN_MAX + 8];
    char stack[24];
};

static const char *token_of(const struct cloud_api *a, const struct cloud_call *call)
{
    switch (call->auth) {
    case CLOUD_AUTH_TOKEN:
    case CLOUD_AUTH_BEARER:
        return a->config->token;
    case CLOUD_AUTH_RUN:
        return call->token;
    case CLOUD_AUTH_NONE:
        break;
    }
    return NULL;
}

static size_t add_authorization(const struct cloud_api *a, const struct cloud_call *call,
                                struct scratch *scratch,
                                struct http_header headers[static HEADERS_MAX])
{
    size_t n = 0;
    const char *token = token_of(a, call);
    const char *scheme = call->auth == CLOUD_AUTH_TOKEN ? "Token" : "Bearer";
    int len = token == NULL ? 0
                            : snprintf(scratch->authorization, sizeof scratch->authorization,
                                       "%s %s", scheme, token);
    if (len > 0 && (size_t)len < sizeof scratch->authorization)
        headers[n++] = (struct http_header){STR("Authorization"),
                                            str_new(scratch->authorization, (size_t)len)};
    if (call->auth == CLOUD_AUTH_BEARER && a->stack_id > 0) {
        len = snprintf(scratch->stack, sizeof scratch->stack, "%lld", (long long)a->stack_id);
        headers[n++] =
            (struct http_header){STR("X-Stack-Id"), str_new(scratch->stack, (size_t)len)};
    }
    return n;
}

static size_t make_headers(const struct cloud_api *a, const struct cloud_call *call,
                           struct scratch *scratch, struct http_header headers[static HEADERS_MAX])
{
    size_t n = add_authorization(a, call, scratch, headers);
    if (call->auth == CLOUD_AUTH_BEARER)
        headers[n++] = (struct http_header){STR("Accept"), STR("application/json")};
    if (call->content_type.len > 0)
        headers[n++] = (struct http_header){STR("Content-Type"), call->content_type};
    if (call->key != NULL)
        headers[n++] = (struct http_header){STR("K6-Idempotency-Key"), str_of(call->key)};
    for (size_t i = 0; i < call->extra_len && n < HEADERS_MAX; i++)
        headers[n++] = call->extra[i];
    return n;
}

static const char *host_of(const struct cloud_api *a, const struct cloud_call *call)
{
    if (call->url != NULL)
        return call->url;
    return call->auth == CLOUD_AUTH_BEARER ? cloud_config_host_v6(a->config) : a->config->host;
}

/* What a URL is called in messages: without its path, which may be a secret. */
static struct str origin_of(const char *url)
{
    const char *from = strstr(url, "://");
    return str_new(url, from != NULL ? (size_t)(from - url) + 3 + strcspn(from + 3, "/?#")
                                     : strlen(url));
}

/* ": field: what is wrong with it" for each detail of a v6 error, and of v1's field errors. */
static void add_details(struct buf *b, yyjson_val *error)
{
    size_t i, max;
    yyjson_val *detail;
    yyjson_arr_foreach(yyjson_obj_get(error, "details"), i, max, detail)
    {
        const char *message = yyjson_get_str(yyjson_obj_get(detail, "message"));
        const char *target = yyjson_get_str(yyjson_obj_get(detail, "target"));
        if (message != NULL)
            buf_printf(b, "%s %s%s%s", i == 0 ? ":" : ";", target != NULL ? target : "",
                       target != NULL ? " " : "", message);
    }
}

/* {"error":{"message","code","details":[…]}}; *code stays when there is none, or a word. */
static void read_error(struct str body, struct buf *message, int64_t *code)
{
    yyjson_doc *doc = yyjson_read(body.ptr, body.len, 0);
    yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
    if (yyjson_is_str(yyjson_obj_get(error, "message"))) {
        buf_z(message, yyjson_get_str(yyjson_obj_get(error, "message")));
        add_details(message, error);
    }
    if (yyjson_is_int(yyjson_obj_get(error, "code")))
        *code = yyjson_get_sint(yyjson_obj_get(error, "code"));
    yyjson_doc_free(doc);
}

static int refusal(const struct cloud_api *a, const struct cloud_call *call, struct cloud_reply *r)
{
    CLEANUP(buf_fini) struct buf message;
    struct str origin = origin_of(host_of(a, call));
    bool again = r->status >= 500 || r->status == 429;
    int rc = again ? E_UNAVAILABLE : E_REFUSED;
    buf_init(&message, ERR_MESSAGE_MAX);
    read_error(buf_view(&r->body), &message, &r->code);
    if (message.len > 0)
        (void)err_set(rc, "the cloud at %.*s says: %.*s (status %d)", STR_ARG(origin),
                      STR_ARG(buf_view(&message)), r->status);
    else
        (void)err_set(rc, "the cloud at %.*s answered with status %d", STR_ARG(origin), r->status);
    if (r->status == 401)
        (void)err_hint(rc, "log in with `spate cloud login --token TOKEN`, or set K6_CLOUD_TOKEN");
    return rc;
}

static int unreachable(const struct cloud_api *a, const struct cloud_call *call, int rc)
{
    if (rc == -ECANCELED || rc == -ENOMEM)
        return err_wrap(rc, "cloud");
    struct str origin = origin_of(host_of(a, call));
    CLEANUP(buf_fini) struct buf why;
    buf_init(&why, ERR_MESSAGE_MAX);
    buf_z(&why, err_message());
    if (call->auth == CLOUD_AUTH_NONE) /* the long text holds the URL */
        buf_reset(&why);
    (void)err_set(E_UNAVAILABLE, "the cloud at %.*s can't be reached%s%.*s", STR_ARG(origin),
                  why.len > 0 ? ": " : "", STR_ARG(buf_view(&why)));
    return err_hint(E_UNAVAILABLE, "start one with `spate server`, or choose another with "
                                   "K6_CLOUD_HOST or `spate cloud login --host URL`");
}

int cloud_api_call(struct cloud_api *a, const struct cloud_call *call, struct cloud_reply *ret)
{
    CLEANUP(buf_fini) struct buf text;
    CLEANUP(url_fini) struct url url = {0};
    buf_init(&text, URL_MAX);
    buf_printf(&text, "%s%s", host_of(a, call), call->url != NULL ? "" : call->path);
    int rc = buf_finish(&text) < 0 ? E_CONFIG : url_parse(buf_view(&text), &url);
    if (rc < 0)
        return err_set(E_CONFIG, "cloud host '%.*s': not a URL",
                       STR_ARG(origin_of(host_of(a, call))));

    size_t body_max = ret->body_max > 0 ? ret->body_max : CLOUD_REPLY_MAX;
    struct scratch scratch;
    struct http_header headers[HEADERS_MAX];
    size_t headers_len = make_headers(a, call, &scratch, headers);
    struct http_request req = {
        .method = str_of(call->method),
        .url = &url,
        .headers = headers,
        .headers_len = headers_len,
        .body = call->body,
        .body_given = call->body.len > 0,
        .deadline_ns = clock_mono_ns() + call->timeout_ns,
        .body_mode = HTTP_BODY_KEEP,
        .body_max = body_max,
    };
    CLEANUP(http_response_fini) struct http_response res = {0};
    rc = http_do(a->client, &req, &res);
    ret->status = res.status;
    ret->code = 0;
    buf_reset(&ret->body);
    ret->body.max = body_max;
    buf_str(&ret->body, res.body);
    if (rc < 0)
        return unreachable(a, call, rc);
    if (buf_finish(&ret->body) < 0)
        return err_set_errno(buf_finish(&ret->body), "cloud: reply");
    return res.status >= 200 && res.status < 300 ? 0 : refusal(a, call, ret);
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

int cloud_api_dial(struct cloud_api *a, const char *url_text, int64_t deadline_ns,
                   struct url *ret_url, struct stream **ret)
{
    struct dial_result how;
    /* http's parser takes no other scheme; ports and TLS are the same. */
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, URL_MAX);
    if (strncmp(url_text, "ws", 2) == 0)
        buf_printf(&text, "http%s", url_text + 2);
    else
        buf_z(&text, url_text);
    if (buf_finish(&text) < 0 || url_parse(buf_view(&text), ret_url) < 0)
        return err_set(E_CONFIG, "'%.*s' is not a URL", STR_ARG(origin_of(url_text)));
    bool tls = str_eqz(ret_url->scheme, "https");
    struct dial_target to = {
        .host = ret_url->host,
        .port = ret_url->port,
        .tls = tls,
        .no_h2 = true,
        .proxy = dialer_proxy(a->dialer, tls, ret_url->host, ret_url->port),
    };
    return dial_to(a->dialer, &to, deadline_ns, ret, &how);
}
