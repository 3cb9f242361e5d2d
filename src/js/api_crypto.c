/*
 * api_crypto - k6/crypto: hashes and HMACs over OpenSSL, random bytes.  k6-surface 2.3.
 */
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/md4.h"
#include "js/input.h"

enum algorithm {
    MD4,
    MD5,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    SHA512_224,
    SHA512_256,
    RIPEMD160,
    ALGORITHMS_LEN,
};

enum {
    BLOCK_BYTES_MAX = 128,
    STEP_BYTES = 1 << 20, /* hashed between looks at the clock: 1 to 3 ms */
};

static const struct {
    const char *name;
    const char *evp; /* NULL: our own */
    uint8_t block_bytes;
} algorithms[ALGORITHMS_LEN] = {
    [MD4] = {"md4", NULL, MD4_BLOCK_BYTES},
    [MD5] = {"md5", "MD5", 64},
    [SHA1] = {"sha1", "SHA1", 64},
    [SHA256] = {"sha256", "SHA256", 64},
    [SHA384] = {"sha384", "SHA384", 128},
    [SHA512] = {"sha512", "SHA512", 128},
    [SHA512_224] = {"sha512_224", "SHA512-224", 128},
    [SHA512_256] = {"sha512_256", "SHA512-256", 128},
    [RIPEMD160] = {"ripemd160", "RIPEMD160", 64},
};

struct crypto_state {
    EVP_MD *md[ALGORITHMS_LEN]; /* looked up once a VM: that takes OpenSSL longer than hashing */
};

static void *crypto_open(JSContext *ctx)
{
    (void)ctx;
    return mem_calloc(1, sizeof(struct crypto_state));
}

static void crypto_close(JSContext *ctx, void *state)
{
    (void)ctx;
    struct crypto_state *s = state;
    for (int i = 0; i < ALGORITHMS_LEN; i++)
        EVP_MD_free(s->md[i]);
    mem_free(s);
}

/* ---- one hash ------------------------------------------------------------------------------- */

struct digest {
    enum algorithm algorithm;
    EVP_MD_CTX *evp; /* NULL for md4 and before it begins */
    struct md4 md4;
};

static int openssl_failed(JSContext *ctx, const char *what)
{
    js_throw(ctx, "%s: the system's cryptography library has refused", what);
    return -1;
}

/* Begins, or begins anew.  0, or -1 with an exception pending; digest_fini() either way. */
static int digest_begin(JSContext *ctx, struct digest *d, enum algorithm algorithm)
{
    struct crypto_state *state = js_api_state(ctx, JS_API_CRYPTO);
    d->algorithm = algorithm;
    const char *name = algorithms[algorithm].evp;
    if (!name) {
        md4_init(&d->md4);
        return 0;
    }
    if (!state->md[algorithm])
        state->md[algorithm] = EVP_MD_fetch(NULL, name, NULL);
    if (!d->evp)
        d->evp = EVP_MD_CTX_new();
    if (!state->md[algorithm] || !d->evp || !EVP_DigestInit_ex2(d->evp, state->md[algorithm], NULL))
        return openssl_failed(ctx, algorithms[algorithm].name);
    return 0;
}

static void digest_fini(struct digest *d)
{
    EVP_MD_CTX_free(d->evp);
    d->evp = NULL;
}

static int digest_update(JSContext *ctx, struct digest *d, struct str data)
{
    for (size_t at = 0; at < data.len; at += STEP_BYTES) {
        struct str step = str_new(data.ptr + at, MIN(data.len - at, (size_t)STEP_BYTES));
        if (!d->evp)
            md4_update(&d->md4, step);
        else if (!EVP_DigestUpdate(d->evp, step.ptr, step.len))
            return openssl_failed(ctx, algorithms[d->algorithm].name);
        if (step.len == STEP_BYTES && js_check_slice(ctx) < 0)
            return -1;
    }
    return 0;
}

static int digest_copy(JSContext *ctx, const struct digest *from, struct digest *ret)
{
    *ret = (struct digest){.algorithm = from->algorithm, .md4 = from->md4};
    if (!from->evp)
        return 0;
    ret->evp = EVP_MD_CTX_new();
    if (!ret->evp || !EVP_MD_CTX_copy_ex(ret->evp, from->evp))
        return openssl_failed(ctx, algorithms[from->algorithm].name);
    return 0;
}

