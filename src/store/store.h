/*
 * store - what the server keeps: tokens, sessions, projects, tests, runs, their archives and their
 * measurements.
 *
 * A folder: spate.db for everything but measurements, runs/<id>.db for those of each run,
 * archives/<id>.tar.  Any thread may call; each call may wait for the disk and for other callers.
 * What a call has reported as done survives the death of the process.
 *
 * Strings that come back live in the caller's arena.  Codes: E_NOT_FOUND, E_CONFIG for a folder
 * that can't be used, E_CORRUPT and E_LIMIT for what was given, E_DAMAGED for what was stored,
 * -ENOMEM, -ENOSPC, -EROFS, -EIO.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Creates the folder (0700) when it isn't there.  One process at a time; -EBUSY with a message for
 * the second, E_CONFIG for a folder that a newer version has written. */
NODISCARD int store_open(const char *dir, struct store **ret);
void store_close(struct store *s); /* NULL is fine */

enum { STORE_HASH_LEN = 32 }; /* SHA-256 of a secret; the secret itself is never kept */

NODISCARD int store_expire(struct store *s, int64_t now_ns); /* old sessions and idempotency keys */

/* ---- projects and tests ---- */

struct store_project {
    int64_t id;
    struct str name;
    bool is_default;
    int64_t created_ns;
    int64_t updated_ns;
};

struct store_test {
    int64_t id;
    int64_t project_id;
    struct str name;
    int64_t created_ns;
    int64_t updated_ns;
    int64_t baseline_run; /* 0: none */
    int64_t k6_version;   /* 0: none chosen */
    int64_t script_bytes; /* of its archive; 0: none */
};

/* A page of a list.  `order` is a column of the struct, checked by the caller; NULL: by id. */
struct store_page {
    int64_t skip;
    int64_t top;
    const char *order;
    bool descending;
    struct str visible; /* only what is of these projects, a JSON list of ids; NULL ptr: of all */
};

int64_t store_default_project(struct store *s);
NODISCARD int store_get_project(struct store *s, int64_t id, struct arena *a,
                                struct store_project *ret);
/* `name`: only that one; `search`: those that contain it; NULL ptr: all. */
NODISCARD int store_list_projects(struct store *s, struct str name, struct str search,
                                  const struct store_page *page, struct arena *a,
                                  struct store_project **ret, size_t *ret_len, int64_t *ret_total);
NODISCARD int store_get_test(struct store *s, int64_t id, struct arena *a, struct store_test *ret);
/* `project_id` 0: of all. */
NODISCARD int store_list_tests(struct store *s, int64_t project_id, struct str name,
                               const struct store_page *page, struct arena *a,
                               struct store_test **ret, size_t *ret_len, int64_t *ret_total);

/* ---- runs ---- */

/* The numbers are those of k6's run_status. */
enum store_run_code {
    RUN_CREATED = -2,
    RUN_VALIDATED = -1,
    RUN_QUEUED = 0,
    RUN_INITIALIZING = 1,
    RUN_RUNNING = 2,
    RUN_FINISHED = 3,
    RUN_TIMED_OUT = 4,
    RUN_ABORTED_BY_USER = 5,
    RUN_ABORTED_BY_SYSTEM = 6,
    RUN_ABORTED_BY_SCRIPT = 7,
    RUN_ABORTED_BY_THRESHOLD = 8,
    RUN_ABORTED_BY_LIMIT = 9,
    RUN_ARCHIVED = 10,
};

enum store_run_result { RESULT_NONE, RESULT_PASSED, RESULT_FAILED, RESULT_ERROR };

static inline bool store_run_ended(int code)
{
    return code >= RUN_FINISHED;
}

struct store_state {
    int code; /* enum store_run_code */
    int64_t entered_ns;
    struct str by_user; /* NULL ptr: nobody did it */
    struct str message; /* NULL ptr: nothing to say */
    int64_t error_code; /* the client's, of a run's failure; 0: none */
};

enum store_threshold_result { THRESHOLD_OPEN, THRESHOLD_PASSED, THRESHOLD_FAILED };

struct store_threshold {
    struct str metric;     /* as the script names it: "http_req_duration{status:200}" */
    struct str expression; /* "p(95)<500" */
    enum store_threshold_result result;
};

