/*
 * The tar has metadata.json, the main script as "data", and every file by where it came from:
 * "file/home/nobody/a.js", "https/cdn.example/b.js".  Archives from before 2019 have "scripts/" and
 * "files/" instead, where an underscore marks local files.
 */
#include "load/test_archive.h"

#include "base/err.h"
#include "base/limits.h"
#include "codec/archive_path.h"
#include "codec/tar.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <yyjson.h>

enum { EXIT_ARCHIVE = 255 };

/* What is read while the tar is gone through. */
struct reading {
    struct test_archive *a;
    struct str metadata, data; /* NULL ptr: not seen */
    struct js_file *files;     /* [0] is kept free for the main one */
    size_t len, cap;
};

bool test_archive_begins(const uint8_t *block)
{
    return tar_is_header(block);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Some versions wrote the drive C: as "C_". */
static void put_local(struct buf *b, struct str name)
{
    CLEANUP(buf_fini) struct buf drive;
    buf_init(&drive, JS_PATH_MAX);
    size_t at = name.len > 0 && name.ptr[0] == '/' ? 1 : 0;
    if (name.len > at + 2 && isalpha((unsigned char)name.ptr[at]) && name.ptr[at + 1] == '_' &&
        name.ptr[at + 2] == '/') {
        buf_printf(&drive, "/%c%.*s", name.ptr[at], (int)(name.len - at - 2), name.ptr + at + 2);
        name = buf_view(&drive);
    }
    archive_path_write(b, name);
}

/* "/home/nobody/a.js" of a local file's name, "https://h/a.js" of a remote one's. */
static const char *key_of(struct arena *a, bool remote, struct str name)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, JS_PATH_MAX);
    while (remote && name.len > 0 && name.ptr[0] == '/')
        name = str_new(name.ptr + 1, name.len - 1);
    if (remote) {
        buf_z(&b, "https://");
        buf_str(&b, name);
    } else {
        put_local(&b, name);
    }
    return buf_finish(&b) < 0 ? NULL : arena_dup(a, buf_view(&b));
}

/* The same of a URL, or of the plain path that archives before 0.25 have in its place. */
static const char *key_of_url(struct arena *a, struct str url)
{
    CLEANUP(buf_fini) struct buf b;
    bool remote = str_starts(url, STR("https://"));
    bool local = str_starts(url, STR("file://"));
    size_t skip = remote ? strlen("https://") : local ? strlen("file://") : 0;
    buf_init(&b, JS_PATH_MAX);
    struct str rest = str_new(url.ptr + skip, url.len - skip);
    if (remote || local)
        archive_path_unescape(&b, rest);
    else
        buf_str(&b, rest);
    return buf_finish(&b) < 0 ? NULL : key_of(a, remote, buf_view(&b));
}

static int unknown_prefix(struct str prefix, struct str path)
{
    return err_set(E_CORRUPT, "unknown file prefix `%.*s` for file `%.*s`", STR_ARG(prefix),
                   STR_ARG(path));
}

/* Whether the entry is a remote file, and its name without the prefix. */
static int split_name(struct str path, bool *ret_remote, struct str *ret_name)
{
    struct str name;
    struct str prefix = str_cut(path, '/', &name);
    bool remote = str_eqz(prefix, "https");
    if (str_eqz(prefix, "files") || str_eqz(prefix, "scripts")) {
        remote = !str_starts(name, STR("_"));
        if (!remote)
            name = str_new(name.ptr + 1, name.len - 1);
    } else if (!remote && !str_eqz(prefix, "file")) {
        return unknown_prefix(prefix, path);
    }
    *ret_remote = remote;
    *ret_name = name;
    return 0;
}

/* ---- entries ------------------------------------------------------------------------------- */

static int grow(struct reading *r)
{
    if (r->len < r->cap)
        return 0;
    size_t cap = r->cap == 0 ? 16 : r->cap * 2;
    struct js_file *files = arena_calloc(&r->a->arena, cap, sizeof *files);
    if (files == NULL)
        return -ENOMEM;
    if (r->len > 0)
        memcpy(files, r->files, r->len * sizeof *files);
    r->files = files;
    r->cap = cap;
    return 0;
}

static int add_file(struct reading *r, const char *key, struct str data)
{
    int rc = grow(r);
    if (rc < 0 || key == NULL)
        return -ENOMEM;
    r->files[r->len++] = (struct js_file){
        .path = key, .data = (const uint8_t *)(data.ptr ? data.ptr : ""), .len = data.len};
    return 0;
}

static int add_entry(struct reading *r, const struct tar_entry *e)
{
    if (e->type != TAR_FILE)
        return 0; /* the link of the main script: its text is "data" */
    struct str data = e->data.ptr != NULL ? e->data : STR("");
    if (str_eqz(e->path, "metadata.json")) {
        r->metadata = data;
        return 0;
    }
    if (str_eqz(e->path, "data")) {
        r->data = data;
        return 0;
    }
    bool remote = false;
    struct str name;
    if (str_find(e->path, '/') < 0)
        return 0;
    int rc = split_name(e->path, &remote, &name);
    return rc < 0 ? rc : add_file(r, key_of(&r->a->arena, remote, name), data);
}

