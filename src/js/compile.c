/*
 * How the kind of a file is found out: what parses as the body of a function is CommonJS; import,
 * export and await at the top level don't, and then it is a module.  So the rule needs no parser of
 * its own.  Sources that begin with import or export skip the first attempt.
 */
#include "js/compile.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/program_int.h"
#include "js/specifier.h"

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
    struct buf out;
    buf_init(&out, JS_PATH_MAX);
    char *result = NULL;
    int rc = program_resolve(p, str_of(base), str_of(name), &out);
    /* Here, and not in the loader, the specifier is still as it was written. */
    uint32_t unit;
    if (rc == 0 && !specifier_is_builtin(buf_view(&out)))
        rc = program_unit_load(p, &(struct js_import){str_of(name), buf_view(&out), str_of(base)},
                               &unit);
    else if (rc == 0)
        rc = program_builtin_import(p, buf_view(&out));
    if (rc < 0)
        loader_failed(p, ctx, rc);
    else
        result = js_strndup(ctx, (const char *)out.data, out.len);
    buf_fini(&out);
    return result;
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
static JSValue compile_commonjs(JSContext *ctx, const char *name, const struct js_file *file)
{
    struct buf b;
    buf_init(&b, JS_FILE_BYTES_MAX + 256);
    buf_z(&b, JS_COMMONJS_HEAD);
    buf_append(&b, file->data, file->len);
    buf_z(&b, "\n})");
    const char *source = buf_cstr(&b);
    JSValue v =
        source ? JS_Eval(ctx, source, b.len, name, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY)
               : JS_ThrowOutOfMemory(ctx);
    buf_fini(&b);
    return v;
}

int compile_unit(struct js_program *p, uint32_t unit, const struct js_file *file)
{
    JSContext *ctx = p->ctx;
    const char *name = p->units[unit].name;
    const char *source = (const char *)file->data;
    JS_UpdateStackTop(p->rt);
    p->units[unit].uses_meta = memmem(source, file->len, "import.meta", 11) != NULL;

    if (!JS_DetectModule(source, file->len)) {
        JSValue v = compile_commonjs(ctx, name, file);
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
        JS_Eval(ctx, source, file->len, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (!JS_IsException(v)) {
        p->units[unit].compiled = v; /* units may have moved meanwhile */
        return 0;
    }
    if (p->load_rc < 0) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return p->load_rc;
    }
    if (str_ends(str_of(name), STR(".ts"))) { /* one without types is JavaScript, and fine */
        JS_FreeValue(ctx, JS_GetException(ctx));
        int rc = err_set(E_UNSUPPORTED,
                         "%s: TypeScript isn't there yet: make JavaScript of it first", name);
        return err_exit(rc, EXIT_SCRIPT);
    }
    return syntax_error(p, name);
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
