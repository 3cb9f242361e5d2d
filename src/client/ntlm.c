/*
 * A message is a header of fixed length, with fields (length, room, offset) that point behind it,
 * and the payload.  Numbers are little-endian, text is UTF-16.
 */
#include "client/ntlm.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/err.h"
#include "codec/md4.h"

#define SIGNATURE "NTLMSSP"

enum {
    FLAG_UNICODE = 0x1,
    FLAG_REQUEST_TARGET = 0x4,
    FLAG_NTLM = 0x200,
    FLAG_DOMAIN_SUPPLIED = 0x1000,
    FLAG_EXTENDED_SECURITY = 0x80000,
    FLAG_TARGET_INFO = 0x800000,
    FLAG_VERSION = 0x2000000,
    FLAG_128 = 0x20000000,

    NEGOTIATE_HEAD = 40,
    CHALLENGE_HEAD = 48,
    AUTHENTICATE_HEAD = 72,
    HASH = 16,
    TEXT_MAX = 64 * 1024,
};
#define FLAG_56 0x80000000U

static void put_le(struct buf *out, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_byte(out, (uint8_t)(v >> 8 * i));
}

static uint64_t get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Windows 7's, as others say it. */
static void put_version(struct buf *out)
{
    static const uint8_t version[] = {6, 1, 0xb1, 0x1d, 0, 0, 0, 15};
    buf_append(out, version, sizeof version);
}

static void put_field(struct buf *out, size_t len, size_t *offset)
{
    put_le(out, len, 2);
    put_le(out, len, 2);
    put_le(out, *offset, 4);
    *offset += len;
}

static uint32_t upper(uint32_t c)
{
    bool small = (c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7);
    return small ? c - 32 : c;
}

/* One character of UTF-8; U+FFFD for what is none. */
static uint32_t take_char(struct str *s)
{
    uint8_t first = (uint8_t)s->ptr[0];
    unsigned more = first < 0x80 ? 0 : first < 0xc2 ? 9 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fU >> more);
    unsigned i = 1;
    if (more > 3 || more >= s->len)
        c = 0xfffd;
    else
        for (; i <= more && ((uint8_t)s->ptr[i] & 0xc0) == 0x80; i++)
            c = c << 6 | ((uint8_t)s->ptr[i] & 0x3f);
    if (more <= 3 && i <= more)
        c = 0xfffd;
    *s = str_new(s->ptr + i, s->len - i);
    return c;
}

static void put_utf16(struct buf *out, struct str s, bool capitals)
{
    while (s.len > 0) {
        uint32_t c = take_char(&s);
        c = capitals ? upper(c) : c;
        if (c >= 0x10000) {
            put_le(out, 0xd800 + ((c - 0x10000) >> 10), 2);
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        put_le(out, c, 2);
    }
}

void ntlm_negotiate(struct buf *out, struct str domain)
{
    uint32_t flags = FLAG_UNICODE | FLAG_REQUEST_TARGET | FLAG_NTLM | FLAG_EXTENDED_SECURITY |
                     FLAG_TARGET_INFO | FLAG_VERSION | FLAG_128 | FLAG_56;
    if (domain.len > 0)
        flags |= FLAG_DOMAIN_SUPPLIED;
    size_t offset = NEGOTIATE_HEAD;
    buf_append(out, SIGNATURE, sizeof SIGNATURE);
    put_le(out, 1, 4);
    put_le(out, flags, 4);
    put_field(out, domain.len, &offset);
    put_field(out, 0, &offset);
    put_version(out);
    for (size_t i = 0; i < domain.len; i++) /* in the OEM's letters */
        buf_byte(out,
                 (uint8_t)((uint8_t)domain.ptr[i] < 128 ? upper((uint8_t)domain.ptr[i]) : '?'));
}

/* ---- the answer ----------------------------------------------------------------------------- */

struct challenge {
    uint32_t flags;
    const uint8_t *nonce; /* 8 bytes */
    struct str target;    /* UTF-16 */
    struct str info;      /* pairs of an id and a value */
    bool has_time;
    uint64_t time;
};

static bool read_field(struct str message, size_t at, struct str *ret)
{
    const uint8_t *p = (const uint8_t *)message.ptr + at;
    size_t len = (size_t)get_le(p, 2), offset = (size_t)get_le(p + 4, 4);
    if (offset > message.len || len > message.len - offset)
        return false;
    *ret = str_new(message.ptr + offset, len);
    return true;
}

/* The server's time among what it says of itself. */
static void read_time(struct challenge *c)
{
    enum { AV_END = 0, AV_TIME = 7 };
    const uint8_t *p = (const uint8_t *)c->info.ptr;
    size_t left = c->info.len;
    while (left >= 4) {
        unsigned id = (unsigned)get_le(p, 2);
        size_t len = (size_t)get_le(p + 2, 2);
        if (id == AV_END || len > left - 4)
            return;
        if (id == AV_TIME && len == 8) {
            c->has_time = true;
            c->time = get_le(p + 4, 8);
        }
        p += 4 + len;
        left -= 4 + len;
    }
}

static int read_challenge(struct str message, struct challenge *ret)
{
    *ret = (struct challenge){0};
    if (message.len < CHALLENGE_HEAD || memcmp(message.ptr, SIGNATURE, sizeof SIGNATURE) != 0 ||
        get_le((const uint8_t *)message.ptr + 8, 4) != 2 ||
        !read_field(message, 12, &ret->target) || !read_field(message, 40, &ret->info))
        return err_set(-EINVAL, "ntlm: the server's challenge is malformed");
    ret->flags = (uint32_t)get_le((const uint8_t *)message.ptr + 20, 4);
    ret->nonce = (const uint8_t *)message.ptr + 24;
    read_time(ret);
    return 0;
}

static int hmac(const uint8_t key[static HASH], const struct buf *data, uint8_t ret[static HASH])
{
    unsigned len = 0;
    if (data->err)
        return err_set(data->err, "ntlm");
    if (!HMAC(EVP_md5(), key, HASH, data->data, data->len, ret, &len) || len != HASH)
        return err_set(-ENOMEM, "ntlm: HMAC-MD5");
    return 0;
}

/* NTOWFv2: the key that user, password and domain make. */
static int make_key(const struct ntlm_user *u, struct str domain_utf16, uint8_t ret[static HASH])
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, TEXT_MAX);
    put_utf16(&text, u->password, false);
    struct md4 md4;
    uint8_t password[MD4_BYTES];
    md4_init(&md4);
    md4_update(&md4, buf_view(&text));
    md4_final(&md4, password);
    int rc = buf_finish(&text);
    if (rc < 0)
        return err_set(rc, "ntlm");
    buf_reset(&text);
    put_utf16(&text, u->name, true);
    buf_str(&text, domain_utf16);
    return hmac(password, &text, ret);
}

