#include "codec/url.h"

#include "codec/idna.h"

#include <errno.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

/* What a character may stand in, as Go's net/url has it. */
static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool in_set(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool path_must_escape(char c)
{
    return !is_alnum(c) && !in_set(c, "-_.~$&+,/:;=@");
}

/* Characters that may stay as typed in a path that is otherwise well escaped. */
static bool path_may_stay(char c)
{
    return !path_must_escape(c) || in_set(c, "!'()*[]%");
}

static bool host_must_escape(char c)
{
    return !is_alnum(c) && !in_set(c, "!$&'()*+,;=:[]<>\"-_.~");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static void append_percent(struct buf *b, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t u = (uint8_t)c;
    buf_byte(b, '%');
    buf_byte(b, (uint8_t)digits[u >> 4]);
    buf_byte(b, (uint8_t)digits[u & 15]);
}

void url_append_quoted(struct buf *b, struct str s)
{
    bool utf8 = str_is_utf8(s);
    buf_byte(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            buf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            buf_printf(b, "\\x%02x", (unsigned)c);
        else
            buf_byte(b, c);
    }
    buf_byte(b, '"');
}

void url_append_query_escaped(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (is_alnum(c) || in_set(c, "-_.~"))
            buf_byte(b, (uint8_t)c);
        else if (c == ' ')
            buf_byte(b, '+');
        else
            append_percent(b, c);
    }
}

/* The parts as they were typed, before anything is checked or escaped. */
struct parts {
    struct str scheme, userinfo, hostport, path, query, fragment;
    bool has_authority, opaque;
};

PRINTF(2, 3) static int bad_url(struct str text, const char *fmt, ...)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, ERR_MESSAGE_MAX);
    buf_z(&b, "parse ");
    url_append_quoted(&b, text);
    buf_z(&b, ": ");
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return err_set(-EINVAL, "%.*s", STR_ARG(buf_view(&b)));
}

/* Length of the scheme before ':', 0: none, -1: a ':' with nothing before it. */
static ptrdiff_t scheme_len(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == ':')
            return i == 0 ? -1 : (ptrdiff_t)i;
        if (!is_alnum(c) && (i == 0 || !in_set(c, "+-.")))
            return 0;
        if (i == 0 && c >= '0' && c <= '9')
            return 0;
    }
    return 0;
}

static struct str rest_from(struct str s, size_t at)
{
    return str_new(s.ptr + at, s.len - at);
}

static bool first_segment_has_colon(struct str path)
{
    ptrdiff_t colon = str_find(path, ':'), slash = str_find(path, '/');
    return colon >= 0 && (slash < 0 || colon < slash);
}

static int split(struct str text, struct parts *p)
{
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return bad_url(text, "net/url: invalid control character in URL");

    struct str rest = str_cut(text, '#', &p->fragment);
    ptrdiff_t scheme = scheme_len(rest);
    if (scheme < 0)
        return bad_url(text, "missing protocol scheme");
    if (scheme > 0) {
        p->scheme = str_new(rest.ptr, (size_t)scheme);
        rest = rest_from(rest, (size_t)scheme + 1);
    }
    ptrdiff_t mark = str_find(rest, '?');
    if (mark >= 0) {
        p->query = rest_from(rest, (size_t)mark + 1);
        rest.len = (size_t)mark;
    }
    if (!str_starts(rest, STR("/"))) {
        if (p->scheme.len > 0) {
            p->opaque = true;
        } else {
            if (first_segment_has_colon(rest))
                return bad_url(text, "first path segment in URL cannot contain colon");
        }
    }
    if (str_starts(rest, STR("//")) && (p->scheme.len > 0 || !str_starts(rest, STR("///")))) {
        p->has_authority = true;
        struct str authority = rest_from(rest, 2);
        ptrdiff_t slash = str_find(authority, '/');
        rest = slash < 0 ? STR_EMPTY : rest_from(authority, (size_t)slash);
        if (slash >= 0)
            authority.len = (size_t)slash;
        p->hostport = authority;
        for (size_t i = authority.len; i > 0; i--) {
            if (authority.ptr[i - 1] != '@')
                continue;
            p->userinfo = str_new(authority.ptr, i - 1);
            p->hostport = rest_from(authority, i);
            break;
        }
    }
    p->path = rest;
    return 0;
}

