/*
 * cloud_config - where the cloud is and how to stream to it.
 *
 * Layers, lowest first: defaults, the config file, the script's options.cloud, the environment, the
 * server's reply.  One host for all calls, unless another one is given for API v6.
 * cloud-protocol.md, "POST /v1/tests" and "Aggregation of v1".
 */
#ifndef OUTPUT_CLOUD_CONFIG_H
#define OUTPUT_CLOUD_CONFIG_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define CLOUD_DEFAULT_HOST "http://127.0.0.1:6600"

/* Which API makes the run; api_version of struct cloud_config. */
enum {
    CLOUD_API_ANY = 0, /* what the cloud offers */
    CLOUD_API_1 = 1,   /* /v1/tests and stream version 1 */
    CLOUD_API_2 = 2,   /* /v1/tests and stream version 2 */
    CLOUD_API_6 = 6,   /* v6 with provisioning, and stream version 2 */
};

/* Strings are owned, NULL when unset; lengths of time that are -1 have no value yet (those of
 * aggregation, which depend on the stream): cloud_config_check() gives them one. */
struct cloud_config {
#define X(field, type, json, env) CLOUD_FIELD_##type(field)
#define Y(field, type, json, env) CLOUD_FIELD_##type(field)
#define CLOUD_FIELD_STRING(f)     char *f;
#define CLOUD_FIELD_TEXT(f)       char *f;
#define CLOUD_FIELD_BOOL(f)       bool f;
#define CLOUD_FIELD_COUNT(f)      uint32_t f;
#define CLOUD_FIELD_ID(f)         int64_t f; /* 0: unset */
#define CLOUD_FIELD_DURATION(f)   int64_t f;
#define CLOUD_FIELD_REAL(f)       double f;
#include "output/cloud_config_table.h"
#undef X
#undef Y
#undef CLOUD_FIELD_STRING
#undef CLOUD_FIELD_TEXT
#undef CLOUD_FIELD_REAL
#undef CLOUD_FIELD_BOOL
#undef CLOUD_FIELD_COUNT
#undef CLOUD_FIELD_ID
#undef CLOUD_FIELD_DURATION
    uint32_t api_version_flag; /* of the command line: over all others; CLOUD_API_ANY: not given */
    bool no_archive_upload;
    bool no_logs;     /* log lines stay here */
    bool prefers_v6;  /* CLOUD_API_ANY: v6 where the cloud has it; else /v1/tests */
    bool stream1_set; /* a setting that only stream version 1 has was made */
    uint32_t stream;  /* 1 or 2, once cloud_config_choose() was called */
};

NODISCARD int cloud_config_init(struct cloud_config *c); /* defaults; -ENOMEM */
void cloud_config_fini(struct cloud_config *c);          /* safe on a zeroed one */

/* Takes the keys that it knows from a JSON object, leaves others alone; `null` values don't count.
 * E_CONFIG with a message that names `where` and the key. */
NODISCARD int cloud_config_apply_json(struct cloud_config *c, struct str json, const char *where);

/* From the consolidated options of a script: `cloud`, else `ext.loadimpact`; of these only who the
 * test is and whose: name, projectID, token, stackID, note. */
NODISCARD int cloud_config_apply_options(struct cloud_config *c, struct str options_json);

/* `get` gives a variable's value or NULL.  Variables set to "" don't count.  E_CONFIG for a bad
 * value. */
NODISCARD int cloud_config_apply_env(struct cloud_config *c,
                                     const char *(*get)(void *arg, const char *name), void *arg);

/* Decides which stream it is, before the server's reply: version 1 by api_version, or when it isn't
 * set and a setting is that only version 1 has (says so in the log). */
void cloud_config_choose(struct cloud_config *c);

/* Hosts with a scheme, without a trailing slash; lengths and counts within their bounds.  Gives
 * what has no value yet its default. */
NODISCARD int cloud_config_check(struct cloud_config *c);

/* Where calls of API v6 go. */
const char *cloud_config_host_v6(const struct cloud_config *c);

#endif
