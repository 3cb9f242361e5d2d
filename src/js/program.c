#include "js/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/archive_path.h"
#include "js/api.h"
#include "js/compile.h"
#include "js/program_int.h"
#include "js/remote.h"
#include "js/source_map.h"
#include "js/specifier.h"

enum { EXIT_SCRIPT = 107 };

/* ---- files ---------------------------------------------------------------------------------- */

static int read_all(int fd, size_t size_hint, uint8_t **ret, size_t *ret_len)
{
    struct buf b;
    buf_init(&b, JS_FILE_BYTES_MAX);
    for (;;) {
        uint8_t *room = buf_reserve(&b, size_hint > b.len ? size_hint - b.len + 1 : 65536);
        if (!room)
            break;
        ssize_t n = read(fd, room, b.cap - b.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int rc = -errno;
            buf_fini(&b);
            return rc;
        }
        if (n == 0)
            break;
        buf_claim(&b, (size_t)n);
    }
    buf_byte(&b, 0); /* QuickJS wants a NUL behind what it parses */
    int rc = buf_finish(&b);
    if (rc < 0) {
        buf_fini(&b);
        return rc;
    }
    *ret = buf_take(&b, ret_len);
    (*ret_len)--;
    return 0;
}

static int read_file(const char *path, uint8_t **ret, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st) < 0)
        rc = -errno;
    else if (S_ISDIR(st.st_mode))
        rc = -EISDIR;
    else
        rc = read_all(fd, st.st_size > 0 ? (size_t)st.st_size : 0, ret, ret_len);
    (void)close(fd);
    return rc;
}

/* Takes `data` over, also on failure. */
static int file_add(struct js_program *p, struct str path, uint8_t *data, size_t len)
{
    char *copy = str_dup(path);
    int rc =
        copy ? mem_grow(&p->files, &p->files_cap, p->files_len + 1, JS_FILES_MAX, sizeof *p->files)
             : -ENOMEM;
    if (rc == 0)
        rc = map_put(&p->file_at, path, (void *)(p->files_len + 1));
    if (rc < 0) {
        mem_free(copy);
        mem_free(data);
        return err_set(rc == -E2BIG ? E_LIMIT : rc, "too many files in one script: %.*s",
                       STR_ARG(path));
    }
    p->files[p->files_len++] = (struct js_file){.path = copy, .data = data, .len = len};
    return 0;
}

static int file_find(const struct js_program *p, struct str key, struct js_file *ret)
{
    size_t at = (size_t)map_get(&p->file_at, key);
    if (at == 0)
        return E_NOT_FOUND;
    *ret = p->files[at - 1];
    return 0;
}

/* An archive's file: paths in it are spelled so that they tell nothing of its author. */
static int bundled_file(struct js_program *p, struct str path, struct js_file *ret)
{
    CLEANUP(buf_fini) struct buf key;
    buf_init(&key, JS_PATH_MAX);
    archive_path_write(&key, path);
    if (buf_finish(&key) < 0)
        return buf_finish(&key);
    return file_find(p, buf_view(&key), ret) < 0 ? -ENOENT : 0;
}

static int file_read(struct js_program *p, struct str path)
{
    char *z = str_dup(path);
    if (!z)
        return -ENOMEM;
    uint8_t *data = NULL;
    size_t len = 0;
    int rc = read_file(z, &data, &len);
    mem_free(z);
    return rc < 0 ? rc : file_add(p, path, data, len);
}

