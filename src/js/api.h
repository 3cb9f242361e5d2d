/*
 * api - what a module of the script API (api_*.c) is, and what it may use of the engine.
 *
 * A module describes itself by one `const struct js_api_module`, listed in api_table.h.  It is made
 * in a VM when the script imports it first, and nothing of it costs memory before that.
 *
 * The rules of every function that JavaScript may call:
 * - It runs on the VM's coroutine and may wait: call whatever YIELDS directly.  Nothing else runs
 * in this VM meanwhile, so values that you hold stay valid; hold your own references (JS_DupValue)
 *   on what the script could drop.  Keep frames small: less than JS_NATIVE_STACK_BYTES is left when
 *   the script is at its deepest.
 * - A negative code from below becomes an exception by `return js_throw_err(ctx, rc)`; -ECANCELED
 *   becomes one that the script cannot catch, so that the stack unwinds.
 * - JSContext has the VM as its opaque: js_vm_of(ctx), js_host_of(ctx).
 * - Loops over data of the script's size call js_check_slice().
 */
#ifndef JS_API_H
#define JS_API_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "js/host.h"
#include "metrics/tags.h"

#include <quickjs.h>
#include <stdbool.h>
#include <stdint.h>

struct js_vm;

/* Places of the modules in a VM's table of states. */
enum js_api_id {
    JS_API_K6,
    JS_API_HTTP,
    JS_API_METRICS,
    JS_API_TIMERS,
    JS_API_ENCODING,
    JS_API_CRYPTO,
    JS_API_DATA,
    JS_API_EXECUTION,
    JS_API_X509,
    JS_API_LEN,
};

/* Functions that a `for … in` sees, as it sees those of k6's objects; QuickJS's JS_CFUNC_DEF()
 * hides them, as the language does with its own. */
#define JS_API_FUNC(fn_name, args, fn)                                                             \
    {                                                                                              \
        .name = (fn_name), .prop_flags = JS_PROP_C_W_E, .def_type = JS_DEF_CFUNC, .u = {           \
            .func = {(args), JS_CFUNC_generic, {.generic = (fn)}}                                  \
        }                                                                                          \
    }
#define JS_API_MAGIC_FUNC(fn_name, args, fn, fn_magic)                                             \
    {                                                                                              \
        .name = (fn_name), .prop_flags = JS_PROP_C_W_E, .def_type = JS_DEF_CFUNC,                  \
        .magic = (fn_magic), .u = {                                                                \
            .func = {(args), JS_CFUNC_generic_magic, {.generic_magic = (fn)}}                      \
        }                                                                                          \
    }

struct js_api_module {
    enum js_api_id id;
    const char *name; /* "k6/http" */

    /* Functions and constants: properties of the module's object, which is what `import http from`
     * gives, and each of them a named export as well. */
    const JSCFunctionListEntry *list;
    int list_len;

    /* Names that fill() puts on the object (constructors and the like), NULL-terminated, exported
     * by name too; both may be NULL.  fill(): 0, or -1 with an exception pending. */
    const char *const *more;
    int (*fill)(JSContext *ctx, JSValueConst object);
    /* The value that is exported by this name, when it isn't simply the object's property; may be
     * NULL. */
    JSValue (*named)(JSContext *ctx, const char *name);

    /* State of the module in one VM; all optional.  open() is called when the module is imported,
     * before fill(); NULL from it means out of memory.  close() is called when the VM goes, while
     * its context is still there (free JSValues and atoms that the state holds), and must not wait.
     * Finalizers of the module's own objects may run after close(): they must not use the state. */
    void *(*open)(JSContext *ctx);
    void (*close)(JSContext *ctx, void *state);
    void (*begin_iteration)(void *state);        /* js_vm_begin_iteration() */
    void (*close_idle_connections)(void *state); /* js_vm_close_idle_connections() */
};

/* The modules that are there; api_table.c. */
extern const struct js_api_module js_api_k6, js_api_http, js_api_metrics, js_api_timers;
extern const struct js_api_module js_api_encoding, js_api_crypto, js_api_data, js_api_execution;
extern const struct js_api_module js_api_x509;
const struct js_api_module *js_api_find(struct str name); /* NULL: none of that name */
const struct js_api_module *js_api_at(size_t i);          /* NULL: no more */

struct js_vm *js_vm_of(JSContext *ctx);
struct js_host *js_host_of(JSContext *ctx);
/* What open() gave; NULL before the import. */
void *js_api_state(JSContext *ctx, enum js_api_id id);

/* Makes `*id` (a static JSClassID, 0 at first) a class of this VM; any thread, any number of times.
 * 0, or -1 with an exception pending. */
int js_class_register(JSContext *ctx, JSClassID *id, const JSClassDef *def);

/* ---- stage -------------------------------------------------------------------------------- */

/* False, with an exception pending ("<what> in the init context is not supported"), in init code.
 */
NODISCARD bool js_not_in_init(JSContext *ctx, const char *what);
/* The other way round: "<what> is only available in the init stage" for what init code alone may.
 */
NODISCARD bool js_only_in_init(JSContext *ctx, const char *what);

/* ---- errors ------------------------------------------------------------------------------- */

/* Throws what `rc` and the error slot say, as an Error named GoError like k6's; -ECANCELED as an
 * exception that no catch sees, -ENOMEM as out of memory.  Returns JS_EXCEPTION. */
JSValue js_throw_err(JSContext *ctx, int rc);
/* The class of what js_throw_err() and js_throw() throw; new ones are the script's to make, too. */
JSValue js_go_error_class(JSContext *ctx);
/* An Error named GoError with this message.  Returns JS_EXCEPTION. */
JSValue js_throw(JSContext *ctx, const char *fmt, ...) PRINTF(2, 3);
JSValue js_throw_type(JSContext *ctx, const char *fmt, ...) PRINTF(2, 3); /* TypeError */

