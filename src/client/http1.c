#include "client/http1.h"

#include <errno.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

/* ---- writing ------------------------------------------------------------------------------- */

/* May be in a token (a header's name, a method).  A byte each, as every header's name is looked at:
 * half the instructions of a bit set. */
static const bool token_chars[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,
    ['-'] = true,         ['.'] = true,          ['0' ... '9'] = true, ['A' ... 'Z'] = true,
    ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
};

static bool is_token_char(uint8_t c)
{
    return token_chars[c];
}

void http_canonical_name(char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_token_char((uint8_t)name[i]))
            return;
    bool upper = true;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (upper && c >= 'a' && c <= 'z')
            name[i] = (char)(c - ('a' - 'A'));
        else if (!upper && c >= 'A' && c <= 'Z')
            name[i] = (char)(c + ('a' - 'A'));
        upper = c == '-';
    }
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char((uint8_t)s.ptr[i]))
            return false;
    return s.len > 0;
}

PRINTF(2, 3) static int refuse(struct str what, const char *fmt, ...)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, ERR_MESSAGE_MAX);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    url_append_quoted(&b, what);
    return err_set(-EINVAL, "%.*s", STR_ARG(buf_view(&b)));
}

int http1_check_method(struct str method)
{
    return is_token(method) ? 0 : refuse(method, "net/http: invalid method ");
}

int http1_check_header(struct http_header h)
{
    if (!is_token(h.name))
        return refuse(h.name, "net/http: invalid header field name ");
    for (size_t i = 0; i < h.value.len; i++) {
        uint8_t c = (uint8_t)h.value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return refuse(h.name, "net/http: invalid header field value for ");
    }
    return 0;
}

static void write_number(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_append(b, digits + at, sizeof digits - at);
}

void http1_write_head(struct buf *b, const struct http1_request *r)
{
    buf_str(b, r->method);
    buf_byte(b, ' ');
    buf_str(b, r->target);
    buf_str(b, STR(" HTTP/1.1\r\nHost: "));
    buf_str(b, r->host);
    if (r->user_agent.ptr) {
        buf_str(b, STR("\r\nUser-Agent: "));
        buf_str(b, r->user_agent);
    }
    if (r->content_length >= 0) {
        buf_str(b, STR("\r\nContent-Length: "));
        write_number(b, (uint64_t)r->content_length);
    }
    for (size_t i = 0; i < r->headers_len; i++) {
        buf_str(b, STR("\r\n"));
        buf_str(b, r->headers[i].name);
        buf_str(b, STR(": "));
        buf_str(b, str_trim(r->headers[i].value));
    }
    buf_str(b, STR("\r\n\r\n"));
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool is_interim(int status)
{
    return status >= 100 && status < 200 && status != 101;
}

/* Only remembers that a header may be there: who wants its value looks into the head later.  A name
 * that came in pieces is seen in pieces: feed_head() takes care of those. */
static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
    struct http1_reader *r = p->data;
    char first = (char)(at[0] | 0x20);
    if (len == 10 && first == 's') /* Set-Cookie */
        r->may_have_cookies = true;
    else if (len == 8 && first == 'l') /* Location */
        r->may_have_location = true;
    else if (len == 16 && first == 'c') /* Content-Encoding */
        r->may_have_encoding = true;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED; /* feed_head() decides how to go on */
}

/* Grows the body's own block to hold `more` bytes and a NUL behind. */
static int grow_body(struct http1_reader *r, size_t more)
{
    if (more > r->body_max - r->body_len)
        return err_set(E_LIMIT, "response body is larger than %zu bytes", r->body_max);
    return mem_grow(&r->body, &r->body_cap, r->body_len + more + 1, r->body_max + 1, 1);
}

static int append_body(struct http1_reader *r, const void *p, size_t n)
{
    r->wire_len += n;
    if (r->discard || n == 0)
        return 0;
    int rc = grow_body(r, n);
    if (rc < 0)
        return rc;
    memcpy(r->body + r->body_len, p, n);
    r->body_len += n;
    return 0;
}

