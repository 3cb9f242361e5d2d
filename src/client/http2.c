#include "client/http2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

enum { DEBUG_MAX = 64, HEADERS_INLINE = 48, FIXED_HEADERS = 6 };

struct http2 {
    nghttp2_session *session;
    struct http2_stream *open;
    size_t open_len;
    bool seen_settings;
    bool retired;         /* by us, or by the peer's GOAWAY */
    bool frame_too_large; /* is how */
    bool over;            /* the peer broke the protocol */
    bool goaway;          /* the peer's, and what it said: */
    int32_t goaway_last;
    uint32_t goaway_code;
    char goaway_debug[DEBUG_MAX + 1];
};

/* ---- words --------------------------------------------------------------------------------- */

const char *http2_code_text(uint32_t code, char room[static 32])
{
    static const char *const names[] = {
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    };
    if (code < ARRAY_LEN(names))
        return names[code];
    snprintf(room, 32, "unknown error code 0x%x", code);
    return room;
}

const char *http2_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {207, "Multi-Status"},
        {208, "Already Reported"},
        {226, "IM Used"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {305, "Use Proxy"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Requested Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Entity"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {506, "Variant Also Negotiates"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {510, "Not Extended"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}

/* ---- streams ------------------------------------------------------------------------------- */

void http2_stream_init(struct http2_stream *s)
{
    *s = (struct http2_stream){.declared = -1};
    buf_init(&s->head, 2 * (size_t)HTTP_HEAD_MAX);
    buf_init(&s->text, HTTP_BODY_MAX + 1);
}

void http2_stream_fini(struct http2_stream *s)
{
    CHECK(s->h == NULL);
    buf_fini(&s->head);
    buf_fini(&s->text);
}

static void open_stream(struct http2 *h, struct http2_stream *s)
{
    s->h = h;
    s->next = h->open;
    s->link = &h->open;
    if (s->next)
        s->next->link = &s->next;
    h->open = s;
    h->open_len++;
}

/* Out of the open ones; neither we nor nghttp2 know it any more. */
static void forget(struct http2_stream *s)
{
    struct http2 *h = s->h;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    s->h = NULL;
    h->open_len--;
    (void)nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
}

static void end(struct http2_stream *s, enum http2_how how, uint32_t code)
{
    s->how = how;
    s->code = code;
    forget(s);
    s->on_event(s, HTTP2_ENDED);
}

/* We don't want the rest of it. */
static void give_up(struct http2_stream *s, enum http2_how how, uint32_t code)
{
    struct http2 *h = s->h;
    int32_t id = s->id;
    end(s, how, code);
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, code);
}

void http2_cancel(struct http2_stream *s)
{
    struct http2 *h = s->h;
    if (!h)
        return;
    int32_t id = s->id;
    forget(s);
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

static struct http2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- what comes ---------------------------------------------------------------------------- */

/* A push that we said we don't want ends the connection, also before the peer has read that.  A
 * body that goes beyond its Content-Length is refused by nghttp2 before it gets to on_data(). */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    (void)arg;
    if (hd->type == NGHTTP2_PUSH_PROMISE)
        (void)nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
    struct http2_stream *s = hd->type == NGHTTP2_DATA ? stream_of(session, hd->stream_id) : NULL;
    if (s && s->declared >= 0)
        s->overlong = s->wire_len + hd->length > (uint64_t)s->declared;
    return 0;
}

/* Whose headers these are; NULL: nobody's. */
static struct http2_stream *headed_stream(nghttp2_session *session, const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS ? stream_of(session, frame->hd.stream_id) : NULL;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    struct http2_stream *s = headed_stream(session, frame);
    if (!s || s->head_done)
        return 0;
    if (s->status == 0)
        s->on_event(s, HTTP2_FIRST);
    s->status = 0; /* an interim response is forgotten */
    buf_reset(&s->head);
    return 0;
}

static void note_status(struct http2_stream *s, struct str value)
{
    int64_t status = 0;
    if (str_to_i64(value, &status) < 0 || status < 100 || status > 999)
        s->malformed = true;
    s->status = (int)status;
    buf_str(&s->head, value);
    buf_byte(&s->head, ' ');
    buf_z(&s->head, http2_status_text(s->status));
    buf_z(&s->head, "\r\n");
}

static void note_header(struct http2_stream *s, struct str name, struct str value)
{
    if (str_eqz(name, "set-cookie"))
        s->may_have_cookies = true;
    else if (str_eqz(name, "location"))
        s->may_have_location = true;
    else if (str_eqz(name, "content-encoding"))
        s->may_have_encoding = true;
    else if (str_eqz(name, "content-length") && str_to_i64(value, &s->declared) < 0)
        s->declared = -1;
    else if (str_eqz(name, "trailer"))
        return; /* Go keeps it elsewhere */
    buf_str(&s->head, name);
    buf_z(&s->head, ": ");
    buf_str(&s->head, value);
    buf_z(&s->head, "\r\n");
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)flags, (void)arg;
    struct http2_stream *s = headed_stream(session, frame);
    if (!s || s->head_done) /* trailers are nobody's */
        return 0;
    if (s->head.len + name_len + value_len > HTTP_HEAD_MAX) {
        s->too_large = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct str n = str_new(name, name_len), v = str_new(value, value_len);
    if (str_eqz(n, ":status"))
        note_status(s, v);
    else
        note_header(s, n, v);
    return s->head.err == -ENOMEM ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *arg)
{
    (void)name, (void)name_len, (void)value, (void)value_len, (void)flags, (void)arg;
    struct http2_stream *s = headed_stream(session, frame);
    if (s)
        s->malformed = true;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    (void)flags, (void)arg;
    struct http2_stream *s = stream_of(session, id);
    if (!s)
        return 0;
    s->wire_len += n;
    if (s->discard)
        return 0;
    if (n > s->body_max - s->text.len) {
        give_up(s, HTTP2_TOO_LARGE, NGHTTP2_CANCEL);
        return 0;
    }
    if (s->text.len == 0 && s->declared > (int64_t)n)
        (void)buf_reserve(&s->text, (size_t)MIN(s->declared + 1, (int64_t)HTTP_BODY_STEP_BYTES));
    buf_append(&s->text, p, n);
    if (s->text.err != 0)
        give_up(s, HTTP2_NO_MEMORY, NGHTTP2_CANCEL);
    return 0;
}

/* The peer has said all of it.  What we were still saying needn't be said any more. */
static void response_ended(struct http2_stream *s)
{
    if (s->end_sent)
        end(s, HTTP2_WHOLE, 0);
    else
        give_up(s, HTTP2_WHOLE, NGHTTP2_NO_ERROR);
}

static void goaway_came(struct http2 *h, const nghttp2_goaway *g)
{
    if (!h->goaway || h->goaway_code == NGHTTP2_NO_ERROR)
        h->goaway_code = g->error_code;
    h->goaway = h->retired = true;
    h->goaway_last = g->last_stream_id;
    size_t n = MIN(g->opaque_data_len, (size_t)DEBUG_MAX);
    if (h->goaway_debug[0] == '\0' && n > 0)
        memcpy(h->goaway_debug, g->opaque_data, n);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s = NULL;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        h->seen_settings = true;
        break;
    case NGHTTP2_GOAWAY:
        goaway_came(h, &frame->goaway);
        break;
    case NGHTTP2_RST_STREAM:
        s = stream_of(session, frame->hd.stream_id);
        if (s)
            s->reset_by_peer = true;
        break;
    case NGHTTP2_HEADERS:
        s = stream_of(session, frame->hd.stream_id);
        if (s && s->status >= 200)
            s->head_done = true;
        __attribute__((fallthrough));
    case NGHTTP2_DATA:
        s = stream_of(session, frame->hd.stream_id);
        if (s && s->head_done && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            response_ended(s);
        break;
    default: /* nghttp2 has answered it, or it is of no interest */
        break;
    }
    return 0;
}

/* Why a stream that we had use for was closed. */
static void closed(struct http2 *h, struct http2_stream *s, uint32_t code)
{
    if (s->too_large)
        end(s, HTTP2_TOO_LARGE, code);
    else if (s->head.err == -ENOMEM)
        end(s, HTTP2_NO_MEMORY, code);
    else if (s->reset_by_peer)
        end(s, HTTP2_RESET, code);
    else if (h->goaway && s->id > h->goaway_last)
        end(s, HTTP2_UNSEEN, h->goaway_code);
    else if (s->head_done && s->overlong)
        end(s, HTTP2_LONG, code);
    else if (s->head_done && s->declared > (int64_t)s->wire_len)
        end(s, HTTP2_SHORT, code);
    else
        end(s, HTTP2_BROKEN, s->malformed ? (uint32_t)NGHTTP2_PROTOCOL_ERROR : code);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct http2_stream *s = stream_of(session, id);
    if (s)
        closed(arg, s, code);
    return 0;
}

/* Ends every stream: the connection is over. */
static void end_all(struct http2 *h, uint32_t code)
{
    h->over = h->retired = true;
    while (h->open)
        end(h->open, h->frame_too_large ? HTTP2_FRAME_TOO_LARGE : HTTP2_VIOLATION, code);
}

/* ---- what goes out ------------------------------------------------------------------------- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t n,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)source, (void)arg;
    struct http2_stream *s = stream_of(session, id);
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t len = MIN(n, s->body.len - s->body_at);
    if (len > 0)
        memcpy(out, s->body.ptr + s->body_at, len);
    s->body_at += len;
    if (s->body_at == s->body.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        struct http2_stream *s = stream_of(session, frame->hd.stream_id);
        if (s && !s->end_sent) {
            s->end_sent = true;
            s->on_event(s, HTTP2_SENT);
        }
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        static const char too_large[] = "too large frame size"; /* nghttp2's reason */
        h->frame_too_large =
            frame->goaway.opaque_data_len == sizeof too_large - 1 &&
            memcmp(frame->goaway.opaque_data, too_large, sizeof too_large - 1) == 0;
        end_all(h, frame->goaway.error_code); /* we say it for violations only */
    }
    return 0;
}

