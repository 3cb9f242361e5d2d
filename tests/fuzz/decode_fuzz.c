/* A compressed body: the first byte says which codings, at most 1 MB comes out. */
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "client/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"gzip", "deflate",  "br",
                                          "zstd", "gzip, br", "identity, deflate, gzip"};
    if (size == 0)
        return 0;
    struct buf out;
    buf_init(&out, 1 << 20);
    bool started;
    int rc = decode_body(str_of(codings[data[0] % ARRAY_LEN(codings)]), str_new(data + 1, size - 1),
                         &out, &started);
    CHECK(rc <= 0 && out.len <= out.max);
    buf_fini(&out);
    return 0;
}
