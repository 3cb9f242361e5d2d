#include "client/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>

#include "base/err.h"

struct challenge {
    struct str realm, nonce, opaque, algorithm, qop; /* quotes taken off; NULL ptr: not there */
};

enum { HASH_HEX_MAX = 2 * EVP_MAX_MD_SIZE + 1 };

/* ---- reading -------------------------------------------------------------------------------- */

static bool is_token(char c)
{
    return c > ' ' && c != '"' && c != ',' && c != '=' && c != ';' && (uint8_t)c < 127;
}

static struct str skip_blank(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t' || s.ptr[0] == ','))
        s = str_new(s.ptr + 1, s.len - 1);
    return s;
}

static struct str take_token(struct str *s)
{
    size_t n = 0;
    while (n < s->len && is_token(s->ptr[n]))
        n++;
    struct str token = str_new(s->ptr, n);
    *s = str_new(s->ptr + n, s->len - n);
    return token;
}

/* What stands behind '=', without its quotes (what is escaped in it stays so: that is how it goes
 * back). */
static struct str take_value(struct str *s)
{
    if (s->len == 0 || s->ptr[0] != '"')
        return take_token(s);
    size_t n = 1;
    while (n < s->len && s->ptr[n] != '"')
        n += s->ptr[n] == '\\' && n + 1 < s->len ? 2 : 1;
    struct str value = str_new(s->ptr + 1, n - 1);
    n = MIN(n + 1, s->len);
    *s = str_new(s->ptr + n, s->len - n);
    return value;
}

static void note(struct challenge *c, struct str name, struct str value)
{
    const struct {
        const char *name;
        struct str *place;
    } all[] = {{"realm", &c->realm},
               {"nonce", &c->nonce},
               {"opaque", &c->opaque},
               {"algorithm", &c->algorithm},
               {"qop", &c->qop}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_ieq(name, str_of(all[i].name)))
            *all[i].place = value;
}

/* The first Digest challenge of the list; false when there is none. */
static bool find_challenge(struct str s, struct challenge *ret)
{
    bool within = false;
    *ret = (struct challenge){.realm = STR_EMPTY};
    for (s = skip_blank(s); s.len > 0; s = skip_blank(s)) {
        struct str name = take_token(&s);
        struct str rest = str_trim(s);
        bool is_param = rest.len > 0 && rest.ptr[0] == '=' && name.len > 0;
        if (!is_param && within)
            return true; /* the next challenge begins */
        if (!is_param) {
            within = str_ieq(name, STR("Digest"));
            if (name.len == 0)
                s = str_new(s.ptr + 1, s.len - 1); /* nothing that belongs here */
            continue;
        }
        s = str_new(rest.ptr + 1, (size_t)(s.ptr + s.len - rest.ptr) - 1);
        while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
            s = str_new(s.ptr + 1, s.len - 1);
        struct str value = take_value(&s);
        if (within)
            note(ret, name, value);
    }
    return within;
}

static bool lists(struct str list, const char *word)
{
    while (list.ptr)
        if (str_ieq(str_trim(str_cut(list, ',', &list)), str_of(word)))
            return true;
    return false;
}

/* ---- answering ------------------------------------------------------------------------------ */

struct algorithm {
    const char *name;
    const EVP_MD *(*md)(void);
    bool session; /* "-sess" */
};