static int read_entries(struct reading *r, struct str bytes)
{
    struct tar_reader tar;
    struct tar_entry entry;
    tar_reader_init(&tar, bytes.ptr, bytes.len);
    int rc = add_file(r, "", STR(""));
    while (rc >= 0 && (rc = tar_next(&tar, &entry)) > 0)
        rc = add_entry(r, &entry);
    tar_reader_fini(&tar);
    if (rc == 0 && r->metadata.ptr == NULL)
        return err_set(E_CORRUPT, "it has no metadata.json");
    if (rc == 0 && r->data.ptr == NULL)
        return err_set(E_CORRUPT, "it has no main script");
    return rc;
}

/* ---- metadata ------------------------------------------------------------------------------ */

static struct str text_of(yyjson_val *object, const char *name)
{
    yyjson_val *v = yyjson_obj_get(object, name);
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

static int read_env(struct test_archive *a, yyjson_val *env)
{
    if (!yyjson_is_obj(env) || yyjson_obj_size(env) == 0)
        return 0;
    struct tag *list = arena_calloc(&a->arena, yyjson_obj_size(env), sizeof *list);
    if (list == NULL)
        return -ENOMEM;
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(env, i, n, key, value)
    {
        if (!yyjson_is_str(value))
            return err_set(E_CORRUPT, "metadata.json: env.%s isn't a text", yyjson_get_str(key));
        struct str k = str_new(yyjson_get_str(key), yyjson_get_len(key));
        struct str v = str_new(yyjson_get_str(value), yyjson_get_len(value));
        list[i].key = str_new(arena_dup(&a->arena, k), k.len);
        list[i].value = str_new(arena_dup(&a->arena, v), v.len);
        if (list[i].key.ptr == NULL || list[i].value.ptr == NULL)
            return -ENOMEM;
    }
    a->env = list;
    a->env_len = n;
    return 0;
}

static int read_options(struct test_archive *a, yyjson_val *options)
{
    a->options_json = STR("{}");
    if (!yyjson_is_obj(options))
        return 0;
    size_t len;
    char *text = yyjson_val_write(options, YYJSON_WRITE_NOFLAG, &len);
    char *copy = text != NULL ? arena_dup(&a->arena, str_new(text, len)) : NULL;
    free(text); /* allowed: memory of yyjson */
    if (copy == NULL)
        return -ENOMEM;
    a->options_json = str_new(copy, len);
    return 0;
}

static int read_paths(struct test_archive *a, yyjson_val *root)
{
    struct str filename = text_of(root, "filename"), pwd = text_of(root, "pwd");
    if (filename.len == 0)
        return err_set(E_CORRUPT, "metadata.json doesn't name the main script");
    a->bundle.main = key_of_url(&a->arena, filename);
    a->bundle.dir = pwd.len > 0 ? key_of_url(&a->arena, pwd) : "/";
    return a->bundle.main == NULL || a->bundle.dir == NULL ? -ENOMEM : 0;
}

static int read_root(struct test_archive *a, yyjson_val *root)
{
    if (!yyjson_is_obj(root))
        return err_set(E_CORRUPT, "metadata.json isn't a JSON object");
    struct str type = text_of(root, "type");
    if (type.len > 0 && !str_eqz(type, "js"))
        return err_set(E_UNSUPPORTED, "it has the unsupported test type '%.*s'", STR_ARG(type));
    int rc = read_paths(a, root);
    if (rc == 0)
        rc = read_env(a, yyjson_obj_get(root, "env"));
    return rc == 0 ? read_options(a, yyjson_obj_get(root, "options")) : rc;
}

static int read_metadata(struct test_archive *a, struct str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
    int rc = read_root(a, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return rc;
}

/* The main script is the first file; its other copy, if the tar has one, goes. */
static void set_main(struct reading *r)
{
    struct js_bundle *b = &r->a->bundle;
    size_t len = 1;
    r->files[0] =
        (struct js_file){.path = b->main, .data = (const uint8_t *)r->data.ptr, .len = r->data.len};
    for (size_t i = 1; i < r->len; i++)
        if (strcmp(r->files[i].path, b->main) != 0)
            r->files[len++] = r->files[i];
    b->files = r->files;
    b->files_len = len;
}

int test_archive_read(struct test_archive *a, struct str bytes, const char *shown)
{
    *a = (struct test_archive){0};
    arena_init(&a->arena, LOAD_OPTIONS_BYTES);
    struct reading r = {.a = a};
    int rc = read_entries(&r, bytes);
    if (rc == 0)
        rc = read_metadata(a, r.metadata);
    if (rc < 0)
        return err_exit(err_wrap(rc, "could not load test archive bundle '%s'", shown),
                        EXIT_ARCHIVE);
    set_main(&r);
    return 0;
}

void test_archive_fini(struct test_archive *a)
{
    arena_fini(&a->arena);
    *a = (struct test_archive){0};
}
