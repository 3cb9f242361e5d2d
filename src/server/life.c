#include "server/life.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/duration.h"
#include "server/logs.h"
#include "server/run_json.h"
#include "server/server_int.h"
#include "store/project.h"

/* Holds the lock. */
static struct life_run *find(struct life *l, int64_t id)
{
    for (size_t i = 0; i < l->len; i++)
        if (l->runs[i].id == id)
            return &l->runs[i];
    return NULL;
}

static int timeout_of(struct server *s, int64_t project_id, int64_t *ret)
{
    int64_t seconds = 0;
    int rc = store_get_run_timeout(s->store, project_id, &seconds);
    *ret = seconds > 0 ? seconds * NS_PER_S : s->run_timeout_ns;
    return rc;
}

static int add(struct server *s, const struct store_run *run)
{
    struct life *l = &s->life;
    struct life_run r = {
        .id = run->id,
        .project_id = run->project_id,
        .heard_ns = clock_mono_ns(),
        .running = run->code >= RUN_RUNNING,
    };
    int rc = timeout_of(s, run->project_id, &r.timeout_ns);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&l->lock);
    rc = mem_grow(&l->runs, &l->cap, l->len + 1, SIZE_MAX / sizeof *l->runs, sizeof *l->runs);
    if (rc == 0)
        l->runs[l->len++] = r;
    pthread_mutex_unlock(&l->lock);
    return rc;
}

int life_init(struct server *s)
{
    struct store_run_filter open = {.open = true};
    struct store_page page = {.top = STORE_LIST_MAX};
    int64_t total = 0;
    do {
        CLEANUP(arena_fini) struct arena a;
        arena_init(&a, STORE_ARENA_MAX);
        struct store_run *runs = NULL;
        size_t len = 0;
        int rc = store_list_runs(s->store, &open, &page, &a, &runs, &len, &total);
        for (size_t i = 0; i < len && rc == 0; i++)
            rc = add(s, &runs[i]);
        if (rc < 0)
            return err_wrap(rc, "open test runs");
        page.skip += STORE_LIST_MAX;
    } while (page.skip < total);
    return 0;
}

void life_fini(struct server *s)
{
    mem_free(s->life.runs);
    pthread_mutex_destroy(&s->life.lock);
}

int life_add(struct server *s, int64_t id)
{
    CLEANUP(arena_fini) struct arena a;
    struct store_run run;
    arena_init(&a, STORE_ARENA_MAX);
    pthread_mutex_lock(&s->life.lock);
    bool known = find(&s->life, id) != NULL;
    pthread_mutex_unlock(&s->life.lock);
    if (known)
        return 0;
    int rc = store_get_run(s->store, id, &a, &run);
    if (rc < 0 || store_run_ended(run.code))
        return rc;
    rc = add(s, &run);
    if (rc == 0)
        run_json_publish(s, id);
    return rc;
}

int life_check_open(struct server *s, int64_t id)
{
    pthread_mutex_lock(&s->life.lock);
    const struct life_run *r = find(&s->life, id);
    bool open = r && !r->ending;
    pthread_mutex_unlock(&s->life.lock);
    if (open)
        return 0;
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, STORE_ARENA_MAX);
    struct store_run run;
    int rc = store_get_run(s->store, id, &a, &run);
    if (rc < 0 || !store_run_ended(run.code))
        return rc;
    struct str why = run.history_len > 0 ? run.history[run.history_len - 1].message : STR_EMPTY;
    return err_set(E_REFUSED, "test run %lld has ended (%s%s%.*s) and takes no more data",
                   (long long)id, run_state_text(run.code), why.len > 0 ? ": " : "", STR_ARG(why));
}

/* Before and after the store is told of a run's end. */
static void set_ending(struct life *l, int64_t id, bool ending)
{
    pthread_mutex_lock(&l->lock);
    struct life_run *r = find(l, id);
    if (r)
        r->ending = ending;
    pthread_mutex_unlock(&l->lock);
}

static void forget(struct life *l, int64_t id)
{
    pthread_mutex_lock(&l->lock);
    struct life_run *r = find(l, id);
    if (r)
        *r = l->runs[--l->len];
    pthread_mutex_unlock(&l->lock);
}