static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int why, void *arg)
{
    (void)session;
    struct http2 *h = arg;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct http2_stream *s = h->open;
    while (s && s->id != frame->hd.stream_id)
        s = s->next;
    if (!s)
        return 0;
    if (why == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED)
        end(s, HTTP2_UNSEEN, h->goaway_code);
    else
        end(s, why == NGHTTP2_ERR_NOMEM ? HTTP2_NO_MEMORY : HTTP2_UNSENDABLE, 0);
    return 0;
}

/* ---- the session --------------------------------------------------------------------------- */

static void *ng_malloc(size_t size, void *arg)
{
    (void)arg;
    return mem_alloc(size);
}
static void ng_free(void *p, void *arg)
{
    (void)arg;
    mem_free(p);
}
static void *ng_calloc(size_t n, size_t size, void *arg)
{
    (void)arg;
    return mem_calloc(n, size);
}
static void *ng_realloc(void *p, size_t size, void *arg)
{
    (void)arg;
    return mem_realloc(p, size);
}

static void set_callbacks(nghttp2_session_callbacks *c)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_not_sent);
}

static void set_options(nghttp2_option *o)
{
    nghttp2_option_set_max_send_header_block_length(o, 2 * (size_t)HTTP_REQUEST_HEAD_MAX);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_outbound_ack(o, HTTP2_FLOOD_ITEMS_MAX);
    nghttp2_option_set_max_continuations(o, HTTP2_CONTINUATIONS_MAX);
    nghttp2_option_set_peer_max_concurrent_streams(o, HTTP2_STREAMS_FIRST_MAX);
}