static int check_escapes(struct str text, struct str s, bool host)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            bool ok = i + 2 < s.len && hex_value(s.ptr[i + 1]) >= 0 && hex_value(s.ptr[i + 2]) >= 0;
            /* In a host only bytes outside ASCII may be escaped, and '%' itself for zones. */
            if (ok && host && hex_value(s.ptr[i + 1]) < 8 && memcmp(s.ptr + i, "%25", 3) != 0)
                ok = false;
            if (!ok)
                return bad_url(text, "invalid URL escape \"%.*s\"", (int)MIN(s.len - i, (size_t)3),
                               s.ptr + i);
            i += 2;
        } else if (host && (uint8_t)c < 0x80 && host_must_escape(c)) {
            return bad_url(text, "invalid character \"%s%c\" in host name", c == '\\' ? "\\" : "",
                           c);
        }
    }
    return 0;
}

static int check_userinfo(struct str text, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.ptr[i]) && !in_set(s.ptr[i], "-._:~!$&'()*+,;=%@"))
            return bad_url(text, "net/url: invalid userinfo");
    return check_escapes(text, s, false);
}

static int bad_port(struct str text, struct str tail)
{
    CLEANUP(buf_fini) struct buf quoted;
    buf_init(&quoted, ERR_MESSAGE_MAX);
    url_append_quoted(&quoted, tail);
    return bad_url(text, "invalid port %.*s after host", STR_ARG(buf_view(&quoted)));
}

/* Cuts "host:port"; *ret_host keeps brackets, *ret_port is -1 when there is none,
 * 65536 when it is too large. */
static int split_port(struct str text, struct str hostport, struct str *ret_host, int *ret_port)
{
    *ret_host = hostport;
    *ret_port = -1;
    size_t at = hostport.len;
    if (str_starts(hostport, STR("["))) {
        ptrdiff_t close = -1;
        for (size_t i = 0; i < hostport.len; i++)
            if (hostport.ptr[i] == ']')
                close = (ptrdiff_t)i;
        if (close < 0)
            return bad_url(text, "missing ']' in host");
        at = (size_t)close + 1;
    } else {
        for (size_t i = hostport.len; i > 0 && at == hostport.len; i--)
            if (hostport.ptr[i - 1] == ':')
                at = i - 1;
    }
    if (at == hostport.len)
        return 0;
    struct str tail = rest_from(hostport, at);
    int port = 0;
    bool ok = tail.ptr[0] == ':';
    for (size_t i = 1; i < tail.len && ok; i++) {
        ok = tail.ptr[i] >= '0' && tail.ptr[i] <= '9';
        port = MIN(port * 10 + (tail.ptr[i] - '0'), 65536);
    }
    if (!ok)
        return bad_port(text, tail);
    ret_host->len = at;
    *ret_port = tail.len > 1 ? port : -1;
    return 0;
}

/* The escaped path: as typed when that is well-formed, else unescaped and escaped again. */
static void append_path(struct buf *b, struct str path)
{
    bool stays = true;
    for (size_t i = 0; i < path.len && stays; i++)
        stays = path_may_stay(path.ptr[i]);
    if (stays) {
        buf_str(b, path);
        return;
    }
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '%') {
            c = (char)(hex_value(path.ptr[i + 1]) << 4 | hex_value(path.ptr[i + 2]));
            i += 2;
        }
        if (path_must_escape(c))
            append_percent(b, c);
        else
            buf_byte(b, (uint8_t)c);
    }
}

/* Host without brackets and zone, escapes decoded. */
static void append_host(struct buf *b, struct str host)
{
    if (host.len >= 2 && host.ptr[0] == '[')
        host = str_new(host.ptr + 1, host.len - 2);
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (c == '%') {
            if (memcmp(host.ptr + i, "%25", 3) == 0)
                return;
            c = (char)(hex_value(host.ptr[i + 1]) << 4 | hex_value(host.ptr[i + 2]));
            i += 2;
        }
        buf_byte(b, (uint8_t)c);
    }
}

static uint16_t default_port(struct str scheme)
{
    if (str_eqz(scheme, "http") || str_eqz(scheme, "ws"))
        return 80;
    return str_eqz(scheme, "https") || str_eqz(scheme, "wss") ? 443 : 0;
}

/* Offsets while the block is being written. */
struct span {
    size_t at, len;
};

static struct span append_span(struct buf *b, struct str s)
{
    struct span v = {b->len, s.len};
    buf_str(b, s);
    return v;
}

static struct str view(const char *block, struct span s)
{
    return str_new(block + s.at, s.len);
}

/* What is in the buffer already, once more. */
static void append_again(struct buf *b, size_t from, size_t len)
{
    uint8_t *room = buf_reserve(b, len);
    if (room) {
        memcpy(room, b->data + from, len);
        buf_claim(b, len);
    }
}

