#include "client/cookie.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

/* ---- Set-Cookie ---------------------------------------------------------------------------- */

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool is_value_char(char c)
{
    return (uint8_t)c >= 0x20 && (uint8_t)c < 0x7f && c != '"' && c != ';' && c != '\\';
}

/* Without its quotes; false when a byte may not be in a cookie. */
static bool take_value(struct str raw, struct str *ret)
{
    if (raw.len > 1 && raw.ptr[0] == '"' && raw.ptr[raw.len - 1] == '"')
        raw = str_new(raw.ptr + 1, raw.len - 2);
    for (size_t i = 0; i < raw.len; i++)
        if (!is_value_char(raw.ptr[i]))
            return false;
    *ret = raw;
    return true;
}

static bool take_digits(struct str *s, size_t min, size_t max, int *ret)
{
    size_t n = 0;
    int value = 0;
    while (n < s->len && n < max && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        value = value * 10 + (s->ptr[n++] - '0');
    if (n < min)
        return false;
    *s = str_new(s->ptr + n, s->len - n);
    *ret = value;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = str_new(s->ptr + 1, s->len - 1);
    return true;
}

/* One of the three-letter names in `names`, case ignored; its index. */
static bool take_name(struct str *s, const char *names, int *ret)
{
    for (int i = 0; names[(size_t)i * 3] != '\0' && s->len >= 3; i++) {
        if (!str_ieq(str_new(s->ptr, 3), str_new(names + (size_t)i * 3, 3)))
            continue;
        *s = str_new(s->ptr + 3, s->len - 3);
        *ret = i;
        return true;
    }
    return false;
}

/* Days from 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

/* "GMT", "UTC", or another zone's abbreviation, which Go takes for UTC when it isn't the local one.
 */
static bool is_zone(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < 'A' || s.ptr[i] > 'Z')
            return false;
    return s.len == 3 || s.len == 4;
}

int cookie_parse_date(struct str s, bool dashes, int64_t *ret_unix_s)
{
    int weekday = 0, day = 0, month = 0, year = 0, hour = 0, minute = 0, second = 0;
    bool ok = take_name(&s, "MonTueWedThuFriSatSun", &weekday) && take_char(&s, ',') &&
              take_char(&s, ' ') && take_digits(&s, 1, 2, &day);
    char sep = ok && dashes && s.len > 0 && s.ptr[0] == '-' ? '-' : ' ';
    ok = ok && take_char(&s, sep) &&
         take_name(&s, "JanFebMarAprMayJunJulAugSepOctNovDec", &month) && take_char(&s, sep) &&
         take_digits(&s, 4, 4, &year) && take_char(&s, ' ') && take_digits(&s, 2, 2, &hour) &&
         take_char(&s, ':') && take_digits(&s, 2, 2, &minute) && take_char(&s, ':') &&
         take_digits(&s, 2, 2, &second) && take_char(&s, ' ');
    ok = ok && is_zone(s);
    static const int days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!ok || hour > 23 || minute > 59 || second > 59 || day < 1)
        return -EINVAL;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days_of[month] + (month == 1 && leap ? 1 : 0))
        return -EINVAL;
    *ret_unix_s =
        days_from_civil(year, month + 1, day) * 86400 + hour * 3600 + minute * 60 + second;
    return 0;
}

static void take_attribute(struct http_cookie *c, struct str name, struct str value)
{
    int64_t number;
    if (str_ieq(name, STR("secure"))) {
        c->secure = true;
    } else if (str_ieq(name, STR("httponly"))) {
        c->http_only = true;
    } else if (str_ieq(name, STR("domain"))) {
        c->domain = value;
    } else if (str_ieq(name, STR("path"))) {
        c->path = value;
    } else if (str_ieq(name, STR("expires"))) {
        c->has_expires = cookie_parse_date(value, true, &c->expires_s) == 0;
    } else if (str_ieq(name, STR("max-age"))) {
        bool leading_zero = value.len > 1 && value.ptr[0] == '0';
        if (!leading_zero && str_to_i64(value, &number) == 0)
            c->max_age_s = number <= 0 ? -1 : MIN(number, INT64_C(1) << 32);
    }
}

