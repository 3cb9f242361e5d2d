/* A script looked at without running its test: for `inspect`, `archive` and `deps`. */

#include "load/run_int.h"

static int tell(struct run *r)
{
    struct run_inspection what = {.script_options = buf_view(&r->script_json)};
    if (r->inspector->plan) {
        int rc = run_info_fill(r);
        if (rc < 0)
            return rc;
        what.options = buf_view(&r->archive_json);
        what.derived = buf_view(&r->options_json);
        what.duration_ns = r->plan.end_ns;
        what.vus_max = r->plan.vus_most;
        what.info = &r->info;
    }
    return r->inspector->fn(r->inspector->arg, &what);
}

static void inspect_main(void *arg)
{
    struct run *r = arg;
    r->interruptible = true; /* init code may wait, or never end */
    int rc = run_load(r);
    r->interruptible = false;
    co_cancel_clear();
    if (rc == 0 && r->end == RUN_GOES_ON)
        rc = tell(r);
    if (rc < 0)
        run_fail(r, rc);
    r->main = NULL;
}

int run_inspect(const struct run_request *req, bool plan, run_inspect_fn *fn, void *arg)
{
    struct inspector inspector = {.plan = plan, .fn = fn, .arg = arg};
    return run_drive(req, &inspector, inspect_main);
}
