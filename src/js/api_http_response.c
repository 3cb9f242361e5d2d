/*
 * The Response object: k6's own enumerable properties, made when they are read.
 *
 * The class answers for its fields by exotic methods, from value[] or from what came over the wire.
 * A field that the script assigns to is kept in value[]; one that it deletes, or defines as
 * something else than a plain value, becomes the business of the object's ordinary properties.
 */
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/api_http.h"

static JSClassID response_class;

void url_entry_unref(struct url_entry *e)
{
    if (!e || --e->refs > 0)
        return;
    url_fini(&e->url);
    mem_free(e->texts);
    mem_free(e);
}

void sent_fini(JSRuntime *rt, struct sent *s)
{
    if (!s)
        return;
    JS_FreeValueRT(rt, s->body_value);
    buf_fini(&s->texts);
    buf_fini(&s->body_bytes);
    mem_free(s->headers);
    mem_free(s->cookies);
    mem_free(s);
}

/* ---- values of fields ----------------------------------------------------------------------- */

static int set(JSContext *ctx, JSValueConst object, const char *name, JSValue v)
{
    return JS_IsException(v) ? -1 : JS_DefinePropertyValueStr(ctx, object, name, v, JS_PROP_C_W_E);
}

static int set_str(JSContext *ctx, JSValueConst object, const char *name, struct str s)
{
    return set(ctx, object, name, http_text(ctx, s));
}

static int set_at(JSContext *ctx, JSValueConst object, struct str name, JSValue v)
{
    JSAtom atom = JS_IsException(v) ? JS_ATOM_NULL : JS_NewAtomLen(ctx, name.ptr, name.len);
    if (atom == JS_ATOM_NULL) {
        JS_FreeValue(ctx, v);
        return -1;
    }
    int rc = JS_DefinePropertyValue(ctx, object, atom, v, JS_PROP_C_W_E);
    JS_FreeAtom(ctx, atom);
    return rc;
}

