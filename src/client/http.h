/*
 * http - requests over HTTP/1.1, with kept-alive connections, redirects, cookies and decoding.
 *
 * A client belongs to one virtual user (or to the cloud uploader) and lives on one loop; several
 * coroutines of that loop may have requests under way in it at once.  http_do() reads as a blocking
 * call and only suspends its coroutine.  What it does on the wire, and the words and codes of its
 * errors, are k6's (k6-surface 2.4, 4.5), because scripts and dashboards compare with them.
 */
#ifndef CLIENT_HTTP_H
#define CLIENT_HTTP_H

#include "base/attr.h"
#include "base/str.h"
#include "codec/url.h"
#include "net/ocsp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cookie_jar; /* client/cookie.h */
struct dialer;     /* net/dial.h */
struct http_client;

struct http_header {
    struct str name; /* canonical: "Content-Type" */
    struct str value;
};

/* Durations of one round trip, as k6 defines its eight timings (looking_up is always 0 there).
 * `waiting` ends when the kernel received the first byte, not when we came to read it. */
struct http_timings {
    int64_t blocked_ns;    /* until a connection was there, making one included */
    int64_t connecting_ns; /* 0 on a reused connection, likewise tls_handshaking_ns */
    int64_t tls_handshaking_ns;
    int64_t sending_ns;
    int64_t waiting_ns;
    int64_t receiving_ns;
};
static inline int64_t http_timings_duration_ns(const struct http_timings *t)
{
    return t->sending_ns + t->waiting_ns + t->receiving_ns;
}

/* Error codes that this module itself gives out; k6-surface 4.5 has the whole table. */
enum http_error_code {
    HTTP_ERROR_DEFAULT = 1000,
    HTTP_ERROR_NON_TCP = 1010,
    HTTP_ERROR_INVALID_URL = 1020,
    HTTP_ERROR_TIMEOUT = 1050,
    HTTP_ERROR_DNS = 1100,
    HTTP_ERROR_DNS_NO_HOST = 1101,
    HTTP_ERROR_BLACKLISTED = 1110,
    HTTP_ERROR_BLOCKED_HOSTNAME = 1111,
    HTTP_ERROR_TCP = 1200,
    HTTP_ERROR_BROKEN_PIPE = 1201,
    HTTP_ERROR_TCP_UNKNOWN_ERRNO = 1202,
    HTTP_ERROR_DIAL = 1210,
    HTTP_ERROR_DIAL_TIMEOUT = 1211,
    HTTP_ERROR_DIAL_REFUSED = 1212,
    HTTP_ERROR_DIAL_UNKNOWN_ERRNO = 1213,
    HTTP_ERROR_RESET = 1220,
    HTTP_ERROR_TLS = 1300,
    HTTP_ERROR_TLS_RECORD = 1301,
    HTTP_ERROR_X509_UNKNOWN_AUTHORITY = 1310,
    HTTP_ERROR_X509_HOSTNAME = 1311,
    HTTP_ERROR_HTTP2_GOAWAY = 1610, /* each + 1 + HTTP/2's code, when that is one of RFC 9113's */
    HTTP_ERROR_HTTP2_STREAM = 1630,
    HTTP_ERROR_HTTP2_CONNECTION = 1650,
    HTTP_ERROR_STATUS_0 = 1000, /* + status, for status 400 and above */
    HTTP_ERROR_DECOMPRESSION = 1701,
};

/* One round trip: a request, a redirect's hop, or an attempt that failed.  Everything it points to
 * is valid during the callback only. */
struct http_trip {
    struct str method;
    const struct url *url;   /* of this hop */
    int status;              /* 0: failed */
    const char *proto;       /* "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"; NULL: failed */
    const char *tls_version; /* "tls1.3"; NULL: no TLS, or failed */
    const char *ocsp_status; /* "unknown" when nothing was stapled; NULL: likewise */
    const char *remote_ip;   /* NULL: never connected */
    int error_code;          /* 0: none; 1000 + status from status 400 on */
    struct str error;        /* k6's short text; empty: none */
    struct http_timings timings;
    int64_t end_ns; /* monotonic, of the loop's turn in which it ended: never goes back on a loop */
};
typedef void http_trip_fn(void *arg, const struct http_trip *trip); /* must not wait */

/* Bytes as they go out or came: a request that is about to be sent, or the answer to it. */
struct http_wire {
    bool response;
    struct str head; /* first line, headers and the empty line */
    struct str body; /* as it came, chunks joined */
};
typedef void http_wire_fn(void *arg, const struct http_wire *wire); /* must not wait */

enum http_body_mode {
    HTTP_BODY_KEEP,    /* decoded by its Content-Encoding */
    HTTP_BODY_RAW,     /* kept as it came (chunks joined) */
    HTTP_BODY_DISCARD, /* read from the socket and dropped */
};

/* How the URL's user and password are shown. */
enum http_auth {
    HTTP_AUTH_BASIC,  /* at once */
    HTTP_AUTH_DIGEST, /* when a 401 asks for it: two round trips */
    HTTP_AUTH_NTLM,   /* likewise: three */
};

