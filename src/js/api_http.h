/*
 * api_http - the inside of k6/http: what its files share.
 *
 * api_http.c reads what the script asks for and sends it; api_http_batch.c sends several at once,
 * api_http_async.c one while the script goes on; api_http_file.c is http.file() and multipart
 * bodies; api_http_response.c is the Response object; api_http_json.c its json(); api_http_jar.c
 * the CookieJar.  k6-surface 2.4, 2.5, 4.2.
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
    const char *proto, *tls_version, *ocsp_status;
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
    int64_t body_len;      /* bytes, once it has been sent */
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
    bool shows_no_user;       /* digest: `url` is without user and password */
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
    bool has_files;             /* http.file() has made some: bodies may hold them */
    struct url_key url_keys[URL_KEY_SLOTS]; /* by address */
    struct url_entry *urls[URL_SLOTS];      /* by text */
    JSAtom params[PARAM_LEN];
    JSAtom fields[FIELD_LEN];
    uint8_t field_slots[FIELD_SLOTS];           /* FIELD_ + 1 by atom, open addressing */
    JSValue methods[FIELD_LEN - FIELD_METHODS]; /* json() etc., shared by all responses */
};

/* ---- a request ------------------------------------------------------------------------------ */

enum { HTTP_DEBUG_ID_BYTES = 37 };

/*
 * What a call of the script asks for.  http_ask_read() makes it of the arguments,
 * http_ask_response() gives it its Response object, http_ask_run() sends it: that one runs on any
 * coroutine of the VM's loop and leaves JavaScript alone.
 */
struct ask {
    JSContext *ctx;
    struct http_state *state;
    struct http_request req;
    struct url_entry *url;     /* our reference */
    struct sent *sent;         /* ours until the response has it; NULL: a plain GET */
    struct response *response; /* what http_ask_run() fills; belongs to its object */
    struct tagset *base;       /* tags of the VU when the script asked */
    enum response_type type;
    int error_code; /* of ASK_BAD */
    bool throws;
    bool redirects_set;
    bool callback_off;   /* responseCallback: null */
    bool answered;       /* a round trip has been made */
    bool no_method;      /* the script gave none */
    bool own_method;     /* not one of the static ones: its text is in `sent` */
    bool script_goes_on; /* while it is under way: bytes of the script's must be copied */
    struct expected *expected;
    struct expected *expected_ref; /* what keeps it */
    struct jar_ref *jar;           /* our reference */
    struct js_text body;           /* the script's string while it is sent */
    struct buf cookies;            /* of params, as they go out */
    struct buf first_cookies; /* with the jar's behind, when there are some; of the first hop */
    struct str *replace;      /* names of them; in `sent` */
    size_t replace_len, replace_cap;
    int64_t timeout_ns;
    char debug_id[HTTP_DEBUG_ID_BYTES]; /* of the round trip under way; httpDebug */
    bool has_tags;
    struct js_tags tags;
};

/* How reading ends when it isn't 0: words for a response in the error slot (ASK_BAD), or -1 with an
 * exception pending. */
enum { ASK_BAD = 1 };

/* Appends `url`, in its text form, without "user:password@". */
void http_append_without_user(struct buf *out, struct str url);

void http_ask_init(struct ask *k, JSContext *ctx, struct str method);
void http_ask_fini(struct ask *k); /* on the VM's coroutine */
/* `method` must stay until this returns.  0, ASK_BAD or -1. */
NODISCARD int http_ask_read(struct ask *k, JSValueConst url, JSValueConst body,
                            JSValueConst params);
JSValue http_ask_response(struct ask *k);
/* What k6 returns when it could not even make a request of it: `words` is the error. */
JSValue http_ask_unsent(JSContext *ctx, int error_code, const char *words);
/* 0: the response says how it ended.  Otherwise a negative code with a message: to be thrown. */
YIELDS NODISCARD int http_ask_run(struct ask *k);

/* Like Header.Set(): one value for a name in any case.  0, or -1 with an exception pending. */
NODISCARD int http_ask_header(struct ask *k, struct str name, struct str value);
/* What the script sends beyond a plain GET; NULL with an exception pending. */
struct sent *http_ask_sent(struct ask *k);

http_wire_fn http_debug_wire; /* the argument is the struct ask */

/* Go's name of a value's type, as k6 has it in its errors. */
const char *http_go_type(JSContext *ctx, JSValueConst v);
bool http_is_url(JSValueConst v); /* of http.url`...` */
void http_warn_failed(const char *what, const char *words);

/* ---- more of the module's functions ---------------------------------------------------------- */

/* Reads the object as a form, which becomes the body: 0, or -1 with an exception pending. */
NODISCARD int http_form_read(struct ask *k, JSValueConst object);
JSValue http_batch(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
JSValue http_async_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
JSValue http_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
int http_file_register(JSContext *ctx);
/* Reads the object as a multipart body if a file is among its values: 1, or 0 when there is none;
 * -1 with an exception pending. */
NODISCARD int http_file_read_body(struct ask *k, JSValueConst object);

#endif
