/*
 * route_list - the server's routes for tests that are clients of it.
 */
#ifndef TESTS_SERVER_ROUTE_LIST_H
#define TESTS_SERVER_ROUTE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct listed_route {
    const char *method;
    const char *pattern;
    bool v6; /* the form of its errors */
};

/* False when there are no more. */
bool route_list_get(size_t i, struct listed_route *ret);

#endif
