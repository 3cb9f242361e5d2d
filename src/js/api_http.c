/*
 * k6/http: what the script asks for, the request that is sent, and its samples.
 *
 * A call becomes a struct ask, in k6's order: URL, body, params.  What is wrong with them is no
 * exception (unless the option `throw` is on) but a response with the error in it: functions that
 * read them return ASK_BAD for that, with the words in the error slot, and -1 for a pending
 * exception.
 */
#include "js/api_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/decode.h"
#include "js/rate.h"
#include "metrics/shard.h"
#include "rt/co.h"

#define TIMEOUT_DEFAULT_NS (60 * NS_PER_S)

static JSClassID url_class, expected_class;

/* ---- URLs ---------------------------------------------------------------------------------- */

/* 0, -ENOMEM, or -EINVAL with Go's words. */
static int url_entry_new(struct str text, struct str name, struct url_entry **ret)
{
    struct url_entry *e = mem_calloc(1, sizeof *e);
    char *texts = mem_alloc(text.len + name.len + 1);
    if (!e || !texts) {
        mem_free(e);
        mem_free(texts);
        return err_set(-ENOMEM, "URL");
    }
    if (text.len > 0)
        memcpy(texts, text.ptr, text.len);
    if (name.len > 0)
        memcpy(texts + text.len, name.ptr, name.len);
    e->refs = 1;
    e->texts = texts;
    e->text = str_new(texts, text.len);
    e->name = name.ptr ? str_new(texts + text.len, name.len) : STR_EMPTY;
    int rc = url_parse(e->text, &e->url);
    if (rc < 0) {
        url_entry_unref(e);
        return rc;
    }
    *ret = e;
    return 0;
}

/* By its text; `*ret` is a new reference. */
static int url_of_text(struct http_state *s, struct str text, struct url_entry **ret)
{
    struct url_entry **slot = &s->urls[str_hash(text) % URL_SLOTS];
    if (!*slot || !str_eq((*slot)->text, text)) {
        struct url_entry *e;
        int rc = url_entry_new(text, STR_EMPTY, &e);
        if (rc < 0)
            return rc;
        url_entry_unref(*slot);
        *slot = e;
    }
    (*slot)->refs++;
    *ret = *slot;
    return 0;
}

/* A string of the script: mostly the same object as the last time. */
static int url_of_string(struct ask *k, JSValueConst v)
{
    const void *address = JS_VALUE_GET_PTR(v);
    uintptr_t bits = (uintptr_t)address;
    struct url_key *key = &k->state->url_keys[(bits >> 4 ^ bits >> 9) % URL_KEY_SLOTS];
    if (key->url && JS_VALUE_GET_PTR(key->key) == address) {
        k->url = key->url;
        k->url->refs++;
        return 0;
    }
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(k->ctx, v, &text) < 0)
        return -1;
    int rc = url_of_text(k->state, text.s, &k->url);
    if (rc < 0)
        return rc;
    JS_FreeValue(k->ctx, key->key);
    url_entry_unref(key->url);
    key->key = JS_DupValue(k->ctx, v);
    key->url = k->url;
    k->url->refs++;
    return 0;
}

static int bad(struct ask *k, int code)
{
    k->error_code = code;
    return ASK_BAD;
}

static int read_url(struct ask *k, JSValueConst v)
{
    struct url_entry *e = JS_GetOpaque(v, url_class);
    if (e) {
        k->url = e;
        e->refs++;
        return 0;
    }
    int rc;
    if (JS_IsString(v)) {
        rc = url_of_string(k, v);
        if (rc != -EINVAL)
            return rc < -1 ? bad(k, HTTP_ERROR_DEFAULT) : rc;
        (void)err_wrap(rc, "invalid URL");
    } else if (js_is_nullish(v)) {
        (void)err_set(-EINVAL, "invalid URL: '#<nil>'");
    } else {
        CLEANUP(js_text_fini) struct js_text text = {0};
        if (js_text_of(k->ctx, v, &text) < 0)
            return -1;
        (void)err_set(-EINVAL, "invalid URL: '#%.*s'", STR_ARG(text.s));
    }
    return bad(k, HTTP_ERROR_INVALID_URL);
}

bool http_is_url(JSValueConst v)
{
    return JS_GetOpaque(v, url_class) != NULL;
}

static void url_finalizer(JSRuntime *rt, JSValue v)
{
    (void)rt;
    url_entry_unref(JS_GetOpaque(v, url_class));
}

/* The template tag http.url: the name tag has `${}` for what was put in. */
static JSValue http_url(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(buf_fini) struct buf text;
    CLEANUP(buf_fini) struct buf name;
    buf_init(&text, URL_TEXT_MAX);
    buf_init(&name, URL_TEXT_MAX);
    JSValue length = JS_GetPropertyStr(ctx, js_arg(argc, argv, 0), "length");
    uint32_t len = 0;
    int rc = JS_IsException(length) ? -1 : JS_ToUint32(ctx, &len, length);
    JS_FreeValue(ctx, length);
    for (uint32_t i = 0; i < len && rc == 0; i++) {
        CLEANUP(js_text_fini) struct js_text part = {0};
        CLEANUP(js_text_fini) struct js_text piece = {0};
        JSValue v = JS_GetPropertyUint32(ctx, argv[0], i);
        rc = JS_IsException(v) ? -1 : js_text_of(ctx, v, &part);
        JS_FreeValue(ctx, v);
        bool has_piece = rc == 0 && (int)i + 1 < argc;
        if (has_piece)
            rc = js_text_of(ctx, argv[i + 1], &piece);
        buf_str(&text, part.s);
        buf_str(&name, part.s);
        buf_str(&text, piece.s);
        if (has_piece)
            buf_z(&name, "${}");
    }
    if (rc < 0)
        return JS_EXCEPTION;
    if (text.err || name.err)
        return js_throw(ctx, "the URL is longer than %d bytes", (int)URL_TEXT_MAX);
    struct url_entry *e;
    rc = url_entry_new(buf_view(&text), buf_view(&name), &e);
    if (rc < 0) {
        (void)err_wrap(rc, "invalid URL");
        return js_throw_err(ctx, rc);
    }
    JSValue v = JS_NewObjectClass(ctx, (int)url_class);
    if (JS_IsException(v)) {
        url_entry_unref(e);
        return v;
    }
    JS_SetOpaque(v, e);
    JS_DefinePropertyValueStr(ctx, v, "name", js_new_str(ctx, e->name), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, v, "url", js_new_str(ctx, e->text), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, v, "clean_url", js_new_str(ctx, e->url.clean), JS_PROP_C_W_E);
    return v;
}