/* What to ask; all of it belongs to the caller and stays put until http_do() returns. */
struct http_request {
    struct str method;     /* on the wire as it is */
    const struct url *url; /* url_parse()d */
    /* Canonical names, in any order: they go out sorted.  "Host" replaces the authority,
     * "User-Agent" the client's own; "Content-Length" is ignored (the body knows). */
    const struct http_header *headers;
    size_t headers_len;
    struct str body;     /* len 0: none; POST, PUT and PATCH then say "Content-Length: 0" */
    bool body_given;     /* ... and so does any other method */
    int64_t deadline_ns; /* monotonic, of the whole call; CO_FOREVER: none */
    int64_t timeout_ns;  /* instead, when deadline_ns is 0: from the beginning of the call */
    int max_redirects;   /* 0: a redirect is the answer */
    enum http_body_mode body_mode;
    enum http_auth auth;
    size_t body_max; /* bytes after decoding; 0: HTTP_BODY_MAX of limits.h */
    /* Gives and takes cookies; may be NULL.  `cookies` ("a=1; b=2", may be empty) goes out before
     * the jar's; cookies_replace names what the jar must not add. */
    struct cookie_jar *jar;
    struct str cookies;
    /* The whole of what goes out with the first hop, jar included, when the jar is not to be asked
     * again for it; NULL ptr: it is. */
    struct str cookies_first;
    const struct str *cookies_replace;
    size_t cookies_replace_len;
    http_trip_fn *on_trip; /* may be NULL */
    http_wire_fn *on_wire; /* may be NULL */
    void *on_trip_arg;     /* of both */
};

/*
 * What came back.  Start from {0}; http_do() fills it whatever happens, http_response_fini() frees
 * it.  Views point into the response's own memory, `url` may be the request's: valid as long as
 * both.
 */
struct http_response {
    int status;                  /* 0: there is none */
    struct str status_text;      /* "200 OK" */
    const char *proto;           /* "HTTP/1.1"; static; NULL: no response */
    struct str body;             /* what was received, also when it broke off; a NUL is behind it */
    bool has_body;               /* false: 1xx, 204, 304, discarded, or failed before the body */
    bool redirect_refused;       /* it is a redirect that max_redirects kept from being followed */
    uint16_t remote_port;        /* 0: never connected */
    char remote_ip[46];          /* "" when never connected */
    struct str url;              /* of the last hop */
    const char *tls_version;     /* "tls1.3" or NULL */
    struct ocsp ocsp;            /* what the server stapled to the handshake */
    char tls_cipher[56];         /* "TLS_AES_128_GCM_SHA256", "" without TLS */
    int error_code;              /* k6's; 0: none; 1000 + status from status 400 on */
    const char *error;           /* k6's short text, "" for none */
    struct http_timings timings; /* of the last hop */

    /* private */
    char *head;                     /* bytes as they came: status line, headers, perhaps the body */
    size_t headers_at, headers_end; /* the header lines within it */
    uint8_t *body_block;            /* a body that isn't behind the head */
    char *text_block;               /* the error's text */
    char *url_block;
};

void http_response_fini(struct http_response *r); /* safe on a zeroed one */

/* Walks the headers in the order of arrival, duplicates included, names canonical: start with
 * *cursor = 0; false at the end. */
bool http_response_next(const struct http_response *r, size_t *cursor, struct http_header *ret);
/* The first header of that name (any case), or an empty str with NULL ptr. */
struct str http_response_header(const struct http_response *r, const char *name);

/* A header's name as Go writes it, in place: "content-type" -> "Content-Type".  Bytes that may not
 * be in a name leave it as it is. */
void http_canonical_name(char *name, size_t len);

struct http_client_options {
    struct dialer *dialer;    /* outlives the client */
    const char *local_ip;     /* source address or NULL; outlives the client */
    const char *user_agent;   /* outlives the client; NULL: none is sent */
    size_t idle_per_host_max; /* kept-alive connections per origin; 0: no reuse at all */
    size_t idle_max;          /* of all origins together; 0: no such limit */
    uint64_t *bytes_sent;     /* counters to add to, TLS and handshakes included; may be NULL */
    uint64_t *bytes_received;
};

/* 0 or -ENOMEM.  Cheap: buffers and connections come with the first request. */
NODISCARD int http_client_new(const struct http_client_options *o, struct http_client **ret);
/* No request may be under way.  NULL is fine. */
void http_client_free(struct http_client *c);
void http_client_close_idle(struct http_client *c);

/*
 * Sends the request, follows redirects, reads the whole answer.
 *
 * 0: an answer, of whatever status.  Otherwise a negative code, with Go's long text as the error
 * message ('Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused') and k6's
 * short text and code in *ret: -ETIMEDOUT at the deadline, -ECANCELED (no text, no round trip
 * reported) when the coroutine was cancelled.
 */
YIELDS NODISCARD int http_do(struct http_client *c, const struct http_request *req,
                             struct http_response *ret);

#endif
