/*
 * How the kind of a file is found out: what parses as the body of a function is CommonJS; import,
 * export and await at the top level don't, and then it is a module.  So the rule needs no parser of
 * its own.  Sources that begin with import or export skip the first attempt.  TypeScript is
 * likewise what doesn't parse in a file that may be some.
 */
#include "js/compile.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "js/program_int.h"
#include "js/source_map.h"
#include "js/specifier.h"
#include "js/typescript.h"

enum { EXIT_SCRIPT = 107 };

/* Leaves the error slot alone: its message is what the caller of the compiler sees. */
static void loader_failed(struct js_program *p, JSContext *ctx, int rc)
{
    p->load_rc = rc;
    JS_ThrowInternalError(ctx, "import failed");
}

static char *template_normalize(JSContext *ctx, const char *base, const char *name, void *opaque)
{
    struct js_program *p = opaque;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, JS_PATH_MAX);
    struct js_import what = {.spec = str_of(name), .from = str_of(base)};
    int rc = program_resolve(p, what.from, what.spec, &out);
    what.name = buf_view(&out);
    /* Here, and not in the loader, the specifier is still as it was written. */
    uint32_t unit;
    if (rc == 0 && specifier_is_builtin(what.name))
        rc = program_builtin_import(p, what.name);
    else if (rc == 0)
        rc = program_unit_load(p, &what, &unit);
    if (rc == 0)
        return js_strndup(ctx, what.name.ptr, what.name.len);
    if (rc != E_SCRIPT) /* which is a place in the imported file already */
        rc = program_blame(p, &what, rc);
    loader_failed(p, ctx, rc);
    return NULL;
}

static int no_init(JSContext *ctx, JSModuleDef *m)
{
    (void)ctx;
    (void)m;
    return 0;
}

/* In the template nothing is linked or run: what isn't an ES module is an empty stand-in. */
static JSModuleDef *template_load(JSContext *ctx, const char *name, void *opaque)
{
    (void)opaque;
    return JS_NewCModule(ctx, name, no_init);
}

int compile_start(struct js_program *p)
{
    p->rt = JS_NewRuntime();
    p->ctx = p->rt ? JS_NewContext(p->rt) : NULL;
    if (!p->ctx) {
        compile_end(p);
        return err_set(-ENOMEM, "compiler");
    }
    JS_SetModuleLoaderFunc(p->rt, template_normalize, template_load, p);
    return 0;
}

void compile_end(struct js_program *p)
{
    typescript_free(p->typescript);
    p->typescript = NULL;
    for (size_t i = 0; i < p->units_len; i++) {
        if (p->ctx)
            JS_FreeValue(p->ctx, p->units[i].compiled);
        p->units[i].compiled = JS_UNDEFINED;
    }
    if (p->ctx)
        JS_FreeContext(p->ctx);
    if (p->rt)
        JS_FreeRuntime(p->rt);
    p->ctx = NULL;
    p->rt = NULL;
}

static int32_t int_property(JSContext *ctx, JSValueConst object, const char *name)
{
    int32_t n = 0;
    JSValue v = JS_GetPropertyStr(ctx, object, name);
    (void)JS_ToInt32(ctx, &n, v);
    JS_FreeValue(ctx, v);
    return n;
}

/* The pending exception of the parser as an error. */
static int syntax_error(struct js_program *p, const char *name)
{
    JSContext *ctx = p->ctx;
    JSValue e = JS_GetException(ctx);
    JSValue message = JS_GetPropertyStr(ctx, e, "message");
    const char *text = JS_ToCString(ctx, message);
    int rc = err_set(E_SCRIPT, "%s: Line %d:%d %s", name, int_property(ctx, e, "lineNumber"),
                     int_property(ctx, e, "columnNumber"), text ? text : "syntax error");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, message);
    JS_FreeValue(ctx, e);
    return err_exit(rc, EXIT_SCRIPT);
}

