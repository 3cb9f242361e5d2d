#include "load/test_archive.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is read, the main script comes first, and every file lies inside the input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_archive a;
    if (test_archive_read(&a, str_new(data, size), "x") == 0) {
        assert(a.bundle.files_len >= 1);
        assert(a.bundle.main[0] == '/' || strncmp(a.bundle.main, "https://", 8) == 0);
        for (size_t i = 0; i < a.bundle.files_len; i++) {
            const struct js_file *f = &a.bundle.files[i];
            assert(f->len == 0 || (f->data >= data && f->data + f->len <= data + size));
            assert(strstr(f->path, "/../") == NULL || f->path[0] != '/');
        }
    }
    test_archive_fini(&a);
    return 0;
}
