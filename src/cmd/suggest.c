#include "cmd/suggest.h"

#include "base/attr.h"

#include <ctype.h>
#include <stdint.h>

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = MIN(a, b);
    return MIN(smaller, c);
}

/* Levenshtein's, a row at a time. */
size_t suggest_distance(struct str a, struct str b)
{
    size_t row[SUGGEST_WORD_MAX + 1];
    if (a.len > SUGGEST_WORD_MAX || b.len > SUGGEST_WORD_MAX)
        return SIZE_MAX;
    if (a.len >= 3 && a.len < b.len && str_ieq(a, str_new(b.ptr, a.len)))
        return 1;
    for (size_t k = 0; k <= b.len; k++)
        row[k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            bool same =
                tolower((unsigned char)a.ptr[i - 1]) == tolower((unsigned char)b.ptr[k - 1]);
            size_t next = least(corner + (same ? 0 : 1), row[k] + 1, row[k - 1] + 1);
            corner = row[k];
            row[k] = next;
        }
    }
    return row[b.len];
}