int life_change(struct server *s, int64_t id, const struct store_finish *change, bool *ret_repeated)
{
    bool ends = store_run_ended(change->state.code);
    if (ends)
        set_ending(&s->life, id, true);
    int rc = store_set_state(s->store, id, change, ret_repeated);
    if (ends && rc >= 0) /* 0: it had ended already */
        forget(&s->life, id);
    else if (ends)
        set_ending(&s->life, id, false);
    if (rc > 0)
        run_json_publish(s, id);
    return rc;
}

/*
 * When the load began: the first bucket, as the first push comes seconds after it; the present when
 * the client's clock is elsewhere.
 */
static int64_t start_of(struct server *s, int64_t id, int64_t oldest_s)
{
    int64_t now = clock_wall_ns();
    CLEANUP(arena_fini) struct arena a;
    arena_init(&a, STORE_ARENA_MAX);
    struct store_run run;
    if (store_get_run(s->store, id, &a, &run) < 0)
        return now;
    int64_t first = oldest_s * NS_PER_S;
    if (first > now || first < run.created_ns - METRICSET_PERIOD_MAX_S * NS_PER_S)
        return now;
    return MAX(first, run.created_ns);
}

/* What a run's user finds in its log. */
static void tell_full(struct server *s, int64_t id, unsigned full)
{
    char text[200];
    if (full & STORE_FULL_METRICS) {
        snprintf(text, sizeof text, "The test run has %d metrics: further ones are left out",
                 STORE_METRICS_MAX);
        logs_tell(s, id, text);
    }
    if (full & STORE_FULL_SERIES) {
        snprintf(text, sizeof text,
                 "The test run has %d time series (combinations of tags): further ones are left"
                 " out. Requests whose URLs differ can be grouped by the tag name",
                 STORE_SERIES_MAX);
        logs_tell(s, id, text);
    }
}

int life_pushed(struct server *s, int64_t id, const struct store_push *push)
{
    bool first = false;
    pthread_mutex_lock(&s->life.lock);
    struct life_run *r = find(&s->life, id);
    if (r) {
        r->heard_ns = clock_mono_ns();
        first = !r->running;
        r->running = true;
    }
    pthread_mutex_unlock(&s->life.lock);
    if (first) {
        struct store_finish change = {
            .state = {.code = RUN_RUNNING, .entered_ns = start_of(s, id, push->oldest_s)},
        };
        bool repeated;
        int rc = life_change(s, id, &change, &repeated);
        if (rc < 0)
            return rc;
    }
    if (push->full)
        tell_full(s, id, push->full);
    if (push->newest_s > 0)
        events_publish_metrics(&s->events, id, push->newest_s);
    return 0;
}

static void time_out(struct server *s, int64_t id, int64_t timeout_ns)
{
    char after[DURATION_TEXT_MAX];
    char message[128];
    duration_format(timeout_ns, after);
    snprintf(message, sizeof message, "No data for %s", after);
    struct store_finish change = {
        .state = {.code = RUN_TIMED_OUT, .entered_ns = clock_wall_ns(), .message = str_of(message)},
        .result = RESULT_ERROR,
        .silent_ns = timeout_ns,
    };
    bool repeated;
    if (life_change(s, id, &change, &repeated) < 0)
        log_error("time-out of test run %lld: %s", (long long)id, err_message());
}

/* The next open run that has been silent too long; 0: none. */
static int64_t next_silent(struct server *s, int64_t mono_ns, int64_t *ret_timeout_ns)
{
    int64_t id = 0;
    pthread_mutex_lock(&s->life.lock);
    for (size_t i = 0; i < s->life.len && id == 0; i++) {
        struct life_run *r = &s->life.runs[i];
        if (mono_ns - r->heard_ns <= r->timeout_ns)
            continue;
        id = r->id;
        *ret_timeout_ns = r->timeout_ns;
        r->heard_ns = mono_ns; /* so that a failure is tried again later, not at once */
    }
    pthread_mutex_unlock(&s->life.lock);
    return id;
}

void life_set_timeout(struct server *s, int64_t project_id, int64_t timeout_ns)
{
    pthread_mutex_lock(&s->life.lock);
    for (size_t i = 0; i < s->life.len; i++)
        if (s->life.runs[i].project_id == project_id)
            s->life.runs[i].timeout_ns = timeout_ns;
    pthread_mutex_unlock(&s->life.lock);
}

void life_tick(struct server *s, int64_t mono_ns)
{
    int64_t timeout_ns = 0;
    for (int64_t id; (id = next_silent(s, mono_ns, &timeout_ns)) != 0;)
        time_out(s, id, timeout_ns);
}
