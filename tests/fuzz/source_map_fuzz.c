/* A line, a column, then a source map, or the code that names one. */
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "js/source_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str text = str_new(data + 2, size - 2);
    struct str url = source_map_url(text);
    CHECK(url.len <= text.len);
    struct source_map *m;
    if (source_map_parse(text, &m) < 0)
        return 0;
    struct source_place place;
    if (source_map_find(m, data[0], data[1], &place))
        CHECK(place.source.ptr && place.line > 0 && place.column > 0);
    source_map_free(m);
    return 0;
}