/* A piece of a chunked body; of the first feed it lies in `head`, where the pieces move together.
 */
static int on_body(llhttp_t *p, const char *at, size_t len)
{
    struct http1_reader *r = p->data;
    if (!r->body_inline) {
        r->rc = append_body(r, at, len);
        return r->rc < 0 ? HPE_USER : 0;
    }
    r->wire_len += len;
    if (r->discard)
        return 0;
    if (len > r->body_max - r->body_len) {
        r->rc = err_set(E_LIMIT, "response body is larger than %zu bytes", r->body_max);
        return HPE_USER;
    }
    memmove(r->head + r->body_at + r->body_len, at, len);
    r->body_len += len;
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED;
}

static const llhttp_settings_t reader_settings = {
    .on_header_field = on_header_field,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void http1_reader_init(struct http1_reader *r, bool head_request, bool discard, size_t body_max)
{
    memset((char *)r + sizeof r->parser, 0, sizeof *r - sizeof r->parser);
    r->head_request = head_request;
    r->discard = discard;
    r->body_max = body_max;
}

/* When a head isn't plain: most never come here. */
static void start_parser(struct http1_reader *r)
{
    llhttp_init(&r->parser, HTTP_RESPONSE, &reader_settings);
    r->parser.data = r;
    /* What Go lets pass. */
    llhttp_set_lenient_headers(&r->parser, 1); /* folded lines, control characters in values */
    llhttp_set_lenient_optional_cr_before_lf(&r->parser, 1);
    llhttp_set_lenient_chunked_length(&r->parser, 1);
    llhttp_set_lenient_spaces_after_chunk_size(&r->parser, 1);
}

void http1_reader_fini(struct http1_reader *r)
{
    mem_free(r->head);
    mem_free(r->body);
    r->head = NULL;
    r->body = NULL;
}

/* The line of the head that `at` lies on, or the first one. */
static struct str line_at(const struct http1_reader *r, size_t at)
{
    size_t from = MIN(at, r->head_len), to = from;
    while (from > r->message_at && r->head[from - 1] != '\n')
        from--;
    while (to < r->head_len && r->head[to] != '\n')
        to++;
    return str_trim(str_new(r->head + from, MIN(to - from, (size_t)200)));
}

static int malformed_start(const struct http1_reader *r)
{
    struct str line = line_at(r, r->message_at), rest;
    struct str version = str_cut(line, ' ', &rest);
    const char *what = "malformed HTTP response ";
    struct str quoted = line;
    if (rest.ptr && !str_starts(version, STR("HTTP/"))) {
        what = "malformed HTTP version ";
        quoted = version;
    } else if (rest.ptr) {
        struct str reason;
        quoted = str_cut(str_trim(rest), ' ', &reason);
        what = "malformed HTTP status code ";
        if (llhttp_get_errno(&r->parser) == HPE_INVALID_VERSION) {
            what = "malformed HTTP version ";
            quoted = version;
        }
    }
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, ERR_MESSAGE_MAX);
    buf_z(&b, what);
    url_append_quoted(&b, quoted);
    return err_set(E_PROTOCOL, "%.*s", STR_ARG(buf_view(&b)));
}

