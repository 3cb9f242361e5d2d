/*
 * window_arg - the parameters of lists that have a time: start, end, $top, $skip, $orderby.
 */
#ifndef SERVER_WINDOW_ARG_H
#define SERVER_WINDOW_ARG_H

#include "server/list.h"

struct window {
    int64_t start_ns;
    int64_t end_ns; /* exclusive; INT64_MAX when nothing was said */
    struct store_page page;
};

/* The first of `orders` holds when none is asked for.  E_CONFIG naming the parameter. */
NODISCARD int window_arg(struct request *r, const struct list_order *orders, struct window *ret);

#endif
