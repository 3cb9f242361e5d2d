/*
 * cloud_filter - what a script keeps out of its cloud stream: options.cloud.drop_metrics,
 * drop_tags, keep_tags.
 *
 * http_reqs, http_req_duration, and the latter's tags name and method always go: a cloud's pages
 * are made of them.  Pure, immutable once made.
 */
#ifndef OUTPUT_CLOUD_FILTER_H
#define OUTPUT_CLOUD_FILTER_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>

struct cloud_filter;

/* Of the consolidated options; *ret NULL: nothing is kept out.  E_CONFIG with a message that names
 * the key, -ENOMEM. */
NODISCARD int cloud_filter_new(struct str options_json, struct cloud_filter **ret);
void cloud_filter_free(struct cloud_filter *f); /* NULL is fine */

/* All take NULL for a filter that lets everything pass. */
bool cloud_filter_drops(const struct cloud_filter *f, struct str metric);
bool cloud_filter_keeps_tag(const struct cloud_filter *f, struct str metric, struct str tag);

#endif
