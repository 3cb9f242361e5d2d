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
#include "js/compile.h"
#include "js/program_int.h"
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

/* An archive's file: paths in it are spelled so that they tell nothing of its author. */
static int bundled_file(struct js_program *p, struct str path, struct js_file *ret)
{
    CLEANUP(buf_fini) struct buf key;
    buf_init(&key, JS_PATH_MAX);
    archive_path_write(&key, path);
    if (buf_finish(&key) < 0)
        return buf_finish(&key);
    size_t at = (size_t)map_get(&p->file_at, buf_view(&key));
    if (at == 0)
        return -ENOENT;
    *ret = p->files[at - 1];
    return 0;
}

int program_file(struct js_program *p, struct str path, struct js_file *ret)
{
    if (p->bundled)
        return bundled_file(p, path, ret);
    size_t at = (size_t)map_get(&p->file_at, path);
    if (at == 0) {
        if (p->sealed)
            return E_NOT_FOUND;
        char *z = str_dup(path);
        if (!z)
            return -ENOMEM;
        uint8_t *data = NULL;
        size_t len = 0;
        int rc = read_file(z, &data, &len);
        mem_free(z);
        if (rc == 0)
            rc = file_add(p, path, data, len);
        if (rc < 0)
            return rc;
        at = p->files_len;
    }
    *ret = p->files[at - 1];
    return 0;
}

/* ---- units ---------------------------------------------------------------------------------- */

int program_unit_find(const struct js_program *p, struct str name)
{
    return (int)(size_t)map_get(&p->unit_at, name) - 1;
}

static int not_found(struct str spec)
{
    int rc =
        err_set(E_NOT_FOUND,
                "The moduleSpecifier \"%.*s\" couldn't be found on local disk. Check the path: "
                "it is relative to the file that imports it, and needs its extension",
                STR_ARG(spec));
    return err_exit(rc, EXIT_SCRIPT);
}

static int unit_add(struct js_program *p, struct str path, struct str dir, uint32_t *ret)
{
    int rc = mem_grow(&p->units, &p->units_cap, p->units_len + 1, JS_FILES_MAX, sizeof *p->units);
    if (rc < 0)
        return err_set(rc, "too many modules in one script");
    struct buf name;
    buf_init(&name, JS_PATH_MAX);
    buf_z(&name, "file://");
    buf_str(&name, path);
    struct js_unit u = {.compiled = JS_UNDEFINED};
    u.name = str_dup(buf_view(&name));
    u.dir = str_dup(dir);
    rc = buf_finish(&name);
    buf_fini(&name);
    if (rc == 0 && (!u.name || !u.dir))
        rc = -ENOMEM;
    if (rc == 0)
        rc = map_put(&p->unit_at, str_of(u.name), (void *)(p->units_len + 1));
    if (rc < 0) {
        mem_free(u.name);
        mem_free(u.dir);
        return err_set(rc, "module %.*s", STR_ARG(path));
    }
    *ret = (uint32_t)p->units_len;
    p->units[p->units_len++] = u;
    return 0;
}

int program_unit_load(struct js_program *p, struct str spec, struct str path, uint32_t *ret)
{
    struct buf name;
    buf_init(&name, JS_PATH_MAX);
    buf_z(&name, "file://");
    buf_str(&name, path);
    int found = program_unit_find(p, buf_view(&name));
    buf_fini(&name);
    if (found >= 0 && p->units[found].kind == JS_UNIT_BROKEN)
        return err_exit(err_set(E_SCRIPT, "module \"%.*s\" doesn't compile", STR_ARG(spec)),
                        EXIT_SCRIPT);
    if (found >= 0) {
        *ret = (uint32_t)found;
        return 0;
    }
    if (p->sealed) {
        int rc = err_set(E_NOT_FOUND,
                         "module \"%.*s\" was not imported in the first run of the init code",
                         STR_ARG(spec));
        return err_exit(rc, EXIT_SCRIPT);
    }
    struct js_file file;
    int rc = program_file(p, path, &file);
    if (rc == -ENOENT || rc == -ENOTDIR)
        return not_found(spec);
    if (rc < 0)
        return err_exit(err_set_errno(rc, "read %.*s", STR_ARG(path)), EXIT_SCRIPT);

    uint32_t unit;
    rc = unit_add(p, path, specifier_dir_of(path), &unit);
    if (rc < 0)
        return rc;
    rc = compile_unit(p, unit, &file);
    if (rc < 0) {
        p->units[unit].kind = JS_UNIT_BROKEN;
        return rc;
    }
    *ret = unit;
    return 0;
}

