/*
 * project_setting - what k6's API has no place for: GET and PATCH /cloud/v5/projects/{id}/settings.
 */
#ifndef SERVER_PROJECT_SETTING_H
#define SERVER_PROJECT_SETTING_H

#include "server/server_int.h"

int project_setting_show(struct request *r);
int project_setting_change(struct request *r);

#endif
