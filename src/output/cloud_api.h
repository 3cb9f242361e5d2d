/*
 * cloud_api - calls to the cloud's HTTP API: authorization, idempotency keys, error bodies, and
 * which failures are worth another try.  cloud-protocol.md, "Authorization, errors, retries".
 *
 * Belongs to the loop on which it was made.  Talks to the cloud with rules of its own: the script's
 * options (hosts, blacklist, insecureSkipTLSVerify …) are for the system under test.
 */
#ifndef OUTPUT_CLOUD_API_H
#define OUTPUT_CLOUD_API_H

#include "base/attr.h"
#include "base/buf.h"
#include "client/http.h"
#include "net/stream.h"
#include "output/cloud_config.h"

#include <stdint.h>

struct cloud_api;

enum { CLOUD_KEY_LEN = 16 }; /* hex digits of an idempotency key */

/* `config` (host, token) outlives the api. */
NODISCARD int cloud_api_new(const struct cloud_config *config, struct cloud_api **ret);
void cloud_api_free(struct cloud_api *a); /* no call under way; NULL is fine */

/* The stack that calls with CLOUD_AUTH_BEARER name; 0: none. */
void cloud_api_set_stack(struct cloud_api *a, int64_t stack_id);

/* Random; the same for all tries of one request. */
void cloud_api_make_key(char out[static CLOUD_KEY_LEN + 1]);

/* How a call says who makes it. */
enum cloud_auth {
    CLOUD_AUTH_TOKEN,  /* v1, v2: "Token" and the user's token */
    CLOUD_AUTH_BEARER, /* v6: "Bearer" and the user's token, and the stack */
    CLOUD_AUTH_RUN,    /* "Bearer" and the run's own token, `token` */
    CLOUD_AUTH_NONE,   /* the URL is secret enough */
};

struct cloud_call {
    const char *method; /* "POST" */
    const char *path;   /* "/v1/tests", put behind the host; that of v6 with CLOUD_AUTH_BEARER */
    const char *url;    /* instead: a whole URL */
    enum cloud_auth auth;
    const char *token; /* of CLOUD_AUTH_RUN */
    struct str content_type;
    struct str body;
    const char *key;                 /* idempotency key or NULL */
    const struct http_header *extra; /* further headers */
    size_t extra_len;
    int64_t timeout_ns;
};

/* status: 0 when no answer came.  code: of an error body, 0: none given, or a word (v6). */
struct cloud_reply {
    int status;
    int64_t code;
    size_t body_max; /* of the caller: a longer body than CLOUD_REPLY_MAX; 0: no */
    struct buf body;
};
void cloud_reply_fini(struct cloud_reply *r);

/*
 * One request.  0 for a 2xx answer; otherwise, with a message that names host and cause:
 * E_UNAVAILABLE (no answer, 5xx, 429: another try may help), E_REFUSED (any other status), E_CONFIG
 * (the URL), -ECANCELED, -ENOMEM.
 */
YIELDS NODISCARD int cloud_api_call(struct cloud_api *a, const struct cloud_call *call,
                                    struct cloud_reply *ret);

/* The same with k6's three tries, half a second apart, as long as they are E_UNAVAILABLE. */
YIELDS NODISCARD int cloud_api_call_retry(struct cloud_api *a, const struct cloud_call *call,
                                          struct cloud_reply *ret);

/* Connects to the host of a URL (http, https, ws or wss), for a protocol of the caller's own;
 * *ret_url is parsed, its strings the caller's to free. */
YIELDS NODISCARD int cloud_api_dial(struct cloud_api *a, const char *url_text, int64_t deadline_ns,
                                    struct url *ret_url, struct stream **ret);

#endif
