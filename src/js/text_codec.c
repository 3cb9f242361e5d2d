#include "js/text_codec.h"

#include "base/limits.h"
#include "base/mem.h"
#include "js/vm_int.h"

enum { UTF8_PENDING_MAX = 3 }; /* bytes of a character that may wait for the rest of a stream */

struct decoder {
    bool fatal;
    bool ignore_bom;
    bool begun; /* the place where a byte order mark can be is past */
    uint8_t pending[UTF8_PENDING_MAX];
    uint8_t pending_len;
};

static JSClassID encoder_class, decoder_class;

static void decoder_finalize(JSRuntime *rt, JSValue v)
{
    js_free_rt(rt, JS_GetOpaque(v, decoder_class));
}

static const JSClassDef encoder_def = {.class_name = "TextEncoder"};
static const JSClassDef decoder_def = {.class_name = "TextDecoder", .finalizer = decoder_finalize};

/* A new object whose prototype has these functions; it is made with the first one. */
static JSValue codec_object(JSContext *ctx, JSClassID *id, const JSClassDef *def,
                            const JSCFunctionListEntry *list, int len)
{
    if (!JS_IsRegisteredClass(JS_GetRuntime(ctx), *id) || *id == 0) {
        if (js_class_register(ctx, id, def) < 0)
            return JS_EXCEPTION;
        JSValue proto = JS_NewObject(ctx);
        if (JS_IsException(proto))
            return proto;
        JS_SetPropertyFunctionList(ctx, proto, list, len);
        JS_SetClassProto(ctx, *id, proto);
    }
    return JS_NewObjectClass(ctx, (int)*id);
}

/* ---- encoder -------------------------------------------------------------------------------- */

static JSValue utf8_name(JSContext *ctx, JSValueConst this_val)
{
    (void)this_val;
    return JS_NewString(ctx, "utf-8");
}

static JSValue encoder_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (!JS_IsUndefined(js_arg(argc, argv, 0)) && js_text_of(ctx, argv[0], &text) < 0)
        return JS_EXCEPTION;
    JSValue buffer = js_new_bytes(ctx, text.s);
    if (JS_IsException(buffer))
        return buffer;
    JSValue args[] = {buffer, JS_UNDEFINED, JS_UNDEFINED};
    JSValue v = JS_NewTypedArray(ctx, 3, args, JS_TYPED_ARRAY_UINT8);
    JS_FreeValue(ctx, buffer);
    return v;
}

static JSValue encoder_encode_into(JSContext *ctx, JSValueConst this_val, int argc,
                                   JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_text_fini) struct js_text text = {0};
    struct str room;
    if (js_text_of(ctx, js_arg(argc, argv, 0), &text) < 0)
        return JS_EXCEPTION;
    if (!js_bytes_of(ctx, js_arg(argc, argv, 1), &room))
        return js_throw_type(ctx, "encodeInto() takes a Uint8Array as its second argument");
    size_t written = 0;
    int64_t read = 0;
    while (written < text.s.len) {
        uint8_t c = (uint8_t)text.s.ptr[written];
        size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (written + n > room.len || written + n > text.s.len)
            break;
        memcpy((char *)(uintptr_t)room.ptr + written, text.s.ptr + written, n);
        written += n;
        read += n == 4 ? 2 : 1; /* in UTF-16 units */
    }
    JSValue v = JS_NewObject(ctx);
    if (JS_IsException(v))
        return v;
    if (JS_SetPropertyStr(ctx, v, "read", JS_NewInt64(ctx, read)) < 0 ||
        JS_SetPropertyStr(ctx, v, "written", JS_NewInt64(ctx, (int64_t)written)) < 0) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    return v;
}

static const JSCFunctionListEntry encoder_functions[] = {
    JS_CGETSET_DEF("encoding", utf8_name, NULL),
    JS_CFUNC_DEF("encode", 1, encoder_encode),
    JS_CFUNC_DEF("encodeInto", 2, encoder_encode_into),
};

JSValue text_encoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    (void)new_target;
    (void)argc;
    (void)argv;
    return codec_object(ctx, &encoder_class, &encoder_def, encoder_functions,
                        ARRAY_LEN(encoder_functions));
}

/* ---- decoder -------------------------------------------------------------------------------- */

