/* A path on the first line, JSON behind it: parsing, its complaints, and looking the path up. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "js/api_http.h"
#include "js/vm_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static JSRuntime *rt;
    static JSContext *ctx;
    static struct js_vm vm;
    if (!rt) {
        rt = JS_NewRuntime();
        ctx = JS_NewContext(rt);
        JS_SetContextOpaque(ctx, &vm);
    }
    JS_UpdateStackTop(rt);
    struct str text, path = str_cut(str_new(data, size), '\n', &text);
    CLEANUP(buf_fini) struct buf body; /* with a NUL behind it, as responses have */
    buf_init(&body, 1 << 20);
    buf_str(&body, text);
    const char *z = buf_cstr(&body);
    if (!z)
        return 0;
    JSValue v = http_json_parse(ctx, buf_view(&body));
    if (JS_IsException(v)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return 0;
    }
    JSValue found = http_json_select(ctx, v, path);
    if (JS_IsException(found))
        JS_FreeValue(ctx, JS_GetException(ctx));
    JS_FreeValue(ctx, found);
    JS_FreeValue(ctx, v);
    JS_RunGC(rt);
    return 0;
}
