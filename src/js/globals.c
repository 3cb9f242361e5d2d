/*
 * What every script finds without an import.  All of it is made when it is first touched, as most
 * VMs never touch most of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "codec/archive_path.h"
#include "js/specifier.h"
#include "js/text_codec.h"
#include "js/vm_int.h"

/* ---- console -------------------------------------------------------------------------------- */

static JSValue console_log(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                           int magic)
{
    (void)this_val;
    enum log_level level = (enum log_level)magic;
    if (!log_wants(level))
        return JS_UNDEFINED;
    struct buf line;
    buf_init(&line, JS_TEXT_MAX);
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            buf_byte(&line, ' ');
        inspect_value(ctx, &line, argv[i], true);
    }
    const struct log_field source = {"source", "console"};
    const char *text = buf_cstr(&line);
    log_fields(level, text ? text : "(a line that is too long to show)", &source, 1);
    buf_fini(&line);
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry console_functions[] = {
    JS_API_MAGIC_FUNC("debug", 0, console_log, LOG_DEBUG),
    JS_API_MAGIC_FUNC("error", 0, console_log, LOG_ERROR),
    JS_API_MAGIC_FUNC("info", 0, console_log, LOG_INFO),
    JS_API_MAGIC_FUNC("log", 0, console_log, LOG_INFO),
    JS_API_MAGIC_FUNC("warn", 0, console_log, LOG_WARNING),
};

/* ---- open() --------------------------------------------------------------------------------- */

static JSValue open_failed(struct js_vm *vm, int rc, struct str path)
{
    switch (rc) {
    case -ENOENT:
    case -ENOTDIR:
        return js_throw(vm->ctx, "stat %.*s: no such file or directory", STR_ARG(path));
    case -EISDIR:
        return js_throw(vm->ctx, "open() can't be used with directories, path: \"%.*s\"",
                        STR_ARG(path));
    case E_NOT_FOUND:
        return js_throw(vm->ctx,
                        "open() can't be used with files that weren't previously opened during "
                        "initialization (__VU==0), path: \"%.*s\"",
                        STR_ARG(path));
    case -ENOMEM:
        return JS_ThrowOutOfMemory(vm->ctx);
    case E_LIMIT:
        return js_throw_err(vm->ctx, rc);
    default:
        return js_throw(vm->ctx, "open %.*s: %s", STR_ARG(path), err_code_text(rc));
    }
}

/* The unit that a name of QuickJS's means; NULL: none. Frees the atom. */
static const struct js_unit *unit_of_atom(struct js_vm *vm, JSAtom atom)
{
    const char *name = atom != JS_ATOM_NULL ? JS_AtomToCString(vm->ctx, atom) : NULL;
    int unit = name ? program_unit_find(vm->program, str_of(name)) : -1;
    JS_FreeCString(vm->ctx, name);
    JS_FreeAtom(vm->ctx, atom);
    return unit >= 0 ? &vm->program->units[unit] : NULL;
}

/* Appends the absolute path.  Relative ones are relative to the module whose top level is running,
 * as in k6, which warns where that isn't the file that says open(). */
static int open_absolute(struct js_vm *vm, struct str path, struct buf *out)
{
    if (vm->program->bundled && archive_path_is_windows(path)) {
        archive_path_write(out, path);
        return buf_finish(out);
    }
    if (path.ptr[0] == '/' || str_starts(path, STR("file://")))
        return specifier_file_path(STR("/"), path, out);
    const struct js_unit *top =
        unit_of_atom(vm, JS_GetOutermostScriptName(vm->ctx, module_require));
    const struct js_unit *caller = unit_of_atom(vm, JS_GetScriptOrModuleName(vm->ctx, 1));
    if (vm->first && top && caller && strcmp(top->dir, caller->dir) != 0)
        log_warning("open() of \"%.*s\" in %s is relative to the folder %s of the module that is "
                    "being run, not to that file's: use import.meta.resolve()",
                    STR_ARG(path), caller->name, top->dir);
    CLEANUP(buf_fini) struct buf dir;
    buf_init(&dir, JS_PATH_MAX);
    int rc = specifier_open_dir(top ? str_of(top->dir) : str_of(vm->program->main_dir), &dir);
    return rc < 0 ? rc : specifier_file_path(buf_view(&dir), path, out);
}