bool cookie_parse(struct str line, struct http_cookie *ret)
{
    if (line.len > COOKIE_BYTES_MAX)
        return false;
    struct http_cookie c = {0};
    struct str rest, value;
    struct str pair = str_trim(str_cut(str_trim(line), ';', &rest));
    if (str_find(pair, '=') < 0)
        return false;
    c.name = str_trim(str_cut(pair, '=', &value));
    if (!is_token(c.name) || !take_value(value, &c.value))
        return false;
    while (rest.ptr) {
        struct str attribute = str_trim(str_cut(rest, ';', &rest)), text;
        struct str name = str_cut(attribute, '=', &text);
        if (name.len > 0 && take_value(text, &text))
            take_attribute(&c, name, text);
    }
    *ret = c;
    return true;
}

void cookie_append_pair(struct buf *out, struct str name, struct str value)
{
    if (out->len > 0)
        buf_z(out, "; ");
    for (size_t i = 0; i < name.len; i++)
        buf_byte(out, name.ptr[i] == '\r' || name.ptr[i] == '\n' ? '-' : (uint8_t)name.ptr[i]);
    buf_byte(out, '=');
    bool quoted = str_find(value, ' ') >= 0 || str_find(value, ',') >= 0;
    if (quoted)
        buf_byte(out, '"');
    for (size_t i = 0; i < value.len; i++)
        if (is_value_char(value.ptr[i]))
            buf_byte(out, (uint8_t)value.ptr[i]);
    if (quoted)
        buf_byte(out, '"');
}

/* ---- the jar ------------------------------------------------------------------------------- */

struct entry {
    char *block; /* owns the four texts */
    struct str name, value;
    struct str domain; /* lower case, no leading dot */
    struct str path;
    bool host_only, secure;
    int64_t expires_s; /* INT64_MAX: with the jar */
    uint64_t seq;      /* order of creation; kept when the value is replaced */
};

struct cookie_jar {
    struct entry *entries;
    size_t len, cap;
    uint64_t seq;
};

int cookie_jar_new(struct cookie_jar **ret)
{
    struct cookie_jar *j = mem_calloc(1, sizeof *j);
    if (!j)
        return -ENOMEM;
    *ret = j;
    return 0;
}

void cookie_jar_clear(struct cookie_jar *j)
{
    for (size_t i = 0; i < j->len; i++)
        mem_free(j->entries[i].block);
    j->len = 0;
}

void cookie_jar_free(struct cookie_jar *j)
{
    if (!j)
        return;
    cookie_jar_clear(j);
    mem_free(j->entries);
    mem_free(j);
}

size_t cookie_jar_len(const struct cookie_jar *j)
{
    return j ? j->len : 0;
}

static void remove_at(struct cookie_jar *j, size_t i)
{
    mem_free(j->entries[i].block);
    j->len--;
    memmove(&j->entries[i], &j->entries[i + 1], (j->len - i) * sizeof j->entries[0]);
}

/* True when `host` is `domain` or, when `below`, something beneath it. */
static bool domain_matches(struct str host, struct str domain, bool below)
{
    if (str_ieq(host, domain))
        return true;
    if (!below || host.len <= domain.len)
        return false;
    size_t at = host.len - domain.len;
    return host.ptr[at - 1] == '.' && str_ieq(str_new(host.ptr + at, domain.len), domain);
}

static bool path_matches(struct str path, struct str prefix)
{
    if (path.len == 0)
        path = STR("/");
    if (!str_starts(path, prefix))
        return false;
    return path.len == prefix.len || prefix.ptr[prefix.len - 1] == '/' ||
           path.ptr[prefix.len] == '/';
}

