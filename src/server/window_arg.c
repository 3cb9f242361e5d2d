#include "server/window_arg.h"

#include "server/time_arg.h"

enum { TOP_DEFAULT = 100 };

int window_arg(struct request *r, const struct list_order *orders, struct window *ret)
{
    *ret = (struct window){.end_ns = INT64_MAX};
    int rc = time_arg(r, "start", &ret->start_ns);
    if (rc == 0)
        rc = time_arg(r, "end", &ret->end_ns);
    if (rc == 0)
        rc = list_number(r, "$top", TOP_DEFAULT, STORE_LIST_MAX, &ret->page.top);
    if (rc == 0)
        rc = list_number(r, "$skip", 0, INT32_MAX, &ret->page.skip);
    ret->page.order = orders[0].column;
    return rc < 0 ? rc : list_order_of(r, orders, &ret->page);
}