static int open_session(struct http2 *h)
{
    nghttp2_mem mem = {NULL, ng_malloc, ng_free, ng_calloc, ng_realloc};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    int rc = -1;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0) {
        set_callbacks(callbacks);
        set_options(options);
        rc = nghttp2_session_client_new3(&h->session, callbacks, h, options, &mem);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return rc;
}

int http2_new(struct http2 **ret)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
    };
    struct http2 *h = mem_calloc(1, sizeof *h);
    if (!h)
        return err_set(-ENOMEM, "HTTP/2 connection");
    if (open_session(h) != 0 ||
        nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) !=
            0 ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                              HTTP2_CONN_WINDOW) != 0) {
        http2_free(h);
        return err_set(-ENOMEM, "HTTP/2 connection");
    }
    *ret = h;
    return 0;
}

void http2_free(struct http2 *h)
{
    if (!h)
        return;
    CHECK(h->open == NULL);
    nghttp2_session_del(h->session);
    mem_free(h);
}

bool http2_is_good(const struct http2 *h)
{
    return !h->retired && nghttp2_session_check_request_allowed(h->session);
}

bool http2_has_room(const struct http2 *h)
{
    size_t max = HTTP2_STREAMS_FIRST_MAX;
    if (h->seen_settings)
        max = nghttp2_session_get_remote_settings(h->session,
                                                  NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return http2_is_good(h) && h->open_len < max;
}

bool http2_is_over(const struct http2 *h)
{
    return h->over;
}

void http2_retire(struct http2 *h)
{
    h->retired = true;
}

/* ---- requests ------------------------------------------------------------------------------ */

/* The fields of one request; names in small letters are in `lower`. */
struct fields {
    nghttp2_nv *list;
    size_t len;
    struct buf lower;
    nghttp2_nv room[HEADERS_INLINE];
};

static void add_field(struct fields *f, struct str name, struct str value)
{
    f->list[f->len++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.ptr, /* nghttp2 copies them and changes nothing */
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)value.ptr,
        .valuelen = value.len,
    };
}

