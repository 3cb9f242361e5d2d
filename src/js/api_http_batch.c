/*
 * http.batch(): several requests at once, on coroutines of the VM's loop over its one client.
 *
 * All entries are read first, in order; nothing is sent when one of them is no request.  Then
 * workers take them, in order, as many as the option `batch` says, the caller's own coroutine being
 * one of them.  A worker whose entry's host has batchPerHost requests under way waits for one of
 * these to end.  The call returns when all workers have ended, cancelled or not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/api_http.h"
#include "rt/co.h"

struct entry {
    struct ask ask;
    JSValue value; /* the Response */
};

struct batch;
struct worker {
    struct batch *batch;
    struct co *co;     /* valid until `ended` */
    struct entry *now; /* what it is sending; NULL: nothing */
    bool waits;        /* for a place at its entry's host */
    bool ended;
};

struct batch {
    JSContext *ctx;
    struct http_state *state;
    struct entry **entries; /* in the order of the script's */
    size_t len, cap;
    size_t next; /* the first one that no worker has taken */
    struct worker *workers;
    size_t workers_len;
    size_t under_way; /* workers on coroutines of their own that haven't ended */
    struct co *owner; /* of the call */
    bool owner_waits; /* for under_way to become 0 */
    int failed;       /* what the first failure that is to be thrown was, or 0 */
    char *failure;    /* its message */
    JSValue results;  /* array or object */
    bool by_name;     /* it's an object */
};

/* ---- sending -------------------------------------------------------------------------------- */

static bool is_host_full(const struct batch *b, const struct entry *e)
{
    int limit = b->state->host->run->batch_per_host, busy = 0;
    struct str host = e->ask.url->url.authority;
    for (size_t i = 0; i < b->workers_len && limit > 0; i++) {
        const struct entry *other = b->workers[i].now;
        busy += other && str_eq(other->ask.url->url.authority, host);
    }
    return limit > 0 && busy >= limit;
}

static int send_one(struct worker *w, struct entry *e)
{
    struct batch *b = w->batch;
    int rc = 0;
    while (rc == 0 && is_host_full(b, e)) {
        w->waits = true;
        rc = co_park(CO_FOREVER);
        w->waits = false;
    }
    if (rc < 0)
        return rc;
    w->now = e;
    rc = http_ask_run(&e->ask);
    w->now = NULL;
    if (rc < 0 && rc != -ECANCELED && b->failed == 0) {
        b->failed = rc;
        b->failure = mem_strdup(err_message());
    }
    for (size_t i = 0; i < b->workers_len; i++)
        if (b->workers[i].waits)
            co_unpark(b->workers[i].co);
    return rc == -ECANCELED ? rc : 0;
}

static int work(struct worker *w)
{
    struct batch *b = w->batch;
    int rc = 0;
    while (rc == 0 && b->next < b->len)
        rc = send_one(w, b->entries[b->next++]);
    return rc;
}

static void run_worker(void *arg)
{
    struct worker *w = arg;
    struct batch *b = w->batch;
    (void)work(w); /* cancelled by the owner, who knows */
    w->ended = true;
    if (--b->under_way == 0 && b->owner_waits)
        co_unpark(b->owner);
}

static void wait_for_workers(struct batch *b, bool cancelled)
{
    b->owner_waits = true;
    while (b->under_way > 0 && !cancelled)
        cancelled = co_park(CO_FOREVER) == -ECANCELED;
    for (size_t i = 1; i < b->workers_len; i++)
        if (!b->workers[i].ended)
            co_cancel(b->workers[i].co);
    while (b->under_way > 0)
        co_park_hard();
}

/* 0, -ENOMEM, or -ECANCELED. */
static int send_all(struct batch *b)
{
    int limit = b->state->host->run->batch;
    size_t n = limit > 0 ? MIN((size_t)limit, b->len) : b->len;
    b->workers = mem_calloc(n, sizeof *b->workers);
    if (!b->workers)
        return err_set(-ENOMEM, "batch");
    b->owner = co_self();
    b->workers[0] = (struct worker){.batch = b, .co = b->owner};
    b->workers_len = 1;
    for (size_t i = 1; i < n; i++) {
        struct worker *w = &b->workers[i];
        *w = (struct worker){.batch = b};
        if (co_spawn(b->state->host->loop, run_worker, w, &w->co) < 0)
            break; /* those that are there do all the work */
        b->workers_len++;
        b->under_way++;
    }
    int rc = work(&b->workers[0]);
    wait_for_workers(b, rc < 0);
    return co_cancelled(b->owner) ? -ECANCELED : 0;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

static int bad_text(JSContext *ctx, const char *what, JSValueConst v)
{
    CLEANUP(js_text_fini) struct js_text text = {0};
    struct str s = STR("<nil>");
    if (!js_is_nullish(v)) {
        if (js_text_of(ctx, v, &text) < 0)
            return -1;
        s = text.s;
    }
    const char *quote = JS_IsString(v) ? "\"" : "";
    (void)err_set(-EINVAL, "%s '%s%.*s%s'", what, quote, STR_ARG(s), quote);
    return ASK_BAD;
}

/* A method's text; `upper`: in capitals. */
static int read_method(JSContext *ctx, JSValueConst v, bool upper, struct buf *ret)
{
    if (!JS_IsString(v))
        return bad_text(ctx, "invalid method type", v);
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(ctx, v, &text) < 0)
        return -1;
    for (size_t i = 0; i < text.s.len; i++) {
        char c = text.s.ptr[i];
        buf_byte(ret, (uint8_t)(upper && c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c));
    }
    if (ret->err == 0)
        return 0;
    js_throw_err(ctx, err_set(ret->err, "request method"));
    return -1;
}

