#include "js/text_codec.h"

#include "base/limits.h"
#include "base/mem.h"
#include "js/vm_int.h"

enum { PENDING_MAX = 3 }; /* bytes of a character that may wait for the rest of a stream */

enum encoding { UTF8, UTF16LE, UTF16BE };
static const char *const encoding_names[] = {"utf-8", "utf-16le", "utf-16be"};

struct decoder {
    enum encoding encoding;
    bool fatal;
    bool ignore_bom;
    bool begun; /* the place where a byte order mark can be is past */
    uint8_t pending[PENDING_MAX];
    uint8_t pending_len;
};

static JSClassID encoder_class, decoder_class;

static void decoder_finalize(JSRuntime *rt, JSValue v)
{
    js_free_rt(rt, JS_GetOpaque(v, decoder_class));
}

static const JSClassDef encoder_def = {.class_name = "TextEncoder"};
static const JSClassDef decoder_def = {.class_name = "TextDecoder", .finalizer = decoder_finalize};

/* The class called `name`: its constructor, whose prototype has these functions. */
static JSValue codec_class(JSContext *ctx, JSClassID *id, const JSClassDef *def, JSCFunction *fn,
                           const JSCFunctionListEntry *list, int len)
{
    if (js_class_register(ctx, id, def) < 0)
        return JS_EXCEPTION;
    JSValue proto = JS_NewObject(ctx);
    JSValue constructor = JS_NewCFunction2(ctx, fn, def->class_name, 0, JS_CFUNC_constructor, 0);
    if (JS_IsException(proto) || JS_IsException(constructor)) {
        JS_FreeValue(ctx, proto);
        JS_FreeValue(ctx, constructor);
        return JS_EXCEPTION;
    }
    JS_SetPropertyFunctionList(ctx, proto, list, len);
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, *id, proto);
    return constructor;
}

/* An object of the class, or of one that extends it. */
static JSValue codec_object(JSContext *ctx, JSClassID id, JSValueConst new_target)
{
    JSValue proto = JS_GetPropertyStr(ctx, new_target, "prototype");
    JSValue v = JS_IsException(proto) ? proto : JS_NewObjectProtoClass(ctx, proto, id);
    JS_FreeValue(ctx, proto);
    return v;
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

static JSValue encoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    (void)argc;
    (void)argv;
    return codec_object(ctx, encoder_class, new_target);
}

JSValue text_encoder_class(JSContext *ctx)
{
    return codec_class(ctx, &encoder_class, &encoder_def, encoder_new, encoder_functions,
                       ARRAY_LEN(encoder_functions));
}

/* ---- decoder -------------------------------------------------------------------------------- */

/* How many bytes at the end of `s` begin a character that isn't complete yet. */
static size_t incomplete_tail(struct str s)
{
    for (size_t back = 1; back <= PENDING_MAX && back <= s.len; back++) {
        uint8_t c = (uint8_t)s.ptr[s.len - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return need > back ? back : 0;
    }
    return 0;
}

/* Likewise of UTF-16: half a unit, or the first unit of a pair. */
static size_t incomplete_units(struct str s, enum encoding encoding)
{
    size_t odd = s.len % 2;
    if (s.len < odd + 2)
        return odd;
    uint8_t high = (uint8_t)s.ptr[s.len - odd - (encoding == UTF16LE ? 1 : 2)];
    return (high & 0xfc) == 0xd8 ? odd + 2 : odd;
}

static void append_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_byte(b, (uint8_t)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t heads[] = {0, 0xc0, 0xe0, 0xf0};
    buf_byte(b, (uint8_t)(heads[more] | c >> (6 * more)));
    while (more-- > 0)
        buf_byte(b, (uint8_t)(0x80 | (c >> (6 * more) & 63)));
}

static uint32_t unit_at(struct str s, size_t i, enum encoding encoding)
{
    uint32_t a = (uint8_t)s.ptr[i], b = (uint8_t)s.ptr[i + 1];
    return encoding == UTF16LE ? a | b << 8 : a << 8 | b;
}

/* Appends UTF-16 as UTF-8, U+FFFD for what isn't any; false when there was such. */
static bool append_utf16(struct buf *out, struct str s, enum encoding encoding)
{
    bool good = true;
    for (size_t i = 0; i < s.len; i += 2) {
        uint32_t c = i + 2 <= s.len ? unit_at(s, i, encoding) : 0xd800;
        uint32_t next = i + 4 <= s.len ? unit_at(s, i + 2, encoding) : 0;
        if (c >> 10 == 0x36 && next >> 10 == 0x37) {
            c = 0x10000 + ((c & 0x3ff) << 10 | (next & 0x3ff));
            i += 2;
        } else if (c >> 11 == 0x1b) { /* half a pair, or half a unit */
            c = 0xfffd;
            good = false;
        }
        append_utf8(out, c);
    }
    return good;
}

static struct str without_bom(struct str s, enum encoding encoding)
{
    static const struct str marks[] = {
        [UTF8] = {"\xef\xbb\xbf", 3}, [UTF16LE] = {"\xff\xfe", 2}, [UTF16BE] = {"\xfe\xff", 2}};
    size_t len = marks[encoding].len;
    return str_starts(s, marks[encoding]) ? str_new(s.ptr + len, s.len - len) : s;
}

static JSValue decode_text(JSContext *ctx, const struct decoder *d, struct str s)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, JS_FILE_BYTES_MAX);
    bool good = d->encoding == UTF8 || append_utf16(&text, s, d->encoding);
    if (buf_finish(&text) < 0)
        return JS_ThrowOutOfMemory(ctx);
    if (d->fatal && (!good || (d->encoding == UTF8 && !str_is_utf8(s))))
        return js_throw_type(ctx, "decoding text: invalid byte sequence");
    return js_new_str(ctx, d->encoding == UTF8 ? s : buf_view(&text));
}

