#include "output/cloud.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/gzip.h"
#include "codec/snappy.h"
#include "output/cloud_aggregate.h"
#include "output/cloud_api.h"
#include "output/cloud_logs.h"
#include "output/cloud_run.h"
#include "output/cloud_spool.h"
#include "output/cloud_v1.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>

enum { SENDERS_MAX = 32, EXIT_STOPPED = 105 };

/* After the last results, or after a Ctrl-C: to tell how the run ended. */
static const int64_t finish_max_ns = 10 * NS_PER_S;
static const int64_t progress_gap_ns = 2 * NS_PER_S;
static const int64_t backoff_first_ns = 250 * NS_PER_MS, backoff_max_ns = 5 * NS_PER_S;
/* A push that hangs is tried again, with its key, well before the run would count as silent. */
static const int64_t push_timeout_max_ns = 20 * NS_PER_S;

struct cloud {
    struct cloud_config config;
    const char *(*env_get)(void *arg, const char *name);
    void *env_arg;
    const struct output_run_info *info;
    struct loop *loop;
    struct cloud_api *api;
    struct cloud_filter *filter;       /* NULL: everything is sent */
    struct cloud_aggregate *aggregate; /* stream version 2 */
    struct cloud_v1 *v1; /* stream version 1; the samples' thread has it until stop() */
    int64_t v1_push_ns;  /* mono, of that thread: when to push next */
    struct cloud_spool spool;
    struct cloud_run run;
    struct cloud_logs *logs; /* NULL: they stay here */
    char *description;

    struct co *writer;
    struct co *senders[SENDERS_MAX]; /* NULL: has ended */
    struct co *stopper;              /* in stop(), waiting for the others */
    bool flushing;                   /* the run has ended: waits no longer apply */
    bool written;                    /* the writer has spooled everything */
    bool gave_up;                    /* everybody has been cancelled */
    bool never_began;                /* no batches come */
    bool closed;                     /* the cloud takes no more, or we have given up */
    bool outage;                     /* said so already */
    bool stopped_run;                /* by us */
    int64_t next_push_ns;            /* mono; periods leave at most once a push interval */
    uint32_t sending;                /* batches taken from the spool, not yet acknowledged */
    uint64_t batches, lost;          /* batches made; those that will never arrive */
    uint64_t values_lost;            /* series values in them */
};

/* ---- from the workers ---- */

struct batch_mail {
    struct mail mail;
    struct cloud *cloud;
    struct bucket_batch *batch;
};

static void wake(struct co *c)
{
    if (c != NULL)
        co_wake(c);
}

static void take_batch(struct mail *m)
{
    struct batch_mail *bm = CONTAINER_OF(m, struct batch_mail, mail);
    struct cloud *c = bm->cloud;
    if (cloud_aggregate_add(c->aggregate, bm->batch) < 0)
        log_error("cloud: out of memory, some values of a time bucket are lost");
    mem_free(bm);
    wake(c->writer);
}

static void on_buckets(void *arg, struct bucket_batch *b)
{
    struct cloud *c = arg;
    struct batch_mail *bm = mem_alloc(sizeof *bm);
    if (bm == NULL) {
        log_error("cloud: out of memory, a time bucket is lost");
        bucket_batch_free(b);
        return;
    }
    *bm = (struct batch_mail){.mail.fn = take_batch, .cloud = c, .batch = b};
    mail_send(c->loop, &bm->mail);
}

/* ---- lost ---- */

static void count_lost(struct cloud *c, uint64_t batches, uint64_t values)
{
    c->lost += batches;
    c->values_lost += values;
}

/* ---- writing ---- */

/* Into the spool; what doesn't find a place there is lost. */
static void spool(struct cloud *c, struct str packed, uint32_t values)
{
    c->batches++;
    if (c->closed) {
        count_lost(c, 1, values);
        return;
    }
    if (cloud_spool_put(&c->spool, packed, values) < 0) {
        count_lost(c, 1, values);
        log_error("cloud: a batch of %u values can't be kept: %s", values, err_message());
        return; /* the next ones may fit */
    }
    for (uint32_t i = 0; i < c->config.push_concurrency; i++)
        wake(c->senders[i]);
}

