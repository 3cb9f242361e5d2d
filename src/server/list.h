/*
 * list - pages of lists as the API v6 has them: $top, $skip, $count, $orderby, @nextLink.
 */
#ifndef SERVER_LIST_H
#define SERVER_LIST_H

#include "server/server_int.h"

struct list_order {
    const char *field;  /* as the API names it */
    const char *column; /* of the store */
};

/* A whole number from 0 to `max`; `none` when it isn't there; E_CONFIG. */
NODISCARD int list_number(struct request *r, const char *name, int64_t none, int64_t max,
                          int64_t *ret);
/* "true" or "false"; *ret_there is false when it isn't given. */
NODISCARD int list_flag(struct request *r, const char *name, bool *ret_there, bool *ret);

/* $orderby; nothing is changed when it isn't given.  `orders` as below. */
NODISCARD int list_order_of(struct request *r, const struct list_order *orders,
                            struct store_page *page);

/* `orders` ends with a NULL field; NULL: the list has one order only. */
NODISCARD int list_page(struct request *r, const struct list_order *orders, struct store_page *ret);

/* The reply {"value":[…]}: begin, then list_item() before each, then finish with the number of
 * items written and of all there are. */
void list_begin(struct request *r);
void list_item(struct request *r);
NODISCARD int list_finish(struct request *r, const struct store_page *page, size_t len,
                          int64_t total);

#endif
