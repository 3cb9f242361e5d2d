/*
 * v6_schedules - handlers of the cloud API v6 for schedules: kept and listed; nothing follows them
 * yet.
 */
#ifndef SERVER_V6_SCHEDULES_H
#define SERVER_V6_SCHEDULES_H

#include "server/server_int.h"

int v6_get_test_schedule(struct request *r);
int v6_put_test_schedule(struct request *r);
int v6_list_schedules(struct request *r);
int v6_get_schedule(struct request *r);
int v6_delete_schedule(struct request *r);
int v6_activate_schedule(struct request *r);
int v6_deactivate_schedule(struct request *r);

#endif