/* Why a file that hasn't been read can't be read any more. */
static int file_missed(struct str path)
{
    struct stat st;
    char *z = str_dup(path);
    int rc = !z ? -ENOMEM : stat(z, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : E_NOT_FOUND;
    mem_free(z);
    return rc;
}

int program_file(struct js_program *p, struct str path, struct js_file *ret)
{
    if (p->bundled)
        return bundled_file(p, path, ret);
    if (file_find(p, path, ret) == 0)
        return 0;
    if (p->sealed)
        return file_missed(path);
    int rc = file_read(p, path);
    return rc < 0 ? rc : file_find(p, path, ret);
}

/* Gets `url` from the web and keeps it as `key`. */
static int file_fetch(struct js_program *p, struct str url, struct str key)
{
    int rc = p->remote ? 0 : remote_new(&p->remote);
    if (rc < 0)
        return rc;
    CLEANUP(buf_fini) struct buf body;
    buf_init(&body, JS_REMOTE_BYTES_MAX + 1);
    rc = remote_fetch(p->remote, url, &body);
    buf_byte(&body, 0); /* QuickJS wants a NUL behind what it parses */
    if (rc == 0)
        rc = buf_finish(&body);
    if (rc < 0)
        return rc;
    size_t len;
    uint8_t *data = buf_take(&body, &len);
    return file_add(p, key, data, len - 1);
}

int program_module_file(struct js_program *p, struct str name, struct js_file *ret)
{
    CLEANUP(buf_fini) struct buf key;
    buf_init(&key, JS_PATH_MAX);
    int rc = specifier_key(name, &key);
    if (rc < 0)
        return rc;
    if (!specifier_is_remote(name))
        return program_file(p, buf_view(&key), ret);
    if (file_find(p, buf_view(&key), ret) == 0)
        return 0;
    if (p->sealed || p->bundled)
        return err_set(E_NOT_FOUND, "it isn't in the archive");
    rc = file_fetch(p, name, buf_view(&key));
    return rc < 0 ? rc : file_find(p, buf_view(&key), ret);
}

/* ---- units ---------------------------------------------------------------------------------- */

int program_unit_find(const struct js_program *p, struct str name)
{
    return (int)(size_t)map_get(&p->unit_at, name) - 1;
}

/* Where the import stands: "file:///a.js:3:20", by a look for the specifier in quotes. */
static void append_place(struct js_program *p, const struct js_import *what, struct buf *out)
{
    struct js_file file;
    buf_str(out, what->from);
    if (what->spec.len == 0 || program_unit_find(p, what->from) < 0 ||
        program_module_file(p, what->from, &file) < 0)
        return;
    const uint8_t *end = file.data + file.len, *line_at = file.data, *at = file.data;
    int line = 1;
    for (; at + what->spec.len + 2 <= end; at++) {
        bool quote = *at == '"' || *at == '\'' || *at == '`';
        if (quote && at[what->spec.len + 1] == *at &&
            memcmp(at + 1, what->spec.ptr, what->spec.len) == 0) {
            buf_printf(out, ":%d:%zu", line, (size_t)(at - line_at) + 1);
            return;
        }
        if (*at == '\n') {
            line++;
            line_at = at + 1;
        }
    }
}

int program_blame(struct js_program *p, const struct js_import *what, int rc)
{
    if (strstr(err_message(), "\n\tat ")) /* an import deeper down has said where it stands */
        return err_exit(rc, EXIT_SCRIPT);
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, ERR_MESSAGE_MAX);
    buf_z(&text, err_message());
    buf_z(&text, "\n\tat ");
    append_place(p, what, &text);
    buf_byte(&text, '\n');
    const char *z = buf_cstr(&text);
    return err_exit(z ? err_set(rc, "%s", z) : rc, EXIT_SCRIPT);
}

static int not_found(struct str spec)
{
    return err_set(E_NOT_FOUND,
                   "The moduleSpecifier \"%.*s\" couldn't be found on local disk. Check the path: "
                   "it is relative to the file that imports it, and needs its extension",
                   STR_ARG(spec));
}

/* Says why the module's file can't be had. */
static int no_file(const struct js_import *what, int rc)
{
    if (specifier_is_remote(what->name))
        rc = err_set(rc,
                     "The moduleSpecifier \"%.*s\" couldn't be retrieved from the resolved url "
                     "\"%.*s\". Error : \"%s\"",
                     STR_ARG(what->spec), STR_ARG(what->name), err_message());
    else if (rc == -ENOENT || rc == -ENOTDIR)
        rc = not_found(what->spec);
    else
        rc = err_set_errno(rc, "read %.*s", STR_ARG(specifier_path_of(what->name)));
    return err_exit(rc, EXIT_SCRIPT);
}