/* `object` when nothing failed, else the pending exception. */
static JSValue done(JSContext *ctx, JSValue object, int rc)
{
    if (rc >= 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

/* The list under `name`, made when it isn't there: a new reference. */
static JSValue list_at(JSContext *ctx, JSValueConst object, struct str name, uint32_t *ret_len)
{
    JSAtom atom = JS_NewAtomLen(ctx, name.ptr, name.len);
    JSPropertyDescriptor d;
    int has = atom == JS_ATOM_NULL ? -1 : JS_GetOwnProperty(ctx, &d, object, atom);
    JS_FreeAtom(ctx, atom);
    if (has < 0)
        return JS_EXCEPTION;
    *ret_len = 0;
    if (has == 0) {
        JSValue list = JS_NewArray(ctx);
        return set_at(ctx, object, name, JS_DupValue(ctx, list)) < 0 ? done(ctx, list, -1) : list;
    }
    JSValue length = JS_GetPropertyStr(ctx, d.value, "length");
    int rc = JS_ToUint32(ctx, ret_len, length);
    JS_FreeValue(ctx, length);
    return done(ctx, d.value, rc);
}

static int push_at(JSContext *ctx, JSValueConst object, struct str name, JSValue v)
{
    uint32_t len = 0;
    JSValue list = JS_IsException(v) ? JS_EXCEPTION : list_at(ctx, object, name, &len);
    if (JS_IsException(list)) {
        JS_FreeValue(ctx, v);
        return -1;
    }
    int rc = JS_DefinePropertyValueUint32(ctx, list, len, v, JS_PROP_C_W_E);
    JS_FreeValue(ctx, list);
    return rc;
}

/* All values of one name, joined by ", " as k6 does it. */
static int set_header(JSContext *ctx, JSValueConst object, const struct http_response *r,
                      struct http_header first, size_t cursor)
{
    struct http_header other;
    CLEANUP(buf_fini) struct buf joined;
    buf_init(&joined, SIZE_MAX / 2);
    while (http_response_next(r, &cursor, &other)) {
        if (!str_eq(other.name, first.name))
            continue;
        if (joined.len == 0)
            buf_str(&joined, first.value);
        buf_str(&joined, STR(", "));
        buf_str(&joined, other.value);
    }
    struct str all = joined.len > 0 ? buf_view(&joined) : first.value;
    return set_at(ctx, object, first.name, http_text(ctx, all));
}

/* What the connection is about and not the answer: k6's HTTP library keeps these to itself. */
static bool is_framing(const struct http_header *h)
{
    return str_eqz(h->name, "Transfer-Encoding") ||
           (str_eqz(h->name, "Connection") && str_ieq(h->value, STR("close")));
}

static JSValue make_headers(JSContext *ctx, const struct http_response *r)
{
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    struct http_header h;
    size_t cursor = 0;
    while (rc >= 0 && http_response_next(r, &cursor, &h)) {
        if (is_framing(&h))
            continue;
        JSAtom atom = JS_NewAtomLen(ctx, h.name.ptr, h.name.len);
        int has = JS_GetOwnProperty(ctx, NULL, object, atom);
        JS_FreeAtom(ctx, atom);
        rc = has != 0 ? has : set_header(ctx, object, r, h, cursor);
    }
    return done(ctx, object, rc);
}

/* What Go's zero time is as Unix milliseconds, after its overflow: k6 shows it for "no date". */
#define NO_DATE_MS (-6795364578871.0)

static JSValue make_cookie(JSContext *ctx, const struct http_cookie *c)
{
    JSValue object = JS_NewObject(ctx);
    int rc = set_str(ctx, object, "name", c->name);
    rc = rc < 0 ? rc : set_str(ctx, object, "value", c->value);
    rc = rc < 0 ? rc : set_str(ctx, object, "domain", c->domain);
    rc = rc < 0 ? rc : set_str(ctx, object, "path", c->path);
    rc = rc < 0 ? rc : set(ctx, object, "http_only", JS_NewBool(ctx, c->http_only));
    rc = rc < 0 ? rc : set(ctx, object, "secure", JS_NewBool(ctx, c->secure));
    rc = rc < 0 ? rc : set(ctx, object, "max_age", JS_NewInt64(ctx, c->max_age_s));
    double expires = c->has_expires ? (double)c->expires_s * 1000.0 : NO_DATE_MS;
    rc = rc < 0 ? rc : set(ctx, object, "expires", JS_NewFloat64(ctx, expires));
    return done(ctx, object, rc);
}

static JSValue make_cookies(JSContext *ctx, const struct http_response *r)
{
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    struct http_header h;
    size_t cursor = 0;
    while (rc >= 0 && http_response_next(r, &cursor, &h)) {
        struct http_cookie c;
        if (str_eq(h.name, STR("Set-Cookie")) && cookie_parse(h.value, &c))
            rc = push_at(ctx, object, c.name, make_cookie(ctx, &c));
    }
    return done(ctx, object, rc);
}

static double ms(int64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

static JSValue make_timings(JSContext *ctx, const struct http_timings *t)
{
    const struct {
        const char *name;
        double value;
    } all[] = {
        {"duration", ms(http_timings_duration_ns(t))},
        {"blocked", ms(t->blocked_ns)},
        {"looking_up", 0},
        {"connecting", ms(t->connecting_ns)},
        {"tls_handshaking", ms(t->tls_handshaking_ns)},
        {"sending", ms(t->sending_ns)},
        {"waiting", ms(t->waiting_ns)},
        {"receiving", ms(t->receiving_ns)},
    };
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(all) && rc >= 0; i++)
        rc = set(ctx, object, all[i].name, JS_NewFloat64(ctx, all[i].value));
    return done(ctx, object, rc);
}

static JSValue make_ocsp(JSContext *ctx, const struct response *r)
{
    const struct ocsp *o = &r->http.ocsp;
    const struct {
        const char *name;
        int64_t value;
    } times[] = {
        {"produced_at", o->produced_s},
        {"this_update", o->this_update_s},
        {"next_update", o->next_update_s},
        {"revoked_at", o->revoked_s},
    };
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(times) && rc >= 0; i++)
        rc = set(ctx, object, times[i].name, JS_NewInt64(ctx, times[i].value));
    rc = rc < 0 ? rc : set_str(ctx, object, "revocation_reason", str_of(o->reason));
    struct str unstapled = r->http.tls_version ? STR("unknown") : STR_EMPTY;
    rc = rc < 0 ? rc : set_str(ctx, object, "status", o->status ? str_of(o->status) : unstapled);
    return done(ctx, object, rc);
}

static JSValue sent_body(JSContext *ctx, const struct sent *s)
{
    struct str bytes = s ? buf_view(&s->body_bytes) : STR_EMPTY;
    if (s && JS_IsString(s->body_value))
        return JS_DupValue(ctx, s->body_value);
    if (s && !JS_IsUndefined(s->body_value))
        (void)js_bytes_of(ctx, s->body_value, &bytes);
    return http_text(ctx, bytes);
}

/* The header Cookie as it was sent: the script's own, then the cookies. */
static int set_cookie_header(JSContext *ctx, JSValueConst headers, const struct sent *s)
{
    CLEANUP(buf_fini) struct buf line;
    buf_init(&line, HTTP_REQUEST_HEAD_MAX);
    for (size_t i = 0; i < s->headers_len; i++)
        if (str_eqz(s->headers[i].name, "Cookie"))
            buf_str(&line, s->headers[i].value);
    for (size_t i = 0; i + 2 < s->cookies_len; i += 3)
        cookie_append_pair(&line, s->cookies[i], s->cookies[i + 1]);
    if (line.err || s->cookies_len == 0)
        return 0;
    JSValue list = JS_NewArray(ctx);
    int rc =
        JS_DefinePropertyValueUint32(ctx, list, 0, http_text(ctx, buf_view(&line)), JS_PROP_C_W_E);
    if (rc >= 0)
        return set_at(ctx, headers, STR("Cookie"), list);
    JS_FreeValue(ctx, list);
    return -1;
}

/* A length that the script gave and that wasn't sent, for it is wrong. */
static bool is_wrong_length(const struct sent *s, const struct http_header *h)
{
    int64_t said;
    return str_eqz(h->name, "Content-Length") &&
           (str_to_i64(h->value, &said) < 0 || said != s->body_len);
}

static JSValue make_request(JSContext *ctx, const struct response *r)
{
    if (r->unsent || !r->url)
        return JS_NULL;
    const struct sent *s = r->sent;
    JSValue object = JS_NewObject(ctx), headers = JS_NewObject(ctx), cookies = JS_NewObject(ctx);
    int rc = set_str(ctx, object, "method", s ? s->method : STR("GET"));
    rc = rc < 0 ? rc : set_str(ctx, object, "url", r->url->url.text);
    bool agent = false;
    for (size_t i = 0; s && i < s->headers_len && rc >= 0; i++) {
        agent = agent || str_eqz(s->headers[i].name, "User-Agent");
        if (is_wrong_length(s, &s->headers[i]))
            continue;
        rc = push_at(ctx, headers, s->headers[i].name, http_text(ctx, s->headers[i].value));
    }
    const char *user_agent = js_host_of(ctx)->run->user_agent;
    if (rc >= 0 && !agent)
        rc = push_at(ctx, headers, STR("User-Agent"), http_text(ctx, str_of(user_agent)));
    if (rc >= 0 && s)
        rc = set_cookie_header(ctx, headers, s);
    for (size_t i = 0; s && i + 2 < s->cookies_len && rc >= 0; i += 3) {
        JSValue cookie = JS_NewObject(ctx);
        rc = set_str(ctx, cookie, "name", s->cookies[i]);
        rc = rc < 0 ? rc : set_str(ctx, cookie, "value", s->cookies[i + 1]);
        rc = rc < 0 ? rc : set(ctx, cookie, "replace", JS_FALSE); /* whatever the script said */
        rc = push_at(ctx, cookies, s->cookies[i], done(ctx, cookie, rc));
    }
    rc = rc < 0 ? rc : set(ctx, object, "headers", JS_DupValue(ctx, headers));
    rc = rc < 0 ? rc : set(ctx, object, "body", sent_body(ctx, s));
    rc = rc < 0 ? rc : set(ctx, object, "cookies", JS_DupValue(ctx, cookies));
    JS_FreeValue(ctx, headers);
    JS_FreeValue(ctx, cookies);
    return done(ctx, object, rc);
}

/* A URL without who is asking: digest has taken it from there. */
static JSValue text_without_user(JSContext *ctx, struct str url)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, URL_TEXT_MAX);
    http_append_without_user(&text, url);
    return text.err ? JS_ThrowOutOfMemory(ctx) : http_text(ctx, buf_view(&text));
}

