#include "route_list.h"

#include "server/server_int.h"

bool route_list_get(size_t i, struct listed_route *ret)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    if (i >= routes_len)
        return false;
    *ret = (struct listed_route){
        .method = methods[routes[i].method],
        .pattern = routes[i].pattern,
        .v6 = routes[i].form == FORM_V6,
    };
    return true;
}
