/*
 * v6_load_tests - handlers of the cloud API v6 that make and change tests, take their scripts,
 * start them, and say what options cost.
 */
#ifndef SERVER_V6_LOAD_TESTS_H
#define SERVER_V6_LOAD_TESTS_H

#include "server/server_int.h"

int v6_create_test(struct request *r);
int v6_change_test(struct request *r);
int v6_delete_test(struct request *r);
int v6_move_test(struct request *r);
int v6_get_test_script(struct request *r);
int v6_put_test_script(struct request *r);
int v6_start_test(struct request *r);
int v6_validate_options(struct request *r);

#endif
