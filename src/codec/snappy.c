#include "codec/snappy.h"

#include <errno.h>
#include <snappy-c.h>

#include "base/err.h"

void snappy_pack(const void *data, size_t len, struct buf *out)
{
    size_t packed = snappy_max_compressed_length(len);
    uint8_t *room = buf_reserve(out, packed);
    if (!room)
        return;
    if (snappy_compress(data, len, (char *)room, &packed) == SNAPPY_OK)
        buf_claim(out, packed);
    else
        out->err = -EINVAL;
}

int snappy_unpack(const void *data, size_t len, size_t max, struct buf *out)
{
    size_t size = 0;
    if (snappy_uncompressed_length(data, len, &size) != SNAPPY_OK)
        return err_set(E_CORRUPT, "not a snappy block");
    if (size > max)
        return err_set(E_LIMIT, "snappy block of %zu bytes unpacked, at most %zu are taken", size,
                       max);
    uint8_t *room = buf_reserve(out, size ? size : 1);
    if (!room)
        return out->err == -EMSGSIZE
                   ? err_set(E_LIMIT, "snappy block of %zu bytes unpacked is too large", size)
                   : -ENOMEM;
    if (snappy_uncompress(data, len, (char *)room, &size) != SNAPPY_OK)
        return err_set(E_CORRUPT, "broken snappy block");
    buf_claim(out, size);
    return 0;
}
