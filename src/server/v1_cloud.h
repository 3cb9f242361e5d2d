/*
 * v1_cloud - what k6 before v2 asks for when a test shall run in the cloud.
 */
#ifndef SERVER_V1_CLOUD_H
#define SERVER_V1_CLOUD_H

#include "server/server_int.h"

int v1_validate_options(struct request *r);
int v1_upload_archive(struct request *r);
int v1_test_progress(struct request *r);
int v1_stop_test(struct request *r);

/* A run that a client wants executed here: queued, and, as there is nothing to execute it on,
 * aborted by the system with a message that says so. */
NODISCARD int v1_cloud_start(struct server *s, int64_t id);

#endif
