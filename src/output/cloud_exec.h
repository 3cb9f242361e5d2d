/*
 * cloud_exec - a test on the cloud's own machines, by either generation of its API: made, started,
 * watched, stopped.  cloud-protocol.md, "Who calls what".
 */
#ifndef OUTPUT_CLOUD_EXEC_H
#define OUTPUT_CLOUD_EXEC_H

#include "base/attr.h"
#include "base/buf.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"

/* What is run there; all of it outlives the calls. */
struct cloud_exec_test {
    const char *name;
    struct str options_json; /* consolidated */
    struct str archive;
    bool upload_only;
};

/* What came of it; strings owned. */
struct cloud_exec {
    bool v6;
    int64_t test_id; /* v6: the load test; else 0 */
    char *run_id;    /* NULL: only uploaded (v6) */
    char *url;       /* where it is seen; "" when the cloud didn't say */
};
void cloud_exec_fini(struct cloud_exec *e); /* safe on a zeroed one */

/* What is being done, for the user. */
typedef void cloud_exec_step_fn(void *arg, const char *text);

/* Chooses the API as config->api_version says, or as the cloud has it; validates the options,
 * uploads, starts.  Errors of cloud_api_call(). */
YIELDS NODISCARD int cloud_exec_start(struct cloud_api *api, struct cloud_config *config,
                                      const struct cloud_exec_test *test, cloud_exec_step_fn *step,
                                      void *arg, struct cloud_exec *ret);

enum cloud_exec_result {
    CLOUD_EXEC_OPEN,
    CLOUD_EXEC_PASSED,
    CLOUD_EXEC_THRESHOLDS, /* it came to its end, and thresholds were crossed */
    CLOUD_EXEC_FAILED,     /* anything else */
};

struct cloud_exec_progress {
    bool running;
    bool ended;
    enum cloud_exec_result result;
    double fraction;      /* 0..1, as the cloud sees it */
    int64_t running_ns;   /* since the epoch: its start; 0: not known */
    int64_t estimated_ns; /* how long it was thought to take; 0: not known */
    char text[500];       /* its state: "Finished" */
    char why[400];        /* of an end that wasn't meant; "": not said */
};
YIELDS NODISCARD int cloud_exec_poll(struct cloud_api *api, const struct cloud_config *config,
                                     const struct cloud_exec *e, struct cloud_exec_progress *ret);

/* One that has ended is no error. */
YIELDS NODISCARD int cloud_exec_stop(struct cloud_api *api, const struct cloud_config *config,
                                     const struct cloud_exec *e);

#endif
