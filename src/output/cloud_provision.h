/*
 * cloud_provision - a run of this machine made and ended through provisioning (API v6).
 *
 * The load test by its name, the run, its archive, readiness; the server says where measurements
 * and log lines go and gives a token for them.  cloud-protocol.md, "Provisioning and v6".
 */
#ifndef OUTPUT_CLOUD_PROVISION_H
#define OUTPUT_CLOUD_PROVISION_H

#include "base/attr.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"
#include "output/cloud_run.h"
#include "output/output.h"

/* After cloud_v6_auth().  -ENOENT: the cloud lacks provisioning, or the project; with a message,
 * and nothing was made.  Other failures end the run that may have been made. */
YIELDS NODISCARD int cloud_provision(struct cloud_api *api, struct cloud_config *config,
                                     const struct output_run_info *info, struct cloud_run *ret);

/* How a run ended, as `notify` says it. */
struct cloud_end {
    int code;           /* 8034 …; -1: no error */
    const char *reason; /* valid with an error */
};
struct cloud_end cloud_end_of(const struct output_result *result, bool by_output);

YIELDS NODISCARD int cloud_notify(struct cloud_api *api, const struct cloud_config *config,
                                  const struct cloud_run *run, struct cloud_end end,
                                  int64_t deadline_ns);

#endif
