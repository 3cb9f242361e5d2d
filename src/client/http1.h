/*
 * http1 - HTTP/1.1 on bytes: writing request heads, reading responses.  No I/O, no clock.
 *
 * A reader takes the bytes of one response in pieces of any size.  The head is kept as it came; a
 * short body that arrives with it stays behind it in the same memory, any other gets its own block.
 * Framing follows RFC 9112 and, where it leaves room, Go's client.
 *
 * llhttp reads the head, and chunks.  A head that comes whole in the first piece and has nothing
 * unusual is read by a scan of its lines instead, which takes a third of the time; the fuzz target
 * holds the two against each other.
 */
#ifndef CLIENT_HTTP1_H
#define CLIENT_HTTP1_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "client/http.h"

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>

struct http1_request {
    struct str method, target, host;
    struct str user_agent;             /* NULL ptr: no such header */
    const struct http_header *headers; /* sorted; without those above and Content-Length */
    size_t headers_len;
    int64_t content_length; /* -1: no such header */
};

void http1_write_head(struct buf *b, const struct http1_request *r);

/* 0, or -EINVAL with Go's words when a name or a value may not go on the wire. */
NODISCARD int http1_check_method(struct str method);
NODISCARD int http1_check_header(struct http_header h);

enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE };

enum http1_progress {
    HTTP1_MORE = 0, /* feed it */
    HTTP1_DONE = 1,
};

/* What a head says that matters to framing. */
struct http1_head {
    int status;
    uint8_t major, minor;
    bool chunked, encoded; /* Transfer-Encoding: chunked; any at all */
    bool has_length;       /* Content-Length */
    bool closes, keeps;    /* Connection: close; keep-alive */
    uint64_t length;
};

struct http1_reader {
    llhttp_t parser;
    struct http1_head say; /* valid when head_done */
    bool no_scan;          /* for tests: llhttp reads every head */
    bool head_request;     /* the request was a HEAD: no body whatever the head says */
    bool discard;          /* the body's bytes are counted and dropped */
    bool head_done;
    bool done;
    bool keep_alive; /* valid when done: the connection may carry another request */
    bool may_have_cookies, may_have_encoding, may_have_location; /* such a header may be there */
    bool body_inline;                                            /* the body is in `head` so far */
    enum http1_framing framing;
    size_t body_max;
    char *head; /* owned until http1_reader_take() */
    size_t head_len, head_cap;
    size_t message_at; /* of the status line of the response that counts */
    size_t head_end;   /* just behind the empty line; valid when head_done */
    size_t body_at;    /* inline body */
    uint8_t *body;     /* its own block, else */
    size_t body_len, body_cap;
    uint64_t body_left; /* HTTP1_LENGTH: bytes to come */
    uint64_t wire_len;  /* bytes of the body that have been seen, stored or not */
    int rc;             /* why a callback stopped the parser */
};

void http1_reader_init(struct http1_reader *r, bool head_request, bool discard, size_t body_max);
void http1_reader_fini(struct http1_reader *r);

/* An HTTP1_ code; or E_PROTOCOL, E_LIMIT, -ENOMEM with a message in Go's words.  Bytes behind the
 * end of the response make it HTTP1_DONE without keep_alive. */
NODISCARD int http1_reader_feed(struct http1_reader *r, const void *p, size_t n);

/* The peer closed: HTTP1_DONE, or E_EOF ("EOF" before the first byte, else "unexpected EOF"). */
NODISCARD int http1_reader_eof(struct http1_reader *r);

/* Where the next bytes may be read without copying, and how many; NULL: use http1_reader_feed().
 * http1_reader_claim() says how many have come: an HTTP1_ code. */
uint8_t *http1_reader_room(struct http1_reader *r, size_t *ret_len);
NODISCARD int http1_reader_claim(struct http1_reader *r, size_t n);

/* Status, texts, headers and body so far into `ret`, which owns the memory then.  head_done. */
void http1_reader_take(struct http1_reader *r, struct http_response *ret);

#endif