static int unit_add(struct js_program *p, struct str name, struct str dir, uint32_t *ret)
{
    int rc = mem_grow(&p->units, &p->units_cap, p->units_len + 1, JS_FILES_MAX, sizeof *p->units);
    if (rc < 0)
        return err_set(rc, "too many modules in one script");
    struct js_unit u = {.compiled = JS_UNDEFINED};
    u.name = str_dup(name);
    u.dir = str_dup(dir);
    if (!u.name || !u.dir)
        rc = -ENOMEM;
    if (rc == 0)
        rc = map_put(&p->unit_at, name, (void *)(p->units_len + 1));
    if (rc < 0) {
        mem_free(u.name);
        mem_free(u.dir);
        return err_set(rc, "module %.*s", STR_ARG(name));
    }
    *ret = (uint32_t)p->units_len;
    p->units[p->units_len++] = u;
    return 0;
}

static int unit_compile(struct js_program *p, const struct js_import *what, uint32_t *ret)
{
    struct js_file file;
    int rc = program_module_file(p, what->name, &file);
    if (rc < 0)
        return no_file(what, rc);
    uint32_t unit;
    rc = unit_add(p, what->name, specifier_folder_of(what->name), &unit);
    if (rc < 0)
        return rc;
    if (++p->depth > JS_IMPORT_DEPTH_MAX)
        rc = err_exit(
            err_set(E_LIMIT, "modules import each other more than %d deep", JS_IMPORT_DEPTH_MAX),
            EXIT_SCRIPT);
    else
        rc = compile_unit(p, unit, &file);
    p->depth--;
    if (rc < 0) {
        p->units[unit].kind = JS_UNIT_BROKEN;
        return rc;
    }
    *ret = unit;
    return 0;
}

int program_unit_load(struct js_program *p, const struct js_import *what, uint32_t *ret)
{
    int found = program_unit_find(p, what->name);
    if (found >= 0 && p->units[found].kind == JS_UNIT_BROKEN)
        return err_exit(err_set(E_SCRIPT, "module \"%.*s\" doesn't compile", STR_ARG(what->spec)),
                        EXIT_SCRIPT);
    if (found >= 0) {
        *ret = (uint32_t)found;
        return 0;
    }
    if (p->sealed) {
        int rc = err_set(E_NOT_FOUND,
                         "the module \"%.*s\" was not previously resolved during initialization "
                         "(__VU==0)",
                         STR_ARG(what->spec));
        return err_exit(rc, EXIT_SCRIPT);
    }
    return unit_compile(p, what, ret);
}