static JSValue make_body(JSContext *ctx, const struct response *r)
{
    if (r->unsent)
        return JS_NewArray(ctx);
    if (!r->http.has_body || r->type == RESPONSE_NONE)
        return JS_NULL;
    return r->type == RESPONSE_BINARY ? js_new_bytes(ctx, r->http.body)
                                      : http_text(ctx, r->http.body);
}

static JSValue make_field(JSContext *ctx, struct response *r, enum response_field f)
{
    const struct http_response *h = &r->http;
    switch (f) {
    case FIELD_REMOTE_IP:
        return js_new_str(ctx, str_of(h->remote_ip));
    case FIELD_REMOTE_PORT:
        return JS_NewInt32(ctx, h->remote_port);
    case FIELD_URL:
        return r->shows_no_user ? text_without_user(ctx, h->url) : http_text(ctx, h->url);
    case FIELD_STATUS:
        return JS_NewInt32(ctx, h->status);
    case FIELD_STATUS_TEXT:
        return http_text(ctx, h->status_text);
    case FIELD_PROTO:
        return js_new_str(ctx, str_of(h->proto));
    case FIELD_HEADERS:
        return make_headers(ctx, h);
    case FIELD_COOKIES:
        return make_cookies(ctx, h);
    case FIELD_BODY:
        return make_body(ctx, r);
    case FIELD_TIMINGS:
        return make_timings(ctx, &h->timings);
    case FIELD_TLS_VERSION:
        return js_new_str(ctx, str_of(h->tls_version));
    case FIELD_TLS_CIPHER_SUITE:
        return js_new_str(ctx, str_of(h->tls_cipher));
    case FIELD_OCSP:
        return make_ocsp(ctx, r);
    case FIELD_ERROR:
        return http_text(ctx, str_of(h->error));
    case FIELD_ERROR_CODE:
        return JS_NewInt32(ctx, h->error_code);
    case FIELD_REQUEST:
        return make_request(ctx, r);
    case FIELD_CLICK_LINK:
    case FIELD_HTML:
    case FIELD_JSON:
    case FIELD_SUBMIT_FORM: {
        const struct http_state *state = js_api_state(ctx, JS_API_HTTP);
        return JS_DupValue(ctx, state->methods[f - FIELD_METHODS]);
    }
    case FIELD_LEN:
        break;
    }
    return JS_UNDEFINED;
}