/* What llhttp didn't like, in Go's words. */
static int malformed(struct http1_reader *r)
{
    if (r->rc < 0)
        return r->rc;
    llhttp_errno_t e = llhttp_get_errno(&r->parser);
    if (r->head_done)
        return err_set(E_PROTOCOL, e == HPE_INVALID_CHUNK_SIZE ? "invalid byte in chunk length"
                                                               : "malformed chunked encoding");
    const char *pos = llhttp_get_error_pos(&r->parser);
    size_t at = pos >= r->head && pos <= r->head + r->head_len ? (size_t)(pos - r->head) : 0;
    struct str line = line_at(r, at);
    bool first = line.ptr == line_at(r, r->message_at).ptr;
    if (first || e == HPE_INVALID_CONSTANT || e == HPE_INVALID_VERSION || e == HPE_INVALID_STATUS)
        return malformed_start(r);
    struct str value;
    struct str name = str_cut(line, ':', &value);
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, ERR_MESSAGE_MAX);
    if (e == HPE_INVALID_CONTENT_LENGTH || e == HPE_UNEXPECTED_CONTENT_LENGTH) {
        buf_z(&b, "bad Content-Length ");
        url_append_quoted(&b, str_trim(value));
    } else if (e == HPE_INVALID_TRANSFER_ENCODING) {
        buf_z(&b, "unsupported transfer encoding: ");
        url_append_quoted(&b, str_trim(value));
    } else if (!value.ptr && name.len == line.len) {
        buf_z(&b, "malformed MIME header: missing colon: ");
        url_append_quoted(&b, line);
    } else {
        buf_z(&b, "malformed MIME header line: ");
        buf_str(&b, line);
    }
    return err_set(E_PROTOCOL, "%.*s", STR_ARG(buf_view(&b)));
}

/* After the head that counts: who has how much body. */
static void decide_framing(struct http1_reader *r)
{
    const struct http1_head *h = &r->say;
    r->framing = HTTP1_UNTIL_CLOSE;
    if (r->head_request || h->status / 100 == 1 || h->status == 204 || h->status == 304)
        r->framing = HTTP1_NO_BODY;
    else if (h->chunked)
        r->framing = HTTP1_CHUNKED;
    else if (h->has_length && !h->encoded)
        r->framing = HTTP1_LENGTH;
    r->body_left = r->framing == HTTP1_LENGTH ? h->length : 0;
    bool new_enough = h->major > 1 || (h->major == 1 && h->minor >= 1);
    bool stays = new_enough ? !h->closes : h->keeps;
    r->keep_alive = stays && r->framing != HTTP1_UNTIL_CLOSE && h->status != 101;
}

/* What llhttp has found. */
static void note_head(struct http1_reader *r)
{
    const llhttp_t *p = &r->parser;
    r->say = (struct http1_head){
        .status = p->status_code,
        .major = p->http_major,
        .minor = p->http_minor,
        .chunked = p->flags & F_CHUNKED,
        .encoded = p->flags & F_TRANSFER_ENCODING,
        .has_length = p->flags & F_CONTENT_LENGTH,
        .closes = p->flags & F_CONNECTION_CLOSE,
        .keeps = p->flags & F_CONNECTION_KEEP_ALIVE,
        .length = p->content_length,
    };
}

static int finish(struct http1_reader *r, size_t left_over)
{
    r->done = true;
    if (left_over > 0)
        r->keep_alive = false;
    return HTTP1_DONE;
}

/* Runs llhttp over chunks until the message ends or the bytes do. */
static int feed_chunked(struct http1_reader *r, const char *p, size_t n)
{
    llhttp_errno_t e = llhttp_execute(&r->parser, p, n);
    if (e == HPE_OK)
        return HTTP1_MORE;
    if (e != HPE_PAUSED || r->rc < 0)
        return malformed(r);
    return finish(r, (size_t)(p + n - llhttp_get_error_pos(&r->parser)));
}

static int feed_length(struct http1_reader *r, const char *p, size_t n)
{
    size_t mine = n < r->body_left ? n : (size_t)r->body_left;
    if (mine == r->body_left && r->body_inline && !r->discard) {
        if (mine > r->body_max)
            return err_set(E_LIMIT, "response body is larger than %zu bytes", r->body_max);
        r->wire_len += mine;
        r->body_len = mine; /* all of it is here, behind the head: it stays */
    } else {
        r->body_inline = false;
        int rc = append_body(r, p, mine);
        if (rc < 0)
            return rc;
    }
    r->body_left -= mine;
    return r->body_left == 0 ? finish(r, n - mine) : HTTP1_MORE;
}

