/* What is said to a proxy before it is a wire to somebody else: RFC 9110 9.3.6, RFC 1928, 1929. */
#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "net/proxy.h"
#include "net/rules.h"
#include "net/stream.h"

/* ---- CONNECT ------------------------------------------------------------------------------- */

static void append_target(struct buf *b, struct str host, uint16_t port)
{
    if (str_find(host, ':') >= 0)
        buf_printf(b, "[%.*s]:%u", STR_ARG(host), port);
    else
        buf_printf(b, "%.*s:%u", STR_ARG(host), port);
}

static int write_connect(const struct proxy *p, struct stream *s, struct str host, uint16_t port,
                         int64_t deadline_ns)
{
    CLEANUP(buf_fini) struct buf head;
    buf_init(&head, PROXY_HEAD_MAX);
    buf_z(&head, "CONNECT ");
    append_target(&head, host, port);
    buf_z(&head, " HTTP/1.1\r\nHost: ");
    append_target(&head, host, port);
    buf_z(&head, "\r\nUser-Agent: Spate/" SPATE_VERSION "\r\n");
    if (p->authorization != NULL)
        buf_printf(&head, "Proxy-Authorization: %s\r\n", p->authorization);
    buf_z(&head, "\r\n");
    int rc = buf_finish(&head);
    return rc < 0 ? err_set(rc, "CONNECT to a proxy")
                  : stream_write_all(s, head.data, head.len, deadline_ns);
}

/* 0 for "HTTP/1.1 200 …"; else the proxy's own words are the error. */
static int judge_connect(struct str head)
{
    struct str rest, line = str_trim(str_cut(head, '\n', &rest));
    struct str after, version = str_cut(line, ' ', &after);
    struct str words, status = str_cut(after, ' ', &words);
    if (version.len < 5 || memcmp(version.ptr, "HTTP/", 5) != 0 || status.len != 3)
        return err_set(E_PROTOCOL, "malformed HTTP response \"%.*s\"",
                       (int)MIN(line.len, (size_t)100), line.ptr);
    if (str_eqz(status, "200"))
        return 0;
    if (words.len == 0)
        return err_set(E_REFUSED, "unknown status code");
    return err_set(E_REFUSED, "%.*s", STR_ARG(words));
}

static int read_connect(struct stream *s, int64_t deadline_ns)
{
    CLEANUP(buf_fini) struct buf head;
    buf_init(&head, PROXY_HEAD_MAX);
    for (;;) {
        uint8_t *room = buf_reserve(&head, 1024);
        if (room == NULL)
            return err_set(E_LIMIT, "the proxy's answer is larger than %d bytes", PROXY_HEAD_MAX);
        ssize_t n = stream_read(s, room, 1024, deadline_ns);
        if (n <= 0)
            return n < 0 ? (int)n : err_set(E_EOF, "unexpected EOF");
        buf_claim(&head, (size_t)n);
        /* Nobody behind it speaks before it is spoken to: what has come is the head. */
        if (memmem(head.data, head.len, "\r\n\r\n", 4) != NULL)
            return judge_connect(buf_view(&head));
    }
}

/* ---- SOCKS5 -------------------------------------------------------------------------------- */

enum {
    SOCKS_VERSION = 5,
    SOCKS_NO_AUTH = 0,
    SOCKS_PASSWORD = 2,
    SOCKS_CONNECT = 1,
    SOCKS_V4 = 1,
    SOCKS_NAME = 3,
    SOCKS_V6 = 4,
};

static int read_exactly(struct stream *s, uint8_t *p, size_t n, int64_t deadline_ns)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = stream_read(s, p + at, n - at, deadline_ns);
        if (got <= 0)
            return got < 0 ? (int)got : err_set(E_EOF, "EOF");
        at += (size_t)got;
    }
    return 0;
}

static int refused(const struct stream *s, struct str host, uint16_t port, const char *why)
{
    return err_set(E_REFUSED, "socks connect tcp %s->%.*s:%u: %s", stream_peer(s), STR_ARG(host),
                   port, why);
}

static int say_password(const struct proxy *p, struct stream *s, int64_t deadline_ns)
{
    size_t user = strlen(p->user), password = strlen(p->password);
    uint8_t said[3 + 255 + 255], answer[2];
    if (user == 0 || user > 255 || password > 255)
        return err_set(E_PROTOCOL, "invalid username/password");
    said[0] = 1;
    said[1] = (uint8_t)user;
    memcpy(said + 2, p->user, user);
    said[2 + user] = (uint8_t)password;
    memcpy(said + 3 + user, p->password, password);
    int rc = stream_write_all(s, said, 3 + user + password, deadline_ns);
    if (rc == 0)
        rc = read_exactly(s, answer, sizeof answer, deadline_ns);
    if (rc < 0)
        return rc;
    if (answer[0] != 1)
        return err_set(E_PROTOCOL, "invalid username/password version");
    return answer[1] == 0 ? 0 : err_set(E_PROTOCOL, "username/password authentication failed");
}