/* ---- what is sent --------------------------------------------------------------------------- */

struct sent *http_ask_sent(struct ask *k)
{
    if (k->sent)
        return k->sent;
    struct sent *s = mem_calloc(1, sizeof *s);
    if (!s) {
        JS_ThrowOutOfMemory(k->ctx);
        return NULL;
    }
    buf_init(&s->texts, 2 * (size_t)HTTP_REQUEST_HEAD_MAX);
    buf_init(&s->body_bytes, HTTP_BODY_MAX);
    s->body_value = JS_UNDEFINED;
    s->method = k->req.method;
    k->sent = s;
    return s;
}

/* While sent->texts grows its views are offsets; sent_settle() makes pointers of them. */
static struct str sent_text(struct sent *s, struct str text)
{
    struct str v = {(const char *)(uintptr_t)s->texts.len, text.len};
    buf_str(&s->texts, text);
    return v;
}

static struct str sent_view(const struct sent *s, struct str v)
{
    return str_new((const char *)s->texts.data + (uintptr_t)v.ptr, v.len);
}

static void sent_settle(struct ask *k)
{
    struct sent *s = k->sent;
    if (k->own_method)
        k->req.method = s->method = sent_view(s, s->method);
    for (size_t i = 0; i < s->headers_len; i++) {
        s->headers[i].name = sent_view(s, s->headers[i].name);
        s->headers[i].value = sent_view(s, s->headers[i].value);
    }
    for (size_t i = 0; i < s->cookies_len; i++)
        s->cookies[i] = sent_view(s, s->cookies[i]);
    for (size_t i = 0; i < k->replace_len; i++)
        k->replace[i] = sent_view(s, k->replace[i]);
}

int http_ask_header(struct ask *k, struct str name, struct str value)
{
    struct sent *s = http_ask_sent(k);
    if (!s)
        return -1;
    struct str own = sent_text(s, name);
    if (s->texts.err == 0) {
        char *canonical = (char *)s->texts.data + (uintptr_t)own.ptr;
        bool token = true;
        for (size_t i = 0; i < own.len; i++)
            token = token && canonical[i] != ' ';
        if (token)
            http_canonical_name(canonical, own.len);
    }
    size_t at = s->headers_len;
    for (size_t i = 0; i < s->headers_len && s->texts.err == 0; i++)
        if (str_eq(sent_view(s, s->headers[i].name), sent_view(s, own)))
            at = i;
    if (at == s->headers_len) {
        int rc = mem_grow(&s->headers, &s->headers_cap, at + 1, 10000, sizeof *s->headers);
        if (rc < 0) {
            js_throw_err(k->ctx, rc);
            return -1;
        }
        s->headers_len++;
    }
    s->headers[at] = (struct http_header){own, sent_text(s, value)};
    return 0;
}

static int read_header(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    struct ask *k = arg;
    CLEANUP(js_text_fini) struct js_text value = {0};
    if (js_text_of(ctx, v, &value) < 0)
        return -1;
    return http_ask_header(k, key, value.s);
}

/* ---- bodies --------------------------------------------------------------------------------- */

const char *http_go_type(JSContext *ctx, JSValueConst v)
{
    if (js_is_nullish(v))
        return "<nil>";
    if (JS_IsString(v))
        return "string";
    if (JS_IsBool(v))
        return "bool";
    if (JS_IsArray(ctx, v))
        return "[]interface {}";
    if (JS_IsFunction(ctx, v))
        return "func(sobek.FunctionCall) sobek.Value";
    return JS_VALUE_GET_TAG(v) == JS_TAG_INT ? "int64" : JS_IsNumber(v) ? "float64" : "object";
}

static int read_body(struct ask *k, JSValueConst v)
{
    struct str bytes;
    if (js_is_nullish(v))
        return 0;
    if (JS_IsString(v)) {
        struct sent *s = http_ask_sent(k);
        if (!s || js_text_of(k->ctx, v, &k->body) < 0)
            return -1;
        s->body_value = JS_DupValue(k->ctx, v);
        k->req.body = k->body.s;
        return 0;
    }
    if (js_bytes_of(k->ctx, v, &bytes)) {
        struct sent *s = http_ask_sent(k);
        if (!s)
            return -1;
        if (k->script_goes_on) {
            buf_str(&s->body_bytes, bytes);
            k->req.body = buf_view(&s->body_bytes);
            return 0;
        }
        s->body_value = JS_DupValue(k->ctx, v);
        k->req.body = bytes;
        return 0;
    }
    if (JS_IsObject(v) && !JS_IsArray(k->ctx, v) && !JS_IsFunction(k->ctx, v)) {
        int rc = k->state->has_files ? http_file_read_body(k, v) : 0;
        return rc == 0 ? http_form_read(k, v) : MIN(rc, 0);
    }
    (void)err_set(-EINVAL, "unknown request body type %s", http_go_type(k->ctx, v));
    return bad(k, 0);
}

/* ---- params --------------------------------------------------------------------------------- */

static int note_cookie(struct ask *k, struct str name, struct str value, bool replace)
{
    struct sent *s = http_ask_sent(k);
    if (!s)
        return -1;
    int rc = mem_grow(&s->cookies, &s->cookies_cap, s->cookies_len + 3, 30000, sizeof *s->cookies);
    if (rc < 0) {
        js_throw_err(k->ctx, rc);
        return -1;
    }
    s->cookies[s->cookies_len++] = sent_text(s, name);
    s->cookies[s->cookies_len++] = sent_text(s, value);
    s->cookies[s->cookies_len++] = sent_text(s, replace ? STR("1") : STR_EMPTY);
    return 0;
}

