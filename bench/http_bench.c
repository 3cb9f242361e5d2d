/*
 * http_bench - CPU of an iteration of a script on one worker, without the rest of the program.
 *
 *     http_bench SCRIPT.js TARGET VUS SECONDS
 *
 * Not a test: its figures go into docs/decisions/0004.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "js/program.h"
#include "js/vm.h"
#include "metrics/metrics.h"
#include "net/dial.h"
#include "rt/co.h"

struct vu {
    struct js_host host;
    struct js_vm *vm;
};

struct bench {
    struct js_program *program;
    struct js_run_options run;
    struct tag env[1];
    struct registry *registry;
    struct metrics *metrics;
    struct shard *shard;
    struct dialer *dialer;
    struct loop *loop;
    int64_t seconds, end_ns, warm_ns, wall_offset_ns;
    struct vu *vus;
    int vus_len, ready;
    uint64_t iterations;
    struct rusage from;
    bool warm;
};

static struct bench bench;

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, err_message());
    exit(1);
}

static void on_log(void *arg, const struct log_line *line)
{
    (void)arg;
    fprintf(stderr, "%s\n", line->message);
    for (int i = 0; i < line->fields_len; i++)
        fprintf(stderr, "  %s=%s\n", line->fields[i].key, line->fields[i].value);
}

static void run_vu(void *arg)
{
    struct vu *v = arg;
    v->host = (struct js_host){
        .loop = bench.loop,
        .run = &bench.run,
        .registry = bench.registry,
        .dialer = bench.dialer,
        .env = bench.env,
        .env_len = 1,
        .vu_id = 1,
        .wall_offset_ns = bench.wall_offset_ns,
        .stage = JS_STAGE_INIT,
    };
    if (js_vm_new(bench.program, &v->host, &v->vm) < 0)
        die("VM");
    if (!bench.shard && shard_new(bench.metrics, &bench.shard) < 0)
        die("shard");
    v->host.shard = bench.shard;
    struct tag tags[] = {{STR("scenario"), STR("default")}, {STR("group"), STR("")}};
    v->host.tags = tags_with(shard_tags(bench.shard), tags_empty(shard_tags(bench.shard)), tags, 2);
    v->host.stage = JS_STAGE_ITERATION;
    bench.ready++;
    while (clock_mono_ns() < bench.end_ns) {
        js_vm_begin_iteration(v->vm);
        if (js_vm_call(v->vm, "default", NULL) < 0)
            die("iteration");
        if (!bench.warm && bench.ready == bench.vus_len && clock_mono_ns() > bench.warm_ns) {
            bench.warm = true;
            bench.end_ns = clock_mono_ns() + bench.seconds * NS_PER_S;
            bench.iterations = 0;
            getrusage(RUSAGE_THREAD, &bench.from);
        }
        bench.iterations++;
    }
    js_vm_free(v->vm);
}

static double seconds(struct timeval a, struct timeval b)
{
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_usec - a.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    (void)log_add_sink(LOG_WARNING, on_log, NULL);
    struct dial_rules rules;
    struct dns_cache *cache;
    dial_rules_init(&rules);
    bench.run = (struct js_run_options){
        .user_agent = "Grafana k6/2.2.0",
        .max_redirects = 10,
        .batch = 20,
        .batch_per_host = 6,
        .system_tags = TAGS_DEFAULT_BITS,
    };
    bench.env[0] = (struct tag){STR("TARGET"), str_of(argv[2])};
    bench.wall_offset_ns = clock_wall_ns() - clock_mono_ns();
    bench.vus_len = atoi(argv[3]);
    if (js_program_load(argv[1], STR_EMPTY, ".", &bench.program) < 0 || loop_new(&bench.loop) < 0 ||
        registry_new(&bench.registry) < 0 || metrics_new(bench.registry, &bench.metrics) < 0 ||
        dns_cache_new(&cache) < 0 || dialer_new(&rules, cache, &bench.dialer) < 0)
        die("set up");
    bench.vus = mem_calloc((size_t)bench.vus_len, sizeof *bench.vus);
    bench.warm_ns = clock_mono_ns() + NS_PER_S / 2;
    bench.seconds = atoi(argv[4]);
    bench.end_ns = INT64_MAX; /* until they are all there */
    for (int i = 0; i < bench.vus_len; i++) {
        struct co *co;
        if (co_spawn(bench.loop, run_vu, &bench.vus[i], &co) < 0)
            die("VU");
    }
    loop_run(bench.loop);
    struct rusage to;
    getrusage(RUSAGE_THREAD, &to);
    double user = seconds(bench.from.ru_utime, to.ru_utime);
    double sys = seconds(bench.from.ru_stime, to.ru_stime);
    double n = (double)bench.iterations;
    printf("%d VUs: %.2f us an iteration (%.2f user, %.2f system), %.0f iterations/s\n",
           bench.vus_len, (user + sys) / n * 1e6, user / n * 1e6, sys / n * 1e6, n / atof(argv[4]));
    return 0;
}
