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
    JS_CFUNC_MAGIC_DEF("debug", 0, console_log, LOG_DEBUG),
    JS_CFUNC_MAGIC_DEF("error", 0, console_log, LOG_ERROR),
    JS_CFUNC_MAGIC_DEF("info", 0, console_log, LOG_INFO),
    JS_CFUNC_MAGIC_DEF("log", 0, console_log, LOG_INFO),
    JS_CFUNC_MAGIC_DEF("warn", 0, console_log, LOG_WARNING),
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

/* k6 means relative paths to be relative to the file that says open(), some day; until then it
 * warns where that makes a difference. */
static void warn_of_folder(struct js_vm *vm, struct str path)
{
    JSAtom caller = JS_GetScriptOrModuleName(vm->ctx, 1);
    const char *name = caller != JS_ATOM_NULL ? JS_AtomToCString(vm->ctx, caller) : NULL;
    int unit = name ? program_unit_find(vm->program, str_of(name)) : -1;
    if (unit >= 0 && strcmp(vm->program->units[unit].dir, vm->program->main_dir) != 0)
        log_warning("open() of \"%.*s\" in %s is relative to the main script's folder, not to "
                    "that file's",
                    STR_ARG(path), name);
    JS_FreeCString(vm->ctx, name);
    JS_FreeAtom(vm->ctx, caller);
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
    if (!js_only_in_init(ctx, "the \"open()\" function"))
        return JS_EXCEPTION;
    CLEANUP(js_text_fini) struct js_text name = {0}, mode = {0};
    if (js_is_nullish(js_arg(argc, argv, 0)))
        return js_throw(ctx, "open() can't be used with an empty filename");
    if (js_text_of(ctx, argv[0], &name) < 0 ||
        (argc > 1 && !js_is_nullish(argv[1]) && js_text_of(ctx, argv[1], &mode) < 0))
        return JS_EXCEPTION;
    if (name.s.len == 0)
        return js_throw(ctx, "open() can't be used with an empty filename");
    bool windows = vm->program->bundled && archive_path_is_windows(name.s);
    bool relative = name.s.ptr[0] != '/' && !windows && !str_starts(name.s, STR("file://"));
    if (vm->first && relative)
        warn_of_folder(vm, name.s);
    struct buf path;
    buf_init(&path, JS_PATH_MAX);
    int rc = 0;
    if (windows)
        archive_path_write(&path, name.s);
    else
        rc = specifier_file_path(str_of(vm->program->open_dir), name.s, &path);
    JSValue v =
        rc < 0 ? js_throw_err(ctx, rc) : open_path(vm, buf_view(&path), str_find(mode.s, 'b') >= 0);
    buf_fini(&path);
    return v;
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

static JSValue crypto_random_values(JSContext *ctx, JSValueConst this_val, int argc,
                                    JSValueConst *argv)
{
    enum { QUOTA_BYTES = 65536 };
    (void)this_val;
    struct str bytes;
    if (!js_bytes_of(ctx, js_arg(argc, argv, 0), &bytes))
        return js_throw_type(ctx, "getRandomValues() takes a typed array of integers");
    if (bytes.len > QUOTA_BYTES)
        return js_throw(ctx, "getRandomValues() gives at most 65536 bytes at a time");
    if (random_bytes(ctx, (void *)(uintptr_t)bytes.ptr, bytes.len) < 0)
        return JS_EXCEPTION;
    return JS_DupValue(ctx, argv[0]);
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
    JS_CFUNC_DEF("getRandomValues", 1, crypto_random_values),
    JS_CFUNC_DEF("randomUUID", 0, crypto_random_uuid),
    JS_CGETSET_DEF("subtle", crypto_subtle, NULL),
};

/* ---- __ENV ---------------------------------------------------------------------------------- */

static JSValue env_define(JSContext *ctx, JSValueConst global, JSValue value)
{
    JSValue result = JS_DupValue(ctx, value);
    if (JS_DefinePropertyValueStr(ctx, global, "__ENV", value, JS_PROP_C_W_E) < 0) {
        JS_FreeValue(ctx, result);
        return JS_EXCEPTION;
    }
    return result;
}

/* The first look at __ENV replaces this accessor by a plain object. */
static JSValue env_get(JSContext *ctx, JSValueConst this_val)
{
    (void)this_val;
    struct js_host *host = js_host_of(ctx);
    JSValue env = JS_NewObject(ctx);
    if (JS_IsException(env))
        return env;
    for (uint32_t i = 0; i < host->env_len; i++) {
        JSAtom key = JS_NewAtomLen(ctx, host->env[i].key.ptr, host->env[i].key.len);
        if (key == JS_ATOM_NULL ||
            JS_DefinePropertyValue(ctx, env, key, js_new_str(ctx, host->env[i].value),
                                   JS_PROP_C_W_E) < 0) {
            JS_FreeAtom(ctx, key);
            JS_FreeValue(ctx, env);
            return JS_EXCEPTION;
        }
        JS_FreeAtom(ctx, key);
    }
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue v = env_define(ctx, global, env);
    JS_FreeValue(ctx, global);
    return v;
}

static JSValue env_set(JSContext *ctx, JSValueConst this_val, JSValueConst value)
{
    (void)this_val;
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue v = env_define(ctx, global, JS_DupValue(ctx, value));
    JS_FreeValue(ctx, global);
    JS_FreeValue(ctx, v);
    return JS_IsException(v) ? JS_EXCEPTION : JS_UNDEFINED;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const JSCFunctionListEntry global_entries[] = {
    JS_OBJECT_DEF("console", console_functions, ARRAY_LEN(console_functions),
                  JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE),
    JS_OBJECT_DEF("crypto", crypto_functions, ARRAY_LEN(crypto_functions),
                  JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE),
    JS_CFUNC_DEF("open", 2, global_open),
    JS_CFUNC_DEF("require", 1, module_require),
    JS_CFUNC_MAGIC_DEF("setTimeout", 2, event_set_timer, 0),
    JS_CFUNC_MAGIC_DEF("setInterval", 2, event_set_timer, 1),
    JS_CFUNC_DEF("clearTimeout", 1, event_clear_timer),
    JS_CFUNC_DEF("clearInterval", 1, event_clear_timer),
    JS_CFUNC_SPECIAL_DEF("TextEncoder", 0, constructor, text_encoder_new),
    JS_CFUNC_SPECIAL_DEF("TextDecoder", 0, constructor, text_decoder_new),
    JS_CGETSET_DEF("__ENV", env_get, env_set),
};

/* What QuickJS has and k6 hasn't: scripts ask for them to choose a path of their own. */
static const char *const absent[] = {"SharedArrayBuffer", "Atomics", "Iterator", "queueMicrotask",
                                     "InternalError"};

int globals_init(struct js_vm *vm)
{
    JSContext *ctx = vm->ctx;
    JSValue global = JS_GetGlobalObject(ctx);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(absent); i++) {
        JSAtom atom = JS_NewAtom(ctx, absent[i]);
        rc = JS_DeleteProperty(ctx, global, atom, 0) < 0 ? -1 : 0;
        JS_FreeAtom(ctx, atom);
    }
    JS_SetPropertyFunctionList(ctx, global, global_entries, ARRAY_LEN(global_entries));
    if (rc == 0)
        rc = JS_DefinePropertyValueStr(ctx, global, "global", JS_DupValue(ctx, global),
                                       JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    if (rc >= 0)
        rc = JS_DefinePropertyValueStr(ctx, global, "__VU", JS_NewUint32(ctx, vm->host->vu_id),
                                       JS_PROP_C_W_E);
    JS_FreeValue(ctx, global);
    return rc < 0 ? -1 : 0;
}