static int spool_metricset(void *arg, struct str metricset, uint32_t series)
{
    struct cloud *c = arg;
    CLEANUP(buf_fini) struct buf packed;
    buf_init(&packed, CLOUD_METRICSET_MAX);
    snappy_pack(metricset.ptr, metricset.len, &packed);
    if (buf_finish(&packed) < 0) {
        c->batches++;
        count_lost(c, 1, series);
        log_error("cloud: a batch of %u series can't be packed: %s", series,
                  err_code_text(buf_finish(&packed)));
        return 0;
    }
    spool(c, buf_view(&packed), series);
    return 0;
}

/* ---- stream version 1: from the thread of the samples ---- */

struct package_mail {
    struct mail mail;
    struct cloud *cloud;
    uint8_t *data; /* owned */
    size_t len;
    uint32_t samples;
};

static void take_package(struct mail *m)
{
    struct package_mail *p = CONTAINER_OF(m, struct package_mail, mail);
    spool(p->cloud, str_new(p->data, p->len), p->samples);
    mem_free(p->data);
    mem_free(p);
}

/* Packs a push on the thread that wrote it; the main loop spools it. */
static int mail_package(void *arg, struct str json, uint32_t samples)
{
    struct cloud *c = arg;
    CLEANUP(buf_fini) struct buf packed;
    buf_init(&packed, CLOUD_METRICSET_MAX);
    if (c->config.no_compress)
        buf_str(&packed, json);
    else
        gzip_pack(json.ptr, json.len, &packed);
    struct package_mail *p = buf_finish(&packed) == 0 ? mem_alloc(sizeof *p) : NULL;
    if (p == NULL)
        return -ENOMEM;
    *p = (struct package_mail){.mail.fn = take_package, .cloud = c, .samples = samples};
    p->data = buf_take(&packed, &p->len);
    if (c->flushing) /* the thread is gone, this is the main loop's */
        take_package(&p->mail);
    else
        mail_send(c->loop, &p->mail);
    return 0;
}

static void on_samples(void *self, const struct sample_chunk *chunk)
{
    struct cloud *c = self;
    int64_t now_ns = clock_mono_ns();
    if (chunk != NULL)
        cloud_v1_add(c->v1, chunk);
    cloud_v1_tick(c->v1, now_ns + c->info->wall_offset_ns);
    if (now_ns < c->v1_push_ns)
        return;
    cloud_v1_push(c->v1);
    c->v1_push_ns = now_ns + c->config.push_interval_ns;
}

static int make_v1(struct cloud *c)
{
    const struct cloud_config *g = &c->config;
    struct cloud_v1_settings s = {
        .period_ns = g->aggregation_period_ns,
        .wait_ns = g->aggregation_wait_ns,
        .calc_ns = g->calc_interval_ns,
        .min_samples = g->min_samples,
        .interpolate_max = g->outlier_algo_threshold,
        .radius = g->outlier_iqr_radius,
        .lower = g->outlier_iqr_coef_lower,
        .upper = g->outlier_iqr_coef_upper,
        .aggregate_all = g->skip_outlier_detection,
        .package_max = g->max_samples_in_package,
    };
    int rc = cloud_v1_new(&s, c->filter, mail_package, c, &c->v1);
    return rc < 0 ? err_set_errno(rc, "cloud") : 0;
}

/* ---- stream version 2: the writer ---- */

/* Mono time at which the oldest whole period may leave, 0 for at once; false: there is none. */
static bool next_due(const struct cloud *c, int64_t *ret_ns)
{
    int64_t start_s;
    if (!cloud_aggregate_ready(c->aggregate, &start_s))
        return false;
    int64_t end_ns = start_s * NS_PER_S + c->config.aggregation_period_ns;
    int64_t waited_ns = end_ns + c->config.aggregation_wait_ns - c->info->wall_offset_ns;
    *ret_ns = c->flushing ? 0 : MAX(waited_ns, c->next_push_ns);
    return true;
}

static int write_due(struct cloud *c)
{
    int64_t due_ns;
    while (next_due(c, &due_ns) && due_ns <= clock_mono_ns()) {
        int rc = cloud_aggregate_take(c->aggregate, str_of(c->run.id),
                                      c->config.max_series_in_batch, spool_metricset, c);
        if (rc == -ECANCELED)
            return rc;
        if (rc < 0)
            log_error("cloud: %s", err_message());
        if (!next_due(c, &due_ns))
            c->next_push_ns = clock_mono_ns() + c->config.push_interval_ns;
    }
    return 0;
}

