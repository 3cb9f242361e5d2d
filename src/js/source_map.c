/*
 * Mappings are kept sorted by their place in the generated code, as the format has them.
 */
#include "js/source_map.h"

#include <errno.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

/* Lines and columns from 0. */
struct place {
    uint32_t line, column; /* in the generated code */
    int32_t source;        /* index, or -1: of no source */
    uint32_t from_line, from_column;
};

struct source_map {
    struct place *places;
    size_t len, cap;
    char **sources;
    size_t sources_len;
};

void source_map_free(struct source_map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->sources_len; i++)
        mem_free(m->sources[i]);
    mem_free(m->sources);
    mem_free(m->places);
    mem_free(m);
}

static int corrupt(const char *what)
{
    return err_set(E_CORRUPT, "source map: %s", what);
}

/* ---- mappings ---------------------------------------------------------------------------------
 */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* A number in base 64 VLQ at *at, which moves on; false when there is none. */
static bool read_vlq(struct str s, size_t *at, int64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift <= 35 && *at < s.len; shift += 5) {
        int digit = base64_value(s.ptr[*at]);
        if (digit < 0)
            return false;
        (*at)++;
        value |= (uint64_t)(digit & 31) << shift;
        if (!(digit & 32)) {
            *ret = value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
            return true;
        }
    }
    return false;
}

/* Numbers in mappings are relative to the ones before. */
struct state {
    int64_t column, source, from_line, from_column;
};

static bool in_range(int64_t n)
{
    return n >= 0 && n <= INT32_MAX;
}

/* One segment: 1, 4 or 5 numbers. */
static int read_segment(struct source_map *m, struct str s, size_t *at, uint32_t line,
                        struct state *state)
{
    int64_t n[5];
    int count = 0;
    while (*at < s.len && s.ptr[*at] != ',' && s.ptr[*at] != ';')
        if (count == 5 || !read_vlq(s, at, &n[count++]))
            return corrupt("malformed mappings");
    if (count != 1 && count != 4 && count != 5)
        return corrupt("malformed mappings");
    state->column += n[0];
    if (count > 1) {
        state->source += n[1];
        state->from_line += n[2];
        state->from_column += n[3];
    }
    if (!in_range(state->column) || !in_range(state->from_line) || !in_range(state->from_column) ||
        state->source < 0 || (count > 1 && (uint64_t)state->source >= m->sources_len))
        return corrupt("a mapping beyond its bounds");
    int rc = mem_grow(&m->places, &m->cap, m->len + 1, JS_SOURCE_MAP_PLACES, sizeof *m->places);
    if (rc < 0)
        return err_set(rc == -E2BIG ? E_LIMIT : rc, "source map: too many mappings");
    m->places[m->len++] = (struct place){
        .line = line,
        .column = (uint32_t)state->column,
        .source = count > 1 ? (int32_t)state->source : -1,
        .from_line = (uint32_t)state->from_line,
        .from_column = (uint32_t)state->from_column,
    };
    return 0;
}

static int compare(const struct place *p, uint32_t line, uint32_t column)
{
    if (p->line != line)
        return p->line < line ? -1 : 1;
    return p->column < column ? -1 : p->column > column;
}

static int read_mappings(struct source_map *m, struct str s)
{
    struct state state = {0};
    uint32_t line = 0;
    for (size_t at = 0; at < s.len;) {
        if (s.ptr[at] == ';') {
            line++;
            state.column = 0;
            at++;
        } else if (s.ptr[at] == ',') {
            at++;
        } else {
            int rc = read_segment(m, s, &at, line, &state);
            if (rc < 0)
                return rc;
            const struct place *last = &m->places[m->len - 1];
            if (m->len > 1 && compare(last - 1, last->line, last->column) > 0)
                return corrupt("mappings out of order");
        }
    }
    return 0;
}

/* ---- the JSON ---------------------------------------------------------------------------------
 */

static char *source_name(yyjson_val *root, yyjson_val *source)
{
    struct buf b;
    buf_init(&b, JS_PATH_MAX);
    const char *text = yyjson_get_str(source), *folder = yyjson_get_str(root);
    if (text && folder && folder[0]) {
        buf_z(&b, folder);
        if (!str_ends(str_of(folder), STR("/")))
            buf_byte(&b, '/');
    }
    buf_z(&b, text ? text : "");
    char *z = buf_finish(&b) < 0 ? NULL : str_dup(buf_view(&b));
    buf_fini(&b);
    return z;
}

static int read_sources(struct source_map *m, yyjson_val *root, yyjson_val *sources)
{
    size_t n = yyjson_arr_size(sources), i, max;
    if (n > JS_SOURCE_MAP_SOURCES)
        return err_set(E_LIMIT, "source map: more than %d sources", JS_SOURCE_MAP_SOURCES);
    m->sources = mem_calloc(n + 1, sizeof *m->sources);
    if (!m->sources)
        return -ENOMEM;
    yyjson_val *v;
    yyjson_arr_foreach(sources, i, max, v)
    {
        m->sources[i] = source_name(root, v);
        if (!m->sources[i])
            return err_set(-ENOMEM, "source map: a source's name");
        m->sources_len++;
    }
    return 0;
}

static int read_root(struct source_map *m, yyjson_val *root)
{
    yyjson_val *mappings = yyjson_obj_get(root, "mappings");
    if (!yyjson_is_str(mappings))
        return corrupt("it has no mappings");
    int rc = read_sources(m, yyjson_obj_get(root, "sourceRoot"), yyjson_obj_get(root, "sources"));
    if (rc == 0)
        rc = read_mappings(m, str_new(yyjson_get_str(mappings), yyjson_get_len(mappings)));
    return rc;
}

int source_map_parse(struct str json, struct source_map **ret)
{
    if (json.len > JS_SOURCE_MAP_BYTES)
        return err_set(E_LIMIT, "source map: more than %ld bytes", JS_SOURCE_MAP_BYTES);
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, YYJSON_READ_NOFLAG);
    struct source_map *m = mem_calloc(1, sizeof *m);
    int rc = !doc ? corrupt("it isn't JSON")
             : !m ? -ENOMEM
                  : read_root(m, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    if (rc < 0) {
        source_map_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

/* ---- looking up -------------------------------------------------------------------------------
 */

bool source_map_find(const struct source_map *m, uint32_t line, uint32_t column,
                     struct source_place *ret)
{
    if (line == 0 || column == 0)
        return false;
    size_t low = 0, high = m->len; /* the last place that isn't behind the one asked for */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare(&m->places[mid], line - 1, column - 1) > 0)
            high = mid;
        else
            low = mid + 1;
    }
    const struct place *p = low > 0 ? &m->places[low - 1] : NULL;
    if (!p || p->line != line - 1 || p->source < 0)
        return false;
    *ret = (struct source_place){.source = str_of(m->sources[p->source]),
                                 .line = p->from_line + 1,
                                 .column = p->from_column + 1};
    return true;
}

struct str source_map_url(struct str code)
{
    const struct str mark = STR("//# sourceMappingURL=");
    for (size_t i = code.len; i-- > 0;) {
        struct str rest = str_new(code.ptr + i, code.len - i);
        if (code.ptr[i] != '/' || !str_starts(rest, mark))
            continue;
        size_t len = mark.len;
        while (len < rest.len && rest.ptr[len] != '\n' && rest.ptr[len] != '\r')
            len++;
        return str_trim(str_new(rest.ptr + mark.len, len - mark.len));
    }
    return STR_EMPTY;
}
