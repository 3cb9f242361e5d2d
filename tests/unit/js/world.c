#include "world.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

const char *fixture_dir(void)
{
    static char dir[512];
    const char *root = getenv("SPATE_SOURCE_DIR");
    assert_non_null(root);
    (void)snprintf(dir, sizeof dir, "%s/tests/fixtures/js", root);
    return dir;
}

static void on_log(void *arg, const struct log_line *line)
{
    struct world *w = arg;
    buf_printf(&w->log, "%s %s\n", log_level_name(line->level), line->message);
}

void world_init(struct world *w)
{
    *w = (struct world){.rc = 0};
    assert_int_equal(loop_new(&w->loop), 0);
    assert_int_equal(registry_new(&w->registry), 0);
    assert_int_equal(metrics_new(w->registry, &w->metrics), 0);
    buf_init(&w->log, 1 << 20);
    buf_init(&w->out, 1 << 20);
    assert_int_equal(log_add_sink(LOG_DEBUG, on_log, w), 0);
    w->env[0] = (struct tag){STR("GREETING"), STR("hello")};
    w->env[1] = (struct tag){STR("EMPTY"), STR("")};
    w->run = (struct js_run_options){.system_tags = TAGS_DEFAULT_BITS};
    w->host = (struct js_host){
        .loop = w->loop,
        .run = &w->run,
        .registry = w->registry,
        .env = w->env,
        .env_len = 2,
        .vu_id = 7,
        .wall_offset_ns = clock_wall_ns() - clock_mono_ns(),
    };
}

void world_fini(struct world *w)
{
    js_vm_free(w->vm);
    js_program_free(w->program);
    shard_free(w->shard);
    metrics_free(w->metrics);
    registry_free(w->registry);
    loop_free(w->loop);
    log_remove_sink(on_log, w);
    buf_fini(&w->log);
    buf_fini(&w->out);
}

struct job {
    struct world *w;
    void (*fn)(struct world *w);
};

static void job_run(void *arg)
{
    struct job *j = arg;
    j->fn(j->w);
}

void world_on_co(struct world *w, void (*fn)(struct world *w))
{
    struct job j = {w, fn};
    struct co *co;
    assert_int_equal(co_spawn(w->loop, job_run, &j, &co), 0);
    loop_run(w->loop);
}

static int remember(struct world *w, int rc)
{
    const struct err *e = err_get();
    w->rc = rc;
    w->exit_code = rc < 0 ? e->exit_code : 0;
    (void)snprintf(w->message, sizeof w->message, "%s", rc < 0 ? e->message : "");
    (void)snprintf(w->hint, sizeof w->hint, "%s", rc < 0 ? e->hint : "");
    return rc;
}

static void make_vm(struct world *w)
{
    w->host.stage = JS_STAGE_INIT;
    remember(w, js_vm_new(w->program, &w->host, &w->vm));
    w->host.stage = JS_STAGE_ITERATION;
}

/* What a run has by the time of the first iteration. */
static void add_shard(struct world *w)
{
    if (w->shard || w->rc < 0)
        return;
    assert_int_equal(shard_new(w->metrics, &w->shard), 0);
    w->host.shard = w->shard;
    struct tag tags[] = {{STR("scenario"), STR("default")}, {STR("group"), STR("")}};
    w->host.tags = tags_with(shard_tags(w->shard), tags_empty(shard_tags(w->shard)), tags, 2);
}

int world_source(struct world *w, const char *source)
{
    if (remember(w, js_program_load("-", str_of(source), fixture_dir(), &w->program)) < 0)
        return w->rc;
    world_on_co(w, make_vm);
    return w->rc;
}

int world_load(struct world *w, const char *name)
{
    return remember(w, js_program_load(name, STR_EMPTY, fixture_dir(), &w->program));
}

int world_file(struct world *w, const char *name)
{
    if (world_load(w, name) < 0)
        return w->rc;
    world_on_co(w, make_vm);
    return w->rc;
}

int world_second_vm(struct world *w)
{
    js_vm_free(w->vm);
    w->vm = NULL;
    world_on_co(w, make_vm);
    return w->rc;
}

static const char *call_name;

static void call(struct world *w)
{
    js_vm_begin_iteration(w->vm);
    buf_reset(&w->out);
    remember(w, js_vm_call(w->vm, call_name, &w->out));
}

int world_call(struct world *w, const char *name)
{
    add_shard(w);
    call_name = name;
    world_on_co(w, call);
    return w->rc;
}

const char *world_log(struct world *w)
{
    const char *z = buf_cstr(&w->log);
    return z ? z : "";
}

const char *world_says(struct world *w, const char *source)
{
    if (world_source(w, source) == 0)
        world_call(w, "default");
    if (w->rc < 0)
        buf_printf(&w->log, "failed: %s\n", w->message);
    return world_log(w);
}

void world_watch(struct world *w, const char *key)
{
    const struct metric *m;
    const struct submetric *sub;
    assert_int_equal(metrics_submetric(w->metrics, str_of(key), &m, &sub), 0);
}

static struct sink sink_of(struct world *w, const char *key)
{
    struct snapshot *s;
    const struct metric *m;
    const struct submetric *sub;
    assert_int_equal(snapshot_new(w->metrics, &s), 0);
    shard_merge_into(w->shard, s);
    assert_int_equal(metrics_submetric(w->metrics, str_of(key), &m, &sub), 0);
    struct sink sink = sub ? *snapshot_submetric(s, w->metrics, sub) : *snapshot_metric(s, m);
    snapshot_free(s);
    return sink;
}

uint64_t world_count(struct world *w, const char *key)
{
    return sink_of(w, key).count;
}

double world_sum(struct world *w, const char *key)
{
    return sink_of(w, key).sum;
}