static JSValue open_path(struct js_vm *vm, struct str path, bool binary)
{
    struct js_file file;
    int rc = program_file(vm->program, path, &file);
    if (rc < 0)
        return open_failed(vm, rc, path);
    struct str data = str_new(file.data, file.len);
    return binary ? js_new_bytes(vm->ctx, data) : js_new_str(vm->ctx, data);
}

static JSValue global_open(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    struct js_vm *vm = js_vm_of(ctx);
    if (!js_only_in_init(ctx, "the \"open\" function"))
        return JS_EXCEPTION;
    CLEANUP(js_text_fini) struct js_text name = {0}, mode = {0};
    if (js_is_nullish(js_arg(argc, argv, 0)))
        return js_throw(ctx, "open() can't be used with an empty filename");
    if (js_text_of(ctx, argv[0], &name) < 0 ||
        (argc > 1 && !js_is_nullish(argv[1]) && js_text_of(ctx, argv[1], &mode) < 0))
        return JS_EXCEPTION;
    if (name.s.len == 0)
        return js_throw(ctx, "open() can't be used with an empty filename");
    struct buf path;
    buf_init(&path, JS_PATH_MAX);
    int rc = open_absolute(vm, name.s, &path);
    JSValue v =
        rc < 0 ? js_throw_err(ctx, rc) : open_path(vm, buf_view(&path), str_find(mode.s, 'b') >= 0);
    buf_fini(&path);
    return v;
}

/* ---- names of CommonJS ----------------------------------------------------------------------- */

/* `module` and `exports` outside of CommonJS files. */
static JSValue mixing(JSContext *ctx, const char *name)
{
    return js_throw(ctx,
                    "you are trying to access identifier \"%s\", this likely is due to mixing "
                    "ECMAScript Modules (ESM) and CommonJS syntax. This isn't supported in the "
                    "JavaScript standard, please use only one or the other",
                    name);
}

static JSValue mixing_get(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    return mixing(ctx, magic ? "exports" : "module");
}

static JSValue mixing_set(JSContext *ctx, JSValueConst this_val, JSValueConst value, int magic)
{
    (void)this_val;
    (void)value;
    return mixing(ctx, magic ? "exports" : "module");
}

/* ---- crypto: what needs no cryptography ------------------------------------------------------ */

