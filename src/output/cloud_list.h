/*
 * cloud_list - projects, load tests and load zones of a cloud (API v6), all pages of them, as JSON
 * and as tables in k6's form.
 */
#ifndef OUTPUT_CLOUD_LIST_H
#define OUTPUT_CLOUD_LIST_H

#include "base/attr.h"
#include "base/buf.h"
#include "output/cloud_api.h"
#include "output/cloud_config.h"

enum cloud_list_of { CLOUD_LIST_PROJECTS, CLOUD_LIST_TESTS, CLOUD_LIST_ZONES };

/* An array of objects with the keys that k6 shows, without spaces.  Takes stack and project from
 * the cloud where the settings have none.  Errors of cloud_api_call(). */
YIELDS NODISCARD int cloud_list_fetch(struct cloud_api *api, struct cloud_config *config,
                                      enum cloud_list_of of, struct buf *out);

/* That array as a table.  E_CORRUPT, -ENOMEM. */
NODISCARD int cloud_list_table(const struct cloud_config *config, enum cloud_list_of of,
                               struct str json, struct buf *out);

#endif
