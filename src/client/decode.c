#include "client/decode.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/err.h"
#include "base/limits.h"

enum coding { CODING_UNKNOWN, CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD };

enum { STEP_BYTES = 32 * 1024 };

static enum coding coding_of(struct str name)
{
    if (str_ieq(name, STR("gzip")))
        return CODING_GZIP;
    if (str_ieq(name, STR("deflate")))
        return CODING_DEFLATE;
    if (str_ieq(name, STR("br")))
        return CODING_BR;
    return str_ieq(name, STR("zstd")) ? CODING_ZSTD : CODING_UNKNOWN;
}

/* Room for more output in what `out` may still hold; NULL with the error set. */
static uint8_t *room_for(struct buf *out, size_t *ret_len)
{
    size_t left = out->max - out->len;
    if (left == 0) {
        (void)err_set(E_LIMIT, "decoded body is larger than %zu bytes", out->max);
        return NULL;
    }
    *ret_len = MIN(left, MAX((size_t)STEP_BYTES, out->len / 2));
    uint8_t *p = buf_reserve(out, *ret_len);
    if (!p)
        (void)err_set(-ENOMEM, "decoded body");
    return p;
}

static const char *zlib_words(enum coding c, int rc, const z_stream *z, bool any)
{
    if (rc == Z_BUF_ERROR || rc == Z_OK)
        return any || z->total_in > 0 ? "unexpected EOF" : "EOF";
    if (rc == Z_NEED_DICT)
        return "zlib: invalid dictionary";
    if (z->msg && strstr(z->msg, "header"))
        return c == CODING_GZIP ? "gzip: invalid header" : "zlib: invalid header";
    if (z->msg && strstr(z->msg, "check"))
        return c == CODING_GZIP ? "gzip: invalid checksum" : "zlib: invalid checksum";
    return "flate: corrupt input";
}

/* Whole zlib streams; window_bits as inflateInit2() takes them.  Gzip members may follow each
 * other. */
static int inflate_all(enum coding c, int window_bits, struct str in, struct buf *out,
                       bool *ret_started)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
    if (in.len > UINT32_MAX)
        return err_set(E_LIMIT, "body of %zu bytes is too large to decode", in.len);
    if (inflateInit2(&z, window_bits) != Z_OK)
        return err_set(-ENOMEM, "start zlib");
    int rc = 0, z_rc = Z_OK;
    bool any = false;
    do {
        size_t len;
        uint8_t *p = room_for(out, &len);
        if (!p) {
            rc = err_get()->code;
            break;
        }
        z.next_out = p;
        z.avail_out = (uInt)MIN(len, (size_t)UINT32_MAX);
        uInt before = z.avail_out;
        z_rc = inflate(&z, Z_NO_FLUSH);
        buf_claim(out, before - z.avail_out);
        any = any || before != z.avail_out;
        if (z_rc == Z_STREAM_END && c == CODING_GZIP && z.avail_in > 0) {
            *ret_started = true;
            z_rc = inflateReset(&z);
            continue;
        }
    } while (z_rc == Z_OK && (z.avail_in > 0 || z.avail_out == 0));
    *ret_started = *ret_started || any || z_rc == Z_STREAM_END || z.total_in > 10;
    if (rc == 0 && z_rc != Z_STREAM_END)
        rc = err_set(E_CORRUPT, "%s", zlib_words(c, z_rc, &z, any));
    inflateEnd(&z);
    return rc;
}

static int decode_deflate(struct str in, struct buf *out, bool *ret_started)
{
    /* A zlib header is a multiple of 31 with method 8; some servers send a bare stream. */
    bool zlib = in.len >= 2 && ((uint8_t)in.ptr[0] & 0x0f) == 8 &&
                ((uint8_t)in.ptr[0] * 256u + (uint8_t)in.ptr[1]) % 31 == 0;
    if (zlib || in.len < 2)
        return inflate_all(CODING_DEFLATE, MAX_WBITS, in, out, ret_started);
    size_t len = out->len;
    int rc = inflate_all(CODING_DEFLATE, -MAX_WBITS, in, out, ret_started);
    if (rc != E_CORRUPT)
        return rc;
    out->len = len; /* what looked like a stream was none */
    *ret_started = false;
    return err_set(E_CORRUPT, "zlib: invalid header");
}

