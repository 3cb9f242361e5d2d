/*
 * run - a whole test in this process: load, init, outputs, setup, executors, thresholds, teardown,
 * summary.
 *
 * run_test() owns the calling thread (the main loop with signals) until the test has ended, and
 * starts one thread per worker.  It prints nothing: what is to be seen goes through struct run_ui
 * and base/log.
 */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include "base/attr.h"
#include "base/str.h"
#include "load/options.h"
#include "load/status.h"
#include "load/test_archive.h"
#include "metrics/metrics.h"
#include "output/output.h"
#include "output/summary.h"

#include <stdbool.h>
#include <stdint.h>

/* k6-surface 1.4 */
enum exit_code {
    EXIT_OK = 0,
    EXIT_CLOUD_FAILED = 97,
    EXIT_CLOUD_PROGRESS = 98,
    EXIT_THRESHOLDS = 99,
    EXIT_SETUP_TIMEOUT = 100,
    EXIT_TEARDOWN_TIMEOUT = 101,
    EXIT_TIMEOUT = 102,
    EXIT_REST_STOPPED = 103,
    EXIT_CONFIG = 104,
    EXIT_INTERRUPTED = 105,
    EXIT_REST_START = 106,
    EXIT_SCRIPT = 107,
    EXIT_SCRIPT_ABORTED = 108,
    EXIT_MARKED_FAILED = 110,
    EXIT_USAGE = 255,
};

struct run;

/*
 * Somebody who steers the run from a thread of its own (the REST API), all called on the main
 * thread; see load/control.h.  open() comes before outputs start, and its error ends the run.
 * start() hands the run out, stop() returns when nobody uses it any more; each once or not at all,
 * as is close(), which comes last.
 */
struct run_control_ops {
    int (*open)(void *arg);
    int (*start)(void *arg, struct run *r);
    void (*stop)(void *arg);
    void (*close)(void *arg);
};

/* How a run shows itself; called on the main thread, must not wait.  Any may be NULL. */
struct run_ui {
    void *arg;
    int64_t tick_ns; /* between calls of tick(): 1 s, or 100 ms on a terminal */
    /* Options are known, outputs have started: the description block. */
    void (*described)(void *arg, const struct run_status *s);
    void (*tick)(void *arg, const struct run_status *s);
    /* Something that the summary gives out: text for "stdout" or "stderr", or a file's content. */
    void (*summary)(void *arg, struct str destination, const void *data, size_t len);
    /* The test is over, and the run stays until it is told to end (`linger`). */
    void (*lingering)(void *arg);
    /* After the summary: the progress as it was at the end. */
    void (*ended)(void *arg, const struct run_status *s);
    /* Second signal: ends the process at once. */
    void (*killed)(void *arg, int exit_code);
};

struct run_request {
    const char *program;    /* how messages call us: "spate", "k6" */
    const char *script_arg; /* as typed; "-": the text is in `source` */
    struct str source;
    const char *pwd; /* absolute */
    const struct test_archive
        *archive; /* the script comes from it; NULL: from a file or `source` */

    /* Layers below and above the script's options; NULL: empty. */
    const struct options *config_layer, *env_layer, *cli_layer;

    const struct tag *env; /* __ENV: process environment and -e */
    size_t env_len;
    const struct tag *cli_env; /* of -e only, for archives */
    size_t cli_env_len;

    uint32_t workers;            /* 0: one a core */
    int64_t vu_memory_max;       /* bytes, 0: the default */
    bool freeze_env;             /* the script can't change __ENV */
    bool merge_run_tags;         /* of all layers, instead of the highest one's */
    const struct tag *more_tags; /* that samples get and archives don't keep */
    size_t more_tags_len;
    bool no_thresholds;
    enum summary_mode summary_mode;
    const char *summary_export;            /* path or NULL */
    bool summary_machine;                  /* the newer form of its data */
    bool color;                            /* of the summary's text */
    bool no_color, stdout_tty, stderr_tty; /* what handleSummary() is told */

    const struct output *outputs; /* run_test() starts and stops, the caller frees them */
    size_t outputs_len;
    const struct run_ui *ui;
    const struct run_control_ops *control; /* NULL: nobody steers */
    void *control_arg;
};

/* What a script says of its test. */
struct run_inspection {
    struct str script_options; /* JSON: of the script (or archive) alone, nothing consolidated */
    /* With `plan` only: */
    struct str options;  /* JSON: consolidated, as archives keep them */
    struct str derived;  /* JSON: with the scenarios that shortcuts stand for */
    int64_t duration_ns; /* the longest that the test can take, graceful stops included */
    uint32_t vus_max;
    const struct output_run_info *info;
    const struct run_status *status; /* as before its beginning; one output, "\x01output\x01" */
};
typedef int run_inspect_fn(void *arg, const struct run_inspection *what);

/* Runs the init code once and no test; `fn` gets what came out, valid within the call.  plan: put
 * all layers together and check that the test is possible.  Errors are those of run_test() and of
 * `fn`. */
NODISCARD int run_inspect(const struct run_request *req, bool plan, run_inspect_fn *fn, void *arg);

/* 0, or a negative code with message and exit code in the error slot (not yet logged).  Crossed
 * thresholds are E_REFUSED with exit code 99, a signal -ECANCELED with 105. */
NODISCARD int run_test(const struct run_request *req);

#endif
