/* Outputs in a run: told what comes, wired to the buckets, stopped in reverse order. */

#include "base/log.h"
#include "base/mem.h"
#include "load/run_int.h"
#include "output/samples.h"

#include <errno.h>

static void stop_run(void *arg, int code)
{
    struct run *r = arg;
    run_fail(r, code);
}

static int list_files(struct run *r)
{
    r->files_len = js_program_files_len(r->program);
    r->files = arena_calloc(&r->arena, r->files_len + 1, sizeof *r->files);
    if (r->files == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < r->files_len; i++) {
        struct js_file f = js_program_file_at(r->program, i);
        r->files[i] = (struct output_file){f.path, f.data, f.len};
    }
    return 0;
}

int run_info_fill(struct run *r)
{
    const char *path = js_program_main_path(r->program);
    const char *slash = strrchr(path, '/');
    int rc = list_files(r);
    r->info = (struct output_run_info){
        .script_arg = r->req->script_arg,
        .script_path = path,
        .name = slash != NULL ? slash + 1 : path,
        .pwd = js_program_main_dir(r->program),
        .options_json = buf_view(&r->archive_json),
        .derived_json = buf_view(&r->options_json),
        .vus_max = r->plan.vus_most,
        .duration_max_ns = r->plan.end_ns,
        .thresholds = r->threshold_list,
        .thresholds_len = r->threshold_list_len,
        .system_tags = r->settings.run.system_tags,
        .files = r->files,
        .files_len = r->files_len,
        .env = r->req->cli_env,
        .env_len = r->req->cli_env_len,
        .metrics = r->metrics,
        .workers = run_count_workers(r) + 1, /* the main thread's shard is the last */
        .wall_offset_ns = r->wall_offset_ns,
        .stop_run = stop_run,
        .stop_run_arg = r,
    };
    return rc;
}

static int want_buckets(struct run *r, const struct output *o, bool *taken)
{
    uint32_t period = o->ops->bucket_period_s ? o->ops->bucket_period_s(o->self) : 0;
    if (period == 0 || o->ops->buckets == NULL)
        return 0;
    if (*taken)
        return err_exit(err_set(E_UNSUPPORTED, "two outputs that stream time buckets at once "
                                               "aren't there yet"),
                        EXIT_USAGE);
    *taken = true;
    metrics_want_buckets(r->metrics, period, o->ops->buckets, o->self);
    if (o->ops->slow_requests != NULL)
        metrics_want_slow(r->metrics, o->ops->slow_requests(o->self));
    return 0;
}

/* Once all have started: the thread that serves those of single samples uses them. */
static int want_samples(struct run *r)
{
    bool any = false;
    for (size_t i = 0; i < r->req->outputs_len; i++)
        any |= r->req->outputs[i].ops->samples != NULL;
    if (!any)
        return 0;
    int rc = sample_stream_new(r->req->outputs, r->req->outputs_len, &r->samples);
    if (rc == 0)
        metrics_want_samples(r->metrics, sample_stream_put, r->samples);
    return rc;
}

/* What the outputs add to __ENV, under the script's own entries of that name. */
static int add_env(struct run *r)
{
    size_t n = r->req->env_len;
    struct tag *all = arena_calloc(&r->arena, n + r->req->outputs_len + 1, sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    size_t len = 0;
    for (size_t i = 0; i < r->req->outputs_len; i++) {
        const struct output *o = &r->req->outputs[i];
        struct tag entry = o->ops->env != NULL ? o->ops->env(o->self) : (struct tag){0};
        if (entry.key.len > 0)
            all[len++] = entry;
    }
    if (len == 0)
        return 0;
    if (n > 0)
        memcpy(all + len, r->req->env, n * sizeof *all);
    r->env = all;
    r->env_len = len + n;
    return 0;
}

int run_outputs_start(struct run *r)
{
    bool taken = false;
    r->descriptions = arena_calloc(&r->arena, r->req->outputs_len + 1, sizeof *r->descriptions);
    if (r->descriptions == NULL)
        return -ENOMEM;
    int rc = run_info_fill(r);
    r->interruptible = true;
    for (size_t i = 0; rc == 0 && i < r->req->outputs_len; i++) {
        const struct output *o = &r->req->outputs[i];
        rc = o->ops->start ? o->ops->start(o->self, &r->info) : 0;
        if (rc < 0)
            break;
        const char *text = o->ops->description ? o->ops->description(o->self) : NULL;
        r->descriptions[i] = text != NULL ? text : o->ops->name;
        r->outputs_started = i + 1;
        rc = want_buckets(r, o, &taken);
    }
    r->interruptible = false;
    co_cancel_clear();
    if (rc == 0)
        rc = add_env(r);
    return rc < 0 ? rc : want_samples(r);
}

void run_outputs_stop(struct run *r, const struct output_result *result)
{
    r->stopping_outputs = true;
    if (r->samples != NULL)
        sample_stream_stop(r->samples);
    for (size_t i = r->outputs_started; i-- > 0;) {
        const struct output *o = &r->req->outputs[i];
        int rc = o->ops->stop ? o->ops->stop(o->self, result) : 0;
        if (rc < 0)
            run_fail(r, rc);
    }
}
