/*
 * host - what a virtual user gives to its script's API, and what the API may ask of it.
 *
 * load/ fills a js_host for each VM that it makes; js/ never includes load/.  One per VU; used only
 * on the thread of its loop.  Everything pointed to outlives the VM.
 */
#ifndef JS_HOST_H
#define JS_HOST_H

#include "base/attr.h"
#include "base/str.h"
#include "metrics/metrics.h"
#include "metrics/tags.h"
#include "rt/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct dialer;
struct rate;

enum js_stage {
    JS_STAGE_INIT, /* module top level: no requests, checks, samples */
    JS_STAGE_SETUP,
    JS_STAGE_ITERATION,
    JS_STAGE_TEARDOWN,
    JS_STAGE_SUMMARY, /* handleSummary */
};

enum http_debug { HTTP_DEBUG_OFF, HTTP_DEBUG_HEADERS, HTTP_DEBUG_FULL };

/* The options of the run that API modules obey; shared by all VUs, read-only (k6-surface 3.1). */
struct js_run_options {
    const char *user_agent;
    int max_redirects;
    bool max_redirects_set;    /* explicitly: no warning when it is hit */
    int batch, batch_per_host; /* of http.batch(); 0 or less: no limit */
    struct rate *rate;         /* of HTTP requests, `rps`; NULL: as fast as they come */
    enum http_debug http_debug;
    bool throw_errors; /* option `throw` */
    bool discard_response_bodies;
    bool no_connection_reuse, no_vu_connection_reuse;
    bool no_cookies_reset;
    bool freeze_env;       /* the script can't change __ENV */
    uint32_t system_tags;  /* TAG_BIT()s that are on */
    int64_t vu_memory_max; /* bytes of a VU's JS heap; 0: the default of limits.h */
};

struct js_host;

/* The scenario that a virtual user is in. */
struct js_scenario_info {
    const char *name, *executor;
    int64_t start_ms;               /* since 1970 */
    double progress;                /* 0..1 */
    uint64_t iteration_in_instance; /* of all its iterations here, from 0; each one has its own */
    uint64_t iteration_in_test;     /* of all its iterations on all machines */
};

/* This process's part of the test. */
struct js_instance_info {
    int64_t elapsed_ns; /* since setup() began */
    uint64_t iterations_completed, iterations_interrupted;
    uint32_t vus_active, vus_initialized;
};

struct js_vu_info {
    uint32_t id_in_test;            /* over all machines, from 1; setup() and the like: 0 */
    uint64_t iteration_in_scenario; /* of this virtual user's in it, from 0 */
};

/* What k6/execution asks of the run, on the VM's thread; none of it waits. */
struct js_execution_ops {
    /* An iteration begins: gives it its numbers. Called in VMs that have imported k6/execution, no
     * others. */
    void (*begin_iteration)(struct js_host *h);
    bool (*scenario)(struct js_host *h, struct js_scenario_info *ret); /* false: in none */
    void (*instance)(struct js_host *h, struct js_instance_info *ret);
    void (*vu)(struct js_host *h, struct js_vu_info *ret);
    struct str (*options)(struct js_host *h); /* consolidated, JSON; valid as long as the run */
    /* Ends the whole test soon; the engine interrupts the calling VM itself.  In init code too. */
    void (*abort)(struct js_host *h, const char *message);
    void (*fail)(struct js_host *h); /* the test goes on, but won't have passed */
};

struct js_host {
    struct loop *loop;
    const struct js_run_options *run;
    struct registry *registry;
    struct shard *shard;   /* NULL in the first init and for VMs that may not emit */
    struct dialer *dialer; /* NULL likewise */
    const char *local_ip;  /* source address or NULL */
    const struct tag *env; /* __ENV: key, value */
    uint32_t env_len;
    uint32_t vu_id;         /* __VU: 0 for init, setup, teardown, summary */
    int64_t wall_offset_ns; /* wall = mono + offset, fixed for the run */

    /* Changed by load/ between iterations, by group() etc. within one. */
    enum js_stage stage;
    uint64_t iteration;        /* __ITER */
    struct tagset *tags;       /* run + scenario + VU + group tags: the base of every sample */
    struct metadata *metadata; /* of every sample, for outputs that want each; NULL: none */
    struct str group;          /* full path "::outer::inner", "" at the root */
    uint32_t tag_changes;      /* by the script, with exec.vu.tags */

    /* Counted by the http API on all its sockets, reported by load/ as data_sent/_received once an
     * iteration. */
    uint64_t bytes_sent, bytes_received;

    /* handleSummary etc. need to know what checks and groups exist: called on the first time this
     * VM meets one (k6 keeps them in first-seen order).  May be NULL. */
    void (*on_group)(void *arg, struct str path);
    void (*on_check)(void *arg, struct str group_path, struct str name);
    void *arg;

    const struct js_execution_ops *execution; /* NULL: nothing is known of a run */
};

#endif