/* {k: 'v'} or {k: {value, replace}} */
static int read_cookie(JSContext *ctx, void *arg, struct str key, JSValueConst v)
{
    struct ask *k = arg;
    if (js_is_nullish(v))
        return 0;
    bool replace = false;
    JSValue value = JS_DupValue(ctx, v);
    if (JS_IsObject(v)) {
        JS_FreeValue(ctx, value);
        JSValue flag = JS_GetPropertyStr(ctx, v, "replace");
        replace = JS_ToBool(ctx, flag) > 0;
        JS_FreeValue(ctx, flag);
        value = JS_GetPropertyStr(ctx, v, "value");
        if (JS_IsUndefined(value))
            value = JS_NewString(ctx, "");
    }
    CLEANUP(js_text_fini) struct js_text text = {0};
    int rc = JS_IsException(value) ? -1 : js_text_of(ctx, value, &text);
    JS_FreeValue(ctx, value);
    if (rc < 0 || note_cookie(k, key, text.s, replace) < 0)
        return -1;
    cookie_append_pair(&k->cookies, key, text.s);
    if (!replace)
        return 0;
    rc = mem_grow(&k->replace, &k->replace_cap, k->replace_len + 1, 10000, sizeof *k->replace);
    if (rc < 0) {
        js_throw_err(ctx, rc);
        return -1;
    }
    k->replace[k->replace_len++] = k->sent->cookies[k->sent->cookies_len - 3];
    return 0;
}

static int read_timeout(struct ask *k, JSValueConst v)
{
    if (!JS_IsNumber(v) && !JS_IsString(v)) {
        bool plain = JS_IsObject(v) && !JS_IsArray(k->ctx, v) && !JS_IsFunction(k->ctx, v);
        (void)err_set(-EINVAL, "invalid timeout value: unable to use type %s as a duration value",
                      plain ? "map[string]interface {}" : http_go_type(k->ctx, v));
        return bad(k, 0);
    }
    int rc = js_duration_of(k->ctx, v, &k->timeout_ns);
    if (rc == 0 || rc == -1)
        return rc;
    (void)err_wrap(rc, "invalid timeout value");
    return bad(k, 0);
}

static int read_response_type(struct ask *k, JSValueConst v)
{
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(k->ctx, v, &text) < 0)
        return -1;
    if (str_eqz(text.s, "text"))
        k->type = RESPONSE_TEXT;
    else if (str_eqz(text.s, "binary"))
        k->type = RESPONSE_BINARY;
    else if (str_eqz(text.s, "none"))
        k->type = RESPONSE_NONE;
    else {
        (void)err_set(-EINVAL, "%.*s does not belong to ResponseType values", STR_ARG(text.s));
        return bad(k, 0);
    }
    return 0;
}

static int read_auth(struct ask *k, JSValueConst v)
{
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(k->ctx, v, &text) < 0)
        return -1;
    if (str_eqz(text.s, "digest"))
        k->req.auth = HTTP_AUTH_DIGEST;
    else if (str_eqz(text.s, "ntlm"))
        k->req.auth = HTTP_AUTH_NTLM;
    return 0;
}

/* Compresses the body by each coding in turn. */
static int read_compression(struct ask *k, JSValueConst v)
{
    CLEANUP(js_text_fini) struct js_text text = {0};
    struct sent *s = http_ask_sent(k);
    if (!s || js_text_of(k->ctx, v, &text) < 0)
        return -1;
    struct str rest = str_trim(text.s);
    if (rest.len == 0 || !k->req.body.ptr)
        return 0;
    CLEANUP(buf_fini) struct buf names;
    buf_init(&names, 1000);
    while (rest.ptr) {
        struct str coding = str_trim(str_cut(rest, ',', &rest));
        struct buf out;
        buf_init(&out, HTTP_BODY_MAX);
        int rc = encode_body(coding, k->req.body, &out);
        if (rc < 0) {
            buf_fini(&out);
            return bad(k, 0);
        }
        buf_fini(&s->body_bytes);
        s->body_bytes = out;
        k->req.body = buf_view(&s->body_bytes);
        buf_printf(&names, "%s%.*s", names.len > 0 ? ", " : "", STR_ARG(coding));
    }
    JS_FreeValue(k->ctx, s->body_value);
    s->body_value = JS_UNDEFINED;
    for (size_t i = 0; i < s->headers_len; i++)
        if (str_eqz(sent_view(s, s->headers[i].name), "Content-Encoding")) {
            if (!str_eq(sent_view(s, s->headers[i].value), buf_view(&names)))
                log_warning("There's a mismatch between the desired `compression` the manually set "
                            "`Content-Encoding` header in the %.*s request for '%.*s', the custom "
                            "header has precedence and won't be overwritten. This may result in "
                            "invalid data being sent to the server.",
                            STR_ARG(k->req.method), STR_ARG(k->url->url.clean));
            return 0;
        }
    return http_ask_header(k, STR("Content-Encoding"), buf_view(&names));
}

static int read_callback(struct ask *k, JSValueConst v)
{
    struct expected *e = JS_GetOpaque(v, expected_class);
    k->callback_off = js_is_nullish(v);
    if (e || k->callback_off) {
        k->expected = e;
        return 0;
    }
    (void)err_set(-EINVAL, "unsupported responseCallback");
    return bad(k, 0);
}

static int read_jar(struct ask *k, JSValueConst v)
{
    struct jar_ref *r = http_jar_of(v);
    if (!r)
        return 0;
    jar_ref_unref(k->jar);
    k->jar = r;
    r->refs++;
    return 0;
}

/* A tag that can't be one is a request that can't be sent, not an exception. */
static int read_tags(struct ask *k, JSValueConst v)
{
    k->has_tags = true;
    js_tags_init(&k->tags, k->ctx);
    if (js_tags_read(&k->tags, v) == 0)
        return 0;
    CLEANUP(js_text_fini) struct js_text words = {0};
    JSValue thrown = JS_GetException(k->ctx);
    JSValue message = JS_GetPropertyStr(k->ctx, thrown, "message");
    int rc = js_text_of(k->ctx, message, &words);
    JS_FreeValue(k->ctx, message);
    JS_FreeValue(k->ctx, thrown);
    if (rc < 0)
        return -1;
    (void)err_set(-EINVAL, "invalid HTTP request metric tags: %.*s", STR_ARG(words.s));
    return bad(k, 0);
}