static int random_bytes(JSContext *ctx, void *p, size_t len)
{
    uint8_t *at = p;
    while (len > 0) {
        ssize_t n = getrandom(at, MIN(len, (size_t)256), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            js_throw(ctx, "no random numbers from the system");
            return -1;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Int8Array and so on: a typed array whose class isn't called Float…. */
static bool is_integer_array(JSContext *ctx, JSValueConst v)
{
    if (!JS_IsObject(v))
        return false;
    JSValue buffer = JS_GetTypedArrayBuffer(ctx, v, NULL, NULL, NULL);
    JSValue class = JS_IsException(buffer) ? buffer : JS_GetPropertyStr(ctx, v, "constructor");
    JSValue name = JS_IsException(class) ? class : JS_GetPropertyStr(ctx, class, "name");
    CLEANUP(js_text_fini) struct js_text text = {0};
    bool is = !JS_IsException(name) && js_text_of(ctx, name, &text) == 0;
    if (!is)
        JS_FreeValue(ctx, JS_GetException(ctx));
    JS_FreeValue(ctx, buffer);
    JS_FreeValue(ctx, class);
    JS_FreeValue(ctx, name);
    return is && !str_starts(text.s, STR("Float"));
}

static JSValue crypto_random_values(JSContext *ctx, JSValueConst this_val, int argc,
                                    JSValueConst *argv)
{
    enum { QUOTA_BYTES = 65536 };
    (void)this_val;
    struct str bytes;
    JSValueConst v = js_arg(argc, argv, 0);
    if (!is_integer_array(ctx, v) || !js_bytes_of(ctx, v, &bytes))
        return js_throw(ctx,
                        "TypeMismatchError: typedArray parameter isn't a TypedArray of integers");
    if (bytes.len > QUOTA_BYTES)
        return js_throw(ctx,
                        "QuotaExceededError: typedArray parameter is too big; maximum length is %d",
                        QUOTA_BYTES);
    if (random_bytes(ctx, (void *)(uintptr_t)bytes.ptr, bytes.len) < 0)
        return JS_EXCEPTION;
    return JS_DupValue(ctx, v);
}

static JSValue crypto_random_uuid(JSContext *ctx, JSValueConst this_val, int argc,
                                  JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    uint8_t b[16];
    if (random_bytes(ctx, b, sizeof b) < 0)
        return JS_EXCEPTION;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    struct buf out;
    buf_init(&out, 64);
    for (int i = 0; i < 16; i++)
        buf_printf(&out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    JSValue v = js_new_str(ctx, buf_view(&out));
    buf_fini(&out);
    return v;
}

static JSValue crypto_subtle(JSContext *ctx, JSValueConst this_val)
{
    (void)this_val;
    return js_throw(ctx, "crypto.subtle isn't there yet");
}

static const JSCFunctionListEntry crypto_functions[] = {
    JS_API_FUNC("getRandomValues", 1, crypto_random_values),
    JS_API_FUNC("randomUUID", 0, crypto_random_uuid),
    JS_CGETSET_DEF("subtle", crypto_subtle, NULL),
};

/* ---- __ENV ---------------------------------------------------------------------------------- */

static JSValue env_make(JSContext *ctx)
{
    return env_object(js_vm_of(ctx), NULL, 0);
}

/* ---- made at the first look -------------------------------------------------------------------
 */

enum lazy { LAZY_TEXT_ENCODER, LAZY_TEXT_DECODER, LAZY_GO_ERROR, LAZY_ENV };

static const struct {
    const char *name;
    JSValue (*make)(JSContext *ctx);
    int flags;
} lazies[] = {
    [LAZY_TEXT_ENCODER] = {"TextEncoder", text_encoder_class, JS_PROP_C_W_E},
    [LAZY_TEXT_DECODER] = {"TextDecoder", text_decoder_class, JS_PROP_C_W_E},
    [LAZY_GO_ERROR] = {"GoError", js_go_error_class, JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE},
    [LAZY_ENV] = {"__ENV", env_make, JS_PROP_C_W_E},
};

/* Puts `value` (taken over) in the accessor's place. */
static JSValue lazy_define(JSContext *ctx, int magic, JSValue value)
{
    if (JS_IsException(value))
        return value;
    JSValue global = JS_GetGlobalObject(ctx);
    int rc = JS_DefinePropertyValueStr(ctx, global, lazies[magic].name, JS_DupValue(ctx, value),
                                       lazies[magic].flags);
    JS_FreeValue(ctx, global);
    if (rc >= 0)
        return value;
    JS_FreeValue(ctx, value);
    return JS_EXCEPTION;
}

static JSValue lazy_get(JSContext *ctx, JSValueConst this_val, int magic)
{
    (void)this_val;
    return lazy_define(ctx, magic, lazies[magic].make(ctx));
}

static JSValue lazy_set(JSContext *ctx, JSValueConst this_val, JSValueConst value, int magic)
{
    (void)this_val;
    JSValue v = lazy_define(ctx, magic, JS_DupValue(ctx, value));
    JS_FreeValue(ctx, v);
    return JS_IsException(v) ? JS_EXCEPTION : JS_UNDEFINED;
}

#define LAZY(global_name, flags, index)                                                            \
    {                                                                                              \
        .name = (global_name), .prop_flags = JS_PROP_CONFIGURABLE | (flags),                       \
        .def_type = JS_DEF_CGETSET_MAGIC, .magic = (index), .u = {                                 \
            .getset = {.get = {.getter_magic = lazy_get}, .set = {.setter_magic = lazy_set}}       \
        }                                                                                          \
    }

/* ---- all of them ----------------------------------------------------------------------------- */

static const JSCFunctionListEntry global_entries[] = {
    JS_OBJECT_DEF("console", console_functions, ARRAY_LEN(console_functions), JS_PROP_C_W_E),
    JS_OBJECT_DEF("crypto", crypto_functions, ARRAY_LEN(crypto_functions), JS_PROP_C_W_E),
    JS_API_FUNC("open", 2, global_open),
    JS_API_FUNC("require", 1, module_require),
    JS_API_MAGIC_FUNC("setTimeout", 2, event_set_timer, 0),
    JS_API_MAGIC_FUNC("setInterval", 2, event_set_timer, 1),
    JS_API_FUNC("clearTimeout", 1, event_clear_timer),
    JS_API_FUNC("clearInterval", 1, event_clear_timer),
    LAZY("TextEncoder", JS_PROP_ENUMERABLE, LAZY_TEXT_ENCODER),
    LAZY("TextDecoder", JS_PROP_ENUMERABLE, LAZY_TEXT_DECODER),
    LAZY("GoError", 0, LAZY_GO_ERROR),
    LAZY("__ENV", JS_PROP_ENUMERABLE, LAZY_ENV),
    JS_OBJECT_DEF("vubox", crypto_functions, 0, 0), /* where k6 keeps its virtual user */
    JS_CGETSET_MAGIC_DEF("module", mixing_get, mixing_set, 0),
    JS_CGETSET_MAGIC_DEF("exports", mixing_get, mixing_set, 1),
};

/* What QuickJS has and k6 hasn't: scripts ask for them to choose a path of their own. */
static const char *const absent[] = {"SharedArrayBuffer", "Atomics", "Iterator", "queueMicrotask",
                                     "InternalError"};
static const char *const absent_within[][2] = {{"Object", "groupBy"},
                                               {"Map", "groupBy"},
                                               {"Promise", "withResolvers"},
                                               {"Promise", "try"},
                                               {"Array", "fromAsync"}};

static int delete_name(JSContext *ctx, JSValueConst object, const char *name)
{
    JSAtom atom = JS_NewAtom(ctx, name);
    int rc = atom == JS_ATOM_NULL || JS_DeleteProperty(ctx, object, atom, 0) < 0 ? -1 : 0;
    JS_FreeAtom(ctx, atom);
    return rc;
}

static int delete_absent(JSContext *ctx, JSValueConst global)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(absent); i++)
        rc = delete_name(ctx, global, absent[i]);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(absent_within); i++) {
        JSValue object = JS_GetPropertyStr(ctx, global, absent_within[i][0]);
        rc = JS_IsException(object) ? -1 : delete_name(ctx, object, absent_within[i][1]);
        JS_FreeValue(ctx, object);
    }
    return rc;
}

int globals_init(struct js_vm *vm)
{
    JSContext *ctx = vm->ctx;
    JSValue global = JS_GetGlobalObject(ctx);
    int rc = delete_absent(ctx, global);
    JS_SetPropertyFunctionList(ctx, global, global_entries, ARRAY_LEN(global_entries));
    if (rc == 0)
        rc = JS_DefinePropertyValueStr(ctx, global, "global", JS_DupValue(ctx, global),
                                       JS_PROP_C_W_E);
    if (rc >= 0)
        rc = JS_DefinePropertyValueStr(ctx, global, "__VU", JS_NewUint32(ctx, vm->host->vu_id),
                                       JS_PROP_C_W_E);
    JS_FreeValue(ctx, global);
    return rc < 0 ? -1 : 0;
}