/* `d` is used up.  The number of bytes, or -1. */
static int digest_final(JSContext *ctx, struct digest *d, uint8_t ret[EVP_MAX_MD_SIZE])
{
    if (!d->evp) {
        md4_final(&d->md4, ret);
        return MD4_BYTES;
    }
    unsigned len = 0;
    if (!EVP_DigestFinal_ex(d->evp, ret, &len))
        return openssl_failed(ctx, algorithms[d->algorithm].name);
    return (int)len;
}

/* ---- a hash, or an HMAC (RFC 2104) over one ---------------------------------------------------
 */

struct hasher {
    struct digest digest; /* HMAC: the inner one, its key is in */
    bool keyed;
    uint8_t outer_key[BLOCK_BYTES_MAX];
};

static void hasher_fini(struct hasher *h)
{
    digest_fini(&h->digest);
}

static int hasher_begin(JSContext *ctx, struct hasher *h, enum algorithm algorithm)
{
    *h = (struct hasher){.keyed = false};
    return digest_begin(ctx, &h->digest, algorithm);
}

static int hasher_begin_keyed(JSContext *ctx, struct hasher *h, enum algorithm algorithm,
                              struct str key)
{
    uint8_t pad[BLOCK_BYTES_MAX] = {0};
    static_assert(EVP_MAX_MD_SIZE <= BLOCK_BYTES_MAX, "a hash is a key");
    const size_t block = algorithms[algorithm].block_bytes;
    if (hasher_begin(ctx, h, algorithm) < 0)
        return -1;
    h->keyed = true;
    if (key.len > block) {
        if (digest_update(ctx, &h->digest, key) < 0 || digest_final(ctx, &h->digest, pad) < 0 ||
            digest_begin(ctx, &h->digest, algorithm) < 0)
            return -1;
    } else if (key.len > 0) {
        memcpy(pad, key.ptr, key.len);
    }
    for (size_t i = 0; i < block; i++) {
        h->outer_key[i] = pad[i] ^ 0x5c;
        pad[i] ^= 0x36;
    }
    return digest_update(ctx, &h->digest, str_new(pad, block));
}

/* Of what came so far; more may follow.  The number of bytes, or -1. */
static int hasher_sum(JSContext *ctx, const struct hasher *h, uint8_t ret[EVP_MAX_MD_SIZE])
{
    CLEANUP(digest_fini) struct digest copy;
    if (digest_copy(ctx, &h->digest, &copy) < 0)
        return -1;
    int len = digest_final(ctx, &copy, ret);
    if (len < 0 || !h->keyed)
        return len;
    const size_t block = algorithms[h->digest.algorithm].block_bytes;
    if (digest_begin(ctx, &copy, h->digest.algorithm) < 0 ||
        digest_update(ctx, &copy, str_new(h->outer_key, block)) < 0 ||
        digest_update(ctx, &copy, str_new(ret, (size_t)len)) < 0)
        return -1;
    return digest_final(ctx, &copy, ret);
}

/* ---- arguments and results --------------------------------------------------------------------
 */

static int algorithm_of(JSContext *ctx, JSValueConst v, enum algorithm *ret)
{
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_word_of(ctx, v, &name) < 0)
        return -1;
    for (int i = 0; i < ALGORITHMS_LEN; i++)
        if (str_eqz(name.s, algorithms[i].name)) {
            *ret = (enum algorithm)i;
            return 0;
        }
    js_throw(ctx, "invalid algorithm: %.*s", STR_ARG(name.s));
    return -1;
}

static void append_hex(struct buf *out, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = buf_reserve(out, bytes.len * 2);
    if (!to)
        return;
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t b = (uint8_t)bytes.ptr[i];
        *to++ = (uint8_t)digits[b >> 4];
        *to++ = (uint8_t)digits[b & 15];
    }
    buf_claim(out, bytes.len * 2);
}