/* The text once more with the userinfo masked; the text itself when there is none. */
static struct span append_clean(struct buf *b, const struct parts *p, struct span text,
                                struct span authority)
{
    if (!p->userinfo.ptr)
        return text;
    struct span clean = {b->len, 0};
    append_again(b, text.at, authority.at - p->userinfo.len - 1);
    buf_z(b, str_find(p->userinfo, ':') >= 0 ? "****:****" : "****");
    append_again(b, authority.at - 1, text.len - authority.at + 1);
    clean.len = b->len - clean.at;
    return clean;
}

/* What a request line says when the path is empty. */
static struct span append_root_target(struct buf *b, const struct parts *p)
{
    struct span target = {b->len, 0};
    buf_byte(b, '/');
    if (p->query.ptr) {
        buf_byte(b, '?');
        buf_str(b, p->query);
    }
    target.len = b->len - target.at;
    return target;
}

/* The host as it is looked up, with letters of other alphabets in Punycode. */
static struct span append_name(struct buf *b, struct str host)
{
    struct span name = {b->len, 0};
    append_host(b, host);
    name.len = b->len - name.at;
    struct str plain = str_new(b->data + name.at, name.len);
    if (b->err != 0 || !idna_is_needed(plain))
        return name;
    CLEANUP(buf_fini) struct buf mapped;
    buf_init(&mapped, URL_TEXT_MAX);
    if (!idna_append_lookup(&mapped, plain))
        return name;
    return append_span(b, buf_view(&mapped));
}

/* What the Host header says: likewise, and the port as typed. */
static struct span append_authority(struct buf *b, struct str host, struct str hostport,
                                    struct span typed)
{
    CLEANUP(buf_fini) struct buf plain;
    buf_init(&plain, URL_TEXT_MAX);
    append_host(&plain, host);
    if (!idna_is_needed(buf_view(&plain)))
        return typed;
    struct span authority = {b->len, 0};
    if (!idna_append_punycode(b, buf_view(&plain)))
        return typed;
    buf_str(b, str_new(hostport.ptr + host.len, hostport.len - host.len));
    authority.len = b->len - authority.at;
    return authority;
}

