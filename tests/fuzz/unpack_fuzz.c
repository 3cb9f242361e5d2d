#include "base/err.h"
#include "codec/gzip.h"
#include "codec/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 1 << 20 };

/* Snappy and gzip: never more than what is allowed; what is packed comes out again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_fini) struct buf out;
    CLEANUP(buf_fini) struct buf packed;
    buf_init(&out, MAX + 128 * 1024);
    buf_init(&packed, 2 * MAX);
    if (snappy_unpack(data, size, MAX, &out) == 0)
        CHECK(out.len <= MAX);
    buf_reset(&out);
    if (gzip_unpack(data, size, MAX, &out) == 0)
        CHECK(out.len <= MAX);
    buf_reset(&out);
    snappy_pack(data, size, &packed);
    if (size <= MAX && buf_finish(&packed) == 0) {
        CHECK(snappy_unpack(packed.data, packed.len, MAX, &out) == 0);
        CHECK(str_eq(buf_view(&out), str_new(data, size)));
    }
    return 0;
}