static JSValue sum_value(JSContext *ctx, struct str sum, JSValueConst encoding)
{
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_word_of(ctx, encoding, &name) < 0)
        return JS_EXCEPTION;
    if (str_eqz(name.s, "binary"))
        return js_new_bytes(ctx, sum);
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, JS_BASE64_MAX);
    if (str_eqz(name.s, "hex"))
        append_hex(&out, sum);
    else if (str_eqz(name.s, "base64"))
        base64_encode(&out, BASE64_STD, sum);
    else if (str_eqz(name.s, "base64url"))
        base64_encode(&out, BASE64_URL, sum);
    else if (str_eqz(name.s, "base64rawurl"))
        base64_encode(&out, BASE64_RAW_URL, sum);
    else
        return js_throw(ctx, "invalid output encoding: %.*s", STR_ARG(name.s));
    int rc = buf_finish(&out);
    return rc < 0 ? js_throw_err(ctx, rc) : js_new_str(ctx, buf_view(&out));
}

static int hasher_update(JSContext *ctx, struct hasher *h, JSValueConst data)
{
    CLEANUP(js_input_fini) struct js_input in = {0};
    if (js_input_of(ctx, data, &in) < 0)
        return -1;
    return digest_update(ctx, &h->digest, in.bytes);
}

static JSValue hasher_value(JSContext *ctx, const struct hasher *h, JSValueConst encoding)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    int len = hasher_sum(ctx, h, sum);
    return len < 0 ? JS_EXCEPTION : sum_value(ctx, str_new(sum, (size_t)len), encoding);
}

/* ---- createHash(), createHMAC() ---------------------------------------------------------------
 */

static JSClassID hasher_class;

static void hasher_finalize(JSRuntime *rt, JSValue v)
{
    (void)rt;
    struct hasher *h = JS_GetOpaque(v, hasher_class);
    if (h)
        hasher_fini(h);
    mem_free(h);
}

static const JSClassDef hasher_def = {.class_name = "Hasher", .finalizer = hasher_finalize};

/* An object with a hasher that hasn't begun; JS_EXCEPTION on failure. */
static JSValue hasher_object(JSContext *ctx, struct hasher **ret)
{
    JSValue v = JS_NewObjectClass(ctx, (int)hasher_class);
    if (JS_IsException(v))
        return v;
    struct hasher *h = mem_calloc(1, sizeof *h);
    if (!h) {
        JS_FreeValue(ctx, v);
        return JS_ThrowOutOfMemory(ctx);
    }
    JS_SetOpaque(v, h);
    *ret = h;
    return v;
}

static JSValue create_hash(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    enum algorithm algorithm;
    struct hasher *h;
    if (algorithm_of(ctx, js_arg(argc, argv, 0), &algorithm) < 0)
        return JS_EXCEPTION;
    JSValue v = hasher_object(ctx, &h);
    if (!JS_IsException(v) && hasher_begin(ctx, h, algorithm) < 0) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    return v;
}

static JSValue create_hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    enum algorithm algorithm;
    struct hasher *h;
    CLEANUP(js_input_fini) struct js_input key = {0};
    if (algorithm_of(ctx, js_arg(argc, argv, 0), &algorithm) < 0 ||
        js_input_of(ctx, js_arg(argc, argv, 1), &key) < 0)
        return JS_EXCEPTION;
    JSValue v = hasher_object(ctx, &h);
    if (!JS_IsException(v) && hasher_begin_keyed(ctx, h, algorithm, key.bytes) < 0) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    return v;
}

static JSValue method_update(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher *h = JS_GetOpaque2(ctx, this_val, hasher_class);
    if (!h || hasher_update(ctx, h, js_arg(argc, argv, 0)) < 0)
        return JS_EXCEPTION;
    return JS_UNDEFINED;
}

static JSValue method_digest(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher *h = JS_GetOpaque2(ctx, this_val, hasher_class);
    return h ? hasher_value(ctx, h, js_arg(argc, argv, 0)) : JS_EXCEPTION;
}

static const JSCFunctionListEntry hasher_methods[] = {
    JS_API_FUNC("digest", 1, method_digest),
    JS_API_FUNC("update", 1, method_update),
};

static int crypto_fill(JSContext *ctx, JSValueConst object)
{
    (void)object;
    if (js_class_register(ctx, &hasher_class, &hasher_def) < 0)
        return -1;
    JSValue proto = JS_NewObject(ctx);
    if (JS_IsException(proto))
        return -1;
    JS_SetPropertyFunctionList(ctx, proto, hasher_methods, ARRAY_LEN(hasher_methods));
    JS_SetClassProto(ctx, hasher_class, proto);
    return 0;
}

/* ---- at one go ---------------------------------------------------------------------------------
 */