/* ---- methods -------------------------------------------------------------------------------- */

/* The field as the script sees it now: a new reference. */
static JSValue field_value(JSContext *ctx, struct response *r, enum response_field f)
{
    if (r->made & 1u << f)
        return JS_DupValue(ctx, r->value[f]);
    JSValue v = make_field(ctx, r, f);
    if (JS_IsException(v))
        return v;
    r->value[f] = JS_DupValue(ctx, v);
    r->made |= 1u << f;
    return v;
}

/* The body's bytes: what came, or what the script has put in their place (kept in *text). */
static int body_bytes(JSContext *ctx, struct response *r, struct js_text *text, struct str *ret)
{
    bool own = !(r->made & 1u << FIELD_BODY) && r->type != RESPONSE_NONE;
    JSValue body = own ? JS_NULL : field_value(ctx, r, FIELD_BODY);
    if (own ? !r->http.has_body : js_is_nullish(body)) {
        js_throw(ctx, "the body is null so we can't transform it to JSON - this likely was because "
                      "of a request error getting the response");
        return -1;
    }
    int rc = 0;
    *ret = r->http.body;
    /* What was made from the bytes is as good as the bytes; they have a NUL behind them. */
    if (r->body_assigned && !js_bytes_of(ctx, body, ret)) {
        rc = js_text_of(ctx, body, text);
        *ret = text->s;
    }
    JS_FreeValue(ctx, body);
    return rc;
}

