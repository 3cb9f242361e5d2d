#include "server/list.h"

#include <errno.h>

#include "server/run_json.h"

int list_number(struct request *r, const char *name, int64_t none, int64_t max, int64_t *ret)
{
    struct str text = request_arg(r, name);
    int64_t v = none;
    if (text.ptr && (str_to_i64(text, &v) < 0 || v < 0 || v > max))
        return err_set(E_CONFIG, "%s: a number from 0 to %lld is needed", name, (long long)max);
    *ret = v;
    return 0;
}

int list_order_of(struct request *r, const struct list_order *orders, struct store_page *page)
{
    struct str text = request_arg(r, "$orderby");
    if (text.len == 0)
        return 0;
    if (!orders)
        return err_set(E_CONFIG, "$orderby: this list has one order only");
    struct str direction;
    struct str field = str_cut(str_trim(text), ' ', &direction);
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

int list_page(struct request *r, const struct list_order *orders, struct store_page *ret)
{
    *ret = (struct store_page){0};
    int rc = list_number(r, "$top", STORE_LIST_MAX, STORE_LIST_MAX, &ret->top);
    if (rc == 0)
        rc = list_number(r, "$skip", 0, INT32_MAX, &ret->skip);
    if (rc == 0)
        rc = list_order_of(r, orders, ret);
    return rc;
}

int list_flag(struct request *r, const char *name, bool *ret_there, bool *ret)
{
    struct str text = request_arg(r, name);
    bool on = str_ieq(text, STR("true"));
    if (text.ptr && !on && !str_ieq(text, STR("false")))
        return err_set(E_CONFIG, "%s: true or false, not %.*s", name, STR_ARG(text));
    *ret_there = text.ptr != NULL;
    *ret = on;
    return 0;
}

/* The same list from where this page ends: every argument but $skip as it was. */
static void put_next_link(struct request *r, int64_t skip)
{
    CLEANUP(buf_fini) struct buf url;
    buf_init(&url, SERVER_CONNECTION_BYTES * 2);
    buf_str(&url, request_base_url(r));
    buf_str(&url, r->path);
    buf_printf(&url, "?$skip=%lld", (long long)skip);
    struct str rest = r->query;
    while (rest.len > 0) {
        struct str pair = str_cut(rest, '&', &rest);
        struct str value;
        struct str key = percent_decode(&r->arena, str_cut(pair, '=', &value), true);
        if (key.len == 0 || str_eq(key, STR("$skip")))
            continue;
        buf_byte(&url, '&');
        buf_str(&url, pair);
    }
    if (buf_finish(&url) == 0)
        json_str(&r->reply.body, "@nextLink", buf_view(&url));
}

void list_begin(struct request *r)
{
    buf_z(&r->reply.body, "{\"value\":[");
}

void list_item(struct request *r)
{
    struct buf *out = &r->reply.body;
    if (out->len > 0 && out->data[out->len - 1] != '[')
        buf_byte(out, ',');
}

int list_finish(struct request *r, const struct store_page *page, size_t len, int64_t total)
{
    struct buf *out = &r->reply.body;
    bool given = false;
    bool count = false;
    int rc = list_flag(r, "$count", &given, &count);
    if (rc < 0)
        return rc;
    buf_byte(out, ']');
    if (count)
        run_json_int(out, "@count", total);
    if (len > 0 && page->skip + (int64_t)len < total)
        put_next_link(r, page->skip + (int64_t)len);
    buf_byte(out, '}');
    return reply_json(r, 200);
}
