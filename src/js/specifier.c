#include "js/specifier.h"

#include <errno.h>

#include "base/err.h"

#define FILE_SCHEME  "file://"
#define HTTPS_SCHEME "https://"

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

/* `s` with the bytes that %XX stand for. */
static void append_unescaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = s.ptr[i] == '%' && i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(s.ptr[i + 2]) : -1;
        if (low >= 0)
            i += 2;
        buf_byte(out, low >= 0 ? (uint8_t)(high * 16 + low) : (uint8_t)s.ptr[i]);
    }
}

/* The path of a file URL, whose %XX stand for bytes. */
static int url_path(struct str spec, struct buf *out)
{
    struct buf decoded;
    buf_init(&decoded, out->max);
    append_unescaped(&decoded, specifier_path_of(spec));
    int rc = buf_finish(&decoded);
    rc = rc < 0 ? err_set(rc, "path of a file URL")
                : absolute_path(STR("/"), buf_view(&decoded), out);
    buf_fini(&decoded);
    return rc;
}

/* ---- the web ----------------------------------------------------------------------------------
 */

bool specifier_is_remote(struct str name)
{
    return str_starts(name, STR(HTTPS_SCHEME));
}

/* Cuts a URL without scheme at its path, which keeps its slash, and drops the fragment. */
static struct str cut_host(struct str rest, struct str *path)
{
    struct str ignored;
    rest = str_cut(rest, '#', &ignored);
    size_t i = 0;
    while (i < rest.len && rest.ptr[i] != '/' && rest.ptr[i] != '?')
        i++;
    *path = str_new(rest.ptr + i, rest.len - i);
    return str_new(rest.ptr, i);
}

/* Appends path segments as RFC 3986 has it: unlike in paths of files, empty ones count. */
static void append_url_segments(struct buf *out, size_t from, struct str path)
{
    if (path.len > 0 && path.ptr[0] == '/')
        path = str_new(path.ptr + 1, path.len - 1);
    for (bool more = true; more;) {
        ptrdiff_t slash = str_find(path, '/');
        more = slash >= 0;
        struct str segment = more ? str_new(path.ptr, (size_t)slash) : path;
        if (more)
            path = str_new(path.ptr + slash + 1, path.len - (size_t)slash - 1);
        bool up = str_eqz(segment, "..");
        if (up && !out->err)
            while (out->len > from && out->data[--out->len] != '/')
                ;
        if (!up && !str_eqz(segment, ".")) {
            buf_byte(out, '/');
            buf_str(out, segment);
        } else if (!more) {
            buf_byte(out, '/'); /* "x/." and "x/.." are folders */
        }
    }
}

/* `spec` in the folder `dir` of the web; it begins with "/" or ".", or is a whole URL. */
static int remote_url(struct str dir, struct str spec, struct buf *out)
{
    const size_t scheme = sizeof HTTPS_SCHEME - 1;
    struct str path = STR_EMPTY, folder = STR_EMPTY, query = STR_EMPTY, host;
    if (specifier_is_remote(spec)) {
        host = cut_host(str_new(spec.ptr + scheme, spec.len - scheme), &path);
    } else {
        host = cut_host(str_new(dir.ptr + scheme, dir.len - scheme), &folder);
        path = str_cut(spec, '#', &query);
        if (path.len > 0 && path.ptr[0] == '/')
            folder = STR_EMPTY;
    }
    if (host.len == 0)
        return err_set(E_NOT_FOUND, "\"%.*s\" names no host", STR_ARG(spec));
    bool asks = str_find(path, '?') >= 0;
    path = str_cut(path, '?', &query);
    buf_z(out, HTTPS_SCHEME);
    buf_str(out, host);
    size_t from = out->len;
    if (folder.len > 0)
        append_url_segments(out, from, folder);
    append_url_segments(out, from, path);
    if (asks) {
        buf_byte(out, '?');
        buf_str(out, query);
    }
    int rc = buf_finish(out);
    return rc < 0 ? err_set(rc, "URL of %.*s", STR_ARG(spec)) : 0;
}