static bool all_written(const struct cloud *c)
{
    int64_t due_ns;
    return c->flushing &&
           (c->never_began || (cloud_aggregate_done(c->aggregate) && !next_due(c, &due_ns)));
}

static void writer_main(void *arg)
{
    struct cloud *c = arg;
    int rc = 0;
    while (rc >= 0 && !all_written(c)) {
        rc = write_due(c);
        int64_t due_ns = CO_FOREVER;
        if (rc < 0 || all_written(c))
            break;
        (void)next_due(c, &due_ns);
        rc = co_wait(due_ns);
        if (rc == -ETIMEDOUT)
            rc = 0;
    }
    c->written = true;
    c->writer = NULL;
    for (uint32_t i = 0; i < c->config.push_concurrency; i++)
        wake(c->senders[i]);
    wake(c->stopper);
}

/* ---- sending ---- */

static int push_v2(struct cloud *c, struct cloud_call *call, struct cloud_reply *reply)
{
    static const struct http_header extra[] = {
        {{"Content-Encoding", 16}, {"snappy", 6}},
        {{"K6-Metrics-Protocol-Version", 27}, {"2.0", 3}},
    };
    call->content_type = STR("application/x-protobuf");
    call->extra = extra;
    call->extra_len = ARRAY_LEN(extra);
    return cloud_api_call(c->api, call, reply);
}

static int push_v1(struct cloud *c, struct cloud_call *call, uint32_t samples,
                   struct cloud_reply *reply)
{
    char count[16];
    int len = snprintf(count, sizeof count, "%u", samples);
    struct http_header extra[] = {
        {STR("X-Payload-Sample-Count"), str_new(count, (size_t)len)},
        {STR("Content-Encoding"), STR("gzip")},
    };
    call->content_type = STR("application/json");
    call->extra = extra;
    call->extra_len = c->config.no_compress ? 1 : 2;
    return cloud_api_call(c->api, call, reply);
}

static int push(struct cloud *c, const struct cloud_batch *b, struct cloud_reply *reply)
{
    struct cloud_call call = {
        .method = "POST",
        .url = c->run.push_url,
        .auth = c->run.token != NULL ? CLOUD_AUTH_RUN : CLOUD_AUTH_TOKEN,
        .token = c->run.token,
        .body = str_new(b->data, b->len),
        .key = b->key,
        .timeout_ns = MIN(c->config.timeout_ns, push_timeout_max_ns),
    };
    return c->v1 != NULL ? push_v1(c, &call, b->series, reply) : push_v2(c, &call, reply);
}

/* The rest of the stream would be refused as well.  `code` has its message in the error slot. */
static void close_stream(struct cloud *c, int code)
{
    if (!c->closed && c->config.stop_on_error && !c->flushing) {
        c->stopped_run = true;
        (void)err_exit(code, EXIT_STOPPED);
        c->info->stop_run(c->info->stop_run_arg, code);
    } else if (!c->closed) {
        log_error("cloud: no more results are sent: %s", err_message());
    }
    c->closed = true;
    struct cloud_batch *b;
    while (c->spool.waiting > 0 && cloud_spool_take(&c->spool, &b) == 0) {
        count_lost(c, 1, b->series);
        cloud_batch_free(&c->spool, b);
    }
}

static bool ends_stream(const struct cloud_reply *r)
{
    return (r->status == 403 && r->code == 4) || r->status == 401 || r->status == 404;
}

static void say_outage(struct cloud *c, bool out)
{
    if (out && !c->outage)
        log_warning("cloud: results are kept and sent later: %s", err_message());
    else if (!out && c->outage)
        log_info("cloud: the connection is back, %zu batches to catch up", c->spool.waiting);
    c->outage = out;
}

/* Tries until the cloud has acknowledged or refused it; `reply` is that of the last try. */
static int push_until_answered(struct cloud *c, const struct cloud_batch *b,
                               struct cloud_reply *reply)
{
    for (int64_t backoff_ns = backoff_first_ns;; backoff_ns = MIN(backoff_ns * 2, backoff_max_ns)) {
        int rc = push(c, b, reply);
        if (rc != E_UNAVAILABLE && rc != -ENOMEM)
            return rc;
        say_outage(c, true);
        rc = co_sleep_until(clock_mono_ns() + backoff_ns);
        if (rc < 0)
            return rc;
        if (c->closed)
            return -ECANCELED;
    }
}