static bool is_ip(struct str host)
{
    char text[INET6_ADDRSTRLEN + 1];
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    uint8_t bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_http(const struct url *u)
{
    return (str_eqz(u->scheme, "http") || str_eqz(u->scheme, "https")) && u->host.len > 0;
}

/* The domain that the cookie gets, and whether it is for that host alone; false: not allowed. */
static bool domain_for(struct str host, struct str wanted, struct str *ret, bool *ret_host_only)
{
    *ret = host;
    *ret_host_only = true;
    if (wanted.len == 0)
        return true;
    if (is_ip(host))
        return str_eq(host, wanted);
    if (wanted.ptr[0] == '.')
        wanted = str_new(wanted.ptr + 1, wanted.len - 1);
    if (wanted.len == 0 || wanted.ptr[0] == '.' || wanted.ptr[wanted.len - 1] == '.')
        return false;
    *ret = wanted;
    *ret_host_only = false;
    return domain_matches(host, wanted, true);
}

/* The folder of a URL's path: what a cookie without Path gets. */
static struct str default_path(struct str path)
{
    size_t len = path.len;
    while (len > 0 && path.ptr[len - 1] != '/')
        len--;
    return len <= 1 || path.ptr[0] != '/' ? STR("/") : str_new(path.ptr, len - 1);
}

static ptrdiff_t find_entry(const struct cookie_jar *j, const struct entry *e)
{
    for (size_t i = 0; i < j->len; i++) {
        const struct entry *o = &j->entries[i];
        if (str_eq(o->name, e->name) && str_ieq(o->domain, e->domain) && str_eq(o->path, e->path))
            return (ptrdiff_t)i;
    }
    return -1;
}

static struct str copy_to(char **at, struct str s)
{
    struct str copy = {*at, s.len};
    if (s.len > 0)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copy;
}

/* Makes the entry the owner of its texts. */
static int own_texts(struct entry *e)
{
    char *block = mem_alloc(e->name.len + e->value.len + e->domain.len + e->path.len + 1);
    if (!block)
        return -ENOMEM;
    char *at = block;
    e->name = copy_to(&at, e->name);
    e->value = copy_to(&at, e->value);
    e->domain = copy_to(&at, e->domain);
    e->path = copy_to(&at, e->path);
    e->block = block;
    return 0;
}

int cookie_jar_set(struct cookie_jar *j, const struct url *u, const struct http_cookie *c,
                   int64_t now_s)
{
    struct entry e = {.name = c->name, .value = c->value, .secure = c->secure};
    if (!is_http(u) || !domain_for(u->host, c->domain, &e.domain, &e.host_only))
        return 0;
    bool own_path = c->path.len > 0 && c->path.ptr[0] == '/';
    e.path = own_path ? c->path : default_path(u->path);
    e.expires_s = INT64_MAX;
    if (c->max_age_s != 0)
        e.expires_s = c->max_age_s > 0 ? now_s + c->max_age_s : INT64_MIN;
    else if (c->has_expires)
        e.expires_s = c->expires_s;

    ptrdiff_t at = find_entry(j, &e);
    if (e.expires_s <= now_s) {
        if (at >= 0)
            remove_at(j, (size_t)at);
        return 0;
    }
    if (at < 0) {
        int rc = mem_grow(&j->entries, &j->cap, j->len + 1, COOKIES_PER_JAR_MAX, sizeof e);
        if (rc < 0)
            return rc;
    }
    int rc = own_texts(&e);
    if (rc < 0)
        return rc;
    if (at >= 0) {
        e.seq = j->entries[at].seq;
        mem_free(j->entries[at].block);
        j->entries[at] = e;
    } else {
        e.seq = j->seq++;
        j->entries[j->len++] = e;
    }
    return 0;
}

static bool goes_to(const struct entry *e, const struct url *u)
{
    return domain_matches(u->host, e->domain, !e->host_only) && path_matches(u->path, e->path) &&
           (!e->secure || str_eqz(u->scheme, "https"));
}

static int by_path_then_age(const void *pa, const void *pb)
{
    const struct entry *a = *(const struct entry *const *)pa, *b = *(const struct entry *const *)pb;
    if (a->path.len != b->path.len)
        return a->path.len > b->path.len ? -1 : 1;
    return a->seq < b->seq ? -1 : 1;
}

int cookie_jar_each(struct cookie_jar *j, const struct url *u, int64_t now_s, cookie_fn *fn,
                    void *arg)
{
    if (j->len == 0 || !is_http(u))
        return 0;
    for (size_t i = j->len; i > 0; i--)
        if (j->entries[i - 1].expires_s <= now_s)
            remove_at(j, i - 1);
    struct entry *few[16];
    struct entry **list = few;
    if (j->len > ARRAY_LEN(few))
        list = mem_calloc(j->len, sizeof *list);
    if (!list)
        return -ENOMEM;
    size_t len = 0;
    for (size_t i = 0; i < j->len; i++)
        if (goes_to(&j->entries[i], u))
            list[len++] = &j->entries[i];
    qsort(list, len, sizeof *list, by_path_then_age);
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = fn(arg, list[i]->name, list[i]->value);
    if (list != few)
        mem_free(list);
    return rc;
}

/* As by a Set-Cookie for that URL without Domain and Path: what another path made stays. */
void cookie_jar_remove(struct cookie_jar *j, const struct url *u, struct str name)
{
    if (!is_http(u))
        return;
    struct str folder = default_path(u->path);
    for (size_t i = j->len; i > 0; i--) {
        const struct entry *e = &j->entries[i - 1];
        if (goes_to(e, u) && str_ieq(e->domain, u->host) && str_eq(e->path, folder) &&
            (!name.ptr || str_eq(name, e->name)))
            remove_at(j, i - 1);
    }
}
