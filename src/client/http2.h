/*
 * http2 - one connection of HTTP/2, the client's side, on bytes: no I/O, no clock.
 *
 * What came from the peer goes in by http2_feed(), what is to be sent comes out of http2_fill().  A
 * request is a struct http2_stream of its owner, which http2_submit() puts among the open ones and
 * which has left them when HTTP2_ENDED has been told.  Frames, HPACK and flow control are nghttp2's
 * (docs/decisions/0020-nghttp2.md); the limits, and what an end means to a request, are decided
 * here, as Go's client does it.
 */
#ifndef CLIENT_HTTP2_H
#define CLIENT_HTTP2_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "client/http.h"
#include "client/http1.h"

#include <stdbool.h>
#include <stdint.h>

struct http2;
struct http2_stream;

enum http2_event {
    HTTP2_FIRST, /* the head of the response begins */
    HTTP2_SENT,  /* http2_fill() has given out the end of the request */
    HTTP2_ENDED, /* see `how`; nothing points to the stream any more */
};
/* Called from within http2_feed(), http2_fill() and http2_submit(); must call none of these. */
typedef void http2_event_fn(struct http2_stream *s, enum http2_event e);

enum http2_how {
    HTTP2_OPEN,
    HTTP2_WHOLE,           /* the response is there */
    HTTP2_RESET,           /* the peer gave the stream up, with `code` */
    HTTP2_BROKEN,          /* we gave it up, with `code` */
    HTTP2_SHORT,           /* the body ended before its Content-Length */
    HTTP2_LONG,            /* the body went beyond its Content-Length */
    HTTP2_TOO_LARGE,       /* head or body; `code` unused */
    HTTP2_UNSEEN,          /* GOAWAY: the peer hasn't looked at it; `code` is GOAWAY's */
    HTTP2_VIOLATION,       /* the peer broke the protocol: the connection is over, with `code` */
    HTTP2_FRAME_TOO_LARGE, /* likewise, by a frame beyond what we take; Go tells these apart */
    HTTP2_UNSENDABLE,      /* the request has more headers than the protocol code sends */
    HTTP2_NO_MEMORY,
};

/* A request and its response.  Start from http2_stream_init(). */
struct http2_stream {
    /* The owner's, before http2_submit(). */
    http2_event_fn *on_event;
    struct str body; /* of the request; stays put until the end */
    bool discard;    /* the response's body is counted and dropped */
    size_t body_max; /* bytes of it */

    /* What came of it. */
    int32_t id;
    enum http2_how how;
    uint32_t code; /* RFC 9113, section 7 */
    int status;    /* 0: no head yet */
    bool head_done;
    bool may_have_cookies, may_have_encoding, may_have_location;
    struct buf head;   /* "200 OK\r\n", then a line each header */
    struct buf text;   /* the body */
    uint64_t wire_len; /* bytes of it that came, kept or not */
    int64_t declared;  /* its Content-Length; -1: none */

    /* private */
    struct http2 *h;
    struct http2_stream *next, **link; /* among the open ones */
    size_t body_at;                    /* bytes of the request's that have been given out */
    bool end_sent, reset_by_peer, malformed, too_large, overlong;
};

void http2_stream_init(struct http2_stream *s);
void http2_stream_fini(struct http2_stream *s); /* has ended or was never submitted */

NODISCARD int http2_new(struct http2 **ret); /* -ENOMEM */
void http2_free(struct http2 *h);            /* no stream may be open; NULL is fine */

/* True when it may take one more request now. */
bool http2_has_room(const struct http2 *h);
/* False when no request may follow: the peer said GOAWAY, or the connection is over. */
bool http2_is_good(const struct http2 *h);
/* True when the peer broke the protocol: what http2_fill() gives out is all that is left to do. */
bool http2_is_over(const struct http2 *h);
/* No more requests; those that are open go on. */
void http2_retire(struct http2 *h);

/* "https" or "http".  0, or a negative code with a message; then the stream isn't open. */
NODISCARD int http2_submit(struct http2 *h, const struct http1_request *r, struct str scheme,
                           struct http2_stream *s);

/* Bytes from the peer.  0; negative, with a message, when the connection is over: all streams have
 * ended then, and http2_fill() gives out what the peer is still to be told. */
NODISCARD int http2_feed(struct http2 *h, const void *p, size_t n);

/* Appends what is to be sent, until there is no more or `out` has HTTP2_OUT_BYTES.  0, or -ENOMEM,
 * E_PROTOCOL with a message: the connection is over. */
NODISCARD int http2_fill(struct http2 *h, struct buf *out);

/* The owner has no more use for an open stream: HTTP2_ENDED is not told. */
void http2_cancel(struct http2_stream *s);

/* What GOAWAY said, as in Go's error for a connection that ends after it; false: there was none. */
bool http2_goaway(const struct http2 *h, uint32_t *ret_code, char *ret_text, size_t size);

/* Status, headers and body of a stream that has a head into `ret`, which owns the memory then. */
NODISCARD int http2_stream_take(struct http2_stream *s, struct http_response *ret); /* -ENOMEM */

/* "PROTOCOL_ERROR", "unknown error code 0x2a"; in `room` if need be. */
const char *http2_code_text(uint32_t code, char room[static 32]);

/* "OK" for 200, "" for a status without a usual text. */
const char *http2_status_text(int status);

#endif
