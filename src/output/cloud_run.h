/*
 * cloud_run - a run's life in the cloud, as its client tells it: created, finished.
 * cloud-protocol.md, "POST /v1/tests", "POST /v1/tests/{ref}".
 */
#ifndef OUTPUT_CLOUD_RUN_H
#define OUTPUT_CLOUD_RUN_H

#include "base/attr.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"
#include "output/output.h"

struct cloud_run {
    char *id;        /* reference id; owned, as the others */
    char *url;       /* where its results appear; "" when the cloud didn't say */
    char *push_path; /* "/v2/metrics/<id>" */
    bool borrowed;   /* pushRefID: somebody else made it, and will end it */
};
void cloud_run_fini(struct cloud_run *r); /* safe on a zeroed one */

/* Creates the run, with the archive unless config says no; puts the reply's settings over `config`
 * and logs the reply's lines.  With config->push_ref_id it only takes that run over.  Errors of
 * cloud_api_call(), E_CORRUPT for a reply that makes no sense; exit code 255 but for settings. */
YIELDS NODISCARD int cloud_run_create(struct cloud_api *api, struct cloud_config *config,
                                      const struct output_run_info *info, struct cloud_run *ret);

/* Tells how the run ended, trying until `deadline_ns` (mono). */
YIELDS NODISCARD int cloud_run_finish(struct cloud_api *api, const struct cloud_config *config,
                                      const struct cloud_run *run,
                                      const struct output_result *result, int64_t deadline_ns);

/* Asks the cloud whether config->token is good there.  0, E_REFUSED (it isn't), or as
 * cloud_api_call(). */
YIELDS NODISCARD int cloud_validate_token(struct cloud_api *api, const struct cloud_config *config);

#endif