static const struct algorithm *algorithm_of(struct str name)
{
    static const struct algorithm all[] = {
        {"MD5", EVP_md5, false},
        {"MD5-sess", EVP_md5, true},
        {"SHA-256", EVP_sha256, false},
        {"SHA-256-sess", EVP_sha256, true},
        {"SHA-512-256", EVP_sha512_256, false},
        {"SHA-512-256-sess", EVP_sha512_256, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_ieq(name, str_of(all[i].name)))
            return &all[i];
    return name.ptr ? NULL : &all[0];
}

/* Hex digits of the hash of the parts joined by ':'; sets `ret` to "" on failure. */
static int hash(const struct algorithm *a, char ret[static HASH_HEX_MAX], size_t n,
                const struct str *parts)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t md[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    ret[0] = '\0';
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, a->md(), NULL);
    for (size_t i = 0; i < n && good; i++)
        good = (i == 0 || EVP_DigestUpdate(ctx, ":", 1)) &&
               (parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len));
    good = good && EVP_DigestFinal_ex(ctx, md, &len);
    EVP_MD_CTX_free(ctx);
    if (!good)
        return err_set(-ENOMEM, "digest: %s", a->name);
    for (unsigned i = 0; i < len; i++) {
        ret[2 * i] = digits[md[i] >> 4];
        ret[2 * i + 1] = digits[md[i] & 15];
    }
    ret[2 * (size_t)len] = '\0';
    return 0;
}

#define NC "00000001" /* each nonce is used once */

/* RFC 7616 3.4.1 */
static int respond(const struct algorithm *a, const struct challenge *c,
                   const struct digest_request *q, const char *qop, char ret[static HASH_HEX_MAX])
{
    char ha1[HASH_HEX_MAX], ha2[HASH_HEX_MAX], body[HASH_HEX_MAX];
    int rc = hash(a, ha1, 3, (struct str[]){q->user, c->realm, q->password});
    if (rc == 0 && a->session) {
        char inner[HASH_HEX_MAX];
        memcpy(inner, ha1, sizeof inner);
        rc = hash(a, ha1, 3, (struct str[]){str_of(inner), c->nonce, q->cnonce});
    }
    bool with_body = qop && str_eqz(str_of(qop), "auth-int");
    if (rc == 0 && with_body)
        rc = hash(a, body, 1, &q->body);
    if (rc == 0)
        rc = hash(a, ha2, with_body ? 3 : 2,
                  (struct str[]){q->method, q->uri, with_body ? str_of(body) : STR_EMPTY});
    if (rc < 0)
        return rc;
    if (!qop)
        return hash(a, ret, 3, (struct str[]){str_of(ha1), c->nonce, str_of(ha2)});
    return hash(
        a, ret, 6,
        (struct str[]){str_of(ha1), c->nonce, STR(NC), q->cnonce, str_of(qop), str_of(ha2)});
}

/* `name="value", `; `raw`: the value is escaped already. */
static void put(struct buf *out, const char *name, struct str value, bool raw)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (!raw && (value.ptr[i] == '"' || value.ptr[i] == '\\'))
            buf_byte(out, '\\');
        buf_byte(out, (uint8_t)value.ptr[i]);
    }
    buf_z(out, "\"");
}

int digest_answer(struct str challenges, const struct digest_request *q, struct buf *out)
{
    struct challenge c;
    if (!find_challenge(challenges, &c))
        return 0;
    const struct algorithm *a = algorithm_of(c.algorithm);
    const char *qop = lists(c.qop, "auth") ? "auth" : lists(c.qop, "auth-int") ? "auth-int" : NULL;
    if (!a || (c.qop.len > 0 && !qop))
        return 0;
    char response[HASH_HEX_MAX];
    int rc = respond(a, &c, q, qop, response);
    if (rc < 0)
        return rc;
    put(out, "Digest username", q->user, false);
    put(out, ", realm", c.realm, true);
    put(out, ", nonce", c.nonce, true);
    put(out, ", uri", q->uri, false);
    put(out, ", response", str_of(response), true);
    if (c.algorithm.ptr)
        buf_printf(out, ", algorithm=%s", a->name);
    if (qop || a->session)
        put(out, ", cnonce", q->cnonce, true);
    if (c.opaque.ptr)
        put(out, ", opaque", c.opaque, true);
    if (qop)
        buf_printf(out, ", qop=%s, nc=%s", qop, NC);
    rc = buf_finish(out);
    return rc < 0 ? rc : 1;
}