/* md5(data, encoding) and the like: the algorithm is the magic. */
static JSValue hash(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    (void)this_val;
    CLEANUP(hasher_fini) struct hasher h = {0};
    CLEANUP(js_input_fini) struct js_input in = {0};
    JSValueConst data = js_arg(argc, argv, 0);
    if (!js_input_is(ctx, data))
        return js_throw(ctx, "%s failed: invalid type %s, expected string, []byte or ArrayBuffer",
                        algorithms[magic].name, js_input_type(ctx, data));
    if (js_input_of(ctx, data, &in) < 0 || hasher_begin(ctx, &h, (enum algorithm)magic) < 0 ||
        digest_update(ctx, &h.digest, in.bytes) < 0)
        return JS_EXCEPTION;
    return hasher_value(ctx, &h, js_arg(argc, argv, 1));
}

static JSValue hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    enum algorithm algorithm;
    CLEANUP(js_input_fini) struct js_input key = {0};
    CLEANUP(hasher_fini) struct hasher h = {0};
    if (algorithm_of(ctx, js_arg(argc, argv, 0), &algorithm) < 0 ||
        js_input_of(ctx, js_arg(argc, argv, 1), &key) < 0 ||
        hasher_begin_keyed(ctx, &h, algorithm, key.bytes) < 0 ||
        hasher_update(ctx, &h, js_arg(argc, argv, 2)) < 0)
        return JS_EXCEPTION;
    return hasher_value(ctx, &h, js_arg(argc, argv, 3));
}

/* ---- randomBytes(), hexEncode() -----------------------------------------------------------------
 */

static void free_bytes(JSRuntime *rt, void *opaque, void *p)
{
    (void)opaque;
    js_free_rt(rt, p);
}

static JSValue random_bytes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    int64_t len;
    if (JS_ToInt64(ctx, &len, js_arg(argc, argv, 0)) < 0)
        return JS_EXCEPTION;
    if (len < 1 || len > INT_MAX)
        return js_throw(ctx, "invalid size");
    uint8_t *p = js_malloc(ctx, (size_t)len); /* which counts against the VM's limit */
    if (!p)
        return JS_EXCEPTION;
    if (RAND_bytes(p, (int)len) != 1) {
        js_free(ctx, p);
        openssl_failed(ctx, "randomBytes");
        return JS_EXCEPTION;
    }
    return JS_NewArrayBuffer(ctx, p, (size_t)len, free_bytes, NULL, 0);
}

static JSValue hex_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_input_fini) struct js_input in = {0};
    if (js_input_of(ctx, js_arg(argc, argv, 0), &in) < 0)
        return JS_EXCEPTION;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, JS_BASE64_MAX);
    append_hex(&out, in.bytes);
    int rc = buf_finish(&out);
    return rc < 0 ? js_throw_err(ctx, rc) : js_new_str(ctx, buf_view(&out));
}

static const JSCFunctionListEntry functions[] = {
    JS_API_FUNC("createHMAC", 2, create_hmac),
    JS_API_FUNC("createHash", 1, create_hash),
    JS_API_FUNC("hexEncode", 1, hex_encode),
    JS_API_FUNC("hmac", 4, hmac),
    JS_API_MAGIC_FUNC("md4", 2, hash, MD4),
    JS_API_MAGIC_FUNC("md5", 2, hash, MD5),
    JS_API_FUNC("randomBytes", 1, random_bytes),
    JS_API_MAGIC_FUNC("ripemd160", 2, hash, RIPEMD160),
    JS_API_MAGIC_FUNC("sha1", 2, hash, SHA1),
    JS_API_MAGIC_FUNC("sha256", 2, hash, SHA256),
    JS_API_MAGIC_FUNC("sha384", 2, hash, SHA384),
    JS_API_MAGIC_FUNC("sha512", 2, hash, SHA512),
    JS_API_MAGIC_FUNC("sha512_224", 2, hash, SHA512_224),
    JS_API_MAGIC_FUNC("sha512_256", 2, hash, SHA512_256),
};

const struct js_api_module js_api_crypto = {
    .id = JS_API_CRYPTO,
    .name = "k6/crypto",
    .list = functions,
    .list_len = ARRAY_LEN(functions),
    .fill = crypto_fill,
    .open = crypto_open,
    .close = crypto_close,
};
