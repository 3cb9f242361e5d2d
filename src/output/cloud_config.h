/*
 * cloud_config - where the cloud is and how to stream to it.
 *
 * Layers, lowest first: defaults, the config file, the script's options.cloud, the environment, the
 * server's reply.  One host for all calls.  cloud-protocol.md, "POST /v1/tests".
 */
#ifndef OUTPUT_CLOUD_CONFIG_H
#define OUTPUT_CLOUD_CONFIG_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define CLOUD_DEFAULT_HOST "http://127.0.0.1:6600"

/* Strings are owned, NULL when unset. */
struct cloud_config {
#define X(field, type, json, env) CLOUD_FIELD_##type(field)
#define CLOUD_FIELD_STRING(f)     char *f;
#define CLOUD_FIELD_BOOL(f)       bool f;
#define CLOUD_FIELD_COUNT(f)      uint32_t f;
#define CLOUD_FIELD_ID(f)         int64_t f; /* 0: unset */
#define CLOUD_FIELD_DURATION(f)   int64_t f;
#include "output/cloud_config_table.h"
#undef X
#undef CLOUD_FIELD_STRING
#undef CLOUD_FIELD_BOOL
#undef CLOUD_FIELD_COUNT
#undef CLOUD_FIELD_ID
#undef CLOUD_FIELD_DURATION
    bool no_archive_upload;
};

NODISCARD int cloud_config_init(struct cloud_config *c); /* defaults; -ENOMEM */
void cloud_config_fini(struct cloud_config *c);          /* safe on a zeroed one */

/* Takes the keys that it knows from a JSON object, leaves others alone; `null` values don't count.
 * E_CONFIG with a message that names `where` and the key. */
NODISCARD int cloud_config_apply_json(struct cloud_config *c, struct str json, const char *where);

/* From the consolidated options of a script: `cloud`, else `ext.loadimpact`. */
NODISCARD int cloud_config_apply_options(struct cloud_config *c, struct str options_json);

/* `get` gives a variable's value or NULL.  Variables set to "" don't count.  E_CONFIG for a bad
 * value; E_UNSUPPORTED for the settings of stream version 1. */
NODISCARD int cloud_config_apply_env(struct cloud_config *c,
                                     const char *(*get)(void *arg, const char *name), void *arg);

/* Host with a scheme, without a trailing slash; periods of whole seconds, at least one. */
NODISCARD int cloud_config_check(struct cloud_config *c);

#endif