static int greet(const struct proxy *p, struct stream *s, struct str host, uint16_t port,
                 int64_t deadline_ns)
{
    uint8_t hello[4] = {SOCKS_VERSION, p->user ? 2 : 1, SOCKS_NO_AUTH, SOCKS_PASSWORD};
    uint8_t answer[2];
    int rc = stream_write_all(s, hello, p->user ? 4 : 3, deadline_ns);
    if (rc == 0)
        rc = read_exactly(s, answer, sizeof answer, deadline_ns);
    if (rc < 0)
        return rc;
    if (answer[0] != SOCKS_VERSION)
        return refused(s, host, port, "unexpected protocol version");
    if (answer[1] == SOCKS_NO_AUTH)
        return 0;
    if (answer[1] != SOCKS_PASSWORD || p->user == NULL)
        return refused(s, host, port, "no acceptable authentication methods");
    return say_password(p, s, deadline_ns);
}

static size_t put_address(uint8_t *p, struct str host, uint16_t port)
{
    struct net_ip ip;
    size_t n = 0;
    if (!net_ip_parse(host, &ip)) {
        p[n++] = SOCKS_NAME;
        p[n++] = (uint8_t)host.len;
        memcpy(p + n, host.ptr, host.len);
        n += host.len;
    } else if (net_ip_is_v4(&ip)) {
        p[n++] = SOCKS_V4;
        memcpy(p + n, ip.addr + 12, 4);
        n += 4;
    } else {
        p[n++] = SOCKS_V6;
        memcpy(p + n, ip.addr, 16);
        n += 16;
    }
    p[n++] = (uint8_t)(port >> 8);
    p[n++] = (uint8_t)port;
    return n;
}

static const char *reply_text(uint8_t code)
{
    static const char *const texts[] = {
        "succeeded",
        "unknown error general SOCKS server failure",
        "unknown error connection not allowed by ruleset",
        "unknown error network unreachable",
        "unknown error host unreachable",
        "unknown error connection refused",
        "unknown error TTL expired",
        "unknown error command not supported",
        "unknown error address type not supported",
    };
    return code < ARRAY_LEN(texts) ? texts[code] : "unknown error unknown code";
}

/* The address that the proxy connects from: of no interest, but it has to be read. */
static int skip_address(struct stream *s, uint8_t type, int64_t deadline_ns)
{
    uint8_t bytes[256 + 2], len = 0;
    int rc = 0;
    if (type == SOCKS_NAME)
        rc = read_exactly(s, &len, 1, deadline_ns);
    else if (type == SOCKS_V4 || type == SOCKS_V6)
        len = type == SOCKS_V4 ? 4 : 16;
    else
        rc = err_set(E_PROTOCOL, "unknown address type %u", type);
    return rc < 0 ? rc : read_exactly(s, bytes, (size_t)len + 2, deadline_ns);
}

static int talk_socks(const struct proxy *p, struct stream *s, struct str host, uint16_t port,
                      int64_t deadline_ns)
{
    uint8_t said[3 + 2 + 255 + 2] = {SOCKS_VERSION, SOCKS_CONNECT, 0}, answer[4];
    if (host.len > 255)
        return refused(s, host, port, "FQDN too long");
    int rc = greet(p, s, host, port, deadline_ns);
    if (rc == 0)
        rc = stream_write_all(s, said, 3 + put_address(said + 3, host, port), deadline_ns);
    if (rc == 0)
        rc = read_exactly(s, answer, sizeof answer, deadline_ns);
    if (rc < 0)
        return rc;
    if (answer[0] != SOCKS_VERSION)
        return refused(s, host, port, "unexpected protocol version");
    if (answer[1] != 0)
        return refused(s, host, port, reply_text(answer[1]));
    return skip_address(s, answer[3], deadline_ns);
}

/* Every failure says that it is the proxy's. */
static int ask_socks(const struct proxy *p, struct stream *s, struct str host, uint16_t port,
                     int64_t deadline_ns)
{
    int rc = talk_socks(p, s, host, port, deadline_ns);
    if (rc >= 0 || rc == E_REFUSED || rc == -ETIMEDOUT || rc == -ECANCELED)
        return rc;
    char why[256];
    snprintf(why, sizeof why, "%s", err_message());
    return refused(s, host, port, why);
}

int proxy_ask(const struct proxy *p, struct stream *s, struct str host, uint16_t port,
              int64_t deadline_ns)
{
    if (p->kind == PROXY_SOCKS5)
        return ask_socks(p, s, host, port, deadline_ns);
    int rc = write_connect(p, s, host, port, deadline_ns);
    return rc < 0 ? rc : read_connect(s, deadline_ns);
}
