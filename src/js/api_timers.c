/*
 * api_timers - k6/timers: the four functions that are global as well.
 */
#include "js/api.h"
#include "js/event.h"

static const JSCFunctionListEntry functions[] = {
    JS_API_FUNC("clearInterval", 1, event_clear_timer),
    JS_API_FUNC("clearTimeout", 1, event_clear_timer),
    JS_API_MAGIC_FUNC("setInterval", 2, event_set_timer, 1),
    JS_API_MAGIC_FUNC("setTimeout", 2, event_set_timer, 0),
};

const struct js_api_module js_api_timers = {
    .id = JS_API_TIMERS,
    .name = "k6/timers",
    .list = functions,
    .list_len = ARRAY_LEN(functions),
};
