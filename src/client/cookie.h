/*
 * cookie - Set-Cookie, and the jar of a virtual user (RFC 6265, with Go's cookiejar's reading of it
 * and no list of public suffixes, as k6 has it).
 *
 * Nothing here waits.  A jar owns its cookies.  Times are Unix seconds of the wall clock, given by
 * the caller.
 */
#ifndef CLIENT_COOKIE_H
#define CLIENT_COOKIE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/url.h"

#include <stdbool.h>
#include <stdint.h>

/* One cookie as a server or a script sets it; the texts belong to whoever filled it in. */
struct http_cookie {
    struct str name, value;
    struct str domain; /* empty: the host that sets it, and only that */
    struct str path;   /* empty: the folder of the URL */
    bool http_only, secure;
    int64_t max_age_s; /* 0: not given; negative: gone at once */
    bool has_expires;
    int64_t expires_s; /* Unix seconds; valid when has_expires */
};

/* False: not a cookie that Go would take.  The views point into `line`. */
bool cookie_parse(struct str line, struct http_cookie *ret);

/* "Mon, 02 Jan 2006 15:04:05 GMT", and with dashes in the date when `dashes`.  0 or -EINVAL. */
NODISCARD int cookie_parse_date(struct str s, bool dashes, int64_t *ret_unix_s);

/* "name=value" for a Cookie header, cleaned as Go does it; "; " in front when out isn't empty. */
void cookie_append_pair(struct buf *out, struct str name, struct str value);

struct cookie_jar;

NODISCARD int cookie_jar_new(struct cookie_jar **ret);
void cookie_jar_free(struct cookie_jar *j); /* NULL is fine */
void cookie_jar_clear(struct cookie_jar *j);
size_t cookie_jar_len(const struct cookie_jar *j);

/* Adds, replaces or removes, by the URL that it comes from; one that the URL may not set is
 * ignored.  0, -ENOMEM, or -E2BIG when the jar is full. */
int cookie_jar_set(struct cookie_jar *j, const struct url *u, const struct http_cookie *c,
                   int64_t now_s);

/* Calls `fn` for each cookie that `u` gets, longest path first, then oldest first; stops at the
 * first result that isn't 0 and returns it.  `fn` must not change the jar. */
typedef int cookie_fn(void *arg, struct str name, struct str value);
int cookie_jar_each(struct cookie_jar *j, const struct url *u, int64_t now_s, cookie_fn *fn,
                    void *arg);

/* Removes of what cookie_jar_each() would give the cookies that belong to `u`'s own host and
 * folder, as k6 does it; of that name only, unless name.ptr is NULL. */
void cookie_jar_remove(struct cookie_jar *j, const struct url *u, struct str name);

#endif
