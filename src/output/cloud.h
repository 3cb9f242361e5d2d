/*
 * cloud - the output that streams a run into a cloud, live, and loses nothing on the way.
 *
 * start() creates the run there (with the archive, if wanted); workers' buckets are put together,
 * written as MetricSets once a period is whole and its wait is over, spooled, and sent in order
 * with an idempotency key each, tried again with back-off through any outage; stop() delivers what
 * is left within a bound, shows its progress, and tells the cloud how the run ended.
 * design.md, decision 10; cloud-protocol.md.
 */
#ifndef OUTPUT_CLOUD_H
#define OUTPUT_CLOUD_H

#include "base/attr.h"
#include "output/cloud_config.h"
#include "output/output.h"

/* An instance for a run, not started.  `config` (checked, without the script's layer) is moved in
 * on success.  `env_get` as in cloud_config_apply_env(): it is put over the script's options again
 * at start(). */
NODISCARD int cloud_new(struct cloud_config *config,
                        const char *(*env_get)(void *arg, const char *name), void *env_arg,
                        struct output *ret);

#endif