/* What an entry says, whichever form it has. */
struct said {
    struct buf method; /* empty: GET */
    JSValue url, body, params;
};

/* [method, url, body, params] */
static int read_list(JSContext *ctx, JSValueConst v, struct said *s)
{
    JSValue length = JS_GetPropertyStr(ctx, v, "length");
    uint32_t len = 0;
    if (JS_ToUint32(ctx, &len, length) < 0)
        return -1;
    if (len < 2)
        return bad_text(ctx, "invalid batch request", v);
    JSValue method = JS_GetPropertyUint32(ctx, v, 0);
    s->url = JS_GetPropertyUint32(ctx, v, 1);
    s->body = JS_GetPropertyUint32(ctx, v, 2);
    s->params = JS_GetPropertyUint32(ctx, v, 3);
    int rc = JS_IsException(method) ? -1 : read_method(ctx, method, false, &s->method);
    JS_FreeValue(ctx, method);
    return rc;
}

static int get_if_there(JSContext *ctx, JSValueConst object, const char *name, JSValue *ret)
{
    JSAtom atom = JS_NewAtom(ctx, name);
    int has = atom == JS_ATOM_NULL ? -1 : JS_HasProperty(ctx, object, atom);
    *ret = has > 0 ? JS_GetProperty(ctx, object, atom) : JS_UNDEFINED;
    JS_FreeAtom(ctx, atom);
    return has < 0 || JS_IsException(*ret) ? -1 : has;
}

/* {method, url, body, params} */
static int read_object(JSContext *ctx, JSValueConst v, struct str key, struct said *s)
{
    int has = get_if_there(ctx, v, "url", &s->url);
    if (has < 0)
        return -1;
    if (has == 0) {
        (void)err_set(-EINVAL, "batch request %.*s doesn't have a url key", STR_ARG(key));
        return ASK_BAD;
    }
    JSValue method;
    has = get_if_there(ctx, v, "method", &method);
    int rc = has > 0 ? read_method(ctx, method, true, &s->method) : has;
    JS_FreeValue(ctx, method);
    if (rc != 0)
        return rc;
    struct str m = buf_view(&s->method);
    bool bodiless = str_eqz(m, "GET") || str_eqz(m, "HEAD");
    if (!bodiless && get_if_there(ctx, v, "body", &s->body) < 0)
        return -1;
    return get_if_there(ctx, v, "params", &s->params) < 0 ? -1 : 0;
}

static int read_said(JSContext *ctx, JSValueConst v, struct str key, struct said *s)
{
    if (JS_IsArray(ctx, v))
        return read_list(ctx, v, s);
    if (JS_IsObject(v) && !http_is_url(v))
        return read_object(ctx, v, key, s);
    s->url = JS_DupValue(ctx, v);
    return 0;
}

static int ask_of(struct batch *b, JSValueConst v, struct str key, struct entry *e)
{
    JSContext *ctx = b->ctx;
    struct said s = {.url = JS_UNDEFINED, .body = JS_UNDEFINED, .params = JS_UNDEFINED};
    buf_init(&s.method, HTTP_REQUEST_HEAD_MAX);
    int rc = read_said(ctx, v, key, &s);
    http_ask_init(&e->ask, ctx, s.method.len > 0 ? buf_view(&s.method) : STR("GET"));
    if (rc == 0)
        rc = http_ask_read(&e->ask, s.url, s.body, s.params);
    JS_FreeValue(ctx, s.url);
    JS_FreeValue(ctx, s.body);
    JS_FreeValue(ctx, s.params);
    buf_fini(&s.method);
    return rc;
}

static int put_result(struct batch *b, struct str key, JSValue v)
{
    if (JS_IsException(v))
        return -1;
    return b->by_name ? JS_DefinePropertyValueStr(b->ctx, b->results, key.ptr, v, JS_PROP_C_W_E)
                      : JS_DefinePropertyValueUint32(b->ctx, b->results, (uint32_t)b->len - 1, v,
                                                     JS_PROP_C_W_E);
}