static JSValue parsed_json(JSContext *ctx, struct response *r)
{
    if (r->json_made)
        return JS_DupValue(ctx, r->json);
    CLEANUP(js_text_fini) struct js_text text = {0};
    struct str body;
    if (body_bytes(ctx, r, &text, &body) < 0)
        return JS_EXCEPTION;
    JSValue v = http_json_parse(ctx, body);
    if (JS_IsException(v))
        return v;
    r->json = JS_DupValue(ctx, v);
    r->json_made = true;
    return v;
}

static JSValue response_json(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct response *r = JS_GetOpaque2(ctx, this_val, response_class);
    if (!r)
        return JS_EXCEPTION;
    JSValue v = parsed_json(ctx, r);
    if (argc == 0 || JS_IsUndefined(argv[0]))
        return v;
    if (JS_IsException(v)) {
        bool null = !r->http.has_body;
        if (null)
            return v;
        JS_FreeValue(ctx, JS_GetException(ctx)); /* not JSON: nothing to be found in it */
        return JS_UNDEFINED;
    }
    CLEANUP(js_text_fini) struct js_text path = {0};
    JSValue found =
        js_text_of(ctx, argv[0], &path) < 0 ? JS_EXCEPTION : http_json_select(ctx, v, path.s);
    JS_FreeValue(ctx, v);
    return found;
}

static JSValue response_absent(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                               int magic)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    const char *name = magic == FIELD_HTML         ? "html"
                       : magic == FIELD_CLICK_LINK ? "clickLink"
                                                   : "submitForm";
    return js_throw(ctx, "Response.%s() of k6/http isn't there yet", name);
}

/* ---- the class ------------------------------------------------------------------------------ */

static const char *const field_names[FIELD_LEN] = {
    "remote_ip",   "remote_port",      "url",     "status", "status_text",
    "proto",       "headers",          "cookies", "body",   "timings",
    "tls_version", "tls_cipher_suite", "ocsp",    "error",  "error_code",
    "request",     "clickLink",        "html",    "json",   "submitForm",
};

/* The field of that name, or FIELD_LEN. */
static enum response_field field_of(const struct http_state *s, JSAtom atom)
{
    for (uint32_t at = atom % FIELD_SLOTS; s->field_slots[at] != 0; at = (at + 1) % FIELD_SLOTS)
        if (s->fields[s->field_slots[at] - 1] == atom)
            return (enum response_field)(s->field_slots[at] - 1);
    return FIELD_LEN;
}

static struct response *field_at(JSContext *ctx, JSValueConst obj, JSAtom atom,
                                 enum response_field *ret)
{
    struct response *r = JS_GetOpaque(obj, response_class);
    *ret = field_of(js_api_state(ctx, JS_API_HTTP), atom);
    return *ret == FIELD_LEN || r->deleted & 1u << *ret ? NULL : r;
}

static int field_flags(const struct response *r, enum response_field f)
{
    int flags = JS_PROP_C_W_E;
    if (r->readonly & 1u << f)
        flags &= ~JS_PROP_WRITABLE;
    if (r->fixed & 1u << f)
        flags &= ~JS_PROP_CONFIGURABLE;
    return flags;
}

