/*
 * output - what a run tells the outside while it goes and when it ends: one table per kind.
 *
 * load/ fills an output_run_info, starts every output on a coroutine of the main loop after the
 * script's first init and before virtual users are made, hands it time buckets if it wants them,
 * and stops it once all workers have handed in their last batch.  Everything is called on the main
 * loop's thread, except `buckets`, which workers call (see metrics.h).  Outputs are stopped in the
 * reverse order of their start; stop() comes exactly once after every successful start(), however
 * the test ended.
 */
#ifndef OUTPUT_OUTPUT_H
#define OUTPUT_OUTPUT_H

#include "base/attr.h"
#include "base/str.h"
#include "metrics/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the test ended; the cloud's run status comes from it. */
enum output_end {
    OUTPUT_END_FINISHED,          /* to its end, thresholds passed or crossed */
    OUTPUT_END_ABORTED_USER,      /* SIGINT, SIGTERM */
    OUTPUT_END_ABORTED_THRESHOLD, /* abortOnFail */
    OUTPUT_END_ABORTED_SCRIPT,    /* exec.test.abort() */
    OUTPUT_END_SCRIPT_ERROR,      /* exception in init, setup or teardown */
    OUTPUT_END_TIMEOUT,           /* setup or teardown took too long */
    OUTPUT_END_SYSTEM,            /* anything else of ours or the machine's */
};

struct output_threshold {
    const char *metric;     /* key as the script wrote it: "http_req_duration{a:b}" */
    const char *expression; /* "p(95)<500" */
    bool abort_on_fail;
    int64_t delay_abort_ns; /* delayAbortEval; -1: not given */
    /* Valid in output_result only. */
    bool failed;
    double value; /* left-hand side, as last evaluated */
};

/* A file that the script was made from; [0] is the main one. */
struct output_file {
    const char *path; /* absolute, or "https://host/path" */
    const uint8_t *data;
    size_t len;
};

/* Everything in it outlives stop(); owned by the run. */
struct output_run_info {
    const char *script_arg;  /* as typed: "examples/shop.js", "-" */
    const char *script_path; /* absolute path of the main file, or its https:// URL */
    const char *name;        /* last part of the path: "shop.js" */
    const char *pwd;         /* folder that relative paths of the script start from */
    struct str
        options_json; /* consolidated options, shortcuts not derived: as an archive has them */
    struct str derived_json; /* the same with shortcuts as the scenarios that they mean */
    uint32_t vus_max;
    int64_t duration_max_ns; /* incl. gracefulStop; 0: nothing to do */
    const struct output_threshold *thresholds;
    size_t thresholds_len;
    uint32_t system_tags; /* TAG_BIT()s that are on */
    const struct output_file *files;
    size_t files_len;
    const struct tag *env; /* of -e only, as archives keep them */
    size_t env_len;
    struct metrics *metrics;
    uint32_t workers;       /* shards that hand over batches: bucket_batch.worker < workers */
    int64_t wall_offset_ns; /* wall = mono + offset, of all samples */

    /* For an output that wants the test to end (the server says so): main loop's thread, any time
     * between start() and stop().  `code` with its message in the current error slot; the test ends
     * as aborted by the system, teardown and summary included. */
    void (*stop_run)(void *arg, int code);
    void *stop_run_arg;
};

struct output_result {
    enum output_end end;
    int exit_code;       /* that the process will end with as far as known */
    const char *message; /* why it ended, as the user is told; NULL: it came to its end */
    const struct output_threshold *thresholds;
    size_t thresholds_len;
    bool thresholds_failed;
    bool never_began;    /* ended before its workers began: no last batches have come, or will */
    int64_t duration_ns; /* of the test, setup and teardown not counted */
};

/*
 * A kind of output.  `self` is the instance's own; a NULL member isn't wanted.
 *
 *  start        Makes ready (connects, creates a remote run …).  A failure ends the run before it
 *               begins, with the error's exit code.
 *  description  What stands in the block's `output:` line, e.g. "cloud (http://h/runs/1)"; asked
 *               after start(), valid until free().
 *  env          Asked after start(): an entry for the __ENV of virtual users; an empty key: none.
 *  bucket_period_s  Asked after start(): 0 or no function: no buckets.
 *  buckets      On worker threads; must not wait; owns the batch (bucket_batch_free()).
 *  slow_requests  Asked after start(): how many requests of each series' bucket come singly, too.
 *  samples      Wants each single sample: called on a thread of its own (samples.h) with chunk
 *               after chunk, and with NULL now and then when it is time to write out.  May block on
 *               files.  Never called before start() and after stop() has been.
 *  interrupted  The user asked to stop (first signal) while stop() is running: give up soon.
 *  stop         Delivers what is left; waits within its own deadline.  An error is logged, and its
 *               exit code counts only if the run had none.
 */
struct output_ops {
    const char *name; /* "cloud" */
    YIELDS int (*start)(void *self, const struct output_run_info *info);
    const char *(*description)(void *self);
    struct tag (*env)(void *self);
    uint32_t (*bucket_period_s)(void *self);
    bucket_consumer_fn *buckets;
    uint32_t (*slow_requests)(void *self);
    void (*samples)(void *self, const struct sample_chunk *c);
    void (*interrupted)(void *self);
    YIELDS int (*stop)(void *self, const struct output_result *result);
    void (*free)(void *self);
};

/* One that the command line asked for; a list of them goes into the run. */
struct output {
    const struct output_ops *ops;
    void *self;
};

#endif