static int deliver(struct cloud *c, const struct cloud_batch *b)
{
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    int rc = push_until_answered(c, b, &reply);
    if (rc == 0) {
        say_outage(c, false);
        return 0;
    }
    count_lost(c, 1, b->series);
    if (rc == -ECANCELED)
        return c->closed ? 0 : rc;
    if (ends_stream(&reply))
        close_stream(c, rc);
    else
        log_error("cloud: a batch of %u %s was refused: %s", b->series,
                  c->v1 != NULL ? "samples" : "series", err_message());
    return 0;
}

static bool nothing_left(const struct cloud *c)
{
    return c->written && c->spool.waiting == 0;
}

static void sender_main(void *arg)
{
    struct cloud *c = arg;
    int rc = 0;
    while (rc >= 0 && !nothing_left(c)) {
        struct cloud_batch *b;
        rc = cloud_spool_take(&c->spool, &b);
        if (rc == -ENOENT) {
            rc = co_wait(CO_FOREVER);
            continue;
        }
        if (rc < 0) { /* unreadable: it would be so the next time too */
            log_error("cloud: %s", err_message());
            break;
        }
        c->sending++;
        rc = deliver(c, b);
        c->sending--;
        cloud_batch_free(&c->spool, b);
    }
    for (uint32_t i = 0; i < c->config.push_concurrency; i++)
        if (c->senders[i] == co_self())
            c->senders[i] = NULL;
    wake(c->stopper);
}

/* ---- life ---- */

static int describe(struct cloud *c)
{
    struct buf b;
    buf_init(&b, 4096);
    if (c->run.url[0] != '\0')
        buf_printf(&b, "cloud (%s)", c->run.url);
    else
        buf_printf(&b, "cloud (run %s)", c->run.id);
    c->description = mem_strdup(buf_cstr(&b) ? buf_cstr(&b) : "cloud");
    buf_fini(&b);
    return c->description == NULL ? err_set_errno(-ENOMEM, "cloud") : 0;
}

static bool all_ended(const struct cloud *c)
{
    if (c->writer != NULL)
        return false;
    for (uint32_t i = 0; i < c->config.push_concurrency; i++)
        if (c->senders[i] != NULL)
            return false;
    return true;
}

static void give_up(struct cloud *c)
{
    c->closed = true;
    c->gave_up = true;
    if (c->writer != NULL)
        co_cancel(c->writer);
    for (uint32_t i = 0; i < c->config.push_concurrency; i++)
        if (c->senders[i] != NULL)
            co_cancel(c->senders[i]);
}

static void cloud_interrupted(void *self)
{
    give_up(self);
}

/* What was still waiting when we gave up. */
static void count_undelivered(struct cloud *c)
{
    int64_t start_s;
    c->closed = true;
    while (c->aggregate != NULL && cloud_aggregate_ready(c->aggregate, &start_s))
        if (cloud_aggregate_take(c->aggregate, str_of(c->run.id), c->config.max_series_in_batch,
                                 spool_metricset, c) < 0)
            log_error("cloud: %s", err_message());
    for (const struct cloud_batch *b = c->spool.first; b != NULL; b = b->next)
        count_lost(c, 1, b->series);
}

/* Of version 1: the buckets that were still young. */
static void write_rest(struct cloud *c)
{
    cloud_v1_finish(c->v1);
    c->written = true;
    for (uint32_t i = 0; i < c->config.push_concurrency; i++)
        wake(c->senders[i]);
}