struct str specifier_folder_of(struct str name)
{
    bool remote = specifier_is_remote(name);
    struct str query;
    if (remote)
        name = str_cut(name, '?', &query);
    size_t i = name.len, scheme = sizeof HTTPS_SCHEME - 1; /* "file:///" has as many */
    while (i > scheme && name.ptr[i - 1] != '/')
        i--;
    return i > scheme ? str_new(name.ptr, i - 1) : str_new(name.ptr, remote ? name.len : i);
}

int specifier_key(struct str name, struct buf *out)
{
    if (!specifier_is_remote(name)) {
        buf_str(out, specifier_path_of(name));
        return buf_finish(out);
    }
    const size_t scheme = sizeof HTTPS_SCHEME - 1;
    struct buf clean; /* "/host/path?query": the query is part of the path here, as in k6 */
    buf_init(&clean, out->max);
    append_segments(&clean, 0, str_new(name.ptr + scheme, name.len - scheme));
    int rc = buf_finish(&clean);
    if (rc == 0) {
        buf_z(out, "https:/");
        append_unescaped(out, buf_view(&clean));
        rc = buf_finish(out);
    }
    buf_fini(&clean);
    return rc;
}

int specifier_open_dir(struct str dir, struct buf *out)
{
    struct str path = specifier_path_of(dir);
    if (specifier_is_remote(dir)) {
        const size_t scheme = sizeof HTTPS_SCHEME - 1;
        (void)cut_host(str_new(dir.ptr + scheme, dir.len - scheme), &path);
    }
    if (path.len == 0)
        path = STR("/");
    if (specifier_is_remote(dir))
        append_unescaped(out, path);
    else
        buf_str(out, path);
    return buf_finish(out);
}

/* ---- imports ----------------------------------------------------------------------------------
 */

/* What names neither path nor built-in module. */
static int refuse(struct str spec)
{
    static const char *const magic[] = {"cdnjs.com", "github.com"};
    for (size_t i = 0; i < ARRAY_LEN(magic); i++)
        if (str_starts(spec, str_of(magic[i])))
            return err_set(E_NOT_FOUND,
                           "\"%.*s\": %s 'special' urls are no longer supported: import the file "
                           "itself by its https:// URL",
                           STR_ARG(spec), magic[i]);
    for (size_t i = 0; i + 2 < spec.len; i++)
        if (memcmp(spec.ptr + i, "://", 3) == 0)
            return err_set(E_NOT_FOUND,
                           "only supported schemes for imports are file and https, %.*s has `%.*s`",
                           STR_ARG(spec), (int)i, spec.ptr);
    return err_set(E_NOT_FOUND,
                   "The moduleSpecifier \"%.*s\" couldn't be recognised as something that can be "
                   "imported: a path starts with ./, ../ or /, a built-in module with k6",
                   STR_ARG(spec));
}

int specifier_resolve(struct str dir, struct str spec, struct buf *out)
{
    bool is_path = spec.len > 0 && (spec.ptr[0] == '.' || spec.ptr[0] == '/');
    if (specifier_is_remote(spec) || (is_path && specifier_is_remote(dir)))
        return remote_url(dir, spec, out);
    bool is_file = str_starts(spec, STR(FILE_SCHEME));
    if (is_file && specifier_is_remote(dir))
        return err_set(E_NOT_FOUND, "origin (%.*s) not allowed to load local file: %.*s",
                       STR_ARG(dir), STR_ARG(spec));
    if (!is_file && !is_path)
        return refuse(spec);
    struct buf path;
    buf_init(&path, out->max);
    int rc = is_file ? url_path(spec, &path) : absolute_path(specifier_path_of(dir), spec, &path);
    if (rc == 0) {
        buf_z(out, FILE_SCHEME);
        buf_str(out, buf_view(&path));
        rc = buf_finish(out);
    }
    buf_fini(&path);
    return rc;
}

int specifier_file_path(struct str dir, struct str spec, struct buf *out)
{
    if (str_starts(spec, STR(FILE_SCHEME)))
        return url_path(spec, out);
    return absolute_path(dir, spec, out);
}