static JSValue decode_bytes(JSContext *ctx, struct decoder *d, struct str in, bool stream)
{
    CLEANUP(buf_fini) struct buf b;
    buf_init(&b, JS_FILE_BYTES_MAX);
    buf_append(&b, d->pending, d->pending_len);
    d->pending_len = 0;
    buf_str(&b, in);
    if (buf_finish(&b) < 0)
        return JS_ThrowOutOfMemory(ctx);
    struct str s = buf_view(&b);
    size_t tail = !stream               ? 0
                  : d->encoding == UTF8 ? incomplete_tail(s)
                                        : incomplete_units(s, d->encoding);
    if (tail > 0)
        memcpy(d->pending, s.ptr + s.len - tail, tail);
    d->pending_len = (uint8_t)tail;
    s.len -= tail;
    if (!d->begun && !d->ignore_bom)
        s = without_bom(s, d->encoding);
    d->begun = stream && (d->begun || s.len > 0);
    return decode_text(ctx, d, s);
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

static JSValue decoder_encoding(JSContext *ctx, JSValueConst this_val)
{
    struct decoder *d = JS_GetOpaque2(ctx, this_val, decoder_class);
    return d ? JS_NewString(ctx, encoding_names[d->encoding]) : JS_EXCEPTION;
}

static JSValue decoder_flag(JSContext *ctx, JSValueConst this_val, int magic)
{
    struct decoder *d = JS_GetOpaque2(ctx, this_val, decoder_class);
    if (!d)
        return JS_EXCEPTION;
    return JS_NewBool(ctx, magic ? d->ignore_bom : d->fatal);
}

static const JSCFunctionListEntry decoder_functions[] = {
    JS_CGETSET_DEF("encoding", decoder_encoding, NULL),
    JS_CGETSET_MAGIC_DEF("fatal", decoder_flag, NULL, 0),
    JS_CGETSET_MAGIC_DEF("ignoreBOM", decoder_flag, NULL, 1),
    JS_CFUNC_DEF("decode", 1, decoder_decode),
};

static int read_label(JSContext *ctx, JSValueConst v, enum encoding *ret)
{
    static const struct {
        const char *label;
        enum encoding encoding;
    } labels[] = {{"utf-8", UTF8},       {"utf8", UTF8},       {"unicode-1-1-utf-8", UTF8},
                  {"utf-16le", UTF16LE}, {"utf-16", UTF16LE},  {"ucs-2", UTF16LE},
                  {"unicode", UTF16LE},  {"utf-16be", UTF16BE}};
    CLEANUP(js_text_fini) struct js_text label = {0};
    if (js_text_of(ctx, v, &label) < 0)
        return -1;
    struct str name = str_trim(label.s);
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (str_ieq(name, str_of(labels[i].label))) {
            *ret = labels[i].encoding;
            return 0;
        }
    JS_ThrowRangeError(ctx, "unsupported encoding: %.*s", STR_ARG(name));
    return -1;
}

static JSValue decoder_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct decoder flags = {0};
    if (!JS_IsUndefined(js_arg(argc, argv, 0)) && read_label(ctx, argv[0], &flags.encoding) < 0)
        return JS_EXCEPTION;
    if (read_flag(ctx, js_arg(argc, argv, 1), "fatal", &flags.fatal) < 0 ||
        read_flag(ctx, js_arg(argc, argv, 1), "ignoreBOM", &flags.ignore_bom) < 0)
        return JS_EXCEPTION;
    JSValue v = codec_object(ctx, decoder_class, new_target);
    struct decoder *d = JS_IsException(v) ? NULL : js_mallocz(ctx, sizeof *d);
    if (!d) {
        JS_FreeValue(ctx, v);
        return JS_EXCEPTION;
    }
    *d = flags;
    JS_SetOpaque(v, d);
    return v;
}

JSValue text_decoder_class(JSContext *ctx)
{
    return codec_class(ctx, &decoder_class, &decoder_def, decoder_new, decoder_functions,
                       ARRAY_LEN(decoder_functions));
}
