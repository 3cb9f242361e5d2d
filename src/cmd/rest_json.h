/*
 * rest_json - the JSON:API documents of the REST API, to the byte as k6's, and what a client may
 * send.
 *
 * Pure: all append to `out`, whose owner checks it once at the end.
 */
#ifndef CMD_REST_JSON_H
#define CMD_REST_JSON_H

#include "base/attr.h"
#include "base/buf.h"
#include "load/control.h"

#include <stdbool.h>
#include <stdint.h>

void rest_json_status(struct buf *out, const struct control_status *s);
void rest_json_metrics(struct buf *out, const struct control_view *v);
bool rest_json_metric(struct buf *out, const struct control_view *v,
                      struct str id); /* false: none */
/* 0, -ENOMEM; with an id: E_NOT_FOUND when there is no such group. */
NODISCARD int rest_json_groups(struct buf *out, const struct control_view *v);
NODISCARD int rest_json_group(struct buf *out, const struct control_view *v, struct str id);
void rest_json_setup(struct buf *out, bool set, struct str data);
void rest_json_error(struct buf *out, int status, const char *title, const char *detail);

/* What PATCH /v1/status asks for. */
struct rest_patch {
    bool stopped;
    bool has_paused, paused;
    bool has_vus, has_vus_max;
    int64_t vus, vus_max;
};
/* E_CONFIG with a message. */
NODISCARD int rest_json_patch(struct str body, struct rest_patch *ret);
void rest_json_write_patch(struct buf *out, const struct rest_patch *p); /* for clients */

/* Any JSON text without its blanks, numbers as they are.  E_CONFIG with a message. */
NODISCARD int rest_json_compact(struct str body, struct buf *out);

#endif