/* The function of (exports, require, module), or an exception value. */
static JSValue compile_commonjs(JSContext *ctx, const char *name, struct str code)
{
    struct buf b;
    buf_init(&b, JS_FILE_BYTES_MAX + 256);
    buf_z(&b, JS_COMMONJS_HEAD);
    buf_str(&b, code);
    buf_z(&b, "\n})");
    const char *source = buf_cstr(&b);
    JSValue v =
        source ? JS_Eval(ctx, source, b.len, name, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY)
               : JS_ThrowOutOfMemory(ctx);
    buf_fini(&b);
    return v;
}

/* Compiles `code`, behind which is a NUL: 0, 1 when it isn't JavaScript (then the parser's
 * complaint is pending), or what loading an import said. */
static int compile_code(struct js_program *p, uint32_t unit, struct str code)
{
    JSContext *ctx = p->ctx;
    const char *name = p->units[unit].name;
    if (!JS_DetectModule(code.ptr, code.len)) {
        JSValue v = compile_commonjs(ctx, name, code);
        if (!JS_IsException(v)) {
            p->units[unit].kind = JS_UNIT_COMMONJS;
            p->units[unit].compiled = v;
            return 0;
        }
        JS_FreeValue(ctx, JS_GetException(ctx));
    }
    p->units[unit].kind = JS_UNIT_MODULE;
    p->load_rc = 0;
    JSValue v =
        JS_Eval(ctx, code.ptr, code.len, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (!JS_IsException(v)) {
        p->units[unit].compiled = v; /* units may have moved meanwhile */
        return 0;
    }
    if (p->load_rc == 0)
        return 1;
    JS_FreeValue(ctx, JS_GetException(ctx));
    return p->load_rc;
}

/* ---- source maps ------------------------------------------------------------------------------
 */

/* The map's text behind a data: URL. */
static int decode_map(struct str url, struct buf *out)
{
    struct str data;
    struct str head = str_cut(url, ',', &data);
    size_t at;
    if (!str_ends(head, STR(";base64")))
        return err_set(E_UNSUPPORTED, "a data: URL that isn't base64");
    int rc = base64_decode(out, BASE64_STD, data, &at);
    return rc == E_CORRUPT ? err_set(rc, "its base64 is malformed") : rc;
}

/* Reads, or gets from the web, what the code's last comment names, as k6 does. */
static int load_map(struct js_program *p, const char *name, struct str url, struct source_map **ret)
{
    CLEANUP(buf_fini) struct buf text, full;
    buf_init(&text, JS_SOURCE_MAP_BYTES);
    buf_init(&full, JS_PATH_MAX);
    if (str_starts(url, STR("data:"))) {
        int rc = decode_map(url, &text);
        return rc < 0 ? rc : source_map_parse(buf_view(&text), ret);
    }
    bool whole = specifier_is_remote(url) || str_starts(url, STR("file://")) ||
                 str_starts(url, STR("/")) || str_starts(url, STR("."));
    buf_z(&text, whole ? "" : "./");
    buf_str(&text, url);
    struct js_file file;
    int rc = specifier_resolve(specifier_folder_of(str_of(name)), buf_view(&text), &full);
    if (rc == 0)
        rc = program_module_file(p, buf_view(&full), &file);
    if (rc < 0)
        return err_get()->code == rc ? rc : err_set_errno(rc, "%.*s", STR_ARG(buf_view(&full)));
    return source_map_parse(str_new(file.data, file.len), ret);
}

/* A map that can't be had is no reason not to run the script. */
static void find_map(struct js_program *p, uint32_t unit, struct str code)
{
    struct str url = source_map_url(code);
    if (url.len == 0)
        return;
    err_clear();
    struct source_map *map = NULL;
    const char *name = p->units[unit].name;
    if (load_map(p, name, url, &map) < 0)
        log_warning("Couldn't load source map for %s: %s", name, err_message());
    p->units[unit].map = map;
}

/* ---- TypeScript -------------------------------------------------------------------------------
 */

static bool may_be_typescript(const struct js_program *p, uint32_t unit)
{
    struct str rest, name = str_of(p->units[unit].name);
    return str_ends(str_cut(name, '?', &rest), STR(".ts")) || str_eqz(name, "file:///-");
}

/* Compiles what is left of `source` without its types.  0, 1 as compile_code(), or E_SCRIPT. */
static int compile_typescript(struct js_program *p, uint32_t unit, struct str source)
{
    CLEANUP(buf_fini) struct buf code, map;
    buf_init(&code, JS_FILE_BYTES_MAX);
    buf_init(&map, JS_SOURCE_MAP_BYTES);
    const char *name = p->units[unit].name;
    int rc = typescript_strip(&p->typescript, source, name, &code, &map);
    if (rc < 0)
        return err_exit(rc, EXIT_SCRIPT);
    if (source_map_parse(buf_view(&map), &p->units[unit].map) < 0)
        log_debug("%s: %s", name, err_message());
    const char *text = buf_cstr(&code); /* with the NUL that QuickJS wants */
    if (!text)
        return err_set(-ENOMEM, "%s", name);
    JS_UpdateStackTop(p->rt);
    return compile_code(p, unit, str_new(text, code.len));
}

int compile_unit(struct js_program *p, uint32_t unit, const struct js_file *file)
{
    struct str source = str_new(file->data, file->len);
    JS_UpdateStackTop(p->rt);
    p->units[unit].uses_meta = memmem(file->data, file->len, "import.meta", 11) != NULL;
    int rc = compile_code(p, unit, source);
    if (rc == 0)
        find_map(p, unit, source);
    if (rc != 1)
        return rc;
    rc = syntax_error(p, p->units[unit].name);
    if (!may_be_typescript(p, unit))
        return rc;
    struct err complaint = *err_get();
    rc = compile_typescript(p, unit, source);
    if (rc == 1)
        return syntax_error(p, p->units[unit].name);
    if (rc == E_SCRIPT && str_eqz(str_of(p->units[unit].name), "file:///-"))
        *err_get() = complaint; /* it is JavaScript, rather */
    return rc;
}

int program_make_image(struct js_program *p)
{
    JSValue *objects = mem_calloc(p->units_len, sizeof *objects);
    struct js_image *image = mem_calloc(1, sizeof *image);
    size_t len = 0;
    uint8_t *data = NULL;
    if (objects && image) {
        JS_UpdateStackTop(p->rt); /* another thread may have compiled last */
        for (size_t i = 0; i < p->units_len; i++)
            objects[i] = p->units[i].compiled;
        data = JS_WriteRom(p->ctx, &len, objects, (uint32_t)p->units_len);
        if (!data)
            JS_FreeValue(p->ctx, JS_GetException(p->ctx));
    }
    if (data)
        image->data = mem_alloc(len);
    if (image && image->data) {
        memcpy(image->data, data, len);
        image->len = len;
        image->units = (uint32_t)p->units_len;
        image->next = p->image;
        p->image = image;
    } else {
        mem_free(image);
    }
    bool done = image && p->image == image;
    js_free(p->ctx, data);
    mem_free(objects);
    return done ? 0 : err_set(-ENOMEM, "bytecode of the script");
}

JSValue program_unit_copy(struct js_program *p, uint32_t unit, JSContext *ctx)
{
    size_t len;
    JS_UpdateStackTop(p->rt); /* it was compiled on another thread */
    uint8_t *data = JS_WriteObject(p->ctx, &len, p->units[unit].compiled, JS_WRITE_OBJ_BYTECODE);
    if (!data) {
        JS_FreeValue(p->ctx, JS_GetException(p->ctx));
        return JS_ThrowOutOfMemory(ctx);
    }
    JSValue v = JS_ReadObject(ctx, data, len, JS_READ_OBJ_BYTECODE);
    js_free(p->ctx, data);
    return v;
}
