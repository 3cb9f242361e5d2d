/* The script's own parts in a run: first init and options, setup, teardown, handleSummary. */

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "load/execution.h"
#include "load/run_int.h"
#include "load/scenario.h"
#include "output/summary.h"

#include <errno.h>
#include <stdio.h>

/* ---- hosts --------------------------------------------------------------------------------- */

struct tagset *run_tagset(struct run *r, struct shard *shard, const char *group)
{
    struct tag_table *table = shard_tags(shard);
    struct tagset *set = tags_empty(table);
    const struct opt_pairs *tags = &r->derived.tags;
    if (tags->len > 0)
        set = tags_with(table, set, tags->items, (uint32_t)tags->len);
    if (group != NULL && (r->settings.run.system_tags & TAG_BIT(TAG_GROUP)) != 0) {
        struct tag tag = {STR("group"), str_of(group)};
        set = tags_with(table, set, &tag, 1);
    }
    return set;
}

struct tagset *executor_tags(struct run *r, struct shard *shard, const struct scenario *s)
{
    struct tagset *set = run_tagset(r, shard, NULL);
    struct tag tag = {STR("scenario"), str_of(s->name)};
    if ((r->settings.run.system_tags & TAG_BIT(TAG_SCENARIO)) == 0)
        return set;
    return tags_with(shard_tags(shard), set, &tag, 1);
}

void run_host_init(struct run *r, struct js_host *h, struct loop *loop, struct shard *shard,
                   struct dialer *dialer)
{
    *h = (struct js_host){
        .loop = loop,
        .run = &r->settings.run,
        .registry = r->registry,
        .shard = shard,
        .dialer = dialer,
        .env = r->env != NULL ? r->env : r->req->env,
        .env_len = (uint32_t)(r->env != NULL ? r->env_len : r->req->env_len),
        .wall_offset_ns = r->wall_offset_ns,
        .stage = JS_STAGE_INIT,
        .arg = r,
        .execution = &execution_ops,
    };
    if (shard != NULL)
        h->tags = run_tagset(r, shard, "");
}

/* An exception says where it comes from when it is logged. */
static int script_error(int rc)
{
    if (rc == E_SCRIPT && err_get()->code == rc) {
        if (err_get()->hint[0] == '\0')
            (void)err_hint(rc, "script exception");
        if (err_get()->exit_code == 0)
            (void)err_exit(rc, EXIT_SCRIPT);
    }
    return rc;
}

/* ---- options ------------------------------------------------------------------------------- */

static int not_initialised(struct run *r, int code)
{
    return err_wrap(code, "could not initialize '%s': could not load JS test '%s'",
                    r->req->script_arg, js_program_main_url(r->program));
}

