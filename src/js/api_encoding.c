/*
 * api_encoding - k6/encoding: b64encode, b64decode.  k6-surface 2.3.
 */
#include "base/limits.h"
#include "codec/base64.h"
#include "js/input.h"

/* Bytes between looks at the clock; divisible by 3, so that no padding comes in between. */
enum { STEP_BYTES = 3 << 18 };

/* What isn't one of the names is the standard form, as in k6. */
static enum base64_form form_of(struct str name)
{
    if (str_eqz(name, "rawstd"))
        return BASE64_RAW_STD;
    if (str_eqz(name, "url"))
        return BASE64_URL;
    return str_eqz(name, "rawurl") ? BASE64_RAW_URL : BASE64_STD;
}

static JSValue finish_text(JSContext *ctx, const struct buf *out)
{
    int rc = buf_finish(out);
    return rc < 0 ? js_throw_err(ctx, rc) : js_new_str(ctx, buf_view(out));
}

static JSValue b64encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_input_fini) struct js_input in = {0};
    CLEANUP(js_text_fini) struct js_text name = {0};
    if (js_input_of(ctx, js_arg(argc, argv, 0), &in) < 0 ||
        js_word_of(ctx, js_arg(argc, argv, 1), &name) < 0)
        return JS_EXCEPTION;
    enum base64_form form = form_of(name.s);
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, JS_BASE64_MAX);
    for (size_t at = 0; at < in.bytes.len; at += STEP_BYTES) {
        base64_encode(&out, form,
                      str_new(in.bytes.ptr + at, MIN(in.bytes.len - at, (size_t)STEP_BYTES)));
        if (js_check_slice(ctx) < 0)
            return JS_EXCEPTION;
    }
    return finish_text(ctx, &out);
}

static JSValue b64decode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    CLEANUP(js_text_fini) struct js_text in = {0}, name = {0}, format = {0};
    if (js_word_of(ctx, js_arg(argc, argv, 0), &in) < 0 ||
        js_word_of(ctx, js_arg(argc, argv, 1), &name) < 0 ||
        js_word_of(ctx, js_arg(argc, argv, 2), &format) < 0)
        return JS_EXCEPTION;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, JS_BASE64_MAX);
    size_t bad_at = 0;
    int rc = base64_decode(&out, form_of(name.s), in.s, &bad_at);
    if (rc == E_CORRUPT)
        return js_throw(ctx, "illegal base64 data at input byte %zu", bad_at);
    if (rc < 0)
        return js_throw_err(ctx, rc);
    if (str_eqz(format.s, "s"))
        return finish_text(ctx, &out);
    return js_new_bytes(ctx, buf_view(&out));
}

static const JSCFunctionListEntry functions[] = {
    JS_API_FUNC("b64decode", 3, b64decode),
    JS_API_FUNC("b64encode", 2, b64encode),
};

const struct js_api_module js_api_encoding = {
    .id = JS_API_ENCODING,
    .name = "k6/encoding",
    .list = functions,
    .list_len = ARRAY_LEN(functions),
};