/* `f->lower` has room for all names: what it gave out stays put. */
static struct str lower_name(struct fields *f, struct str name)
{
    size_t at = f->lower.len;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        buf_byte(&f->lower, (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    }
    return str_new(f->lower.data + at, name.len);
}

/* One field a cookie, which HPACK can tell apart. */
static void add_cookies(struct fields *f, struct str cookies)
{
    while (cookies.len > 0) {
        struct str rest;
        struct str one = str_cut(cookies, ';', &rest);
        add_field(f, STR("cookie"), str_trim(one));
        cookies = rest.len > 0 ? str_trim(rest) : STR_EMPTY;
    }
}

/* Headers of one hop of HTTP/1 have no place in HTTP/2. */
static bool is_of_connection(struct str name)
{
    static const char *const names[] = {"Connection", "Proxy-Connection", "Keep-Alive", "Upgrade",
                                        "Transfer-Encoding"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(name, str_of(names[i])))
            return true;
    return false;
}

static size_t count_char(struct str s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == c;
    return n;
}

/* Room for all fields, and for their names. */
static int fields_init(struct fields *f, const struct http1_request *r)
{
    size_t len = FIXED_HEADERS, names = 0;
    for (size_t i = 0; i < r->headers_len; i++) {
        const struct http_header *h = &r->headers[i];
        names += h->name.len;
        len += str_eqz(h->name, "Cookie") ? 1 + count_char(h->value, ';') : 1;
    }
    f->len = 0;
    f->list = f->room;
    buf_init(&f->lower, HTTP_REQUEST_HEAD_MAX);
    if (names > 0 && !buf_reserve(&f->lower, names))
        return f->lower.err;
    if (len > HEADERS_INLINE)
        f->list = mem_calloc(len, sizeof *f->list);
    return f->list ? 0 : -ENOMEM;
}

static void fields_fini(struct fields *f)
{
    buf_fini(&f->lower);
    if (f->list != f->room)
        mem_free(f->list);
}

static void add_all(struct fields *f, const struct http1_request *r, struct str scheme,
                    char length[static 24])
{
    add_field(f, STR(":authority"), r->host);
    add_field(f, STR(":method"), r->method);
    add_field(f, STR(":path"), r->target);
    add_field(f, STR(":scheme"), scheme);
    for (size_t i = 0; i < r->headers_len; i++) {
        struct http_header h = r->headers[i];
        if (str_eqz(h.name, "Cookie"))
            add_cookies(f, h.value);
        else if (!is_of_connection(h.name))
            add_field(f, lower_name(f, h.name), str_trim(h.value));
    }
    if (r->content_length >= 0) {
        int n = snprintf(length, 24, "%lld", (long long)r->content_length);
        add_field(f, STR("content-length"), str_new(length, (size_t)n));
    }
    if (r->user_agent.ptr)
        add_field(f, STR("user-agent"), r->user_agent);
}

int http2_submit(struct http2 *h, const struct http1_request *r, struct str scheme,
                 struct http2_stream *s)
{
    CLEANUP(fields_fini) struct fields f;
    char length[24];
    int rc = fields_init(&f, r);
    if (rc < 0)
        return err_set(rc, "request head");
    add_all(&f, r, scheme, length);
    nghttp2_data_provider body = {.read_callback = read_body};
    int32_t id =
        nghttp2_submit_request(h->session, NULL, f.list, f.len, s->body.len > 0 ? &body : NULL, s);
    if (id < 0)
        return err_set(id == NGHTTP2_ERR_NOMEM ? -ENOMEM : E_PROTOCOL, "http2: %s",
                       nghttp2_strerror(id));
    s->id = id;
    open_stream(h, s);
    return 0;
}

/* ---- bytes --------------------------------------------------------------------------------- */

/* What nghttp2 says when it can't go on. */
static int fatal(struct http2 *h, ssize_t rc)
{
    uint32_t code = rc == NGHTTP2_ERR_FLOODED        ? NGHTTP2_ENHANCE_YOUR_CALM
                    : rc == NGHTTP2_ERR_NOMEM        ? NGHTTP2_INTERNAL_ERROR
                    : rc == NGHTTP2_ERR_FLOW_CONTROL ? NGHTTP2_FLOW_CONTROL_ERROR
                                                     : NGHTTP2_PROTOCOL_ERROR;
    char room[32];
    end_all(h, code);
    return rc == NGHTTP2_ERR_NOMEM
               ? err_set(-ENOMEM, "HTTP/2 connection")
               : err_set(E_PROTOCOL, "connection error: %s", http2_code_text(code, room));
}

int http2_feed(struct http2 *h, const void *p, size_t n)
{
    ssize_t rc = nghttp2_session_mem_recv(h->session, p, n);
    return rc < 0 ? fatal(h, rc) : 0;
}

int http2_fill(struct http2 *h, struct buf *out)
{
    while (out->len < HTTP2_OUT_BYTES) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
        if (n < 0)
            return fatal(h, n);
        if (n == 0)
            break;
        buf_append(out, bytes, (size_t)n);
    }
    if (out->err != 0)
        return fatal(h, NGHTTP2_ERR_NOMEM);
    return 0;
}

