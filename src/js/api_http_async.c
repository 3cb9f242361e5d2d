/*
 * http.asyncRequest(): a request on a coroutine of its own, while the script goes on.
 *
 * The arguments are read at once, so that nothing of the script's is looked at later.  When the
 * iteration ends early, the coroutine is cancelled and waited for: requests never outlive the call
 * of the VM that made them.
 */
#include "base/err.h"
#include "base/mem.h"
#include "js/api_http.h"
#include "rt/co.h"

struct op {
    struct ask ask;
    JSValue value; /* the Response */
    struct js_async *async;
    struct co *co;
    int rc;           /* of http_ask_run() */
    char *failure;    /* its message, when rc is negative */
    struct co *owner; /* waits for the end, having cancelled it; or NULL */
    bool ended;
};

static void op_free(struct op *op)
{
    JS_FreeValue(op->ask.ctx, op->value);
    http_ask_fini(&op->ask);
    mem_free(op->failure);
    mem_free(op);
}

static JSValue finish(JSContext *ctx, void *arg, bool *rejected)
{
    (void)rejected; /* a pending exception is what rejects */
    struct op *op = arg;
    JSValue v = JS_EXCEPTION;
    if (op->rc == 0)
        v = JS_DupValue(ctx, op->value);
    else
        js_throw_err(ctx, err_set(op->rc, "%s", op->failure ? op->failure : "request failed"));
    op_free(op);
    return v;
}

static void run(void *arg)
{
    struct op *op = arg;
    op->rc = http_ask_run(&op->ask);
    if (op->rc < 0)
        op->failure = mem_strdup(err_message());
    op->ended = true;
    struct co *owner = op->owner;
    if (js_async_done(op->async, finish, op))
        return; /* the VM's coroutine frees it */
    co_unpark(owner);
}

/* The VM gives up on it: on its coroutine, as a call never leaves anything under way. */
static void cancel(void *arg)
{
    struct op *op = arg;
    op->owner = co_self();
    CHECK(op->owner != NULL);
    co_cancel(op->co);
    while (!op->ended)
        co_park_hard();
    op_free(op);
}

/* A promise that has its value or, when that is an exception, its reason already. */
static JSValue settled(JSContext *ctx, JSValue v)
{
    bool rejected = JS_IsException(v);
    if (rejected)
        v = JS_GetException(ctx);
    JSValue functions[2];
    JSValue promise = JS_NewPromiseCapability(ctx, functions);
    if (!JS_IsException(promise)) {
        JSValue r = JS_Call(ctx, functions[rejected ? 1 : 0], JS_UNDEFINED, 1, &v);
        JS_FreeValue(ctx, r);
        JS_FreeValue(ctx, functions[0]);
        JS_FreeValue(ctx, functions[1]);
    }
    JS_FreeValue(ctx, v);
    return promise;
}

static JSValue refused(struct op *op)
{
    JSContext *ctx = op->ask.ctx;
    if (op->ask.state->host->run->throw_errors)
        return settled(ctx, js_throw(ctx, "%s", err_message()));
    http_warn_failed("Request Failed", err_message());
    return settled(ctx, http_ask_unsent(ctx, op->ask.error_code, err_message()));
}

static JSValue begin(struct op *op)
{
    JSContext *ctx = op->ask.ctx;
    op->value = http_ask_response(&op->ask);
    if (JS_IsException(op->value)) {
        op->value = JS_UNDEFINED;
        return JS_EXCEPTION;
    }
    JSValue promise = js_async_new(ctx, cancel, op, &op->async);
    if (JS_IsException(promise))
        return promise;
    int rc = co_spawn(op->ask.state->host->loop, run, op, &op->co);
    if (rc < 0) { /* rejects the promise when its turn comes */
        op->rc = rc;
        op->failure = mem_strdup("no room for one more request at the same time");
        op->ended = true;
        CHECK(js_async_done(op->async, finish, op));
    }
    return promise;
}

/* asyncRequest(method, url, [body], [params]) */
JSValue http_async_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (!js_not_in_init(ctx, "Making http requests"))
        return JS_EXCEPTION;
    CLEANUP(js_text_fini) struct js_text method = {0};
    if (js_text_of(ctx, js_arg(argc, argv, 0), &method) < 0)
        return JS_EXCEPTION;
    struct op *op = mem_calloc(1, sizeof *op);
    if (!op)
        return JS_ThrowOutOfMemory(ctx);
    op->value = JS_UNDEFINED;
    http_ask_init(&op->ask, ctx, method.s);
    op->ask.script_goes_on = true;
    int rc = http_ask_read(&op->ask, js_arg(argc, argv, 1), js_arg(argc, argv, 2),
                           js_arg(argc, argv, 3));
    if (rc == 0) {
        JSValue promise = begin(op);
        if (!JS_IsException(promise))
            return promise;
        op_free(op);
        return JS_EXCEPTION;
    }
    JSValue promise = rc == ASK_BAD ? refused(op) : settled(ctx, JS_EXCEPTION);
    op_free(op);
    return promise;
}