/* A body that came with its head but isn't complete moves into a block of its own. */
static int move_body_out(struct http1_reader *r)
{
    if (!r->body_inline)
        return 0;
    size_t len = r->body_len;
    r->body_inline = false;
    r->body_len = 0;
    if (len == 0)
        return 0;
    r->wire_len -= len;
    return append_body(r, r->head + r->body_at, len);
}

static int feed_body(struct http1_reader *r, const char *p, size_t n)
{
    switch (r->framing) {
    case HTTP1_NO_BODY:
        return finish(r, n);
    case HTTP1_LENGTH:
        return feed_length(r, p, n);
    case HTTP1_UNTIL_CLOSE: {
        r->body_inline = false;
        int rc = append_body(r, p, n);
        return rc < 0 ? rc : HTTP1_MORE;
    }
    case HTTP1_CHUNKED: {
        int rc = feed_chunked(r, p, n);
        if (rc == HTTP1_MORE)
            rc = move_body_out(r);
        return rc;
    }
    }
    return HTTP1_MORE;
}

/* Go's client takes "chunked" and no other. */
static int refuse_encoding(struct http1_reader *r)
{
    r->head_done = false; /* there is no answer */
    struct str rest = str_new(r->head + r->message_at, r->head_end - r->message_at), value;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, ERR_MESSAGE_MAX);
    buf_z(&b, "unsupported transfer encoding: ");
    while (rest.len > 0) {
        struct str name = str_cut(str_cut(rest, '\n', &rest), ':', &value);
        if (str_ieq(name, STR("Transfer-Encoding")))
            url_append_quoted(&b, str_trim(value));
    }
    return err_set(E_PROTOCOL, "%.*s", STR_ARG(buf_view(&b)));
}

static int head_complete(struct http1_reader *r, size_t at)
{
    r->head_done = true;
    r->head_end = at;
    r->body_at = at;
    r->body_inline = true;
    decide_framing(r);
    if (r->say.encoded && !r->say.chunked)
        return refuse_encoding(r);
    return feed_body(r, r->head + at, r->head_len - at);
}

/* The first header has no line before it that it could continue. */
static int check_first_header(const struct http1_reader *r)
{
    size_t at = r->message_at;
    while (at < r->head_len && r->head[at] != '\n')
        at++;
    at++;
    if (at >= r->head_len || (r->head[at] != ' ' && r->head[at] != '\t'))
        return 0;
    struct str line = line_at(r, at);
    return err_set(E_PROTOCOL, "malformed MIME header initial line: %.*s", STR_ARG(line));
}

/* llhttp paused at `at` bytes into the head: behind the head, or behind an interim response. */
static int head_paused(struct http1_reader *r, size_t at, bool *ret_again)
{
    *ret_again = false;
    llhttp_resume(&r->parser);
    if (is_interim(r->parser.status_code)) {
        /* The first pause is behind its headers, the second behind its end, which is the same
         * place: the next status line starts there. */
        r->message_at = at;
        *ret_again = true;
        return 0;
    }
    int rc = check_first_header(r);
    if (rc < 0)
        return rc;
    note_head(r);
    return head_complete(r, at);
}

/* ---- the quick way through a plain head ----------------------------------------------------- */

/* Up to 15 digits; false: something else, llhttp decides what it is. */
static bool scan_length(struct str value, uint64_t *ret)
{
    uint64_t n = 0;
    if (value.len == 0 || value.len > 15)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    *ret = n;
    return true;
}

