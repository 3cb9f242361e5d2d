/*
 * label - label keys of the server, and which of them each project has with which value.
 */
#ifndef STORE_LABEL_H
#define STORE_LABEL_H

#include "store/store.h"

struct store_label_key {
    int64_t id;
    struct str key;
    struct str description; /* NULL ptr: none */
};

NODISCARD int store_list_label_keys(struct store *s, struct arena *a, struct store_label_key **ret,
                                    size_t *ret_len);
/* All or none; fills in the ids.  -EEXIST with the key in the message; E_LIMIT. */
NODISCARD int store_add_label_keys(struct store *s, struct store_label_key *keys, size_t len);
/* -EEXIST, E_NOT_FOUND.  The key stays when its ptr is NULL. */
NODISCARD int store_change_label_key(struct store *s, int64_t id, struct str key,
                                     bool set_description, struct str description);
/* Takes it from all projects. */
NODISCARD int store_delete_label_key(struct store *s, int64_t id);
NODISCARD int store_get_label_key(struct store *s, int64_t id, struct arena *a,
                                  struct store_label_key *ret);

struct store_label {
    int64_t key_id; /* 0: by `key` */
    struct str key;
    struct str value;
};

/* By key. */
NODISCARD int store_list_labels(struct store *s, int64_t project_id, struct arena *a,
                                struct store_label **ret, size_t *ret_len);
/*
 * All of a project's labels in place of those that it has.  An unknown key by name is made; by id
 * it is E_NOT_FOUND.  -EEXIST when a key comes twice; E_LIMIT.
 */
NODISCARD int store_set_labels(struct store *s, int64_t project_id,
                               const struct store_label *labels, size_t len);
NODISCARD int store_delete_label(struct store *s, int64_t project_id, struct str key);

#endif
