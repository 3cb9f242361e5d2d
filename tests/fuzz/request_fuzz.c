#include "base/err.h"
#include "server/call_arg.h"
#include "server/server_int.h"
#include "server/threshold.h"
#include "server/window_arg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A path's last segment as the metrics API has it, a newline, the query behind a question mark. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct list_order orders[] = {
        {"duration", "duration"}, {"time", "t_ns"}, {NULL, NULL}};
    static struct call call; /* large for a stack */
    struct request r = {0};
    struct window w;
    struct str selector;
    arena_init(&r.arena, 1 << 24);
    struct str path = str_cut(str_new(data, size), '\n', &r.query);
    struct str text = percent_decode(&r.arena, path, false);
    CHECK(text.len <= path.len);
    if (call_parse(&r.arena, text, &call) == 0)
        CHECK(call.run_ids_len <= CALL_RUNS_MAX && call.query.step_s >= 0);
    CHECK(threshold_split(text, &selector).len <= text.len);
    if (r.query.ptr && window_arg(&r, orders, &w) == 0)
        CHECK(w.page.top >= 0 && w.page.skip >= 0 && w.page.order);
    arena_fini(&r.arena);
    return 0;
}