static int read_entry(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    struct batch *b = arg;
    int rc = mem_grow(&b->entries, &b->cap, b->len + 1, HTTP_BATCH_MAX, sizeof(struct entry *));
    struct entry *e = rc < 0 ? NULL : mem_alloc(sizeof *e);
    if (!e) {
        js_throw_err(ctx, err_set(rc < 0 ? rc : -ENOMEM, "batch"));
        return -1;
    }
    e->value = JS_UNDEFINED;
    b->entries[b->len++] = e;
    rc = ask_of(b, v, key, e);
    if (rc == ASK_BAD) {
        char words[ERR_MESSAGE_MAX];
        snprintf(words, sizeof words, "%s", err_message());
        JSValue unsent = http_ask_unsent(ctx, e->ask.error_code, words);
        if (put_result(b, key, unsent) < 0)
            return -1;
        (void)err_set(-EINVAL, "%s", words);
        return ASK_BAD;
    }
    if (rc < 0)
        return -1;
    e->value = http_ask_response(&e->ask);
    if (JS_IsException(e->value)) {
        e->value = JS_UNDEFINED;
        return -1;
    }
    return put_result(b, key, JS_DupValue(ctx, e->value)) < 0 ? -1 : 0;
}

static int read_array(struct batch *b, JSValueConst list)
{
    JSContext *ctx = b->ctx;
    JSValue length = JS_GetPropertyStr(ctx, list, "length");
    uint32_t len = 0;
    if (JS_ToUint32(ctx, &len, length) < 0)
        return -1;
    int rc = 0;
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        char key[12];
        int key_len = snprintf(key, sizeof key, "%u", i);
        JSValue v = JS_GetPropertyUint32(ctx, list, i);
        rc = JS_IsException(v) ? -1 : read_entry(ctx, b, str_new(key, (size_t)key_len), v);
        JS_FreeValue(ctx, v);
        if (rc == 0 && i % 64 == 63 && js_check_slice(ctx) < 0)
            rc = -1;
    }
    /* Those behind one that is no request have no response at all. */
    for (uint32_t i = (uint32_t)b->len; i < len && rc == ASK_BAD; i++)
        if (JS_DefinePropertyValueUint32(ctx, b->results, i, JS_NULL, JS_PROP_C_W_E) < 0)
            return -1;
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------- */

/* One entry is no request: none is sent. */
static int refuse(struct batch *b)
{
    if (b->state->host->run->throw_errors) {
        js_throw(b->ctx, "%s", err_message());
        return -1;
    }
    http_warn_failed("A batch request failed", err_message());
    for (size_t i = 0; i + 1 < b->len; i++)
        b->entries[i]->ask.response->unsent = true;
    return 0;
}

static int run(struct batch *b, JSValueConst requests)
{
    b->results = b->by_name ? JS_NewObject(b->ctx) : JS_NewArray(b->ctx);
    if (JS_IsException(b->results))
        return -1;
    int rc = b->by_name ? js_each(b->ctx, requests, read_entry, b) : read_array(b, requests);
    if (rc != 0)
        return rc == ASK_BAD ? refuse(b) : -1;
    if (b->len == 0)
        return 0;
    rc = send_all(b);
    if (rc == 0 && b->failed != 0)
        rc = err_set(b->failed, "%s", b->failure ? b->failure : "request failed");
    if (rc == 0)
        return 0;
    js_throw_err(b->ctx, rc);
    return -1;
}

static void batch_fini(struct batch *b)
{
    for (size_t i = 0; i < b->len; i++) {
        JS_FreeValue(b->ctx, b->entries[i]->value);
        http_ask_fini(&b->entries[i]->ask);
        mem_free(b->entries[i]);
    }
    mem_free(b->entries);
    mem_free(b->workers);
    mem_free(b->failure);
}

/* batch(requests): an array of responses for an array, an object for an object */
JSValue http_batch(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "Using batch"))
        return JS_EXCEPTION;
    if (argc == 0)
        return js_throw(ctx, "no argument was provided to http.batch()");
    if (argc > 1)
        return js_throw(ctx, "http.batch() accepts only an array or an object of requests");
    bool list = JS_IsArray(ctx, argv[0]) > 0;
    if (!list && (!JS_IsObject(argv[0]) || JS_IsFunction(ctx, argv[0])))
        return js_throw(ctx, "invalid http.batch() argument type %s", http_go_type(ctx, argv[0]));
    struct batch b = {
        .ctx = ctx,
        .state = js_api_state(ctx, JS_API_HTTP),
        .results = JS_UNDEFINED,
        .by_name = !list,
    };
    int rc = run(&b, argv[0]);
    batch_fini(&b);
    if (rc == 0)
        return b.results;
    JS_FreeValue(ctx, b.results);
    return JS_EXCEPTION;
}