int program_resolve(const struct js_program *p, struct str base, struct str spec, struct buf *out)
{
    if (specifier_is_builtin(spec)) {
        buf_str(out, spec);
        return buf_finish(out);
    }
    int unit = program_unit_find(p, base);
    struct str dir = str_of(unit >= 0 ? p->units[unit].dir : p->main_dir);
    struct buf path;
    buf_init(&path, JS_PATH_MAX);
    int rc = specifier_import_path(dir, spec, &path);
    if (rc == 0) {
        buf_z(out, "file://");
        buf_str(out, buf_view(&path));
        rc = buf_finish(out);
    } else {
        rc = err_exit(rc, EXIT_SCRIPT);
    }
    buf_fini(&path);
    return rc;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int program_paths(struct js_program *p, const char *path, const char *pwd)
{
    CLEANUP(mem_freep) char *cwd = NULL;
    if (!pwd) {
        cwd = mem_alloc(JS_PATH_MAX);
        if (!cwd || !getcwd(cwd, JS_PATH_MAX))
            return err_set_errno(cwd ? -errno : -ENOMEM, "current folder");
        pwd = cwd;
    }
    if (strcmp(path, "-") == 0) {
        p->main_path = mem_strdup("/-");
        p->main_dir = mem_strdup(pwd);
        return p->main_path && p->main_dir ? 0 : err_set(-ENOMEM, "script");
    }
    struct buf full;
    buf_init(&full, JS_PATH_MAX);
    int rc = specifier_file_path(str_of(pwd), str_of(path), &full);
    if (rc == 0) {
        p->main_path = str_dup(buf_view(&full));
        p->main_dir = str_dup(specifier_dir_of(buf_view(&full)));
        if (!p->main_path || !p->main_dir)
            rc = err_set(-ENOMEM, "script %s", path);
    }
    buf_fini(&full);
    return rc;
}

static int program_read_main(struct js_program *p, const char *path, struct str source)
{
    struct js_file file;
    if (strcmp(path, "-") == 0) {
        char *copy = str_dup(source);
        if (!copy)
            return err_set(-ENOMEM, "script from stdin");
        return file_add(p, str_of(p->main_path), (uint8_t *)copy, source.len);
    }
    int rc = program_file(p, str_of(p->main_path), &file);
    if (rc == -ENOENT || rc == -ENOTDIR) {
        rc = err_set(E_NOT_FOUND,
                     "The moduleSpecifier \"%s\" couldn't be found on local disk. Check the path "
                     "and the folder in which the command runs",
                     path);
        return err_exit(rc, 255);
    }
    if (rc < 0)
        return err_exit(err_set_errno(rc, "read script %s", path), 255);
    return 0;
}

static int program_new(const char *shown, struct js_program **ret)
{
    struct js_program *p = mem_calloc(1, sizeof *p);
    if (!p)
        return err_set(-ENOMEM, "script %s", shown);
    map_init(&p->file_at, JS_FILES_MAX);
    map_init(&p->unit_at, JS_FILES_MAX);
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
        rc = unit_add(p, str_of(p->main_path), str_of(p->main_dir), &unit);
    if (rc == 0)
        rc = compile_unit(p, unit, &p->files[0]);
    if (rc == 0)
        rc = program_make_image(p);
    if (rc < 0) {
        int exit_code = err_get()->exit_code;
        rc = err_wrap(rc, "could not initialize '%s': could not load JS test 'file://%s'", shown,
                      p->main_path);
        rc = err_exit(rc, exit_code ? exit_code : EXIT_SCRIPT);
        js_program_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

int js_program_load(const char *path, struct str source, const char *pwd, struct js_program **ret)
{
    struct js_program *p;
    int rc = program_new(path, &p);
    if (rc < 0)
        return rc;
    rc = program_paths(p, path, pwd);
    if (rc == 0)
        rc = program_read_main(p, path, source);
    if (rc < 0) {
        js_program_free(p);
        return rc;
    }
    return program_compile(p, path, ret);
}

/* A copy with the NUL that QuickJS wants behind what it parses. */
static int bundle_add(struct js_program *p, const struct js_file *f)
{
    uint8_t *data = mem_alloc(f->len + 1);
    if (!data)
        return err_set(-ENOMEM, "file %s", f->path);
    if (f->len > 0)
        memcpy(data, f->data, f->len);
    data[f->len] = 0;
    return file_add(p, str_of(f->path), data, f->len);
}

int js_program_load_bundle(const char *shown, const struct js_bundle *b, struct js_program **ret)
{
    struct js_program *p;
    int rc = program_new(shown, &p);
    if (rc < 0)
        return rc;
    p->bundled = true;
    p->main_path = mem_strdup(b->main);
    p->main_dir = mem_strdup(b->dir);
    if (!p->main_path || !p->main_dir)
        rc = err_set(-ENOMEM, "script %s", shown);
    for (size_t i = 0; rc == 0 && i < b->files_len; i++)
        rc = bundle_add(p, &b->files[i]);
    if (rc < 0) {
        js_program_free(p);
        return rc;
    }
    return program_compile(p, shown, ret);
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
    p->sealed = true;
    return 0;
}

void js_program_free(struct js_program *p)
{
    if (!p)
        return;
    compile_end(p);
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
    }
    for (size_t i = 0; i < p->files_len; i++) {
        mem_free((void *)(uintptr_t)p->files[i].path);
        mem_free((void *)(uintptr_t)p->files[i].data);
    }
    mem_free(p->units);
    mem_free(p->files);
    map_fini(&p->file_at);
    map_fini(&p->unit_at);
    mem_free(p->main_path);
    mem_free(p->main_dir);
    mem_free(p);
}

const char *js_program_main_path(const struct js_program *p)
{
    return p->main_path;
}

const char *js_program_main_dir(const struct js_program *p)
{
    return p->main_dir;
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