/* For long loops in C: lets others have a turn when it is time to.  0, or -1 with an exception. */
YIELDS NODISCARD int js_check_slice(JSContext *ctx);

/* ---- values ------------------------------------------------------------------------------- */

/* Text of a value as the script's String() makes it, UTF-8; for ASCII strings no copy is made. */
struct js_text {
    struct str s; /* NUL behind it */
    JSContext *ctx;
};
/* 0, or -1 with an exception pending.  `*ret` is valid for js_text_fini() either way. */
NODISCARD int js_text_of(JSContext *ctx, JSValueConst v, struct js_text *ret);
void js_text_fini(struct js_text *t); /* for CLEANUP(); fine on a zeroed one */

/* A new string; bytes that aren't UTF-8 become U+FFFD. */
JSValue js_new_str(JSContext *ctx, struct str s);

/* True when `v` is an ArrayBuffer, a typed array or a DataView: its bytes, in place, valid as long
 * as the script doesn't run (or `v` is referenced and the script doesn't detach it). */
bool js_bytes_of(JSContext *ctx, JSValueConst v, struct str *ret);
/* An ArrayBuffer with a copy of the bytes. */
JSValue js_new_bytes(JSContext *ctx, struct str s);

static inline bool js_is_nullish(JSValueConst v)
{
    return JS_IsUndefined(v) || JS_IsNull(v);
}

/* argv[i], or undefined. */
static inline JSValueConst js_arg(int argc, JSValueConst *argv, int i)
{
    return i < argc ? argv[i] : JS_UNDEFINED;
}

/* As Object(v) has it: characters of a string, nothing of a number; null and undefined throw. */
JSValue js_to_object(JSContext *ctx, JSValueConst v);

/* Calls `fn` for each own enumerable string-keyed property of an object, in order; stops at the
 * first result that isn't 0 and returns it, -1 with an exception pending.  `key` and `value` are
 * borrowed. */
typedef int js_each_fn(JSContext *ctx, void *arg, struct str key, JSValueConst value);
NODISCARD int js_each(JSContext *ctx, JSValueConst object, js_each_fn *fn, void *arg);

/* A time from params: a number of milliseconds, or text like "1m30s", "500ms" (a bare number in
 * text is milliseconds as well).  0, or E_CONFIG with k6's message in the error slot
 * ("invalid duration …"), or -1 with an exception pending. */
NODISCARD int js_duration_of(JSContext *ctx, JSValueConst v, int64_t *ret_ns);

/* ---- tags and samples --------------------------------------------------------------------- */

enum { JS_TAGS_INLINE = 8 };

/* Tags read from the script; add more with js_tags_add() and intern all at once. */
struct js_tags {
    JSContext *ctx;
    struct tag *tag;      /* `room`, or a block of its own */
    struct js_text *text; /* what keeps the strings of tag[] alive; two per tag that was read */
    uint32_t len, text_len, cap;
    struct tag room[JS_TAGS_INLINE];
    struct js_text room_text[2 * JS_TAGS_INLINE];
};
void js_tags_init(struct js_tags *t, JSContext *ctx);
void js_tags_fini(struct js_tags *t); /* for CLEANUP() */
/* Adds the properties of the object `v` (nothing for undefined and null); values are strings,
 * numbers or booleans.  0, or -1 with an exception pending. */
NODISCARD int js_tags_read(struct js_tags *t, JSValueConst v);
/* Adds one whose strings outlive `t`.  0, or -1 with an exception pending. */
NODISCARD int js_tags_add(struct js_tags *t, struct str key, struct str value);
/* `base` with them; js_host_of(ctx)->tags is the usual base. */
struct tagset *js_tags_intern(struct js_tags *t, struct tagset *base);

/* Wall time of the run's clock for samples: that of the loop's turn, at most a slice old; exact
 * where somebody looks at each sample. */
int64_t js_wall_ns(const struct js_host *host);
/* One sample; nothing when the VM has no shard. */
void js_sample(struct js_host *host, const struct metric *m, struct tagset *tags, double value);

/* ---- asynchronous operations -------------------------------------------------------------- */

/*
 * A promise that is settled later, from the loop's thread: by a timer, or by another coroutine
 * (spawned by the module) that did the work.  While one is pending the VM's event loop waits.
 *
 *     struct js_async *a;
 *     JSValue promise = js_async_new(ctx, cancel, op, &a);   // JS_EXCEPTION on failure
 *     … later, not on the VM's coroutine:
 *     if (!js_async_done(a, finish, op))
 *         op_free(op);                                       // nobody wants it any more
 *
 * finish(ctx, op, &rejected) runs on the VM's coroutine, frees op, and returns the value (or with
 * *rejected set the reason; JS_EXCEPTION rejects with the pending exception).  It must not wait.
 * When the iteration is interrupted, the engine calls cancel(op) instead, on the VM's coroutine:
 * stop the work, and wait for its end if you like (deaf to cancelling: co_park_hard());
 * js_async_done() must still be called once, and will return false.  ctx is not usable once
 * cancel() has returned.
 */
struct js_async;
typedef JSValue js_async_finish_fn(JSContext *ctx, void *op, bool *rejected);
typedef void js_async_cancel_fn(void *op);
JSValue js_async_new(JSContext *ctx, js_async_cancel_fn *cancel, void *op, struct js_async **ret);
bool js_async_done(struct js_async *a, js_async_finish_fn *finish, void *op);

#endif
