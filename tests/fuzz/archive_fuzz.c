#include "base/err.h"
#include "base/mem.h"
#include "server/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An upload: its options and thresholds, its script, its token made unreadable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_fini) struct arena a;
    CLEANUP(buf_fini) struct buf bytes;
    CLEANUP(buf_fini) struct buf script;
    arena_init(&a, 1 << 24);
    buf_init(&bytes, 1 << 24);
    buf_init(&script, 1 << 24);
    buf_append(&bytes, data, size);
    if (buf_finish(&bytes) < 0)
        return 0;
    struct store_new_run run = {.archive = buf_view(&bytes)};
    if (archive_is_tar(run.archive) && archive_read(&a, &run) == 0)
        for (size_t i = 0; i < run.thresholds_len; i++)
            CHECK(run.thresholds[i].metric.ptr && run.thresholds[i].expression.ptr);
    if (archive_main_script(buf_view(&bytes), &script) == 0)
        CHECK(script.len <= size);
    return 0;
}
