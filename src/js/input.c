#include "js/input.h"

#include <math.h>

/* k6 names the type as its own language does, and scripts' logs are full of it. */
const char *js_input_type(JSContext *ctx, JSValueConst v)
{
    if (js_is_nullish(v))
        return "<nil>";
    if (JS_IsBool(v))
        return "bool";
    if (JS_IsNumber(v)) {
        double d;
        bool whole = JS_ToFloat64(ctx, &d, v) == 0 && d == trunc(d) && fabs(d) < 9e15;
        return whole ? "int64" : "float64";
    }
    return JS_IsArray(ctx, v) > 0 ? "[]interface {}" : "map[string]interface {}";
}

bool js_input_is(JSContext *ctx, JSValueConst v)
{
    struct str bytes;
    return JS_IsString(v) || js_bytes_of(ctx, v, &bytes);
}

int js_input_of(JSContext *ctx, JSValueConst v, struct js_input *ret)
{
    *ret = (struct js_input){.bytes = STR_EMPTY};
    if (JS_IsString(v)) {
        if (js_text_of(ctx, v, &ret->text) < 0)
            return -1;
        ret->bytes = ret->text.s;
        return 0;
    }
    if (js_bytes_of(ctx, v, &ret->bytes))
        return 0;
    js_throw(ctx, "invalid type %s, expected string, []byte or ArrayBuffer", js_input_type(ctx, v));
    return -1;
}

void js_input_fini(struct js_input *in)
{
    js_text_fini(&in->text);
    in->bytes = STR_EMPTY;
}

int js_word_of(JSContext *ctx, JSValueConst v, struct js_text *ret)
{
    *ret = (struct js_text){.ctx = ctx};
    return js_is_nullish(v) ? 0 : js_text_of(ctx, v, ret);
}
