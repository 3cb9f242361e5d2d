#include "base/err.h"
#include "codec/hdr.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes, encodes to something that decodes to the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(hdr_fini) struct hdr h = {0};
    CLEANUP(hdr_fini) struct hdr back = {0};
    CLEANUP(buf_fini) struct buf stored = {0};
    if (hdr_merge_encoded(&h, data, size) < 0)
        return 0;
    buf_init(&stored, 1 << 20);
    hdr_encode(&h, &stored);
    CHECK(buf_finish(&stored) == 0);
    CHECK(hdr_merge_encoded(&back, stored.data, stored.len) == 0);
    CHECK(back.count == h.count);
    double a = hdr_quantile(&h, 0.95);
    double b = hdr_quantile(&back, 0.95);
    CHECK(a == b || isnan(a) || isnan(b));
    return 0;
}
