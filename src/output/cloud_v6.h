/*
 * cloud_v6 - what the client asks of the cloud's API v6: who it is, load tests, runs.
 *
 * Every call suspends its coroutine; errors are those of cloud_api_call(), and E_CORRUPT for a
 * reply that makes no sense.  cloud-protocol.md, "Who calls what".
 */
#ifndef OUTPUT_CLOUD_V6_H
#define OUTPUT_CLOUD_V6_H

#include "base/attr.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"

/* Asks who we are there, and takes stack and project from the answer where the settings have none.
 * -ENOENT, without a message: the cloud has no API v6. */
YIELDS NODISCARD int cloud_v6_auth(struct cloud_api *api, struct cloud_config *config);

/* The test of that name in config->project_id, made when there is none.  `script`: the archive that
 * it shall have from now on; NULL ptr: it keeps what it has.  -ENOENT, with a message: there is no
 * such project. */
YIELDS NODISCARD int cloud_v6_take_test(struct cloud_api *api, const struct cloud_config *config,
                                        const char *name, struct str script, int64_t *ret_id);

/* Asks the cloud whether it would run that: E_REFUSED with its words.  `options_json`: an object.
 */
YIELDS NODISCARD int cloud_v6_validate(struct cloud_api *api, const struct cloud_config *config,
                                       struct str options_json);

/* A run as it is now. */
struct cloud_v6_run {
    char status[24];     /* "created" … "aborted" */
    char result[16];     /* "passed", "failed", "error"; "" while it goes */
    bool by_user;        /* somebody has aborted it */
    int64_t estimated_s; /* how long it was thought to take; 0: not known */
    int64_t running_ns;  /* since the epoch: its start; 0: not yet */
    char message[400];   /* why it was aborted; "": not said */
};
YIELDS NODISCARD int cloud_v6_get_run(struct cloud_api *api, const struct cloud_config *config,
                                      const char *id, struct cloud_v6_run *ret);
bool cloud_v6_run_ended(const struct cloud_v6_run *r);
/* As the user sees it: "Finished", "Aborted (by user)", "Processing Metrics". */
void cloud_v6_run_text(const struct cloud_v6_run *r, struct buf *out);

/* Starts a test on the cloud's machines; *ret_url (owned by the caller): its page. */
YIELDS NODISCARD int cloud_v6_start(struct cloud_api *api, const struct cloud_config *config,
                                    int64_t test_id, char **ret_id, char **ret_url);

/* One that has ended already is no error. */
YIELDS NODISCARD int cloud_v6_abort(struct cloud_api *api, const struct cloud_config *config,
                                    const char *id);

YIELDS NODISCARD int cloud_v6_set_note(struct cloud_api *api, const struct cloud_config *config,
                                       const char *id, const char *note);

/* An id of a reply, as a number or as text, as text; E_CORRUPT: it isn't one that may stand in a
 * URL. */
struct yyjson_val;
NODISCARD int cloud_v6_id(struct yyjson_val *v, char **ret);

#endif
