#include "js/specifier.h"

#include <errno.h>

#include "base/err.h"

#define FILE_SCHEME "file://"

bool specifier_is_builtin(struct str spec)
{
    return str_eqz(spec, "k6") || str_starts(spec, STR("k6/"));
}

struct str specifier_path_of(struct str name)
{
    if (!str_starts(name, STR(FILE_SCHEME)))
        return STR_EMPTY;
    return str_new(name.ptr + sizeof FILE_SCHEME - 1, name.len - (sizeof FILE_SCHEME - 1));
}

struct str specifier_dir_of(struct str path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/')
            return str_new(path.ptr, i > 1 ? i - 1 : 1);
    return STR("/");
}

/* Appends the segments of `path`, without "." and with ".." resolved, to what is in `out` from
 * `from` on. */
static void append_segments(struct buf *out, size_t from, struct str path)
{
    while (path.len > 0) {
        struct str rest = STR_EMPTY;
        struct str segment = str_cut(path, '/', &rest);
        path = rest;
        if (segment.len == 0 || str_eqz(segment, "."))
            continue;
        if (!str_eqz(segment, "..")) {
            buf_byte(out, '/');
            buf_str(out, segment);
            continue;
        }
        if (out->err)
            return;
        while (out->len > from && out->data[--out->len] != '/')
            ;
    }
}

static int absolute_path(struct str dir, struct str path, struct buf *out)
{
    size_t from = out->len;
    if (path.len == 0 || path.ptr[0] != '/')
        append_segments(out, from, dir);
    append_segments(out, from, path);
    if (out->len == from)
        buf_byte(out, '/');
    int rc = buf_finish(out);
    return rc < 0 ? err_set(rc, "path of %.*s", STR_ARG(path)) : 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of a file URL, whose %XX stand for bytes. */
static int url_path(struct str spec, struct buf *out)
{
    struct str path = specifier_path_of(spec);
    struct buf decoded;
    buf_init(&decoded, out->max);
    for (size_t i = 0; i < path.len; i++) {
        int high = path.ptr[i] == '%' && i + 2 < path.len ? hex_value(path.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(path.ptr[i + 2]) : -1;
        if (low >= 0)
            i += 2;
        buf_byte(&decoded, low >= 0 ? (uint8_t)(high * 16 + low) : (uint8_t)path.ptr[i]);
    }
    int rc = buf_finish(&decoded);
    rc = rc < 0 ? err_set(rc, "path of a file URL")
                : absolute_path(STR("/"), buf_view(&decoded), out);
    buf_fini(&decoded);
    return rc;
}

int specifier_import_path(struct str dir, struct str spec, struct buf *out)
{
    if (str_starts(spec, STR(FILE_SCHEME)))
        return url_path(spec, out);
    if (str_starts(spec, STR("./")) || str_starts(spec, STR("../")) || str_starts(spec, STR("/")))
        return absolute_path(dir, spec, out);
    if (str_starts(spec, STR("https://"))) {
        int rc = err_set(E_UNSUPPORTED, "import of \"%.*s\": modules from the web aren't there yet",
                         STR_ARG(spec));
        return err_hint(rc, "download the file and import it by its path");
    }
    return err_set(E_NOT_FOUND,
                   "The moduleSpecifier \"%.*s\" couldn't be recognised as something that can be "
                   "imported: a path starts with ./, ../ or /, a built-in module with k6",
                   STR_ARG(spec));
}

int specifier_file_path(struct str dir, struct str spec, struct buf *out)
{
    if (str_starts(spec, STR(FILE_SCHEME)))
        return url_path(spec, out);
    return absolute_path(dir, spec, out);
}