static int get_own_property(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst obj,
                            JSAtom atom)
{
    enum response_field f;
    struct response *r = field_at(ctx, obj, atom, &f);
    if (!r)
        return 0;
    if (!desc)
        return 1;
    desc->value = f == FIELD_STATUS && !(r->made & 1u << FIELD_STATUS)
                      ? JS_NewInt32(ctx, r->http.status)
                      : field_value(ctx, r, f);
    if (JS_IsException(desc->value))
        return -1;
    desc->flags = field_flags(r, f);
    desc->getter = JS_UNDEFINED;
    desc->setter = JS_UNDEFINED;
    return 1;
}

static int get_own_property_names(JSContext *ctx, JSPropertyEnum **ret, uint32_t *ret_len,
                                  JSValueConst obj)
{
    const struct http_state *s = js_api_state(ctx, JS_API_HTTP);
    const struct response *r = JS_GetOpaque(obj, response_class);
    JSPropertyEnum *list = js_malloc(ctx, sizeof *list * FIELD_LEN);
    if (!list)
        return -1;
    uint32_t len = 0;
    for (uint32_t f = 0; f < FIELD_LEN; f++)
        if (!(r->deleted & 1u << f))
            list[len++] =
                (JSPropertyEnum){.is_enumerable = 1, .atom = JS_DupAtom(ctx, s->fields[f])};
    *ret = list;
    *ret_len = len;
    return 0;
}

static void drop_field(JSContext *ctx, struct response *r, enum response_field f)
{
    if (r->made & 1u << f)
        JS_FreeValue(ctx, r->value[f]);
    r->made &= ~(1u << f);
    r->deleted |= 1u << f;
}

static int delete_property(JSContext *ctx, JSValueConst obj, JSAtom atom)
{
    enum response_field f;
    struct response *r = field_at(ctx, obj, atom, &f);
    if (!r)
        return 1;
    if (r->fixed & 1u << f)
        return 0;
    drop_field(ctx, r, f);
    return 1;
}

static int refuse_define(JSContext *ctx, int flags, const char *what)
{
    if (flags & JS_PROP_THROW || flags & JS_PROP_THROW_STRICT) {
        JS_ThrowTypeError(ctx, "%s", what);
        return -1;
    }
    return 0;
}

/* A field gets a new value, or new flags (Object.freeze). */
static int define_field(JSContext *ctx, struct response *r, enum response_field f,
                        JSValueConst value, int flags)
{
    if (flags & JS_PROP_HAS_VALUE) {
        if (r->readonly & 1u << f)
            return refuse_define(ctx, flags, "property is read-only");
        if (r->made & 1u << f)
            JS_FreeValue(ctx, r->value[f]);
        r->value[f] = JS_DupValue(ctx, value);
        r->made |= 1u << f;
        if (f == FIELD_BODY) {
            r->body_assigned = true;
            if (r->json_made)
                JS_FreeValue(ctx, r->json);
            r->json_made = false;
        }
    }
    if (flags & JS_PROP_HAS_WRITABLE && !(flags & JS_PROP_WRITABLE))
        r->readonly |= 1u << f;
    if (flags & JS_PROP_HAS_CONFIGURABLE && !(flags & JS_PROP_CONFIGURABLE))
        r->fixed |= 1u << f;
    return 1;
}

static int define_own_property(JSContext *ctx, JSValueConst obj, JSAtom atom, JSValueConst value,
                               JSValueConst getter, JSValueConst setter, int flags)
{
    enum response_field f;
    struct response *r = field_at(ctx, obj, atom, &f);
    bool plain = !(flags & (JS_PROP_HAS_GET | JS_PROP_HAS_SET)) &&
                 (!(flags & JS_PROP_HAS_ENUMERABLE) || flags & JS_PROP_ENUMERABLE);
    if (r && plain)
        return define_field(ctx, r, f, value, flags);
    struct response *whole = JS_GetOpaque(obj, response_class);
    if (r && r->fixed & 1u << f)
        return refuse_define(ctx, flags, "property is not configurable");
    if (r)
        drop_field(ctx, r, f);
    else if (whole->sealed)
        return refuse_define(ctx, flags, "object is not extensible");
    return JS_DefineProperty(ctx, obj, atom, value, getter, setter, flags | JS_PROP_NO_EXOTIC);
}

