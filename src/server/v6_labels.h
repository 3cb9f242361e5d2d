/*
 * v6_labels - handlers of the cloud API v6 for label keys.
 */
#ifndef SERVER_V6_LABELS_H
#define SERVER_V6_LABELS_H

#include "server/server_int.h"

int v6_list_label_keys(struct request *r);
int v6_create_label_keys(struct request *r);
int v6_change_label_key(struct request *r);
int v6_delete_label_key(struct request *r);

#endif