/* How many bytes at the end of `s` begin a character that isn't complete yet. */
static size_t incomplete_tail(struct str s)
{
    for (size_t back = 1; back <= UTF8_PENDING_MAX && back <= s.len; back++) {
        uint8_t c = (uint8_t)s.ptr[s.len - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return need > back ? back : 0;
    }
    return 0;
}

static JSValue decode_bytes(JSContext *ctx, struct decoder *d, struct str in, bool stream)
{
    struct buf b;
    buf_init(&b, JS_FILE_BYTES_MAX);
    buf_append(&b, d->pending, d->pending_len);
    d->pending_len = 0;
    buf_str(&b, in);
    if (buf_finish(&b) < 0) {
        buf_fini(&b);
        return JS_ThrowOutOfMemory(ctx);
    }
    struct str s = buf_view(&b);
    size_t tail = stream ? incomplete_tail(s) : 0;
    if (tail > 0)
        memcpy(d->pending, s.ptr + s.len - tail, tail);
    d->pending_len = (uint8_t)tail;
    s.len -= tail;
    if (!d->begun && !d->ignore_bom && str_starts(s, STR("\xef\xbb\xbf")))
        s = str_new(s.ptr + 3, s.len - 3);
    d->begun = stream && (d->begun || s.len > 0);
    JSValue v = d->fatal && !str_is_utf8(s)
                    ? js_throw_type(ctx, "the encoded data is not valid UTF-8")
                    : js_new_str(ctx, s);
    buf_fini(&b);
    return v;
}

static int read_flag(JSContext *ctx, JSValueConst options, const char *name, bool *ret)
{
    if (!JS_IsObject(options))
        return 0;
    JSValue v = JS_GetPropertyStr(ctx, options, name);
    if (JS_IsException(v))
        return -1;
    *ret = JS_ToBool(ctx, v) > 0;
    JS_FreeValue(ctx, v);
    return 0;
}

static JSValue decoder_decode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct decoder *d = JS_GetOpaque2(ctx, this_val, decoder_class);
    bool stream = false;
    struct str in = STR_EMPTY;
    if (!d || read_flag(ctx, js_arg(argc, argv, 1), "stream", &stream) < 0)
        return JS_EXCEPTION;
    if (!JS_IsUndefined(js_arg(argc, argv, 0)) && !js_bytes_of(ctx, argv[0], &in))
        return js_throw_type(ctx, "decode() takes an ArrayBuffer or a view of one");
    return decode_bytes(ctx, d, in, stream);
}

static JSValue decoder_flag(JSContext *ctx, JSValueConst this_val, int magic)
{
    struct decoder *d = JS_GetOpaque2(ctx, this_val, decoder_class);
    if (!d)
        return JS_EXCEPTION;
    return JS_NewBool(ctx, magic ? d->ignore_bom : d->fatal);
}

static const JSCFunctionListEntry decoder_functions[] = {
    JS_CGETSET_DEF("encoding", utf8_name, NULL),
    JS_CGETSET_MAGIC_DEF("fatal", decoder_flag, NULL, 0),
    JS_CGETSET_MAGIC_DEF("ignoreBOM", decoder_flag, NULL, 1),
    JS_CFUNC_DEF("decode", 1, decoder_decode),
};

JSValue text_decoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    (void)new_target;
    CLEANUP(js_text_fini) struct js_text label = {0};
    if (!JS_IsUndefined(js_arg(argc, argv, 0))) {
        if (js_text_of(ctx, argv[0], &label) < 0)
            return JS_EXCEPTION;
        struct str name = str_trim(label.s);
        if (!str_ieq(name, STR("utf-8")) && !str_ieq(name, STR("utf8")) &&
            !str_ieq(name, STR("unicode-1-1-utf-8")))
            return JS_ThrowRangeError(ctx, "encoding \"%.*s\" isn't there: only utf-8 is",
                                      STR_ARG(name));
    }
    struct decoder flags = {0};
    if (read_flag(ctx, js_arg(argc, argv, 1), "fatal", &flags.fatal) < 0 ||
        read_flag(ctx, js_arg(argc, argv, 1), "ignoreBOM", &flags.ignore_bom) < 0)
        return JS_EXCEPTION;
    JSValue v = codec_object(ctx, &decoder_class, &decoder_def, decoder_functions,
                             ARRAY_LEN(decoder_functions));
    struct decoder *d = JS_IsException(v) ? NULL : js_mallocz(ctx, sizeof *d);
    if (!d) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    *d = flags;
    JS_SetOpaque(v, d);
    return v;
}
