/*
 * account_admin - handlers of /accounts/v1 for the owner and for admins of projects: users, service
 * tokens, roles, the list of deeds, used hours.
 */
#ifndef SERVER_ACCOUNT_ADMIN_H
#define SERVER_ACCOUNT_ADMIN_H

#include "server/server_int.h"

int account_list_users(struct request *r);
int account_get_user(struct request *r);
int account_add_user(struct request *r);
int account_change_user(struct request *r);
int account_remove_user(struct request *r);
int account_reset_password(struct request *r);
int account_put_user_roles(struct request *r);

int account_list_services(struct request *r);
int account_add_service(struct request *r);
int account_put_service_roles(struct request *r);
int account_remove_service(struct request *r);

int account_list_members(struct request *r);
int account_put_member(struct request *r);
int account_remove_member(struct request *r);

int account_list_deeds(struct request *r);
int account_list_usage(struct request *r);

/* [{"project_id": 1 or null, "role": "viewer"}, …] */
void account_put_grants(struct buf *out, const struct store_grant *grants, size_t len);

#endif