/* One header that frames the message or is looked for later; false: llhttp's case. */
static bool scan_header(struct http1_reader *r, struct http1_head *h, struct str name,
                        struct str value)
{
    switch (name.len) {
    case 8:
        r->may_have_location |= str_ieq(name, STR("Location"));
        return true;
    case 10:
        if (str_ieq(name, STR("Connection"))) {
            value = str_trim(value);
            h->keeps = str_ieq(value, STR("keep-alive"));
            h->closes = str_ieq(value, STR("close"));
            return h->keeps || h->closes;
        }
        r->may_have_cookies |= str_ieq(name, STR("Set-Cookie"));
        return true;
    case 14:
        if (!str_ieq(name, STR("Content-Length")))
            return true;
        if (h->has_length)
            return false;
        h->has_length = true;
        return scan_length(str_trim(value), &h->length);
    case 16:
        r->may_have_encoding |= str_ieq(name, STR("Content-Encoding"));
        return !str_ieq(name, STR("Proxy-Connection"));
    case 17:
        return !str_ieq(name, STR("Transfer-Encoding"));
    default:
        return true;
    }
}

/* The name's length when "name:" of token characters starts at `p`, else 0. */
static size_t scan_name(const char *p, size_t n)
{
    size_t len = 0;
    while (len < n && is_token_char((uint8_t)p[len]))
        len++;
    return len < n && p[len] == ':' ? len : 0;
}

/* True when none of the eight bytes is a control character. */
static bool scan_word(const char *p)
{
    const uint64_t ones = 0x0101010101010101ull, high = ones << 7;
    uint64_t w;
    memcpy(&w, p, 8);
    uint64_t del = w ^ ones * 0x7f;
    /* A high bit where a byte is below 0x20, or is 0x7f. */
    return ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high) == 0;
}

