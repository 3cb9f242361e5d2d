/*
 * cloud_run - a run's life in the cloud, as its client tells it: created, finished.
 * cloud-protocol.md, "POST /v1/tests", "POST /v1/tests/{ref}".
 */
#ifndef OUTPUT_CLOUD_RUN_H
#define OUTPUT_CLOUD_RUN_H

#include "base/attr.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"
#include "output/cloud_logs.h"
#include "output/output.h"

struct cloud_run {
    char *id;         /* reference id; owned, as the others */
    char *url;        /* where its results appear; "" when the cloud didn't say */
    char *push_url;   /* where its measurements go */
    char *token;      /* the run's own; NULL: the user's is used */
    bool borrowed;    /* pushRefID: somebody else made it, and will end it */
    bool provisioned; /* made by cloud_provision.h */
    struct cloud_logs_settings logs;
};
void cloud_run_fini(struct cloud_run *r); /* safe on a zeroed one */

/* The name of the load test: config's, else the script's; "k6 test" for a script from standard
 * input.  Valid as long as both. */
const char *cloud_run_name(const struct cloud_config *config, const struct output_run_info *info);

/* The script and its files, or nothing when config says so.  -EMSGSIZE with a hint when it is more
 * than a cloud takes. */
NODISCARD int cloud_run_archive(const struct cloud_config *config,
                                const struct output_run_info *info, struct buf *out);

/* Creates the run, with the archive unless config says no, by the API that config->api_version
 * says, or that the cloud has; puts the reply's settings over `config` and logs the reply's lines.
 * With config->push_ref_id it only takes that run over; `env` has its credentials.  Errors of
 * cloud_api_call(), E_CORRUPT for a reply that makes no sense; exit code 255 but for settings. */
YIELDS NODISCARD int cloud_run_create(struct cloud_api *api, struct cloud_config *config,
                                      const char *(*env_get)(void *arg, const char *name),
                                      void *env_arg, const struct output_run_info *info,
                                      struct cloud_run *ret);

/* Tells how the run ended, trying until `deadline_ns` (mono).  by_output: we ended it ourselves. */
YIELDS NODISCARD int cloud_run_finish(struct cloud_api *api, const struct cloud_config *config,
                                      const struct cloud_run *run,
                                      const struct output_result *result, bool by_output,
                                      int64_t deadline_ns);

/* The call that says it: tried again until then, as long as the cloud isn't there. */
YIELDS NODISCARD int cloud_run_tell(struct cloud_api *api, const struct cloud_config *config,
                                    const struct cloud_run *run, struct cloud_call *call,
                                    int64_t deadline_ns);

/* Asks the cloud whether config->token is good there.  0, E_REFUSED (it isn't), or as
 * cloud_api_call(). */
YIELDS NODISCARD int cloud_validate_token(struct cloud_api *api, const struct cloud_config *config);

#endif
