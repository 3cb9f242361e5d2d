#include "store/chunk.h"

#include "base/err.h"
#include "codec/varint.h"

void chunk_put(struct buf *out, int64_t *last, int64_t series, struct str value)
{
    uint64_t delta = (uint64_t)series - (uint64_t)*last;
    varint_put(out, (delta << 1) ^ (uint64_t) - (int64_t)(delta >> 63));
    varint_put(out, value.len);
    buf_str(out, value);
    *last = series;
}

void chunk_reader_init(struct chunk_reader *r, struct str chunk)
{
    const uint8_t *p = (const uint8_t *)chunk.ptr;
    *r = (struct chunk_reader){.at = p, .end = p + chunk.len};
}

int chunk_next(struct chunk_reader *r)
{
    uint64_t zigzag = 0;
    uint64_t len = 0;
    if (r->at == r->end)
        return 0;
    if (!varint_get(&r->at, r->end, &zigzag) || !varint_get(&r->at, r->end, &len) ||
        len > (uint64_t)(r->end - r->at))
        return err_set(E_DAMAGED, "stored chunk: cut short");
    uint64_t delta = (zigzag >> 1) ^ (uint64_t) - (int64_t)(zigzag & 1);
    r->series = (int64_t)((uint64_t)r->series + delta);
    r->value = str_new(r->at, (size_t)len);
    r->at += len;
    return 1;
}