static int read_param(struct ask *k, enum param_atom which, JSValueConst v)
{
    int32_t n = 0;
    switch (which) {
    case PARAM_HEADERS:
        return JS_IsObject(v) ? js_each(k->ctx, v, read_header, k) : 0;
    case PARAM_TAGS:
        return read_tags(k, v);
    case PARAM_TIMEOUT:
        return read_timeout(k, v);
    case PARAM_REDIRECTS:
        k->redirects_set = true;
        if (JS_ToInt32(k->ctx, &n, v) < 0)
            return -1;
        k->req.max_redirects = n;
        return 0;
    case PARAM_RESPONSE_TYPE:
        return read_response_type(k, v);
    case PARAM_COOKIES:
        return JS_IsObject(v) ? js_each(k->ctx, v, read_cookie, k) : 0;
    case PARAM_JAR:
        return read_jar(k, v);
    case PARAM_AUTH:
        return read_auth(k, v);
    case PARAM_COMPRESSION:
        return read_compression(k, v);
    case PARAM_RESPONSE_CALLBACK:
        return read_callback(k, v);
    case PARAM_THROW:
        k->throws = JS_ToBool(k->ctx, v) > 0;
        return 0;
    case PARAM_LEN:
        break;
    }
    return 0;
}

/* Of most params, null says nothing. */
static bool null_counts(enum param_atom which)
{
    return which == PARAM_RESPONSE_CALLBACK || which == PARAM_TIMEOUT ||
           which == PARAM_COMPRESSION || which == PARAM_RESPONSE_TYPE;
}

