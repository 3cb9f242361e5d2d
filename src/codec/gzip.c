#include "codec/gzip.h"

#include <errno.h>
#include <zlib.h>

#include "base/err.h"

enum { STEP_BYTES = 64 * 1024, GZIP_WINDOW = 15 + 16 };

static int inflate_all(z_stream *z, size_t max, struct buf *out)
{
    size_t start = out->len;
    for (;;) {
        uint8_t *room = buf_reserve(out, STEP_BYTES);
        if (!room)
            return out->err == -EMSGSIZE
                       ? err_set(E_LIMIT, "gzip: more than %zu bytes unpacked", max)
                       : -ENOMEM;
        z->next_out = room;
        z->avail_out = STEP_BYTES;
        int rc = inflate(z, Z_NO_FLUSH);
        buf_claim(out, STEP_BYTES - z->avail_out);
        if (out->len - start > max)
            return err_set(E_LIMIT, "gzip: more than %zu bytes unpacked", max);
        if (rc == Z_MEM_ERROR)
            return -ENOMEM;
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0)
                return 0;
            if (inflateReset(z) != Z_OK)
                return err_set(E_CORRUPT, "gzip: broken");
        } else if (rc == Z_BUF_ERROR || (rc == Z_OK && z->avail_in == 0 && z->avail_out > 0)) {
            return err_set(E_CORRUPT, "gzip: cut short");
        } else if (rc != Z_OK) {
            return err_set(E_CORRUPT, "gzip: %s", z->msg ? z->msg : "broken");
        }
    }
}

int gzip_unpack(const void *data, size_t len, size_t max, struct buf *out)
{
    z_stream z = {0};
    if (len > UINT32_MAX)
        return err_set(E_LIMIT, "gzip: too large");
    /* zlib's next_in lacks a const; it only reads. */
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return -ENOMEM;
    int rc = inflate_all(&z, max, out);
    inflateEnd(&z);
    return rc;
}

void gzip_pack(const void *data, size_t len, struct buf *out)
{
    enum { LEVEL = 3, MEMORY_LEVEL = 8 };
    z_stream z = {0};
    if (len > UINT32_MAX / 2) {
        out->err = out->err ? out->err : -EMSGSIZE;
        return;
    }
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        out->err = out->err ? out->err : -ENOMEM;
        return;
    }
    uLong most = deflateBound(&z, (uLong)len);
    uint8_t *room = buf_reserve(out, most);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = room;
    z.avail_out = (uInt)most;
    /* There is room for all of it: one call ends the stream. */
    if (room && deflate(&z, Z_FINISH) == Z_STREAM_END)
        buf_claim(out, most - z.avail_out);
    else
        out->err = out->err ? out->err : -ENOMEM;
    deflateEnd(&z);
}
