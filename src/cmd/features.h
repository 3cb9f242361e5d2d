/*
 * features - k6's feature flags: names that --features, K6_FEATURES or the config file turn on.
 */
#ifndef CMD_FEATURES_H
#define CMD_FEATURES_H

#include <stddef.h>

enum feature {
    FEATURE_FREEZE_ENV,
    FEATURE_MERGE_RUN_TAGS,
    FEATURE_NATIVE_HISTOGRAMS,
    FEATURES_LEN,
};

/* Bits (1 << feature) of names, each of which may hold several with commas; unknown ones are
 * logged as errors and left out, as in k6. */
unsigned features_parse(const char *const *names, size_t len);

const char *feature_tag(enum feature f); /* of samples: "k6_feature_freeze_env" */

#endif
