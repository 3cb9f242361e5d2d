#include "server/window_arg.h"

#include "server/server_int.h"
#include "server/time_arg.h"

enum { TOP_DEFAULT = 100 };

static int read_number(struct request *r, const char *name, int64_t none, int64_t max, int64_t *ret)
{
    struct str text = request_arg(r, name);
    int64_t v = none;
    if (text.ptr && (str_to_i64(text, &v) < 0 || v < 0 || v > max))
        return err_set(E_CONFIG, "%s: a number from 0 to %lld is needed", name, (long long)max);
    *ret = v;
    return 0;
}

static int read_order(struct request *r, const struct window_order *orders, struct store_page *page)
{
    struct str text = str_trim(request_arg(r, "$orderby"));
    page->order = orders[0].column;
    if (text.len == 0)
        return 0;
    struct str direction;
    struct str field = str_cut(text, ' ', &direction);
    direction = str_trim(direction);
    if (direction.len > 0 && !str_ieq(direction, STR("asc")) && !str_ieq(direction, STR("desc")))
        return err_set(E_CONFIG, "$orderby: asc or desc, not %.*s", STR_ARG(direction));
    for (; orders->field; orders++) {
        if (!str_eqz(field, orders->field))
            continue;
        page->order = orders->column;
        page->descending = str_ieq(direction, STR("desc"));
        return 0;
    }
    return err_set(E_CONFIG, "$orderby: can't order by %.*s", STR_ARG(field));
}

int window_arg(struct request *r, const struct window_order *orders, struct window *ret)
{
    *ret = (struct window){.end_ns = INT64_MAX};
    int rc = time_arg(r, "start", &ret->start_ns);
    if (rc == 0)
        rc = time_arg(r, "end", &ret->end_ns);
    if (rc == 0)
        rc = read_number(r, "$top", TOP_DEFAULT, STORE_LIST_MAX, &ret->page.top);
    if (rc == 0)
        rc = read_number(r, "$skip", 0, INT32_MAX, &ret->page.skip);
    return rc < 0 ? rc : read_order(r, orders, &ret->page);
}