bool http2_goaway(const struct http2 *h, uint32_t *ret_code, char *ret_text, size_t size)
{
    if (!h->goaway)
        return false;
    char room[32];
    CLEANUP(buf_fini) struct buf quoted;
    buf_init(&quoted, ERR_MESSAGE_MAX);
    url_append_quoted(&quoted, str_of(h->goaway_debug));
    snprintf(ret_text, size,
             "http2: server sent GOAWAY and closed the connection; LastStreamID=%d, ErrCode=%s, "
             "debug=%.*s",
             h->goaway_last, http2_code_text(h->goaway_code, room), STR_ARG(buf_view(&quoted)));
    *ret_code = h->goaway_code;
    return true;
}

int http2_stream_take(struct http2_stream *s, struct http_response *ret)
{
    buf_byte(&s->head, '\0');
    buf_byte(&s->text, '\0');
    if (s->head.err != 0 || s->text.err != 0)
        return err_set(-ENOMEM, "response");
    size_t len;
    ret->status = s->status;
    ret->proto = "HTTP/2.0";
    ret->head = (char *)buf_take(&s->head, &len);
    ret->headers_end = len - 1;
    const char *line_end = strchr(ret->head, '\r');
    size_t line = line_end ? (size_t)(line_end - ret->head) : 0;
    ret->status_text = str_new(ret->head, line);
    ret->headers_at = line + 2;
    ret->body_block = buf_take(&s->text, &len);
    ret->body = str_new(ret->body_block, len - 1);
    return 0;
}
