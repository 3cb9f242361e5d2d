/*
 * api_http - the inside of k6/http: what its files share.
 *
 * api_http.c reads what the script asks for and sends it; api_http_response.c is the Response
 * object; api_http_json.c its json(); api_http_jar.c the CookieJar.  k6-surface 2.4, 2.5, 4.2.
 */
#ifndef JS_API_HTTP_H
#define JS_API_HTTP_H

#include "base/attr.h"
#include "base/buf.h"
#include "client/cookie.h"
#include "client/http.h"
#include "codec/url.h"
#include "js/api.h"
#include "metrics/tags.h"

#include <quickjs.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- URLs ---------------------------------------------------------------------------------- */

/* The tags of the last plain answer from a URL: looked up again only when something differs. */
struct url_tags {
    struct tagset *base, *result; /* NULL: none yet */
    int status;
    int8_t expected; /* as http_sample.failed; */
    const char *proto, *tls_version;
    struct str method; /* static text */
};

/* A URL that the script has asked for; counted references, from the cache and from responses. */
struct url_entry {
    uint32_t refs;
    struct url url;
    struct str name; /* of http.url`…`: the name tag, in `texts`; NULL ptr: none */
    char *texts;     /* what the script wrote, then the name */
    struct str text;
    struct url_tags tags;
};
void url_entry_unref(struct url_entry *e); /* NULL is fine */

/* The URL of a string of the script, found again by the string's address: literals keep it. */
struct url_key {
    JSValue key; /* held, so that the address stays its own; undefined: empty */
    struct url_entry *url;
};

/* ---- cookie jars --------------------------------------------------------------------------- */

/* A jar that a VU and CookieJar objects of its script may hold at once. */
struct jar_ref {
    uint32_t refs;
    struct cookie_jar *jar;
};
struct jar_ref *jar_ref_new(void); /* NULL: out of memory */
void jar_ref_unref(struct jar_ref *r);

JSValue http_jar_constructor(JSContext *ctx);               /* registers the class as well */
JSValue http_jar_object(JSContext *ctx, struct jar_ref *r); /* takes its own reference */
struct jar_ref *http_jar_of(JSValueConst v);                /* NULL: isn't one */
int64_t http_now_s(void);

/* ---- expected statuses ---------------------------------------------------------------------- */

struct expected_range {
    int min, max;
};
struct expected {
    uint32_t refs;
    uint32_t len;
    struct expected_range ranges[];
};
void expected_unref(struct expected *e);

/* ---- responses ----------------------------------------------------------------------------- */

enum response_type { RESPONSE_TEXT, RESPONSE_BINARY, RESPONSE_NONE };

/* What the script sent, for res.request; texts live in `texts`. */
struct sent {
    struct str method;
    struct http_header *headers;
    size_t headers_len;
    size_t headers_cap;
    struct str *cookies; /* name, value, "1" or "" for replace: three each */
    size_t cookies_len, cookies_cap;
    struct buf texts;      /* what the views above point into */
    struct buf body_bytes; /* a body that was made here */
    JSValue body_value;    /* or the script's own string or buffer; undefined otherwise */
};
void sent_fini(JSRuntime *rt, struct sent *s);

enum response_field {
    FIELD_REMOTE_IP,
    FIELD_REMOTE_PORT,
    FIELD_URL,
    FIELD_STATUS,
    FIELD_STATUS_TEXT,
    FIELD_PROTO,
    FIELD_HEADERS,
    FIELD_COOKIES,
    FIELD_BODY,
    FIELD_TIMINGS,
    FIELD_TLS_VERSION,
    FIELD_TLS_CIPHER_SUITE,
    FIELD_OCSP,
    FIELD_ERROR,
    FIELD_ERROR_CODE,
    FIELD_REQUEST,
    FIELD_CLICK_LINK,
    FIELD_METHODS = FIELD_CLICK_LINK, /* they and all behind are functions */
    FIELD_HTML,
    FIELD_JSON,
    FIELD_SUBMIT_FORM,
    FIELD_LEN,
};

/* A Response object's own memory. */
struct response {
    struct http_response http;
    struct url_entry *url; /* NULL: the request never came so far */
    struct sent *sent;     /* NULL: a GET of `url` with nothing else */
    enum response_type type;
    bool unsent;              /* bad parameters: what k6 gives when nothing was sent */
    bool sealed;              /* no new properties */
    bool body_assigned;       /* by the script: `http.body` isn't it any more */
    uint32_t made;            /* bits of FIELD_*: value[] holds it */
    uint32_t deleted;         /* gone, or a plain property of the object now */
    uint32_t readonly, fixed; /* not writable; not configurable */
    JSValue json;             /* parsed body; valid when json_made */
    bool json_made;
    JSValue value[FIELD_LEN];
};

int http_response_register(JSContext *ctx);
/* An object of the class with an empty struct response, whose members the caller fills in. */
JSValue http_response_object(JSContext *ctx, struct response **ret);

/* ---- json() -------------------------------------------------------------------------------- */

/* The value of the body's text, "buf[len] == 0"; throws k6's words when it isn't JSON. */
JSValue http_json_parse(JSContext *ctx, struct str body);
/* gjson's Get on a parsed value: a new reference, undefined when there is nothing. */
JSValue http_json_select(JSContext *ctx, JSValueConst root, struct str path);
/* A string from a body: each byte that isn't UTF-8 becomes U+FFFD, as in Go. */
JSValue http_text(JSContext *ctx, struct str body);

/* ---- the module in one VM ------------------------------------------------------------------- */

enum { URL_SLOTS = 32, URL_KEY_SLOTS = 16, FIELD_SLOTS = 64 };

enum param_atom {
    PARAM_HEADERS,
    PARAM_TAGS,
    PARAM_TIMEOUT,
    PARAM_REDIRECTS,
    PARAM_RESPONSE_TYPE,
    PARAM_COOKIES,
    PARAM_JAR,
    PARAM_AUTH,
    PARAM_COMPRESSION,
    PARAM_RESPONSE_CALLBACK,
    PARAM_THROW,
    PARAM_LEN,
};

struct http_state {
    struct js_host *host;
    struct http_client *client; /* NULL until the first request */
    struct jar_ref *jar;        /* of this iteration; NULL until one is needed */
    struct expected *expected;  /* what setResponseCallback() gave; NULL: see callback_off */
    bool callback_off;          /* it gave null: no http_req_failed */
    struct url_key url_keys[URL_KEY_SLOTS]; /* by address */
    struct url_entry *urls[URL_SLOTS];      /* by text */
    JSAtom params[PARAM_LEN];
    JSAtom fields[FIELD_LEN];
    uint8_t field_slots[FIELD_SLOTS];           /* FIELD_ + 1 by atom, open addressing */
    JSValue methods[FIELD_LEN - FIELD_METHODS]; /* json() etc., shared by all responses */
};

#endif
