#include "base/err.h"
#include "store/chunk.h"
#include "store/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A chunk of a damaged file, each value taken as each type; and one that is well, read back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_new(data, size);
    for (int type = METRICSET_COUNTER; type <= METRICSET_TREND; type++) {
        struct chunk_reader r;
        CLEANUP(value_fini) struct value whole;
        CLEANUP(value_fini) struct value figures;
        value_init(&whole, (enum metricset_type)type);
        value_init(&figures, (enum metricset_type)type);
        chunk_reader_init(&r, bytes);
        while (chunk_next(&r) > 0) {
            if (value_merge_figures(&figures, r.value, 1) < 0)
                CHECK(value_merge_stored(&whole, r.value, 1) < 0);
            else
                (void)!value_merge_stored(&whole, r.value, 1);
        }
    }
    CLEANUP(buf_fini) struct buf out;
    struct chunk_reader r;
    int64_t last = 0;
    int64_t series = (int64_t)(size % 7) - 3;
    buf_init(&out, 1 << 20);
    chunk_put(&out, &last, series, bytes);
    chunk_put(&out, &last, INT64_MAX, bytes);
    chunk_reader_init(&r, buf_view(&out));
    if (buf_finish(&out) < 0)
        return 0;
    CHECK(chunk_next(&r) == 1 && r.series == series && str_eq(r.value, bytes));
    CHECK(chunk_next(&r) == 1 && r.series == INT64_MAX && str_eq(r.value, bytes));
    CHECK(chunk_next(&r) == 0);
    return 0;
}