/* setup and teardown are functions, where there are any. */
static int check_stages(struct run *r, struct js_vm *vm)
{
    static const char *const names[] = {"setup", "teardown"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (js_vm_exports_other(vm, names[i])) {
            (void)err_set(E_SCRIPT, "exported '%s' must be a function", names[i]);
            return err_exit(not_initialised(r, E_SCRIPT), EXIT_USAGE);
        }
    return 0;
}

/* Said after what is wrong with the options: k6 reads those first. */
static int check_exports(struct run *r, struct js_vm *vm)
{
    if (js_vm_exports_len(vm) > 0)
        return 0;
    (void)err_set(E_SCRIPT, "no exported functions in script");
    return err_exit(not_initialised(r, E_SCRIPT), EXIT_USAGE);
}

static int read_script_options(struct run *r, struct js_vm *vm, struct options *ret)
{
    CLEANUP(buf_fini) struct buf json;
    buf_init(&json, LOAD_JSON_BYTES);
    options_init(ret, &r->arena);
    int rc = check_stages(r, vm);
    if (rc < 0)
        return rc;
    if (r->req->archive != NULL) { /* what the script says is in them already */
        rc = options_parse_json(ret, r->req->archive->options_json, OPTIONS_ARCHIVE);
        return rc < 0 ? err_exit(not_initialised(r, rc), EXIT_CONFIG) : check_exports(r, vm);
    }
    rc = js_vm_options_json(vm, &json);
    if (rc == 0)
        rc = buf_finish(&json);
    if (rc < 0)
        return script_error(rc);
    if (json.len == 0) {
        (void)err_set(E_CONFIG, "exported 'options' must be an object");
        return err_exit(not_initialised(r, E_CONFIG), EXIT_USAGE);
    }
    rc = options_parse_json(ret, buf_view(&json), OPTIONS_SCRIPT);
    return rc < 0 ? err_exit(not_initialised(r, rc), EXIT_CONFIG) : check_exports(r, vm);
}

static bool has_export(void *arg, const char *name)
{
    return js_vm_has_export(arg, name);
}

/* All layers' tags together, a higher layer's over a lower one's. */
static int merge_run_tags(struct run *r, const struct options *script)
{
    const struct options *layers[] = {r->req->config_layer, script, r->req->env_layer,
                                      r->req->cli_layer};
    struct opt_pairs all = {0};
    int rc = 0;
    for (size_t l = 0; l < ARRAY_LEN(layers); l++)
        for (size_t i = 0; rc == 0 && layers[l] != NULL && i < layers[l]->tags.len; i++)
            rc = options_tags_put(&r->arena, &all, layers[l]->tags.items[i]);
    if (all.len > 0)
        r->options.tags = all;
    return rc;
}

/* Tags that samples have and archives don't keep. */
static int add_derived_tags(struct run *r)
{
    struct opt_pairs all = {0};
    int rc = 0;
    if (r->req->more_tags_len == 0)
        return 0;
    for (size_t i = 0; rc == 0 && i < r->derived.tags.len; i++)
        rc = options_tags_put(&r->arena, &all, r->derived.tags.items[i]);
    for (size_t i = 0; rc == 0 && i < r->req->more_tags_len; i++)
        rc = options_tags_put(&r->arena, &all, r->req->more_tags[i]);
    r->derived.tags = all;
    return rc;
}

static int consolidate(struct run *r, struct js_vm *vm, const struct options *script)
{
    struct options *o = &r->options;
    options_init(o, &r->arena);
    if (r->req->config_layer != NULL)
        options_apply(o, r->req->config_layer, "config file");
    options_apply(o, script, "script");
    if (r->req->env_layer != NULL)
        options_apply(o, r->req->env_layer, "env");
    if (r->req->cli_layer != NULL)
        options_apply(o, r->req->cli_layer, "cli");
    int rc = r->req->merge_run_tags ? merge_run_tags(r, script) : 0;
    if (rc == 0)
        rc = options_finish(o);
    if (rc == 0)
        rc = options_derive(o, &r->derived);
    if (rc == 0)
        rc = add_derived_tags(r);
    if (rc == 0)
        rc = options_validate(&r->derived, has_export, vm);
    if (rc == 0) {
        rc = segment_parse(o->execution_segment, o->execution_segment_sequence, &r->segment);
        if (rc < 0)
            return err_exit(rc, EXIT_CONFIG);
    }
    return rc;
}

static int write_options(struct run *r)
{
    options_write_json(&r->derived, &r->options_json);
    options_write_json(&r->options, &r->archive_json);
    int rc = buf_finish(&r->options_json);
    return rc < 0 ? rc : buf_finish(&r->archive_json);
}

static int prepare(struct run *r, struct js_vm *vm)
{
    struct options script;
    int rc = read_script_options(r, vm, &script);
    if (rc == 0 && r->inspector != NULL) {
        options_write_json(&script, &r->script_json);
        rc = buf_finish(&r->script_json);
        if (rc == 0 && !r->inspector->plan)
            rc = run_check_values(&script);
        if (rc < 0)
            return err_get()->code == rc ? not_initialised(r, rc) : rc;
        if (!r->inspector->plan)
            return 0;
    }
    if (rc == 0)
        rc = consolidate(r, vm, &script);
    if (rc == 0)
        rc = write_options(r);
    if (rc == 0) {
        settings_fini(&r->settings);
        rc = settings_make(&r->options, &r->settings);
        if (rc == 0)
            rc = settings_add_env(&r->settings);
        r->settings.run.vu_memory_max = r->req->vu_memory_max;
        r->settings.run.freeze_env = r->req->freeze_env;
    }
    if (rc == 0)
        rc = plan_make(&r->derived, &r->segment, &r->plan);
    if (rc == 0)
        rc = run_thresholds_init(r);
    r->exports_setup = js_vm_has_export(vm, "setup");
    r->exports_teardown = js_vm_has_export(vm, "teardown");
    r->has_setup = r->exports_setup && !r->options.no_setup.value;
    r->has_teardown = r->exports_teardown && !r->options.no_teardown.value;
    r->has_summary = js_vm_has_export(vm, "handleSummary");
    return rc;
}

int run_load(struct run *r)
{
    struct options none;
    struct js_host host;
    struct js_vm *vm = NULL;
    options_init(&none, &r->arena);
    int rc = options_finish(&none);
    if (rc == 0)
        rc = settings_make(&none, &r->settings);
    if (rc < 0)
        return rc;
    r->settings.run.vu_memory_max = r->req->vu_memory_max;
    r->settings.run.freeze_env = r->req->freeze_env;
    run_host_init(r, &host, r->loop, NULL, NULL);
    rc = js_vm_new(r->program, &host, &vm);
    rc = rc < 0 ? script_error(rc) : prepare(r, vm);
    js_vm_free(vm);
    return rc;
}

/* ---- setup and teardown -------------------------------------------------------------------- */

/* A stage runs in a world of its own, made for it, as virtual user 0. */
struct stage_run {
    struct js_host host;
    struct metadata metadata;
    struct js_vm *vm;
};

static int open_stage(struct run *r, struct stage_run *s, enum js_stage stage, const char *group)
{
    *s = (struct stage_run){0};
    run_host_init(r, &s->host, r->loop, r->shard, r->dialer);
    int rc = js_vm_new(r->program, &s->host, &s->vm);
    if (rc == 0)
        rc = js_vm_set_options(s->vm, buf_view(&r->options_json));
    if (rc == 0 && stage != JS_STAGE_SETUP)
        rc = js_vm_set_setup_data(s->vm, run_setup_data(r));
    s->host.stage = stage;
    s->host.group = str_of(group);
    s->host.tags = run_tagset(r, r->shard, group);
    s->host.metadata = &s->metadata;
    if (rc == 0 && (r->settings.run.system_tags & TAG_BIT(TAG_ITER)) != 0)
        rc = metadata_set(&s->metadata, STR("iter"), STR("0"));
    return rc;
}

static void close_stage(struct run *r, struct stage_run *s)
{
    int64_t now = clock_mono_ns() + r->wall_offset_ns;
    if (s->host.stage == JS_STAGE_SETUP || s->host.stage == JS_STAGE_TEARDOWN) {
        shard_add(r->shard, registry_builtin(r->registry, METRIC_DATA_SENT), s->host.tags,
                  s->host.metadata, (double)s->host.bytes_sent, now);
        shard_add(r->shard, registry_builtin(r->registry, METRIC_DATA_RECEIVED), s->host.tags,
                  s->host.metadata, (double)s->host.bytes_received, now);
        shard_flush_samples(r->shard);
    }
    js_vm_free(s->vm);
    metadata_fini(&s->metadata);
}

/* How long something of the script's may take on the calling coroutine. */
struct limit {
    struct timer timer;
    struct co *co;
    bool timed_out;
};

static void on_timeout(struct timer *t)
{
    struct limit *l = CONTAINER_OF(t, struct limit, timer);
    l->timed_out = true;
    co_cancel(l->co);
}

/* Between these two the coroutine is cancelled when the time is over, and the main one by a signal
 * when `interruptible`. The second puts the coroutine in order; `timed_out` says which it was. */
static int limit_begin(struct run *r, struct limit *l, int64_t limit_ns, bool interruptible)
{
    *l = (struct limit){.co = co_self()};
    if (l->co == r->main)
        r->interruptible = interruptible;
    timer_init(&l->timer, on_timeout);
    return timer_start(r->loop, &l->timer, clock_mono_ns() + limit_ns);
}

static void limit_end(struct run *r, struct limit *l)
{
    timer_stop(r->loop, &l->timer);
    if (l->co == r->main)
        r->interruptible = false;
    co_cancel_clear();
}

static int timeout_error(const char *what, int64_t limit_ns, int exit_code)
{
    int rc = err_set(-ETIMEDOUT, "%s() execution timed out after %.0f seconds", what,
                     (double)limit_ns / (double)NS_PER_S);
    (void)err_hint(rc, "You can increase the time limit via the %sTimeout option", what);
    return err_exit(rc, exit_code);
}

static int64_t limit_of(struct opt_dur d)
{
    return d.set ? d.ns : 60 * NS_PER_S;
}

static int call_stage(struct run *r, struct stage_run *s, const char *name, struct buf *ret_json,
                      int64_t limit_ns, bool interruptible, int exit_code)
{
    struct limit limit;
    int rc = limit_begin(r, &limit, limit_ns, interruptible);
    if (rc < 0)
        return rc;
    rc = js_vm_call(s->vm, name, ret_json);
    limit_end(r, &limit);
    if (rc == -ECANCELED && limit.timed_out)
        return timeout_error(name, limit_ns, exit_code);
    return script_error(rc);
}

struct str run_setup_data(const struct run *r)
{
    return buf_view(r->has_late_setup_data ? &r->late_setup_data : &r->setup_data);
}

/* Virtual users read the first one from the moment that executors begin. */
int run_put_setup_data(struct run *r, struct str json)
{
    bool late = r->zero_ns != 0;
    struct buf *to = late ? &r->late_setup_data : &r->setup_data;
    buf_reset(to);
    buf_str(to, json);
    r->has_late_setup_data = late;
    return buf_finish(to);
}

int run_call_setup(struct run *r)
{
    if (!r->exports_setup)
        return 0;
    CLEANUP(buf_fini) struct buf data;
    buf_init(&data, LOAD_JSON_BYTES);
    struct stage_run s;
    int rc = open_stage(r, &s, JS_STAGE_SETUP, "::setup");
    if (rc == 0)
        rc = call_stage(r, &s, "setup", &data, limit_of(r->options.setup_timeout), true,
                        EXIT_SETUP_TIMEOUT);
    if (rc == 0)
        rc = buf_finish(&data);
    if (rc == 0)
        rc = run_put_setup_data(r, buf_view(&data));
    close_stage(r, &s);
    return script_error(rc);
}

int run_setup(struct run *r)
{
    if (!r->has_setup)
        return 0;
    r->interruptible = true;
    int rc = run_call_setup(r);
    r->interruptible = false;
    co_cancel_clear();
    return rc;
}

int run_teardown(struct run *r)
{
    return r->has_teardown ? run_call_teardown(r) : 0;
}

int run_call_teardown(struct run *r)
{
    if (!r->exports_teardown)
        return 0;
    struct stage_run s;
    int rc = open_stage(r, &s, JS_STAGE_TEARDOWN, "::teardown");
    if (rc == 0)
        rc = call_stage(r, &s, "teardown", NULL, limit_of(r->options.teardown_timeout), false,
                        EXIT_TEARDOWN_TIMEOUT);
    close_stage(r, &s);
    return script_error(rc);
}

/* ---- summary ------------------------------------------------------------------------------- */

static void emit(struct run *r, struct str destination, struct str text)
{
    if (r->req->ui != NULL && r->req->ui->summary != NULL)
        r->req->ui->summary(r->req->ui->arg, destination, text.ptr, text.len);
}

static int emit_entry(void *arg, struct str destination, const void *data, size_t len)
{
    emit(arg, destination, str_new(data, len));
    return 0;
}

static int make_stats(struct run *r, struct summary_input *in)
{
    const struct opt_strs *names = &r->derived.summary_trend_stats;
    size_t n = MIN(names->len, (size_t)SUMMARY_STATS_MAX);
    struct summary_stat *stats = arena_calloc(&r->arena, n + 1, sizeof *stats);
    if (stats == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int rc = summary_stat_parse(names->items[i], &stats[i]);
        if (rc < 0)
            return rc;
    }
    in->stats = stats;
    in->stats_len = n;
    return 0;
}

static enum numfmt_unit time_unit(const char *name)
{
    if (name != NULL && strcmp(name, "s") == 0)
        return NUMFMT_S;
    if (name != NULL && strcmp(name, "ms") == 0)
        return NUMFMT_MS;
    if (name != NULL && strcmp(name, "us") == 0)
        return NUMFMT_US;
    return NUMFMT_AUTO;
}

static struct str main_text(const struct run *r)
{
    if (js_program_files_len(r->program) == 0)
        return STR_EMPTY;
    struct js_file f = js_program_file_at(r->program, 0);
    return str_new(f.data, f.len);
}

static bool has_cloud(const struct run *r)
{
    for (size_t i = 0; i < r->req->outputs_len; i++)
        if (strcmp(r->req->outputs[i].ops->name, "cloud") == 0)
            return true;
    return false;
}

static int make_input(struct run *r, const struct snapshot *s, struct summary_input *in)
{
    *in = (struct summary_input){
        .metrics = r->metrics,
        .snapshot = s,
        .thresholds = r->req->no_thresholds ? NULL : &r->thresholds,
        .duration_ns = run_elapsed_ns(r),
        .mode = r->req->summary_mode,
        .color = r->req->color,
        .time_unit = time_unit(r->derived.summary_time_unit),
        .setup_ran = r->has_setup,
        .teardown_ran = r->has_teardown,
        .script = main_text(r),
        .cloud = has_cloud(r),
        .made_ns = clock_mono_ns() + r->wall_offset_ns,
        .setup_data = run_setup_data(r),
        .stdout_tty = r->req->stdout_tty,
        .stderr_tty = r->req->stderr_tty,
        .no_color = r->req->no_color,
    };
    return make_stats(r, in);
}

static void log_summary_error(int rc)
{
    struct log_field f[] = {{"hint", "script exception"}, {"source", "stacktrace"}};
    log_fields(LOG_ERROR, err_get()->code == rc ? err_message() : err_code_text(rc), f,
               rc == E_SCRIPT ? 2 : 0);
}

/* 0: the script has given out what it wants; 1: the default text is wanted. */
static int handle_summary(struct run *r, const struct summary_input *in)
{
    CLEANUP(buf_fini) struct buf data;
    buf_init(&data, LOAD_JSON_BYTES);
    int64_t limit = r->options.handle_summary_timeout.set ? r->options.handle_summary_timeout.ns
                                                          : 120 * NS_PER_S;
    struct stage_run s;
    int rc = r->req->summary_machine ? summary_machine_json(in, false, &data)
                                     : summary_data_json(in, &data);
    if (rc < 0)
        return rc;
    struct limit l;
    rc = open_stage(r, &s, JS_STAGE_SUMMARY, "");
    if (rc == 0)
        rc = limit_begin(r, &l, limit, false);
    if (rc == 0) {
        rc = js_vm_handle_summary(s.vm, buf_view(&data), emit_entry, r);
        limit_end(r, &l);
        if (rc == -ECANCELED && l.timed_out)
            rc = timeout_error("handleSummary", limit, EXIT_TIMEOUT);
    }
    close_stage(r, &s);
    return rc;
}

/* The init code runs once more also for a script without handleSummary(), as it does in k6. */
static int no_handle_summary(struct run *r)
{
    struct stage_run s;
    int rc = open_stage(r, &s, JS_STAGE_SUMMARY, "");
    close_stage(r, &s);
    return rc < 0 ? rc : 1;
}

static int export_summary(struct run *r, const struct summary_input *in)
{
    CLEANUP(buf_fini) struct buf out = {0};
    if (r->req->summary_export == NULL)
        return 0;
    buf_init(&out, LOAD_JSON_BYTES);
    int rc = r->req->summary_machine ? summary_machine_json(in, true, &out)
                                     : summary_export_json(in, &out);
    if (rc == 0)
        emit(r, str_of(r->req->summary_export), buf_view(&out));
    return rc;
}

int run_summary(struct run *r, const struct snapshot *s)
{
    CLEANUP(buf_fini) struct buf text = {0};
    struct summary_input in;
    if (r->req->summary_mode == SUMMARY_DISABLED)
        return 0;
    int rc = make_input(r, s, &in);
    if (rc == 0)
        rc = export_summary(r, &in);
    if (rc < 0)
        return rc;
    rc = r->has_summary ? handle_summary(r, &in) : no_handle_summary(r);
    if (rc == 0)
        return 0;
    if (rc < 0 && rc != -ECANCELED) /* then what stopped it has its own line */
        log_summary_error(rc);      /* the test itself isn't spoilt by it */
    buf_init(&text, LOAD_JSON_BYTES);
    rc = summary_text(&in, &text);
    if (rc == 0)
        emit(r, STR("stdout"), buf_view(&text));
    return rc;
}
