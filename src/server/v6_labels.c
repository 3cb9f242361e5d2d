#include "server/v6_labels.h"

#include <errno.h>

#include "server/body.h"
#include "server/list.h"
#include "server/run_json.h"
#include "store/label.h"

static void put_key(struct buf *out, const struct store_label_key *key)
{
    buf_byte(out, '{');
    run_json_int(out, "id", key->id);
    json_str(out, "key", key->key);
    json_str(out, "description", key->description);
    buf_byte(out, '}');
}

static int put_keys(struct request *r, const struct store_label_key *keys, size_t len, int status)
{
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        put_key(&r->reply.body, &keys[i]);
    }
    buf_z(&r->reply.body, "]}");
    return reply_json(r, status);
}

int v6_list_label_keys(struct request *r)
{
    struct store_label_key *keys = NULL;
    size_t len = 0;
    int rc = store_list_label_keys(r->server->store, &r->arena, &keys, &len);
    return rc < 0 ? rc : put_keys(r, keys, len, 200);
}

int v6_create_label_keys(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int rc = body_read(r, "LabelKeyCreateRequest", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "value");
    size_t len = yyjson_arr_size(list);
    struct store_label_key *keys = arena_calloc(&r->arena, len + 1, sizeof *keys);
    if (!keys)
        return -ENOMEM;
    size_t i, count;
    yyjson_val *one;
    yyjson_arr_foreach(list, i, count, one)
    {
        keys[i].key = body_text(r, one, "key");
        keys[i].description = body_text(r, one, "description");
    }
    rc = store_add_label_keys(r->server->store, keys, len);
    if (rc == -EEXIST || rc == E_LIMIT)
        return reply_conflict(r, "%s", err_message());
    return rc < 0 ? rc : put_keys(r, keys, len, 201);
}

int v6_change_label_key(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_label_key key;
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_label_key(r->server->store, id, &r->arena, &key);
    if (rc == 0)
        rc = body_read(r, "LabelKeyPatchRequest", &doc);
    if (rc <= 0)
        return rc;
    yyjson_val *body = yyjson_doc_get_root(doc);
    rc = store_change_label_key(r->server->store, id, body_text(r, body, "key"),
                                yyjson_obj_get(body, "description") != NULL,
                                body_text(r, body, "description"));
    if (rc == -EEXIST)
        return reply_conflict(r, "%s", err_message());
    if (rc == 0)
        rc = store_get_label_key(r->server->store, id, &r->arena, &key);
    if (rc < 0)
        return rc;
    put_key(&r->reply.body, &key);
    return reply_json(r, 200);
}

int v6_delete_label_key(struct request *r)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_delete_label_key(r->server->store, id);
    return rc < 0 ? rc : reply_empty(r, 204);
}
