/*
 * url - an absolute URL taken apart as Go's net/url does it, since that is what k6 shows and sends.
 *
 * A struct url owns its text; the parts are views into it.
 */
#ifndef CODEC_URL_H
#define CODEC_URL_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct url {
    struct str text;      /* put together again as Go prints it: what is shown, tagged, sent on */
    struct str scheme;    /* lower case, without ':' */
    struct str userinfo;  /* as typed, "user:pass"; NULL ptr: none */
    struct str authority; /* host[:port], what the Host header says: as typed, or in Punycode */
    struct str host;  /* no brackets, no port, no zone, %-escapes decoded, in Punycode (codec/idna);
                       * may be empty */
    struct str path;  /* escaped for the wire; may be empty */
    struct str query; /* as typed, without '?'; NULL ptr: none */
    struct str fragment; /* as typed, without '#'; NULL ptr: none */
    struct str clean;    /* text with userinfo masked: for tags and logs */
    struct str target;   /* what a request line says: path or "/", and ?query */
    uint16_t port;       /* given, or the scheme's; 0: neither */
    bool port_beyond;   /* the one given is above 65535: no connection, though a URL; `port` is 0 */
    bool has_authority; /* "//" was there */
    char *block;        /* the memory behind it all */
};

/*
 * 0; -EINVAL with Go's message ('parse "http://a b/": invalid character " " in host name');
 * -ENOMEM. Relative references parse too: their scheme is empty.
 */
NODISCARD int url_parse(struct str text, struct url *ret);
void url_fini(struct url *u); /* safe on a zeroed one */

/* `ref` (of a Location header) against `base`, RFC 3986 5.2; errors as url_parse(). */
NODISCARD int url_resolve(const struct url *base, struct str ref, struct url *ret);

/* "user" and "pass" of the userinfo, %-decoded, appended as "user:pass" (for Basic). */
void url_append_userinfo(struct buf *b, const struct url *u);

/* `s` in double quotes, escaped as Go's %q does it. */
void url_append_quoted(struct buf *b, struct str s);

/* Form encoding: A-Z a-z 0-9 - _ . ~ stay, a space is '+', the rest %XX. */
void url_append_query_escaped(struct buf *b, struct str s);

#endif