int program_resolve(struct js_program *p, struct str base, struct str spec, struct buf *out)
{
    if (specifier_is_builtin(spec)) {
        buf_str(out, spec);
        return buf_finish(out);
    }
    int unit = program_unit_find(p, base);
    struct str dir = str_of(unit >= 0 ? p->units[unit].dir : p->main_dir);
    int rc = specifier_resolve(dir, spec, out);
    return rc < 0 ? err_exit(rc, EXIT_SCRIPT) : 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* "file://" and the path. */
static char *file_url(struct str path)
{
    struct buf b;
    buf_init(&b, JS_PATH_MAX);
    buf_z(&b, "file://");
    buf_str(&b, path);
    char *z = buf_finish(&b) < 0 ? NULL : str_dup(buf_view(&b));
    buf_fini(&b);
    return z;
}

/* The main file is called `name`; `dir` (a path or a URL) is where it looks for others, unless
 * empty. */
static int set_main(struct js_program *p, struct str name, struct str dir)
{
    CLEANUP(buf_fini) struct buf key;
    buf_init(&key, JS_PATH_MAX);
    int rc = specifier_key(name, &key);
    if (rc < 0)
        return err_set(rc, "script %.*s", STR_ARG(name));
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/')
        dir.len--;
    p->main_path = str_dup(buf_view(&key));
    p->main_name = str_dup(name);
    if (dir.len == 0)
        p->main_dir = str_dup(specifier_folder_of(name));
    else
        p->main_dir = specifier_is_remote(dir) ? str_dup(dir) : file_url(dir);
    CLEANUP(buf_fini) struct buf open_dir;
    buf_init(&open_dir, JS_PATH_MAX);
    if (p->main_dir && specifier_open_dir(str_of(p->main_dir), &open_dir) == 0)
        p->open_dir = str_dup(buf_view(&open_dir));
    bool all = p->main_path && p->main_name && p->main_dir && p->open_dir;
    return all ? 0 : err_set(-ENOMEM, "script");
}

static int program_paths(struct js_program *p, const char *path, const char *pwd)
{
    CLEANUP(mem_freep) char *cwd = NULL;
    if (!pwd) {
        cwd = mem_alloc(JS_PATH_MAX);
        if (!cwd || !getcwd(cwd, JS_PATH_MAX))
            return err_set_errno(cwd ? -errno : -ENOMEM, "current folder");
        pwd = cwd;
    }
    if (strcmp(path, "-") == 0)
        return set_main(p, STR("file:///-"), str_of(pwd));
    CLEANUP(buf_fini) struct buf full, name;
    buf_init(&full, JS_PATH_MAX);
    buf_init(&name, JS_PATH_MAX);
    int rc;
    if (specifier_is_remote(str_of(path))) {
        rc = specifier_resolve(STR("file:///"), str_of(path), &name);
    } else {
        rc = specifier_file_path(str_of(pwd), str_of(path), &full);
        buf_z(&name, "file://");
        buf_str(&name, buf_view(&full));
        if (rc == 0)
            rc = buf_finish(&name);
    }
    return rc < 0 ? err_exit(rc, 255) : set_main(p, buf_view(&name), STR_EMPTY);
}

static int keep_text(struct js_program *p, struct str key, struct str text)
{
    char *copy = str_dup(text);
    if (!copy)
        return err_set(-ENOMEM, "%.*s", STR_ARG(key));
    return file_add(p, key, (uint8_t *)copy, text.len);
}

static int program_read_main(struct js_program *p, const char *path, struct str source)
{
    if (strcmp(path, "-") == 0)
        return keep_text(p, str_of(p->main_path), source);
    struct js_file file;
    int rc = program_module_file(p, str_of(p->main_name), &file);
    if (rc == -ENOENT || rc == -ENOTDIR) {
        rc = err_set(E_NOT_FOUND,
                     "The moduleSpecifier \"%s\" couldn't be found on local disk. Check the path "
                     "and the folder in which the command runs",
                     path);
        return err_exit(rc, 255);
    }
    if (rc < 0) {
        const struct js_import what = {.spec = str_of(path), .name = str_of(p->main_name)};
        rc = no_file(&what, rc);
        return err_exit(rc, 255);
    }
    return 0;
}

static int program_new(const char *shown, struct js_program **ret)
{
    struct js_program *p = mem_calloc(1, sizeof *p);
    if (!p)
        return err_set(-ENOMEM, "script %s", shown);
    map_init(&p->file_at, JS_FILES_MAX);
    map_init(&p->unit_at, JS_FILES_MAX);
    map_init(&p->builtin_at, JS_FILES_MAX);
    int rc = shared_arrays_new(&p->shared);
    if (rc < 0) {
        js_program_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

/* Compiles the main file, which has been read, and what it imports. Frees `p` on failure. */
static int program_compile(struct js_program *p, const char *shown, struct js_program **ret)
{
    int rc = compile_start(p);
    uint32_t unit = 0;
    if (rc == 0)
        rc = unit_add(p, str_of(p->main_name), str_of(p->main_dir), &unit);
    if (rc == 0)
        rc = compile_unit(p, unit, &p->files[0]);
    if (rc == 0)
        rc = program_make_image(p);
    if (rc < 0) {
        int exit_code = err_get()->exit_code;
        rc = err_wrap(rc, "could not initialize '%s': could not load JS test '%s'", shown,
                      p->main_name);
        rc = err_exit(rc, exit_code ? exit_code : EXIT_SCRIPT);
        js_program_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

int program_builtin_import(struct js_program *p, struct str name)
{
    bool extension = str_starts(name, STR("k6/x/"));
    int rc = p->lenient && extension ? 0 : program_builtin_check(name);
    if (rc == 0 && map_put(&p->builtin_at, name, p) < 0)
        rc = err_set(-ENOMEM, "module %.*s", STR_ARG(name));
    return rc;
}

static int load_file(const char *path, struct str source, const char *pwd, bool lenient,
                     struct js_program **ret)
{
    struct js_program *p;
    int rc = program_new(path, &p);
    if (rc < 0)
        return rc;
    p->lenient = lenient;
    rc = program_paths(p, path, pwd);
    if (rc == 0)
        rc = program_read_main(p, path, source);
    if (rc < 0) {
        js_program_free(p);
        return rc;
    }
    return program_compile(p, path, ret);
}

static int bundle_paths(struct js_program *p, const struct js_bundle *b)
{
    if (specifier_is_remote(str_of(b->main)))
        return set_main(p, str_of(b->main), str_of(b->dir));
    CLEANUP(mem_freep) char *name = file_url(str_of(b->main));
    return name ? set_main(p, str_of(name), str_of(b->dir)) : err_set(-ENOMEM, "script");
}

static int load_bundle(const char *shown, const struct js_bundle *b, bool lenient,
                       struct js_program **ret)
{
    struct js_program *p;
    int rc = program_new(shown, &p);
    if (rc < 0)
        return rc;
    p->bundled = true;
    p->lenient = lenient;
    rc = bundle_paths(p, b);
    for (size_t i = 0; rc == 0 && i < b->files_len; i++)
        rc = keep_text(p, str_of(b->files[i].path), str_new(b->files[i].data, b->files[i].len));
    if (rc < 0) {
        js_program_free(p);
        return rc;
    }
    return program_compile(p, shown, ret);
}

int js_program_load(const char *path, struct str source, const char *pwd, struct js_program **ret)
{
    return load_file(path, source, pwd, false, ret);
}

int js_program_load_bundle(const char *shown, const struct js_bundle *b, struct js_program **ret)
{
    return load_bundle(shown, b, false, ret);
}

int js_program_list(const char *path, struct str source, const char *pwd, const struct js_bundle *b,
                    struct js_program **ret)
{
    return b ? load_bundle(path, b, true, ret) : load_file(path, source, pwd, true, ret);
}

size_t js_program_imports_len(const struct js_program *p)
{
    return p->units_len + map_len(&p->builtin_at);
}

const char *js_program_import_at(const struct js_program *p, size_t i)
{
    return i < p->units_len ? p->units[i].name : map_key_at(&p->builtin_at, i - p->units_len).ptr;
}

bool js_program_has_module(const char *name)
{
    return !specifier_is_builtin(str_of(name)) || js_api_find(str_of(name)) != NULL;
}

int program_seal(struct js_program *p)
{
    if (p->sealed)
        return 0;
    if (p->image->units != p->units_len) {
        int rc = program_make_image(p);
        if (rc < 0)
            return rc;
    }
    compile_end(p);
    remote_free(p->remote);
    p->remote = NULL;
    p->sealed = true;
    return 0;
}

void js_program_free(struct js_program *p)
{
    if (!p)
        return;
    compile_end(p);
    remote_free(p->remote);
    shared_arrays_free(p->shared);
    for (struct js_image *image = p->image; image;) {
        struct js_image *next = image->next;
        mem_free(image->data);
        mem_free(image);
        image = next;
    }
    for (size_t i = 0; i < p->units_len; i++) {
        mem_free(p->units[i].name);
        mem_free(p->units[i].dir);
        source_map_free(p->units[i].map);
    }
    for (size_t i = 0; i < p->files_len; i++) {
        mem_free((void *)(uintptr_t)p->files[i].path);
        mem_free((void *)(uintptr_t)p->files[i].data);
    }
    mem_free(p->units);
    mem_free(p->files);
    map_fini(&p->file_at);
    map_fini(&p->unit_at);
    map_fini(&p->builtin_at);
    mem_free(p->main_path);
    mem_free(p->main_name);
    mem_free(p->main_dir);
    mem_free(p->open_dir);
    mem_free(p);
}

const char *js_program_main_path(const struct js_program *p)
{
    return p->main_path;
}

const char *js_program_main_url(const struct js_program *p)
{
    return p->main_name;
}

const char *js_program_main_dir(const struct js_program *p)
{
    return specifier_is_remote(str_of(p->main_dir)) ? p->main_dir : p->open_dir;
}

size_t js_program_files_len(const struct js_program *p)
{
    return p->files_len;
}

struct js_file js_program_file_at(const struct js_program *p, size_t i)
{
    CHECK(i < p->files_len);
    return p->files[i];
}