/* NTLMv2_RESPONSE: proof and what it proves. */
static int make_response(const struct challenge *c, const struct ntlm_user *u,
                         const uint8_t key[static HASH], struct buf *out)
{
    CLEANUP(buf_fini) struct buf blob;
    buf_init(&blob, 2 * TEXT_MAX);
    buf_append(&blob, c->nonce, 8);
    put_le(&blob, 0x0101, 8);
    put_le(&blob, c->has_time ? c->time : u->time, 8);
    buf_append(&blob, u->challenge, 8);
    put_le(&blob, 0, 4);
    buf_str(&blob, c->info);
    put_le(&blob, 0, 4);
    uint8_t proof[HASH];
    int rc = hmac(key, &blob, proof);
    if (rc < 0)
        return rc;
    buf_append(out, proof, sizeof proof);
    buf_append(out, blob.data + 8, blob.len - 8);
    return 0;
}

/* LMv2_RESPONSE: nothing when the server gave its time. */
static int make_lm_response(const struct challenge *c, const struct ntlm_user *u,
                            const uint8_t key[static HASH], uint8_t ret[static 24])
{
    memset(ret, 0, 24);
    if (c->has_time)
        return 0;
    CLEANUP(buf_fini) struct buf both;
    buf_init(&both, 16);
    buf_append(&both, c->nonce, 8);
    buf_append(&both, u->challenge, 8);
    memcpy(ret + HASH, u->challenge, 8);
    return hmac(key, &both, ret);
}

int ntlm_authenticate(struct str message, const struct ntlm_user *u, struct buf *out)
{
    CLEANUP(buf_fini) struct buf domain;
    CLEANUP(buf_fini) struct buf name;
    CLEANUP(buf_fini) struct buf response;
    buf_init(&domain, TEXT_MAX);
    buf_init(&name, TEXT_MAX);
    buf_init(&response, 2 * TEXT_MAX);
    struct challenge c;
    int rc = read_challenge(message, &c);
    if (rc < 0)
        return rc;
    put_utf16(&domain, u->domain, false);
    if (u->domain.len == 0 && u->ask_domain)
        buf_str(&domain, c.target);
    put_utf16(&name, u->name, false);
    uint8_t key[HASH], lm[24];
    rc = make_key(u, buf_view(&domain), key);
    if (rc == 0)
        rc = make_response(&c, u, key, &response);
    if (rc == 0)
        rc = make_lm_response(&c, u, key, lm);
    if (rc < 0)
        return rc;
    size_t offset = AUTHENTICATE_HEAD;
    buf_append(out, SIGNATURE, sizeof SIGNATURE);
    put_le(out, 3, 4);
    put_field(out, sizeof lm, &offset);
    put_field(out, response.len, &offset);
    put_field(out, domain.len, &offset);
    put_field(out, name.len, &offset);
    put_field(out, 0, &offset); /* workstation */
    put_field(out, 0, &offset); /* session key */
    put_le(out, c.flags, 4);
    put_version(out);
    buf_append(out, lm, sizeof lm);
    buf_str(out, buf_view(&response));
    buf_str(out, buf_view(&domain));
    buf_str(out, buf_view(&name));
    return buf_finish(out);
}