static int is_extensible(JSContext *ctx, JSValueConst obj)
{
    (void)ctx;
    return !((const struct response *)JS_GetOpaque(obj, response_class))->sealed;
}

static int prevent_extensions(JSContext *ctx, JSValueConst obj)
{
    (void)ctx;
    ((struct response *)JS_GetOpaque(obj, response_class))->sealed = true;
    return 1;
}

static void response_finalizer(JSRuntime *rt, JSValue v)
{
    struct response *r = JS_GetOpaque(v, response_class);
    if (!r)
        return;
    for (uint32_t f = 0, made = r->made; made != 0; f++, made >>= 1)
        if (made & 1)
            JS_FreeValueRT(rt, r->value[f]);
    if (r->json_made)
        JS_FreeValueRT(rt, r->json);
    http_response_fini(&r->http);
    url_entry_unref(r->url);
    sent_fini(rt, r->sent);
    js_free_rt(rt, r);
}

static void response_mark(JSRuntime *rt, JSValueConst v, JS_MarkFunc *mark)
{
    const struct response *r = JS_GetOpaque(v, response_class);
    if (!r)
        return;
    for (uint32_t f = 0, made = r->made; made != 0; f++, made >>= 1)
        if (made & 1)
            JS_MarkValue(rt, r->value[f], mark);
    if (r->json_made)
        JS_MarkValue(rt, r->json, mark);
    if (r->sent)
        JS_MarkValue(rt, r->sent->body_value, mark);
}

static JSClassExoticMethods response_exotic = {
    .get_own_property = get_own_property,
    .get_own_property_names = get_own_property_names,
    .delete_property = delete_property,
    .define_own_property = define_own_property,
    .is_extensible = is_extensible,
    .prevent_extensions = prevent_extensions,
};

static int make_methods(JSContext *ctx, struct http_state *s)
{
    for (int f = FIELD_METHODS; f < FIELD_LEN; f++) {
        JSValue *slot = &s->methods[f - FIELD_METHODS];
        if (f == FIELD_JSON)
            *slot = JS_NewCFunction(ctx, response_json, field_names[f], 1);
        else
            *slot = JS_NewCFunctionMagic(ctx, response_absent, field_names[f], 1,
                                         JS_CFUNC_generic_magic, f);
        if (JS_IsException(*slot))
            return -1;
    }
    return 0;
}

int http_response_register(JSContext *ctx)
{
    static const JSClassDef def = {
        .class_name = "Response",
        .finalizer = response_finalizer,
        .gc_mark = response_mark,
        .exotic = &response_exotic,
    };
    if (js_class_register(ctx, &response_class, &def) < 0)
        return -1;
    JSValue object = JS_NewObject(ctx);
    JS_SetClassProto(ctx, response_class, JS_GetPrototype(ctx, object));
    JS_FreeValue(ctx, object);
    struct http_state *s = js_api_state(ctx, JS_API_HTTP);
    for (uint32_t f = 0; f < FIELD_LEN; f++) {
        s->fields[f] = JS_NewAtom(ctx, field_names[f]);
        if (s->fields[f] == JS_ATOM_NULL)
            return -1;
        uint32_t at = s->fields[f] % FIELD_SLOTS;
        while (s->field_slots[at] != 0)
            at = (at + 1) % FIELD_SLOTS;
        s->field_slots[at] = (uint8_t)(f + 1);
    }
    return make_methods(ctx, s);
}

JSValue http_response_object(JSContext *ctx, struct response **ret)
{
    struct response *r = js_malloc(ctx, sizeof *r);
    if (!r)
        return JS_EXCEPTION;
    /* value[] is valid by `made` only: not worth clearing. */
    memset(r, 0, offsetof(struct response, value));
    r->http.error = "";
    JSValue v = JS_NewObjectClass(ctx, (int)response_class);
    if (JS_IsException(v)) {
        js_free(ctx, r);
        return v;
    }
    JS_SetOpaque(v, r);
    *ret = r;
    return v;
}
