#include "codec/tar.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is read lies inside the input, and reading ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(tar_reader_fini) struct tar_reader r;
    tar_reader_init(&r, data, size);
    struct tar_entry e;
    while (tar_next(&r, &e) == 1) {
        assert(e.data.len == 0 || ((const uint8_t *)e.data.ptr >= data &&
                                   (const uint8_t *)e.data.ptr + e.data.len <= data + size));
        assert(e.path.len <= 4096 && e.target.len <= 4096);
    }
    return 0;
}