/* Waits until all is delivered, or gives up at the deadline; never leaves a coroutine behind. */
static int flush(struct cloud *c)
{
    int64_t deadline_ns = clock_mono_ns() + c->config.flush_timeout_ns;
    int64_t progress_ns = clock_mono_ns() + progress_gap_ns;
    c->flushing = true;
    c->stopper = co_self();
    wake(c->writer);
    if (c->v1 != NULL)
        write_rest(c);
    int result = 0;
    while (!all_ended(c)) {
        /* A deadline of the past would come back at once and let nobody else run. */
        int rc = co_wait(c->gave_up ? CO_FOREVER : MIN(progress_ns, deadline_ns));
        if (rc == -ECANCELED) {
            result = rc;
            co_cancel_clear();
            give_up(c);
        }
        int64_t now_ns = clock_mono_ns();
        if (now_ns >= deadline_ns && !c->gave_up)
            give_up(c);
        if (now_ns >= progress_ns && !c->gave_up && !all_ended(c)) {
            size_t left = c->spool.waiting + c->sending;
            log_info("cloud: sending the last results, %zu of %llu batches left (at most %llds "
                     "more; Ctrl-C gives up)",
                     left, (unsigned long long)c->batches,
                     (long long)((deadline_ns - now_ns) / NS_PER_S));
            progress_ns = now_ns + progress_gap_ns;
        }
    }
    c->stopper = NULL;
    count_undelivered(c);
    return result;
}

/* Makes ready to stream.  A failure leaves no coroutine behind. */
static int spawn_all(struct cloud *c)
{
    int rc = c->v1 != NULL ? 0 : co_spawn(c->loop, writer_main, c, &c->writer);
    for (uint32_t i = 0; rc == 0 && i < c->config.push_concurrency; i++)
        rc = co_spawn(c->loop, sender_main, c, &c->senders[i]);
    if (rc == 0)
        return 0;
    give_up(c);
    (void)flush(c);
    return err_set_errno(rc, "cloud");
}

/* The variables and the flag, over everything but the cloud's reply. */
static int apply_env(struct cloud *c)
{
    int rc = cloud_config_apply_env(&c->config, c->env_get, c->env_arg);
    if (rc == 0 && c->config.api_version_flag != CLOUD_API_ANY)
        c->config.api_version = c->config.api_version_flag;
    return rc;
}

static int configure(struct cloud *c)
{
    int rc = cloud_config_apply_options(&c->config, c->info->options_json);
    if (rc == 0)
        rc = apply_env(c);
    return rc == 0 ? cloud_config_check(&c->config) : rc;
}

/* Without these a cloud can't tell requests and checks apart. */
static int check_tags(const struct output_run_info *info)
{
    static const enum system_tag needed[] = {TAG_STATUS, TAG_METHOD, TAG_NAME,
                                             TAG_GROUP,  TAG_CHECK,  TAG_ERROR};
    CLEANUP(buf_fini) struct buf missing;
    buf_init(&missing, 200);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if ((info->system_tags & TAG_BIT(needed[i])) == 0)
            buf_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", system_tag_name(needed[i]));
    if (missing.len == 0)
        return 0;
    return err_exit(err_set(E_CONFIG, "the cloud needs the system tags that are off: %.*s",
                            STR_ARG(buf_view(&missing))),
                    255);
}

/* What the run logs from now on goes to the cloud too, if it wants it. */
static int start_logs(struct cloud *c)
{
    if (c->logs == NULL)
        return 0;
    if (c->run.logs.push_url == NULL || c->run.logs.push_url[0] == '\0' || c->run.token == NULL) {
        cloud_logs_free(c->logs);
        c->logs = NULL;
        return 0;
    }
    cloud_logs_hide(c->logs, c->config.token);
    return cloud_logs_start(c->logs, c->api, &c->run.logs, c->run.token, c->run.id);
}

/* Log lines before the run exists belong to it as well. */
static int make_run(struct cloud *c)
{
    int rc = c->config.no_logs ? 0 : cloud_logs_new(&c->logs);
    if (rc == 0)
        rc = cloud_run_create(c->api, &c->config, c->env_get, c->env_arg, c->info, &c->run);
    return rc;
}

static int make_v2(struct cloud *c)
{
    return cloud_aggregate_new(c->info->metrics, c->info->workers,
                               (uint32_t)(c->config.aggregation_period_ns / NS_PER_S), c->filter,
                               &c->aggregate);
}

static int cloud_start(void *self, const struct output_run_info *info)
{
    struct cloud *c = self;
    c->info = info;
    c->loop = loop_current();
    int rc = configure(c);
    if (rc == 0)
        rc = check_tags(info);
    if (rc == 0)
        rc = cloud_filter_new(info->options_json, &c->filter);
    if (rc == 0)
        rc = cloud_api_new(&c->config, &c->api);
    if (rc == 0)
        rc = make_run(c);
    if (rc == 0)
        rc = c->config.stream == 1 ? make_v1(c) : make_v2(c);
    if (rc == 0)
        rc = describe(c);
    if (rc == 0)
        rc = start_logs(c);
    if (rc == 0)
        rc = spawn_all(c);
    return rc;
}

