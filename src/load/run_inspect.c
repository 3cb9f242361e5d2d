/* A script looked at without running its test: for `inspect`, `archive` and `deps`. */

#include "load/run_int.h"

#include <errno.h>

/* What a description needs: the scenarios, and a mark where the output's name belongs. */
static int fill_status(struct run *r, struct run_status *ret)
{
    static const char *output = "\x01output\x01";
    struct scenario_status *scenarios =
        arena_calloc(&r->arena, r->plan.scenarios_len + 1, sizeof *scenarios);
    if (scenarios == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < r->plan.scenarios_len; i++)
        scenarios[i] = (struct scenario_status){.config = r->plan.scenarios[i].config};
    *ret = (struct run_status){
        .script_arg = r->req->script_arg,
        .outputs = &output,
        .outputs_len = 1,
        .segment = &r->segment,
        .duration_max_ns = r->plan.end_ns,
        .vus_max = r->plan.vus_most,
        .scenarios = scenarios,
        .scenarios_len = r->plan.scenarios_len,
    };
    return 0;
}

int run_check_values(const struct options *script)
{
    struct settings s = {0};
    struct segment segment = {0};
    int rc = settings_make(script, &s);
    if (rc == 0) /* how it fits into the sequence shows when all layers are put together */
        rc = segment_parse(script->execution_segment, NULL, &segment);
    segment_fini(&segment);
    settings_fini(&s);
    return rc < 0 ? err_exit(rc, EXIT_CONFIG) : 0;
}

static int tell(struct run *r)
{
    struct run_status status;
    struct run_inspection what = {.script_options = buf_view(&r->script_json), .status = &status};
    if (r->inspector->plan) {
        int rc = run_info_fill(r);
        if (rc == 0)
            rc = fill_status(r, &status);
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
