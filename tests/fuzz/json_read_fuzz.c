/* JSON text: what comes is well nested, and what can be packed is read back as the same text. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "js/frozen.h"
#include "js/pack.h"
#include "js/vm_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_turn(void *arg)
{
    (void)arg;
    return 0;
}

static void compare(JSContext *ctx, JSValueConst a, JSValueConst b)
{
    JSValue x = JS_JSONStringify(ctx, a, JS_UNDEFINED, JS_UNDEFINED);
    JSValue y = JS_JSONStringify(ctx, b, JS_UNDEFINED, JS_UNDEFINED);
    CLEANUP(js_text_fini) struct js_text s = {0}, t = {0};
    CHECK(js_text_of(ctx, x, &s) == 0 && js_text_of(ctx, y, &t) == 0);
    CHECK(str_eq(s.s, t.s));
    JS_FreeValue(ctx, x);
    JS_FreeValue(ctx, y);
}

static void read_back(JSContext *ctx, const struct pack *p, JSValueConst want)
{
    struct pack_view *view;
    CHECK(pack_view_new(p, &view) == 0);
    for (int i = 0; i < 2; i++) { /* the second time from models */
        JSValue v = pack_element(ctx, view, 0);
        CHECK(!JS_IsException(v));
        compare(ctx, v, want);
        JS_FreeValue(ctx, v);
    }
    pack_view_free(ctx, view);
}

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
    if (size > 4096) /* JSON.stringify() recurses, unlike what is tried here */
        return 0;
    struct str text = str_new(data, size);
    struct pack_builder *b;
    struct pack *p = NULL;
    CHECK(pack_builder_new(&b) == 0);
    JSValue v = frozen_parse(ctx, text);
    int rc = pack_add(b, text, no_turn, NULL);
    CHECK((rc == 0) == !JS_IsException(v));
    if (rc == 0) {
        CHECK(pack_finish(b, &p) == 0);
        /* Keys that come twice are no JSON.stringify()'s, and the two differ on them. */
        if (!memmem(data, size, "{", 1) || p->shapes_len <= 1)
            read_back(ctx, p, v);
        JS_FreeValue(ctx, v);
    } else {
        JS_FreeValue(ctx, JS_GetException(ctx));
    }
    pack_free(p);
    pack_builder_free(b);
    JS_RunGC(rt);
    return 0;
}