/* True for the bytes that llhttp takes in a value or a reason: no control characters but tabs. */
static bool scan_text(const char *p, size_t n)
{
    size_t i = 0;
    while (i + 8 <= n && scan_word(p + i))
        i += 8;
    if (n >= 8 && n - i < 8 && scan_word(p + n - 8)) /* looks at some bytes twice */
        return true;
    for (; i < n; i++)
        if (((uint8_t)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
            return false;
    return true;
}

/* "HTTP/1.1 200 OK": the status, 0 for anything that isn't quite like that. */
static int scan_status_line(const char *p, size_t len)
{
    if (len < 13 || memcmp(p, "HTTP/1.1 ", 9) != 0 || p[12] != ' ' || p[9] < '2' || p[9] > '5')
        return 0;
    for (size_t i = 10; i < 12; i++)
        if (p[i] < '0' || p[i] > '9')
            return 0;
    if (!scan_text(p + 13, len - 13))
        return 0;
    return (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
}

/* Length of the head when it is whole and plain, with `r->say` filled in; else 0. */
static size_t scan_head(struct http1_reader *r, const char *p, size_t n)
{
    struct http1_head h = {.major = 1, .minor = 1};
    for (size_t at = 0; at < n;) {
        const char *end = memchr(p + at, '\n', n - at);
        if (!end || end == p + at || end[-1] != '\r')
            return 0;
        const char *line = p + at;
        size_t len = (size_t)(end - 1 - line);
        at += len + 2;
        if (h.status == 0) {
            h.status = scan_status_line(line, len);
            if (h.status == 0)
                return 0;
            continue;
        }
        if (len == 0) {
            r->say = h;
            return at;
        }
        size_t name = scan_name(line, len);
        if (name == 0 || !scan_text(line + name + 1, len - name - 1) ||
            !scan_header(r, &h, str_new(line, name), str_new(line + name + 1, len - name - 1)))
            return 0;
    }
    return 0;
}

static int feed_head(struct http1_reader *r, const void *p, size_t n)
{
    if (n > HTTP_HEAD_MAX && r->head_len == 0)
        return err_set(E_LIMIT, "more than %d bytes at once", (int)HTTP_HEAD_MAX);
    size_t from = r->head_len;
    if (from + n > 2 * (size_t)HTTP_HEAD_MAX)
        return err_set(E_LIMIT, "net/http: server response headers exceeded %d bytes; aborted",
                       (int)HTTP_HEAD_MAX);
    if (!r->head) {
        /* Mostly the whole response: no more than it needs. */
        r->head = mem_alloc(n + 1);
        if (!r->head)
            return err_set(-ENOMEM, "response head");
        r->head_cap = n + 1;
    } else {
        r->may_have_cookies = r->may_have_location = r->may_have_encoding = true;
        int rc = mem_grow(&r->head, &r->head_cap, from + n + 1, 4 * (size_t)HTTP_HEAD_MAX, 1);
        if (rc < 0)
            return err_set(rc, "response head");
    }
    memcpy(r->head + from, p, n);
    r->head_len += n;
    size_t plain = from == 0 && !r->no_scan ? scan_head(r, r->head, n) : 0;
    if (plain > 0)
        return head_complete(r, plain);
    if (from == 0)
        start_parser(r);
    for (;;) {
        llhttp_errno_t e = llhttp_execute(&r->parser, r->head + from, r->head_len - from);
        if (e == HPE_OK)
            return HTTP1_MORE;
        if (e != HPE_PAUSED && e != HPE_PAUSED_UPGRADE)
            return malformed(r);
        from = (size_t)(llhttp_get_error_pos(&r->parser) - r->head);
        bool again;
        int rc = head_paused(r, from, &again);
        if (!again)
            return rc;
        if (from == r->head_len && llhttp_get_errno(&r->parser) == HPE_OK)
            return HTTP1_MORE;
    }
}

int http1_reader_feed(struct http1_reader *r, const void *p, size_t n)
{
    if (r->done)
        return finish(r, n);
    if (n == 0)
        return HTTP1_MORE;
    return r->head_done ? feed_body(r, p, n) : feed_head(r, p, n);
}

int http1_reader_eof(struct http1_reader *r)
{
    if (r->done)
        return HTTP1_DONE;
    if (r->head_done && r->framing == HTTP1_UNTIL_CLOSE) {
        r->done = true;
        r->keep_alive = false;
        return HTTP1_DONE;
    }
    return err_set(E_EOF, r->head_len == 0 ? "EOF" : "unexpected EOF");
}

uint8_t *http1_reader_room(struct http1_reader *r, size_t *ret_len)
{
    bool whole = r->head_done && !r->done && r->framing == HTTP1_LENGTH && !r->discard;
    if (!whole || r->body_left == 0)
        return NULL;
    size_t want = r->body_left < HTTP_BODY_STEP_BYTES ? (size_t)r->body_left : HTTP_BODY_STEP_BYTES;
    if (r->body_inline && move_body_out(r) < 0)
        return NULL;
    if (want < 4096 || grow_body(r, want) < 0)
        return NULL;
    *ret_len = want;
    return r->body + r->body_len;
}

int http1_reader_claim(struct http1_reader *r, size_t n)
{
    CHECK(n <= r->body_left);
    r->body_len += n;
    r->wire_len += n;
    r->body_left -= n;
    return r->body_left == 0 ? finish(r, 0) : HTTP1_MORE;
}

void http1_reader_take(struct http1_reader *r, struct http_response *ret)
{
    CHECK(r->head_done);
    char *line = r->head + r->message_at;
    char *end = memchr(line, '\n', r->head_end - r->message_at);
    size_t len = end ? (size_t)(end - line) : 0;
    ret->headers_at = r->message_at + len + 1;
    ret->headers_end = r->head_end;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    ret->status = r->say.status;
    ret->proto = r->say.major == 1 && r->say.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
    size_t skip = MIN(len, (size_t)9); /* "HTTP/1.1 " */
    ret->status_text = str_new(line + skip, len - skip);
    ret->head = r->head;
    r->head = NULL;
    if (r->body_inline) {
        ret->body = str_new(ret->head + r->body_at, r->body_len);
        ret->head[r->body_at + r->body_len] = '\0';
    } else if (r->body) {
        r->body[r->body_len] = '\0';
        ret->body_block = r->body;
        ret->body = str_new(r->body, r->body_len);
        r->body = NULL;
    } else {
        ret->body = STR("");
    }
}
