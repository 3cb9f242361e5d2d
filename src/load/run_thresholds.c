/* Thresholds in a run: made from the options, watched while it goes, decided at its end. */

#include "base/clock.h"
#include "base/log.h"
#include "load/run_int.h"

#include <errno.h>

enum { EVALUATE_EVERY_S = 2 };

/* ---- making -------------------------------------------------------------------------------- */

/* Who has a threshold on it wants to see it. */
static void show_lag(struct run *r)
{
    const struct metric *lag = registry_builtin(r->registry, METRIC_GENERATOR_LAG);
    for (size_t i = 0; i < r->thresholds.len; i++)
        if (r->thresholds.groups[i].metric == lag)
            metrics_show_lag(r->metrics);
}

static int add_key(struct run *r, const struct threshold_list *l)
{
    int rc = thresholds_key(&r->thresholds, str_of(l->metric));
    for (size_t i = 0; rc == 0 && i < l->len && !r->req->no_thresholds; i++) {
        const struct threshold_config *t = &l->items[i];
        rc =
            thresholds_add(&r->thresholds, str_of(l->metric), str_of(t->expression),
                           t->abort_on_fail, t->delay_abort_eval.set ? t->delay_abort_eval.ns : -1);
    }
    return rc;
}

/* The flat list that outputs see; same order as thresholds.groups. */
static int list_thresholds(struct run *r)
{
    size_t n = 0;
    r->threshold_list = arena_calloc(&r->arena, r->thresholds.total + 1, sizeof *r->threshold_list);
    if (r->threshold_list == NULL)
        return -ENOMEM;
    for (size_t g = 0; g < r->thresholds.len; g++)
        for (size_t i = 0; i < r->thresholds.groups[g].len; i++) {
            const struct threshold *t = &r->thresholds.groups[g].items[i];
            r->threshold_list[n++] =
                (struct output_threshold){.metric = r->thresholds.groups[g].key,
                                          .expression = t->source,
                                          .abort_on_fail = t->abort_on_fail,
                                          .delay_abort_ns = t->delay_abort_ns};
        }
    r->threshold_list_len = n;
    return 0;
}

int run_thresholds_init(struct run *r)
{
    const struct opt_thresholds *o = &r->derived.thresholds;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->len; i++)
        rc = add_key(r, &o->items[i]);
    if (rc == 0 && (r->settings.run.system_tags & TAG_BIT(TAG_EXPECTED_RESPONSE)) != 0) {
        const struct metric *metric;
        const struct submetric *sub;
        rc = metrics_submetric(r->metrics, STR("http_req_duration{expected_response:true}"),
                               &metric, &sub);
    }
    show_lag(r);
    if (rc == E_CONFIG && err_get()->exit_code == 0)
        (void)err_exit(rc, EXIT_CONFIG);
    return rc < 0 ? rc : list_thresholds(r);
}

/* ---- a look at all shards ------------------------------------------------------------------ */

/* Goes from worker to worker, so that only one at a time adds to the snapshot, and back. */
struct round_trip {
    struct mail mail;
    struct run *run;
    struct snapshot *snapshot;
    uint32_t at; /* worker whose turn it is */
    struct co *waiting;
    bool back;
    int rc;
};

static void handle_back(struct mail *m)
{
    struct round_trip *t = CONTAINER_OF(m, struct round_trip, mail);
    t->back = true;
    co_wake(t->waiting);
}

static void handle_visit(struct mail *m)
{
    struct round_trip *t = CONTAINER_OF(m, struct round_trip, mail);
    int rc = shard_merge_into(t->run->workers[t->at].shard, t->snapshot);
    if (rc < 0)
        t->rc = rc;
    if (++t->at < t->run->workers_len) {
        mail_send(t->run->workers[t->at].loop, &t->mail);
        return;
    }
    t->mail.fn = handle_back;
    mail_send(t->run->loop, &t->mail);
}

struct snapshot *run_live_snapshot(struct run *r)
{
    struct round_trip t = {.mail.fn = handle_visit, .run = r, .waiting = co_self()};
    if (snapshot_new(r->metrics, &t.snapshot) < 0)
        return NULL;
    t.rc = shard_merge_into(r->shard, t.snapshot);
    if (!r->workers_ready)
        return t.snapshot; /* they have measured nothing yet */
    mail_send(r->workers[0].loop, &t.mail);
    while (!t.back)
        run_wait(); /* `t` is on this stack: nothing may end this wait early */
    if (t.rc < 0) {
        snapshot_free(t.snapshot);
        return NULL;
    }
    return t.snapshot;
}

/* ---- evaluating ---------------------------------------------------------------------------- */

static void copy_results(struct run *r)
{
    size_t n = 0;
    for (size_t g = 0; g < r->thresholds.len; g++)
        for (size_t i = 0; i < r->thresholds.groups[g].len; i++) {
            const struct threshold *t = &r->thresholds.groups[g].items[i];
            r->threshold_list[n].failed = t->failed;
            r->threshold_list[n++].value = t->value;
        }
}

static void abort_run(struct run *r)
{
    CLEANUP(buf_fini) struct buf names;
    buf_init(&names, ERR_MESSAGE_MAX);
    thresholds_failed_names(&r->thresholds, &names);
    int rc = err_set(E_REFUSED,
                     "thresholds on metrics '%.*s' were crossed; at least one has abortOnFail "
                     "enabled, stopping test prematurely",
                     STR_ARG(buf_view(&names)));
    r->end_code = err_exit(rc, EXIT_THRESHOLDS);
    r->end_err = *err_get();
    run_stop(r, RUN_THRESHOLD);
}

static void evaluate_once(struct run *r)
{
    struct snapshot *s = run_live_snapshot(r);
    if (s == NULL) {
        log_warning("no memory to evaluate thresholds");
        return;
    }
    struct threshold_verdict v = thresholds_evaluate(&r->thresholds, s, run_elapsed_ns(r), false);
    snapshot_free(s);
    if (v.abort && r->end == RUN_GOES_ON)
        abort_run(r);
}

void run_thresholds_main(void *arg)
{
    struct run *r = arg;
    int64_t due = clock_mono_ns();
    while (!r->threshold_stop) {
        due += EVALUATE_EVERY_S * NS_PER_S;
        while (!r->threshold_stop && co_wait(due) != -ETIMEDOUT)
            ;
        if (!r->threshold_stop)
            evaluate_once(r);
    }
    r->threshold_co = NULL;
    co_wake(r->main);
}

void run_thresholds_final(struct run *r, const struct snapshot *s)
{
    struct threshold_verdict v = thresholds_evaluate(&r->thresholds, s, run_elapsed_ns(r), true);
    r->thresholds_failed = v.failed;
    copy_results(r);
}
