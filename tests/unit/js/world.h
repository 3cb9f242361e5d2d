/*
 * world - a virtual user without a run around it: loop, metrics, host, and the lines it logged.
 *
 * Scripts run on a coroutine; cmocka's assertions don't work there, so each call here runs the loop
 * until its coroutine has ended, and leaves what happened in the world for the test to look at.
 */
#ifndef TESTS_JS_WORLD_H
#define TESTS_JS_WORLD_H

#include "base/buf.h"
#include "base/err.h"
#include "js/program.h"
#include "js/vm.h"
#include "metrics/metrics.h"
#include "rt/co.h"

struct world {
    struct loop *loop;
    struct registry *registry;
    struct metrics *metrics;
    struct shard *shard;
    struct js_run_options run;
    struct js_host host;
    struct tag env[2];

    struct js_program *program;
    struct js_vm *vm;

    struct buf log; /* "info hello\n" */
    struct buf out; /* what a call returned, as JSON */
    int rc;         /* of the last call, and its error: */
    char message[ERR_MESSAGE_MAX];
    char hint[ERR_HINT_MAX];
    int exit_code;
};

void world_init(struct world *w);
void world_fini(struct world *w);

/* Runs `fn` on a coroutine to its end. */
void world_on_co(struct world *w, void (*fn)(struct world *w));

/* Loads a script given as text (its folder is tests/fixtures/js), or a file of that folder, and
 * makes a VM.  The result, which is in w->rc, too. */
int world_source(struct world *w, const char *source);
int world_file(struct world *w, const char *name);
/* Only loads. */
int world_load(struct world *w, const char *name);
/* One more VM of the same program instead of the present one. */
int world_second_vm(struct world *w);

/* Calls an exported function in the stage of iterations. */
int world_call(struct world *w, const char *name);
/* The script's console lines of world_source() and one iteration of its default function. */
const char *world_says(struct world *w, const char *source);

/* Number of samples and their sum, of "metric" or "metric{tag:value}" as declared before by
 * world_watch(). */
void world_watch(struct world *w, const char *key);
uint64_t world_count(struct world *w, const char *key);
double world_sum(struct world *w, const char *key);

const char *world_log(struct world *w);
const char *fixture_dir(void);

#endif