struct store_run {
    int64_t id;
    int64_t test_id;
    int64_t project_id;
    struct str test_name;
    struct str started_by; /* NULL ptr: unknown */
    struct str note;
    struct str options; /* JSON object; NULL ptr: none known */
    int64_t created_ns;
    int64_t ended_ns;           /* 0: not yet */
    int64_t silent_ns;          /* at the end of one that timed out */
    int64_t max_vus;            /* -1: unknown */
    int64_t estimated_duration; /* s; -1: unknown */
    int64_t archive_bytes;      /* 0: none */
    int64_t max_browser_vus;
    bool cloud;   /* meant to be executed by the server, else by the client that streams it */
    bool starred; /* marks by users */
    bool saved;
    int code; /* enum store_run_code */
    enum store_run_result result;
    struct store_state *history; /* by time; the last one is the current state */
    size_t history_len;
};

struct store_new_run {
    int64_t test_id;    /* an existing test's; 0: by name */
    struct str name;    /* of the test */
    int64_t project_id; /* 0: the default one; an unknown one is created */
    struct str started_by;
    struct str options;
    int64_t max_vus;
    int64_t estimated_duration;
    int64_t max_browser_vus;
    bool cloud;
    bool archive_only; /* nothing is to be run: the state is archived at once */
    const struct store_threshold *thresholds;
    size_t thresholds_len;
    struct str archive;         /* bytes; NULL ptr: none */
    struct str idempotency_key; /* empty: none */
    int64_t now_ns;
};

/* Finds or creates the test, creates the run in state created.  With a key that was used before
 * gives the run of that time.  E_REFUSED: that was a run of another project or test.  E_CONFIG:
 * more users or time than a test can have. */
NODISCARD int store_create_run(struct store *s, const struct store_new_run *new_run,
                               int64_t *ret_id);
/* The run that was created with that key; 0: none. */
NODISCARD int store_find_created(struct store *s, struct str key, int64_t *ret_id);
NODISCARD int store_get_run(struct store *s, int64_t id, struct arena *a, struct store_run *ret);

struct store_run_filter {
    bool starred;       /* only those with the mark */
    bool not_starred;   /* only those without */
    int64_t test_id;    /* 0: any */
    int64_t project_id; /* 0: any */
    int64_t created_after_ns;
    int64_t created_before_ns; /* 0: any */
    bool open;                 /* only those that haven't ended */
};

/* Newest first unless the page has an order (created, ended or id). */
NODISCARD int store_list_runs(struct store *s, const struct store_run_filter *filter,
                              const struct store_page *page, struct arena *a,
                              struct store_run **ret, size_t *ret_len, int64_t *ret_total);

struct store_finish {
    struct store_state state; /* its code may be one that doesn't end the run */
    enum store_run_result result;
    const struct store_threshold *thresholds; /* results; others are added; NULL: untouched */
    size_t thresholds_len;
    struct str idempotency_key; /* empty: none */
    int64_t silent_ns; /* before the end nothing came for so long, and nothing is counted */
};

/*
 * Moves a run into a state.  1: done; 0: nothing changed, as it was in that state, or has ended, or
 * the key was used before (*ret_repeated).
 */
NODISCARD int store_set_state(struct store *s, int64_t id, const struct store_finish *change,
                              bool *ret_repeated);
NODISCARD int store_get_thresholds(struct store *s, int64_t id, struct arena *a,
                                   struct store_threshold **ret, size_t *ret_len);

/* Gives a run its archive, in place of one that it has. */
NODISCARD int store_write_archive(struct store *s, int64_t run_id, struct str bytes);
/* The archive's bytes; E_NOT_FOUND when there is none. */
NODISCARD int store_read_archive(struct store *s, int64_t run_id, struct buf *out);

/* ---- measurements ---- */

/* What a run has had no more room for; those values are left out, the others are kept. */
enum { STORE_FULL_METRICS = 1, STORE_FULL_SERIES = 2 };

struct store_push {
    bool repeated;    /* its key had been applied before; nothing was done now */
    int64_t oldest_s; /* oldest and newest bucket in it, unix s; 0: it held no value */
    int64_t newest_s;
    uint64_t values; /* buckets of series applied */
    unsigned full;   /* STORE_FULL_…: for the first time in this run */
};

/*
 * Applies one push (an unpacked MetricSet) as a whole or not at all.  `key`: its idempotency key,
 * empty: none.  E_CORRUPT and E_LIMIT are the sender's fault.
 */
NODISCARD int store_push(struct store *s, int64_t run_id, struct str key, struct str message,
                         int64_t now_ns, struct store_push *ret);
/* Whether a push with that key has been applied. */
NODISCARD int store_has_push(struct store *s, int64_t run_id, struct str key, bool *ret);
/* When data last came, 0: never. */
NODISCARD int store_last_push(struct store *s, int64_t run_id, int64_t *ret_ns);

#endif