static int read_params(struct ask *k, JSValueConst params)
{
    if (!JS_IsObject(params))
        return 0;
    for (int i = 0; i < PARAM_LEN; i++) {
        JSValue v = JS_GetProperty(k->ctx, params, k->state->params[i]);
        bool absent = JS_IsUndefined(v) || (JS_IsNull(v) && !null_counts((enum param_atom)i));
        int rc = absent ? 0 : JS_IsException(v) ? -1 : read_param(k, (enum param_atom)i, v);
        JS_FreeValue(k->ctx, v);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- samples -------------------------------------------------------------------------------- */

static bool is_expected(const struct ask *k, int status)
{
    if (!k->expected)
        return status >= 200 && status <= 399;
    for (uint32_t i = 0; i < k->expected->len; i++)
        if (status >= k->expected->ranges[i].min && status <= k->expected->ranges[i].max)
            return true;
    return false;
}

/* The first answer to a request that will show who it is should be a 401. */
static int sample_failed(struct ask *k, int status)
{
    if (k->callback_off)
        return -1;
    bool first = k->req.auth != HTTP_AUTH_BASIC && !k->answered;
    k->answered = true;
    if (first && (status == 401 || k->req.auth == HTTP_AUTH_DIGEST))
        return status != 401;
    return !is_expected(k, status);
}

/* The tags that go onto the samples of one round trip. */
struct trip_tags {
    struct tag list[TAG_SYSTEM_LEN];
    uint32_t len;
    uint32_t enabled;
};

static void add_tag(struct trip_tags *t, enum system_tag which, struct str value)
{
    if (t->enabled & TAG_BIT(which))
        t->list[t->len++] = (struct tag){str_of(system_tag_name(which)), value};
}

static struct str number_text(char room[static 12], int n)
{
    int len = snprintf(room, 12, "%d", n);
    return str_new(room, (size_t)len);
}

/* The name that the script gave, by its tags, the VU's or http.url; NULL ptr: none. */
static struct str given_name(const struct ask *k, const struct tagset *base)
{
    for (uint32_t i = 0; k->has_tags && i < k->tags.len; i++)
        if (str_eqz(k->tags.tag[i].key, "name"))
            return k->tags.tag[i].value;
    const struct tag *t = tags_find(base, STR("name"));
    if (t)
        return t->value;
    bool templated = k->url->name.ptr && !str_eq(k->url->name, k->url->url.clean);
    return templated && k->state->host->run->system_tags & TAG_BIT(TAG_NAME) ? k->url->name
                                                                             : STR_EMPTY;
}

void http_append_without_user(struct buf *out, struct str url)
{
    ptrdiff_t colon = str_find(url, ':');
    size_t start = colon < 0 ? 0 : MIN((size_t)colon + 3, url.len); /* behind "://" */
    size_t user_end = start;
    for (size_t i = start; i < url.len && !memchr("/?#", url.ptr[i], 3); i++)
        if (url.ptr[i] == '@')
            user_end = i + 1;
    buf_str(out, str_new(url.ptr, start));
    buf_str(out, str_new(url.ptr + user_end, url.len - user_end));
}

/* The URL for tags: with user and password masked, or without them where digest took them out to
 * show who it is by other means. */
static struct str trip_url(const struct ask *k, const struct http_trip *trip, struct buf *room)
{
    if (k->req.auth != HTTP_AUTH_DIGEST || !trip->url->userinfo.ptr)
        return trip->url->clean;
    http_append_without_user(room, trip->url->clean);
    return buf_view(room);
}

static struct tagset *make_tags(struct ask *k, const struct http_trip *trip, int failed)
{
    struct js_host *host = k->state->host;
    struct trip_tags t = {.enabled = host->run->system_tags};
    char status[12], code[12];
    CLEANUP(buf_fini) struct buf bare;
    buf_init(&bare, URL_TEXT_MAX);
    struct str name = given_name(k, k->base);
    if (!name.ptr)
        name = trip_url(k, trip, &bare);
    add_tag(&t, TAG_NAME, name);
    add_tag(&t, TAG_URL, name);
    add_tag(&t, TAG_METHOD, trip->method);
    add_tag(&t, TAG_STATUS, number_text(status, trip->status));
    if (trip->proto)
        add_tag(&t, TAG_PROTO, str_of(trip->proto));
    if (trip->tls_version) {
        add_tag(&t, TAG_TLS_VERSION, str_of(trip->tls_version));
        add_tag(&t, TAG_OCSP_STATUS, str_of(trip->ocsp_status));
    }
    if (trip->error.len > 0)
        add_tag(&t, TAG_ERROR, trip->error);
    if (trip->error_code != 0)
        add_tag(&t, TAG_ERROR_CODE, number_text(code, trip->error_code));
    if (trip->remote_ip)
        add_tag(&t, TAG_IP, str_of(trip->remote_ip));
    if (failed >= 0)
        add_tag(&t, TAG_EXPECTED_RESPONSE, failed ? STR("false") : STR("true"));
    struct tag_table *table = shard_tags(host->shard);
    struct tagset *base = k->base;
    if (k->has_tags && k->tags.len > 0)
        base = js_tags_intern(&k->tags, base);
    return tags_with(table, base, t.list, t.len);
}

static struct tagset *trip_tags(struct ask *k, const struct http_trip *trip, int failed)
{
    struct url_tags *last = &k->url->tags;
    bool plain = !k->has_tags && trip->url == &k->url->url && trip->error.len == 0 &&
                 !(k->state->host->run->system_tags & TAG_BIT(TAG_IP));
    if (!plain)
        return make_tags(k, trip, failed);
    if (last->base == k->base && last->status == trip->status && last->expected == failed &&
        last->proto == trip->proto && last->ocsp_status == trip->ocsp_status &&
        last->tls_version == trip->tls_version && str_eq(last->method, trip->method))
        return last->result;
    struct tagset *result = make_tags(k, trip, failed);
    if (!k->own_method) /* its text must outlive the call */
        *last = (struct url_tags){
            .base = k->base,
            .result = result,
            .status = trip->status,
            .expected = (int8_t)failed,
            .proto = trip->proto,
            .tls_version = trip->tls_version,
            .ocsp_status = trip->ocsp_status,
            .method = trip->method,
        };
    return result;
}

static double ms(int64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

static void on_trip(void *arg, const struct http_trip *trip)
{
    struct ask *k = arg;
    struct js_host *host = k->state->host;
    if (!host->shard)
        return;
    const struct http_timings *t = &trip->timings;
    struct http_sample h = {
        .duration_ms = ms(http_timings_duration_ns(t)),
        .blocked_ms = ms(t->blocked_ns),
        .connecting_ms = ms(t->connecting_ns),
        .tls_handshaking_ms = ms(t->tls_handshaking_ns),
        .sending_ms = ms(t->sending_ns),
        .waiting_ms = ms(t->waiting_ns),
        .receiving_ms = ms(t->receiving_ns),
        .failed = sample_failed(k, trip->status),
    };
    shard_add_http(host->shard, trip_tags(k, trip, h.failed), host->metadata, &h,
                   trip->end_ns + host->wall_offset_ns);
}

/* ---- one call ------------------------------------------------------------------------------- */

static int need_client(struct ask *k)
{
    struct http_state *s = k->state;
    const struct js_run_options *run = s->host->run;
    if (!s->client) {
        struct http_client_options o = {
            .dialer = s->host->dialer,
            .local_ip = s->host->local_ip,
            .user_agent = run->user_agent,
            .idle_per_host_max = run->batch_per_host > 0 ? (size_t)run->batch_per_host : 2,
            .idle_max = run->batch > 0 ? (size_t)run->batch : 0,
            .bytes_sent = &s->host->bytes_sent,
            .bytes_received = &s->host->bytes_received,
        };
        if (run->no_connection_reuse)
            o.idle_per_host_max = 0;
        int rc = http_client_new(&o, &s->client);
        if (rc < 0)
            return rc;
    }
    if (!k->jar) {
        if (!s->jar)
            s->jar = jar_ref_new();
        k->jar = s->jar;
        if (!k->jar)
            return -ENOMEM;
        k->jar->refs++;
    }
    return 0;
}

static int note_jar_cookie(void *arg, struct str name, struct str value)
{
    struct ask *k = arg;
    for (size_t i = 0; i < k->replace_len; i++)
        if (str_eq(sent_view(k->sent, k->replace[i]), name))
            return 0;
    cookie_append_pair(&k->first_cookies, name, value);
    return note_cookie(k, name, value, false);
}

/* Fills in what http_do() takes of it. */
static int settle(struct ask *k)
{
    struct http_request *req = &k->req;
    req->cookies_first = k->cookies.len > 0 ? buf_view(&k->cookies) : STR("");
    if (cookie_jar_len(k->jar->jar) > 0) {
        buf_str(&k->first_cookies, buf_view(&k->cookies));
        if (cookie_jar_each(k->jar->jar, &k->url->url, http_now_s(), note_jar_cookie, k) < 0)
            return -1;
        if (k->first_cookies.len > 0)
            req->cookies_first = buf_view(&k->first_cookies);
    }
    if (k->sent) {
        if (k->sent->texts.err != 0 || k->sent->body_bytes.err != 0) {
            JS_ThrowOutOfMemory(k->ctx);
            return -1;
        }
        sent_settle(k);
        req->headers = k->sent->headers;
        req->headers_len = k->sent->headers_len;
    }
    req->url = &k->url->url;
    req->jar = k->jar->jar;
    req->cookies = buf_view(&k->cookies);
    req->cookies_replace = k->replace;
    req->cookies_replace_len = k->replace_len;
    req->body_mode = k->type == RESPONSE_NONE ? HTTP_BODY_DISCARD : HTTP_BODY_KEEP;
    req->timeout_ns = k->timeout_ns;
    req->on_trip = on_trip;
    req->on_trip_arg = k;
    if (k->state->host->run->http_debug != HTTP_DEBUG_OFF)
        req->on_wire = http_debug_wire;
    return 0;
}

void http_warn_failed(const char *what, const char *words)
{
    struct log_field field = {"error", words};
    log_fields(LOG_WARNING, what, &field, 1);
}

/* A Content-Length of the script's: ignored, and said so when it is wrong. */
static void warn_length(const struct ask *k)
{
    for (size_t i = 0; i < k->req.headers_len; i++) {
        struct http_header h = k->req.headers[i];
        int64_t said;
        if (!str_eqz(h.name, "Content-Length") ||
            (str_to_i64(h.value, &said) == 0 && said == (int64_t)k->req.body.len))
            continue;
        log_warning("The specified Content-Length header \"%.*s\" in the %.*s request for %.*s "
                    "doesn't match the actual request body length of %zu, so it will be ignored!",
                    STR_ARG(h.value), STR_ARG(k->req.method), STR_ARG(k->url->url.clean),
                    k->req.body.len);
    }
}

static void warn_redirects(const struct ask *k)
{
    char url[256];
    snprintf(url, sizeof url, "%.*s", STR_ARG(k->url->url.text));
    char text[200];
    snprintf(text, sizeof text,
             "Stopped after %d redirects and returned the redirection; pass { redirects: n } in "
             "request params or set global maxRedirects to silence this",
             k->req.max_redirects + 1);
    struct log_field field = {"url", url};
    log_fields(LOG_WARNING, text, &field, 1);
}

JSValue http_ask_unsent(JSContext *ctx, int error_code, const char *words)
{
    char *text = mem_strdup(words); /* `words` may be the error slot's, which anything overwrites */
    struct response *r;
    JSValue v = http_response_object(ctx, &r);
    if (JS_IsException(v)) {
        mem_free(text);
        return v;
    }
    r->unsent = true;
    r->http.text_block = text;
    r->http.error = text ? text : "";
    r->http.error_code = error_code;
    return v;
}

JSValue http_ask_response(struct ask *k)
{
    struct response *r;
    JSValue v = http_response_object(k->ctx, &r);
    if (JS_IsException(v))
        return v;
    r->url = k->url;
    k->url->refs++;
    r->type = k->type;
    k->response = r;
    return v;
}

int http_ask_run(struct ask *k)
{
    struct response *r = k->response;
    struct rate *rate = k->state->host->run->rate;
    if (rate && rate_wait(rate) < 0)
        return -ECANCELED;
    int rc = http_do(k->state->client, &k->req, &r->http);
    r->sent = k->sent;
    k->sent = NULL;
    if (r->sent)
        r->sent->body_len = (int64_t)k->req.body.len;
    r->shows_no_user = k->req.auth == HTTP_AUTH_DIGEST;
    if (rc == 0) {
        if (r->http.redirect_refused && !k->redirects_set)
            warn_redirects(k);
        return 0;
    }
    if (rc == -ECANCELED || rc == E_UNSUPPORTED || k->throws)
        return rc;
    http_warn_failed("Request Failed", err_message());
    return 0;
}

/* The text of a method that needn't be kept: NULL ptr when it isn't one of the usual ones. */
static struct str static_method(struct str method)
{
    static const char *const names[] = {"GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqz(method, names[i]))
            return str_of(names[i]);
    return STR_EMPTY;
}

void http_ask_init(struct ask *k, JSContext *ctx, struct str method)
{
    memset(k, 0, offsetof(struct ask, tags));
    k->ctx = ctx;
    k->state = js_api_state(ctx, JS_API_HTTP);
    k->no_method = method.len == 0; /* which is a GET */
    struct str usual = k->no_method ? STR("GET") : static_method(method);
    k->own_method = !usual.ptr;
    k->req.method = usual.ptr ? usual : method;
    k->base = k->state->host->tags;
    buf_init(&k->cookies, HTTP_REQUEST_HEAD_MAX);
    buf_init(&k->first_cookies, HTTP_REQUEST_HEAD_MAX);
}

void http_ask_fini(struct ask *k)
{
    url_entry_unref(k->url);
    sent_fini(JS_GetRuntime(k->ctx), k->sent);
    jar_ref_unref(k->jar);
    expected_unref(k->expected_ref);
    js_text_fini(&k->body);
    buf_fini(&k->cookies);
    buf_fini(&k->first_cookies);
    mem_free(k->replace);
    if (k->has_tags)
        js_tags_fini(&k->tags);
}

/* All but a plain GET has a struct sent. */
static int note_method(struct ask *k)
{
    if (!k->own_method && !k->no_method && str_eqz(k->req.method, "GET"))
        return 0;
    struct sent *s = http_ask_sent(k);
    if (!s)
        return -1;
    if (k->no_method)
        s->method = STR_EMPTY;
    if (k->own_method)
        s->method = sent_text(s, k->req.method);
    return 0;
}

/* The script can't let go of what it asks with while it waits, but else it can. */
static void keep_expected(struct ask *k)
{
    if (!k->expected)
        return;
    k->expected_ref = k->expected;
    k->expected_ref->refs++;
}

int http_ask_read(struct ask *k, JSValueConst url, JSValueConst body, JSValueConst params)
{
    const struct js_run_options *run = k->state->host->run;
    k->type = run->discard_response_bodies ? RESPONSE_NONE : RESPONSE_TEXT;
    k->throws = run->throw_errors;
    k->redirects_set = run->max_redirects_set;
    k->req.max_redirects = run->max_redirects;
    k->timeout_ns = TIMEOUT_DEFAULT_NS;
    k->expected = k->state->expected;
    k->callback_off = k->state->callback_off;

    int rc = read_url(k, url);
    if (rc == 0)
        rc = note_method(k);
    if (rc == 0)
        rc = read_body(k, body);
    if (rc == 0)
        rc = read_params(k, params);
    if (rc == 0 && need_client(k) < 0) {
        JS_ThrowOutOfMemory(k->ctx);
        rc = -1;
    }
    if (rc == 0)
        rc = settle(k);
    if (rc != 0)
        return rc;
    keep_expected(k);
    warn_length(k);
    return 0;
}

/* Sends it, and waits for the answer. */
static JSValue send(struct ask *k)
{
    JSValue v = http_ask_response(k);
    if (JS_IsException(v))
        return v;
    int rc = http_ask_run(k);
    if (rc == 0)
        return v;
    JS_FreeValue(k->ctx, v);
    return js_throw_err(k->ctx, rc);
}

/* It was no request: k6's response for that, or an exception. */
static JSValue refuse(struct ask *k)
{
    if (k->state->host->run->throw_errors)
        return js_throw(k->ctx, "%s", err_message());
    http_warn_failed("Request Failed", err_message());
    return http_ask_unsent(k->ctx, k->error_code, err_message());
}

static JSValue request(JSContext *ctx, struct str method, JSValueConst url, JSValueConst body,
                       JSValueConst params)
{
    if (!js_not_in_init(ctx, "Making http requests"))
        return JS_EXCEPTION;
    struct ask k;
    http_ask_init(&k, ctx, method);
    int rc = http_ask_read(&k, url, body, params);
    JSValue v = rc == 0 ? send(&k) : rc == ASK_BAD ? refuse(&k) : JS_EXCEPTION;
    http_ask_fini(&k);
    return v;
}

enum verb { VERB_GET, VERB_HEAD, VERB_POST, VERB_PUT, VERB_PATCH, VERB_DEL, VERB_OPTIONS };

static struct str verb_method(int verb)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    return str_of(names[verb]);
}

/* get(url, [params]), head(url, [params]) */
static JSValue http_bodiless(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                             int verb)
{
    (void)this_val;
    if (argc > 2)
        log_warning("http.%s only accepts a url and an optional params argument. %d extra "
                    "argument(s) will be ignored.",
                    verb == VERB_GET ? "get" : "head", argc - 2);
    return request(ctx, verb_method(verb), js_arg(argc, argv, 0), JS_UNDEFINED,
                   js_arg(argc, argv, 1));
}

/* post(url, [body], [params]) and the like */
static JSValue http_verb(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                         int verb)
{
    (void)this_val;
    return request(ctx, verb_method(verb), js_arg(argc, argv, 0), js_arg(argc, argv, 1),
                   js_arg(argc, argv, 2));
}

/* request(method, url, [body], [params]) */
static JSValue http_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_text_fini) struct js_text method = {0};
    JSValueConst v = js_arg(argc, argv, 0);
    if (!js_is_nullish(v) && js_text_of(ctx, v, &method) < 0)
        return JS_EXCEPTION;
    return request(ctx, method.s, js_arg(argc, argv, 1), js_arg(argc, argv, 2),
                   js_arg(argc, argv, 3));
}

/* ---- expected statuses and jars ------------------------------------------------------------- */

void expected_unref(struct expected *e)
{
    if (e && --e->refs == 0)
        mem_free(e);
}

static void expected_finalizer(JSRuntime *rt, JSValue v)
{
    (void)rt;
    expected_unref(JS_GetOpaque(v, expected_class));
}

/* True for a number without fraction; like Number.isInteger(). */
static bool is_integer(JSContext *ctx, JSValueConst v, int *ret)
{
    double d;
    if (!JS_IsNumber(v) || JS_ToFloat64(ctx, &d, v) < 0 || !(d >= INT32_MIN && d <= INT32_MAX) ||
        d != (double)(int)d)
        return false;
    *ret = (int)d;
    return true;
}

static int read_range(JSContext *ctx, JSValueConst v, int number, struct expected_range *ret)
{
    if (is_integer(ctx, v, &ret->min)) {
        ret->max = ret->min;
        return 0;
    }
    JSValue min = JS_IsObject(v) ? JS_GetPropertyStr(ctx, v, "min") : JS_UNDEFINED;
    JSValue max = JS_IsObject(v) ? JS_GetPropertyStr(ctx, v, "max") : JS_UNDEFINED;
    bool there = !JS_IsUndefined(min) && !JS_IsUndefined(max);
    bool good = is_integer(ctx, min, &ret->min) && is_integer(ctx, max, &ret->max);
    JS_FreeValue(ctx, min);
    JS_FreeValue(ctx, max);
    if (good)
        return 0;
    if (there)
        js_throw(ctx, "both min and max need to be integers for argument number %d", number);
    else
        js_throw(ctx,
                 "argument number %d to expectedStatuses was neither an integer nor an object like "
                 "{min:100, max:329}",
                 number);
    return -1;
}

static JSValue http_expected_statuses(JSContext *ctx, JSValueConst this_val, int argc,
                                      JSValueConst *argv)
{
    (void)this_val;
    if (argc == 0)
        return js_throw(ctx, "no arguments");
    struct expected *e = mem_calloc(1, sizeof *e + (size_t)argc * sizeof e->ranges[0]);
    if (!e)
        return JS_ThrowOutOfMemory(ctx);
    e->refs = 1;
    e->len = (uint32_t)argc;
    for (int i = 0; i < argc; i++)
        if (read_range(ctx, argv[i], i + 1, &e->ranges[i]) < 0) {
            expected_unref(e);
            return JS_EXCEPTION;
        }
    JSValue v = JS_NewObjectClass(ctx, (int)expected_class);
    if (JS_IsException(v))
        expected_unref(e);
    else
        JS_SetOpaque(v, e);
    return v;
}

static JSValue http_set_response_callback(JSContext *ctx, JSValueConst this_val, int argc,
                                          JSValueConst *argv)
{
    (void)this_val;
    struct http_state *s = js_api_state(ctx, JS_API_HTTP);
    JSValueConst v = js_arg(argc, argv, 0);
    struct expected *e = JS_GetOpaque(v, expected_class);
    if (!e && !js_is_nullish(v))
        return js_throw(ctx, "unsupported argument, expected http.expectedStatuses");
    if (e)
        e->refs++;
    expected_unref(s->expected);
    s->expected = e;
    s->callback_off = !e;
    return JS_UNDEFINED;
}

static JSValue http_cookie_jar(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    struct http_state *s = js_api_state(ctx, JS_API_HTTP);
    if (!js_not_in_init(ctx, "Making cookie jars"))
        return JS_EXCEPTION;
    if (!s->jar)
        s->jar = jar_ref_new();
    return s->jar ? http_jar_object(ctx, s->jar) : JS_ThrowOutOfMemory(ctx);
}

/* ---- the module ----------------------------------------------------------------------------- */

static void *http_open(JSContext *ctx)
{
    static const char *const params[PARAM_LEN] = {
        [PARAM_HEADERS] = "headers",
        [PARAM_TAGS] = "tags",
        [PARAM_TIMEOUT] = "timeout",
        [PARAM_REDIRECTS] = "redirects",
        [PARAM_RESPONSE_TYPE] = "responseType",
        [PARAM_COOKIES] = "cookies",
        [PARAM_JAR] = "jar",
        [PARAM_AUTH] = "auth",
        [PARAM_COMPRESSION] = "compression",
        [PARAM_RESPONSE_CALLBACK] = "responseCallback",
        [PARAM_THROW] = "throw",
    };
    struct http_state *s = mem_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->host = js_host_of(ctx);
    for (int i = 0; i < URL_KEY_SLOTS; i++)
        s->url_keys[i].key = JS_UNDEFINED;
    for (size_t i = 0; i < ARRAY_LEN(s->methods); i++)
        s->methods[i] = JS_UNDEFINED;
    for (int i = 0; i < PARAM_LEN; i++)
        s->params[i] = JS_NewAtom(ctx, params[i]);
    return s;
}

static void http_close(JSContext *ctx, void *state)
{
    struct http_state *s = state;
    http_client_free(s->client);
    jar_ref_unref(s->jar);
    expected_unref(s->expected);
    for (int i = 0; i < URL_KEY_SLOTS; i++) {
        JS_FreeValue(ctx, s->url_keys[i].key);
        url_entry_unref(s->url_keys[i].url);
    }
    for (int i = 0; i < URL_SLOTS; i++)
        url_entry_unref(s->urls[i]);
    for (size_t i = 0; i < ARRAY_LEN(s->methods); i++)
        JS_FreeValue(ctx, s->methods[i]);
    for (int i = 0; i < FIELD_LEN; i++)
        JS_FreeAtom(ctx, s->fields[i]);
    for (int i = 0; i < PARAM_LEN; i++)
        JS_FreeAtom(ctx, s->params[i]);
    mem_free(s);
}

static void http_begin_iteration(void *state)
{
    struct http_state *s = state;
    if (!s->jar || s->host->run->no_cookies_reset)
        return;
    if (s->jar->refs == 1) {
        cookie_jar_clear(s->jar->jar);
    } else { /* the script still holds the old one */
        jar_ref_unref(s->jar);
        s->jar = NULL;
    }
}

static void http_close_idle(void *state)
{
    struct http_state *s = state;
    if (s->client)
        http_client_close_idle(s->client);
}

static int http_fill(JSContext *ctx, JSValueConst object)
{
    static const JSClassDef url_def = {.class_name = "URL", .finalizer = url_finalizer};
    static const JSClassDef expected_def = {.class_name = "ExpectedStatuses",
                                            .finalizer = expected_finalizer};
    if (js_class_register(ctx, &url_class, &url_def) < 0 ||
        js_class_register(ctx, &expected_class, &expected_def) < 0 ||
        http_response_register(ctx) < 0 || http_file_register(ctx) < 0)
        return -1;
    JSClassID plain[] = {url_class, expected_class};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        JS_SetClassProto(ctx, plain[i], JS_GetPrototype(ctx, object));
    JSValue jar = http_jar_constructor(ctx);
    if (JS_IsException(jar))
        return -1;
    return JS_DefinePropertyValueStr(ctx, object, "CookieJar", jar, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

#define VERB(name, length, function, verb) JS_API_MAGIC_FUNC(name, length, function, verb)
#define TEXT(name, text)                   JS_PROP_STRING_DEF(name, text, JS_PROP_ENUMERABLE)

static const JSCFunctionListEntry http_list[] = {
    JS_API_FUNC("url", 1, http_url),
    JS_API_FUNC("cookieJar", 0, http_cookie_jar),
    JS_API_FUNC("file", 3, http_file),
    VERB("get", 2, http_bodiless, VERB_GET),
    VERB("head", 2, http_bodiless, VERB_HEAD),
    VERB("post", 3, http_verb, VERB_POST),
    VERB("put", 3, http_verb, VERB_PUT),
    VERB("patch", 3, http_verb, VERB_PATCH),
    VERB("del", 3, http_verb, VERB_DEL),
    VERB("options", 3, http_verb, VERB_OPTIONS),
    JS_API_FUNC("request", 4, http_request),
    JS_API_FUNC("asyncRequest", 4, http_async_request),
    JS_API_FUNC("batch", 1, http_batch),
    JS_API_FUNC("setResponseCallback", 1, http_set_response_callback),
    JS_API_FUNC("expectedStatuses", 1, http_expected_statuses),
    TEXT("TLS_1_0", "tls1.0"),
    TEXT("TLS_1_1", "tls1.1"),
    TEXT("TLS_1_2", "tls1.2"),
    TEXT("TLS_1_3", "tls1.3"),
    TEXT("OCSP_STATUS_GOOD", "good"),
    TEXT("OCSP_STATUS_REVOKED", "revoked"),
    TEXT("OCSP_STATUS_SERVER_FAILED", "server_failed"),
    TEXT("OCSP_STATUS_UNKNOWN", "unknown"),
    TEXT("OCSP_REASON_UNSPECIFIED", "unspecified"),
    TEXT("OCSP_REASON_KEY_COMPROMISE", "key_compromise"),
    TEXT("OCSP_REASON_CA_COMPROMISE", "ca_compromise"),
    TEXT("OCSP_REASON_AFFILIATION_CHANGED", "affiliation_changed"),
    TEXT("OCSP_REASON_SUPERSEDED", "superseded"),
    TEXT("OCSP_REASON_CESSATION_OF_OPERATION", "cessation_of_operation"),
    TEXT("OCSP_REASON_CERTIFICATE_HOLD", "certificate_hold"),
    TEXT("OCSP_REASON_REMOVE_FROM_CRL", "remove_from_crl"),
    TEXT("OCSP_REASON_PRIVILEGE_WITHDRAWN", "privilege_withdrawn"),
    TEXT("OCSP_REASON_AA_COMPROMISE", "aa_compromise"),
};

static const char *const http_more[] = {"CookieJar", NULL};

const struct js_api_module js_api_http = {
    .id = JS_API_HTTP,
    .name = "k6/http",
    .list = http_list,
    .list_len = (int)ARRAY_LEN(http_list),
    .more = http_more,
    .fill = http_fill,
    .open = http_open,
    .close = http_close,
    .begin_iteration = http_begin_iteration,
    .close_idle_connections = http_close_idle,
};
