/*
 * status - what can be seen of a run from outside while it goes: phases, counts, scenarios.
 *
 * Filled in on the main thread from the workers' counters; a view, valid during the call that hands
 * it out.
 */
#ifndef LOAD_STATUS_H
#define LOAD_STATUS_H

#include "load/options.h"
#include "load/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum run_phase {
    RUN_PHASE_INIT,   /* virtual users are being made */
    RUN_PHASE_PAUSED, /* they are, and wait to be let go */
    RUN_PHASE_SETUP,
    RUN_PHASE_RUNNING,
    RUN_PHASE_TEARDOWN, /* executors have ended */
    RUN_PHASE_ENDED,
};

enum scenario_state {
    SCENARIO_WAITING, /* its startTime hasn't come */
    SCENARIO_RUNNING,
    SCENARIO_STOPPING, /* regular duration over, iterations finish */
    SCENARIO_DONE,
    SCENARIO_INTERRUPTED,
};

struct scenario_status {
    const struct scenario *config;
    enum scenario_state state;
    int64_t elapsed_ns;  /* since its startTime, not more than duration_ns; waiting: 0 */
    int64_t waiting_ns;  /* until its startTime */
    int64_t duration_ns; /* regular: without gracefulStop */
    double progress;     /* 0..1 */
    uint32_t vus, vus_max;
    uint32_t vus_pool;                     /* arrival rates: those that came for its iterations */
    double rate;                           /* arrival rates: iterations a second now */
    uint64_t iterations, iterations_total; /* shared and per-vu */
};

struct run_status {
    enum run_phase phase;
    bool paused; /* in the middle: only externally controlled scenarios can */
    const char *script_arg;
    const char **outputs; /* descriptions */
    size_t outputs_len;
    const struct segment *segment; /* what of the whole test runs here */
    int64_t elapsed_ns;            /* pauses not counted */
    int64_t duration_max_ns;       /* incl. gracefulStop */
    uint32_t vus_active, vus_ready, vus_planned, vus_max;
    uint64_t iterations_full, iterations_interrupted;
    const struct scenario_status *scenarios; /* sorted by (startTime, name) */
    size_t scenarios_len;
    const struct scenario *const *all; /* those without work here, too; NULL: the same */
    size_t all_len;
};

#endif
