/*
 * v6_projects - handlers of the cloud API v6 for what belongs to projects: making and changing
 * them, limits, labels, load zones.
 */
#ifndef SERVER_V6_PROJECTS_H
#define SERVER_V6_PROJECTS_H

#include "server/server_int.h"

int v6_create_project(struct request *r);
int v6_change_project(struct request *r);
int v6_delete_project(struct request *r);

int v6_get_limits(struct request *r);
int v6_change_limits(struct request *r);
int v6_list_limits(struct request *r);

int v6_list_labels(struct request *r); /* of a project */
int v6_put_labels(struct request *r);
int v6_delete_label(struct request *r);

/* This server has no load zones yet: the lists are empty. */
int v6_list_zones(struct request *r);
int v6_zones_of_project(struct request *r);
int v6_set_zones_of_project(struct request *r);
int v6_zone_projects(struct request *r);

#endif