static const char *cloud_description(void *self)
{
    const struct cloud *c = self;
    return c->description;
}

static struct tag cloud_env(void *self)
{
    const struct cloud *c = self;
    return (struct tag){STR("K6_CLOUDRUN_TEST_RUN_ID"), str_of(c->run.id)};
}

static uint32_t cloud_bucket_period_s(void *self)
{
    const struct cloud *c = self;
    return (uint32_t)(c->config.aggregation_period_ns / NS_PER_S);
}

/* The run's last word is said on the console when everything here is over. */
static void stop_logs(struct cloud *c, const struct output_result *result, int64_t deadline_ns)
{
    if (c->logs == NULL)
        return;
    if (result->message != NULL)
        cloud_logs_add(c->logs, LOG_ERROR, result->message);
    cloud_logs_stop(c->logs, deadline_ns);
}

static uint32_t cloud_slow_requests(void *self)
{
    const struct cloud *c = self;
    return (uint32_t)c->config.slow_requests;
}

static int cloud_stop(void *self, const struct output_result *result)
{
    struct cloud *c = self;
    c->never_began = result->never_began;
    int rc = flush(c);
    uint64_t unwritten = c->v1 != NULL ? cloud_v1_lost(c->v1) : cloud_aggregate_lost(c->aggregate);
    if (c->lost > 0 || unwritten > 0)
        log_error("cloud: %llu of %llu batches (%llu %s) could not be delivered; the "
                  "results at %s lack them",
                  (unsigned long long)c->lost, (unsigned long long)c->batches,
                  (unsigned long long)(c->values_lost + unwritten),
                  c->v1 != NULL ? "samples" : "series values", c->run.url);
    int64_t deadline_ns = clock_mono_ns() + finish_max_ns;
    stop_logs(c, result, deadline_ns);
    int finished =
        cloud_run_finish(c->api, &c->config, &c->run, result, c->stopped_run, deadline_ns);
    return rc < 0 ? err_set(rc, "cloud: interrupted") : finished;
}

static void cloud_free(void *self)
{
    struct cloud *c = self;
    cloud_logs_free(c->logs);
    cloud_api_free(c->api);
    cloud_aggregate_free(c->aggregate);
    cloud_v1_free(c->v1);
    cloud_filter_free(c->filter);
    cloud_spool_fini(&c->spool);
    cloud_run_fini(&c->run);
    cloud_config_fini(&c->config);
    mem_free(c->description);
    mem_free(c);
}

static const struct output_ops cloud_ops = {
    .name = "cloud",
    .start = cloud_start,
    .description = cloud_description,
    .env = cloud_env,
    .bucket_period_s = cloud_bucket_period_s,
    .buckets = on_buckets,
    .slow_requests = cloud_slow_requests,
    .interrupted = cloud_interrupted,
    .stop = cloud_stop,
    .free = cloud_free,
};

/* Of stream version 1, which is made of single samples. */
static const struct output_ops cloud_v1_ops = {
    .name = "cloud",
    .start = cloud_start,
    .description = cloud_description,
    .env = cloud_env,
    .samples = on_samples,
    .interrupted = cloud_interrupted,
    .stop = cloud_stop,
    .free = cloud_free,
};

int cloud_new(struct cloud_config *config, const char *(*env_get)(void *arg, const char *name),
              void *env_arg, struct output *ret)
{
    struct cloud *c = mem_calloc(1, sizeof *c);
    if (c == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    c->config = *config;
    *config = (struct cloud_config){0};
    c->env_get = env_get;
    c->env_arg = env_arg;
    cloud_spool_init(&c->spool);
    int rc = apply_env(c);
    if (rc < 0) {
        cloud_free(c);
        return rc;
    }
    /* Who wants samples is asked before anything starts. */
    cloud_config_choose(&c->config);
    *ret = (struct output){c->config.stream == 1 ? &cloud_v1_ops : &cloud_ops, c};
    return 0;
}