/* Writes text, then what isn't part of it, and points the views there. */
static int assemble(const struct parts *p, struct str host, int port, struct url *ret)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 8 * (size_t)URL_TEXT_MAX);
    struct url u = {.has_authority = p->has_authority};
    struct span scheme = {0, p->scheme.len};
    for (size_t i = 0; i < p->scheme.len; i++) {
        char c = p->scheme.ptr[i];
        buf_byte(&b, (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    }
    if (p->scheme.len > 0)
        buf_byte(&b, ':');
    struct span user = {0}, authority = {0}, query = {0}, fragment = {0};
    if (p->has_authority) {
        buf_z(&b, "//");
        if (p->userinfo.ptr) {
            user = append_span(&b, p->userinfo);
            buf_byte(&b, '@');
        }
        authority = append_span(&b, p->hostport);
    }
    CLEANUP(buf_fini) struct buf escaped;
    buf_init(&escaped, 3 * (size_t)URL_TEXT_MAX);
    if (!p->opaque)
        append_path(&escaped, p->path);
    struct str shown = p->opaque ? p->path : buf_view(&escaped);
    if (p->scheme.len == 0 && !p->has_authority && first_segment_has_colon(shown))
        buf_z(&b, "./"); /* else it would read as a scheme */
    struct span path = {b.len, 0};
    buf_str(&b, shown);
    path.len = b.len - path.at;
    if (p->query.ptr) {
        buf_byte(&b, '?');
        query = append_span(&b, p->query);
    }
    struct span target = {path.at, b.len - path.at};
    if (p->fragment.ptr) {
        buf_byte(&b, '#');
        fragment = append_span(&b, p->fragment);
    }
    struct span text = {0, b.len};
    struct span clean = append_clean(&b, p, text, authority);
    if (path.len == 0)
        target = append_root_target(&b, p);
    struct span name = append_name(&b, host);
    if (idna_is_needed(host) || str_find(host, '%') >= 0)
        authority = append_authority(&b, host, p->hostport, authority);
    buf_byte(&b, '\0');
    int rc = buf_finish(&escaped) < 0 ? buf_finish(&escaped) : buf_finish(&b);
    if (rc < 0)
        return err_set(rc, "parse URL");

    size_t len;
    u.block = (char *)buf_take(&b, &len);
    u.text = view(u.block, text);
    u.scheme = view(u.block, scheme);
    u.userinfo = p->userinfo.ptr ? view(u.block, user) : STR_EMPTY;
    u.authority = view(u.block, authority);
    u.host = view(u.block, name);
    u.path = view(u.block, path);
    u.query = p->query.ptr ? view(u.block, query) : STR_EMPTY;
    u.fragment = p->fragment.ptr ? view(u.block, fragment) : STR_EMPTY;
    u.clean = view(u.block, clean);
    u.target = view(u.block, target);
    u.port_beyond = port > 65535;
    u.port = port < 0 ? default_port(u.scheme) : u.port_beyond ? 0 : (uint16_t)port;
    *ret = u;
    return 0;
}

int url_parse(struct str text, struct url *ret)
{
    if (text.len > URL_TEXT_MAX)
        return err_set(-EINVAL, "URL of %zu bytes is longer than %d", text.len, (int)URL_TEXT_MAX);
    struct parts p = {0};
    int rc = split(text, &p);
    if (rc < 0)
        return rc;
    struct str host;
    int port;
    rc = split_port(text, p.hostport, &host, &port);
    if (rc == 0 && p.userinfo.ptr)
        rc = check_userinfo(text, p.userinfo);
    if (rc == 0)
        rc = check_escapes(text, host, true);
    if (rc == 0 && !p.opaque)
        rc = check_escapes(text, p.path, false);
    return rc < 0 ? rc : assemble(&p, host, port, ret);
}

void url_fini(struct url *u)
{
    if (!u || !u->block)
        return;
    mem_free(u->block);
    *u = (struct url){0};
}

/* RFC 3986 5.2.4 on base's folder + ref: segments "." and ".." go away. */
static void append_resolved_path(struct buf *b, struct str base, struct str ref)
{
    CLEANUP(buf_fini) struct buf full;
    buf_init(&full, 8 * (size_t)URL_TEXT_MAX);
    if (ref.len == 0) {
        buf_str(&full, base);
    } else if (ref.ptr[0] == '/') {
        buf_str(&full, ref);
    } else {
        size_t cut = base.len;
        while (cut > 0 && base.ptr[cut - 1] != '/')
            cut--;
        buf_str(&full, str_new(base.ptr, cut));
        buf_str(&full, ref);
    }
    if (full.len == 0)
        return;
    size_t start = b->len;
    struct str rest = buf_view(&full);
    if (rest.ptr[0] == '/')
        rest = rest_from(rest, 1);
    for (bool more = true; more;) {
        ptrdiff_t slash = str_find(rest, '/');
        struct str segment = slash < 0 ? rest : str_new(rest.ptr, (size_t)slash);
        more = slash >= 0;
        if (more)
            rest = rest_from(rest, (size_t)slash + 1);
        bool dot = str_eqz(segment, "."), dots = str_eqz(segment, "..");
        if (dots)
            while (b->len > start && b->data[--b->len] != '/') {
            }
        if (!dot && !dots) {
            buf_byte(b, '/');
            buf_str(b, segment);
        } else if (!more) {
            buf_byte(b, '/');
        }
    }
}

int url_resolve(const struct url *base, struct str ref, struct url *ret)
{
    CLEANUP(url_fini) struct url r = {0};
    int rc = url_parse(ref, &r);
    if (rc < 0)
        return rc;
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, 4 * (size_t)URL_TEXT_MAX);
    bool own = r.scheme.len > 0 || r.has_authority;
    struct str scheme = r.scheme.len > 0 ? r.scheme : base->scheme;
    const struct url *where = own ? &r : base;
    if (scheme.len > 0)
        buf_printf(&b, "%.*s:", STR_ARG(scheme));
    if (where->has_authority) {
        buf_z(&b, "//");
        if (where->userinfo.ptr)
            buf_printf(&b, "%.*s@", STR_ARG(where->userinfo));
        buf_str(&b, where->authority);
    }
    if (own && !r.has_authority)
        buf_str(&b, r.path);
    else
        append_resolved_path(&b, own ? STR_EMPTY : base->path, r.path);
    bool same = !own && r.path.len == 0 && !r.query.ptr;
    struct str query = same ? base->query : r.query;
    if (query.ptr) {
        buf_byte(&b, '?');
        buf_str(&b, query);
    }
    struct str fragment = same && !r.fragment.ptr ? base->fragment : r.fragment;
    if (fragment.ptr) {
        buf_byte(&b, '#');
        buf_str(&b, fragment);
    }
    rc = buf_finish(&b);
    if (rc < 0)
        return err_set(rc, "resolve URL");
    return url_parse(buf_view(&b), ret);
}

void url_append_userinfo(struct buf *b, const struct url *u)
{
    for (size_t i = 0; i < u->userinfo.len; i++) {
        char c = u->userinfo.ptr[i];
        if (c == '%') {
            c = (char)(hex_value(u->userinfo.ptr[i + 1]) << 4 | hex_value(u->userinfo.ptr[i + 2]));
            i += 2;
        }
        buf_byte(b, (uint8_t)c);
    }
    if (str_find(u->userinfo, ':') < 0)
        buf_byte(b, ':');
}