static int decode_br(struct str in, struct buf *out, bool *ret_started)
{
    BrotliDecoderState *s = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (!s)
        return err_set(-ENOMEM, "start brotli");
    *ret_started = true;
    const uint8_t *next = (const uint8_t *)in.ptr;
    size_t left = in.len;
    int rc = 0;
    BrotliDecoderResult r;
    do {
        size_t len;
        uint8_t *p = room_for(out, &len);
        if (!p) {
            rc = err_get()->code;
            break;
        }
        size_t before = len;
        r = BrotliDecoderDecompressStream(s, &left, &next, &len, &p, NULL);
        buf_claim(out, before - len);
        if (r == BROTLI_DECODER_RESULT_ERROR)
            rc = err_set(E_CORRUPT, "brotli: %s",
                         BrotliDecoderErrorString(BrotliDecoderGetErrorCode(s)));
        else if (r == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
            rc = err_set(E_CORRUPT, "unexpected EOF");
    } while (rc == 0 && r == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
    if (rc == 0 && left > 0)
        rc = err_set(E_CORRUPT, "brotli: excessive input");
    BrotliDecoderDestroyInstance(s);
    return rc;
}

static int decode_zstd(struct str in, struct buf *out, bool *ret_started)
{
    ZSTD_DStream *s = ZSTD_createDStream();
    if (!s)
        return err_set(-ENOMEM, "start zstd");
    *ret_started = true;
    ZSTD_inBuffer from = {in.ptr, in.len, 0};
    int rc = 0;
    size_t hint = 1;
    bool full = false;
    while (rc == 0 && (from.pos < from.size || full)) {
        size_t len;
        uint8_t *p = room_for(out, &len);
        if (!p) {
            rc = err_get()->code;
            break;
        }
        ZSTD_outBuffer to = {p, len, 0};
        hint = ZSTD_decompressStream(s, &to, &from);
        if (ZSTD_isError(hint)) {
            rc = err_set(E_CORRUPT, "%s",
                         ZSTD_getErrorCode(hint) == ZSTD_error_prefix_unknown
                             ? "invalid input: magic number mismatch"
                             : ZSTD_getErrorName(hint));
            break;
        }
        buf_claim(out, to.pos);
        full = to.pos == to.size && hint != 0;
    }
    if (rc == 0 && hint != 0 && in.len > 0)
        rc = err_set(E_CORRUPT, "unexpected EOF");
    ZSTD_freeDStream(s);
    return rc;
}

/* Less than any stream begins with: Go's decoders look at these bytes when they are made. */
static bool is_too_short(enum coding c, struct str in)
{
    return (c == CODING_GZIP && in.len < 10) || (c == CODING_DEFLATE && in.len < 2);
}

static int decode_one(enum coding c, struct str in, struct buf *out, bool *ret_started)
{
    if (is_too_short(c, in))
        return err_set(E_CORRUPT, "unexpected EOF");
    switch (c) {
    case CODING_GZIP:
        return inflate_all(c, MAX_WBITS + 16, in, out, ret_started);
    case CODING_DEFLATE:
        return decode_deflate(in, out, ret_started);
    case CODING_BR:
        return decode_br(in, out, ret_started);
    case CODING_ZSTD:
        return decode_zstd(in, out, ret_started);
    case CODING_UNKNOWN:
        break;
    }
    buf_str(out, in);
    return buf_finish(out);
}

/* The known codings of the list, in its order; the number of them, E_LIMIT when it is absurd. */
static int list_codings(struct str encodings, enum coding list[static HTTP_CONTENT_CODINGS_MAX])
{
    int n = 0;
    while (encodings.ptr) {
        enum coding c = coding_of(str_trim(str_cut(encodings, ',', &encodings)));
        if (c == CODING_UNKNOWN)
            continue;
        if (n == HTTP_CONTENT_CODINGS_MAX)
            return err_set(E_LIMIT, "more than %d content codings", HTTP_CONTENT_CODINGS_MAX);
        list[n++] = c;
    }
    return n;
}

bool decode_wanted(struct str encodings)
{
    enum coding list[HTTP_CONTENT_CODINGS_MAX];
    return list_codings(encodings, list) != 0;
}

int decode_body(struct str encodings, struct str in, struct buf *out, bool *ret_started)
{
    enum coding list[HTTP_CONTENT_CODINGS_MAX];
    *ret_started = false;
    int n = list_codings(encodings, list);
    if (n < 0)
        return n;
    struct buf between[2];
    buf_init(&between[0], out->max);
    buf_init(&between[1], out->max);
    struct str from = in;
    int rc = 0;
    for (int i = n - 1; i >= 0 && rc == 0; i--) {
        struct buf *to = i == 0 ? out : &between[i % 2];
        buf_reset(to);
        rc = decode_one(list[i], from, to, ret_started);
        from = buf_view(to);
    }
    buf_fini(&between[0]);
    buf_fini(&between[1]);
    return rc;
}

/* ---- the other way ------------------------------------------------------------------------- */

static int encode_zlib(int window_bits, struct str in, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
    if (in.len > UINT32_MAX)
        return err_set(E_LIMIT, "body of %zu bytes is too large to compress", in.len);
    int z_rc =
        deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
    if (z_rc != Z_OK)
        return err_set(-ENOMEM, "start zlib");
    size_t bound = deflateBound(&z, (uLong)in.len);
    uint8_t *p = buf_reserve(out, bound);
    if (p) {
        z.next_out = p;
        z.avail_out = (uInt)bound;
        z_rc = deflate(&z, Z_FINISH);
        buf_claim(out, bound - z.avail_out);
    }
    deflateEnd(&z);
    if (p && z_rc != Z_STREAM_END)
        return err_set(E_LIMIT, "compress body");
    return buf_finish(out);
}

static int encode_br(struct str in, struct buf *out)
{
    size_t len = BrotliEncoderMaxCompressedSize(in.len);
    uint8_t *p = len > 0 ? buf_reserve(out, len) : NULL;
    if (!p)
        return err_set(-ENOMEM, "compress body");
    if (!BrotliEncoderCompress(6, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, in.len,
                               (const uint8_t *)in.ptr, &len, p))
        return err_set(-ENOMEM, "compress body");
    buf_claim(out, len);
    return buf_finish(out);
}

static int encode_zstd(struct str in, struct buf *out)
{
    size_t bound = ZSTD_compressBound(in.len);
    uint8_t *p = buf_reserve(out, bound);
    if (!p)
        return err_set(-ENOMEM, "compress body");
    size_t len = ZSTD_compress(p, bound, in.ptr, in.len, ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(len))
        return err_set(-ENOMEM, "compress body: %s", ZSTD_getErrorName(len));
    buf_claim(out, len);
    return buf_finish(out);
}

int encode_body(struct str coding, struct str in, struct buf *out)
{
    switch (coding_of(coding)) {
    case CODING_GZIP:
        return encode_zlib(MAX_WBITS + 16, in, out);
    case CODING_DEFLATE:
        return encode_zlib(MAX_WBITS, in, out);
    case CODING_BR:
        return encode_br(in, out);
    case CODING_ZSTD:
        return encode_zstd(in, out);
    case CODING_UNKNOWN:
        break;
    }
    return err_set(-EINVAL,
                   "unknown compression algorithm %.*s, supported algorithms are "
                   "[gzip deflate zstd br]",
                   STR_ARG(coding));
}
