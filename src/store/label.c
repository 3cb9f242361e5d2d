#include "store/label.h"

#include <errno.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/store_int.h"

static void fill_key(sqlite3_stmt *q, struct arena *a, struct store_label_key *ret)
{
    *ret = (struct store_label_key){
        .id = sqlite3_column_int64(q, 0),
        .key = db_text_dup(q, 1, a),
        .description = db_text_dup(q, 2, a),
    };
}

int store_list_label_keys(struct store *s, struct arena *a, struct store_label_key **ret,
                          size_t *ret_len)
{
    STORE_LOCKED(s);
    struct store_label_key *list = arena_calloc(a, STORE_LABEL_KEYS_MAX, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT id, key, description FROM label_keys ORDER BY key", "");
    size_t len = 0;
    while (rc == 0 && len < STORE_LABEL_KEYS_MAX && (rc = db_step(q)) > 0) {
        fill_key(q, a, &list[len++]);
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}

int store_get_label_key(struct store *s, int64_t id, struct arena *a, struct store_label_key *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT id, key, description FROM label_keys WHERE id=?", "i", id);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no label key with the id %lld", (long long)id);
    fill_key(q, a, ret);
    return 0;
}

static int add_key(sqlite3 *db, struct str key, struct str description, int64_t *ret_id)
{
    int64_t count = 0;
    int rc = db_number(db, &count, 0, "SELECT count(*) FROM label_keys", "");
    if (rc == 0 && count >= STORE_LABEL_KEYS_MAX)
        rc = err_set(E_LIMIT, "at most %d label keys are taken", STORE_LABEL_KEYS_MAX);
    if (rc == 0)
        rc = db_run(db, "INSERT INTO label_keys (key, description) VALUES (?, ?)", "ss", key,
                    description);
    if (rc == -EEXIST)
        return err_set(rc, "there is a label key \"%.*s\" already", STR_ARG(key));
    *ret_id = sqlite3_last_insert_rowid(db);
    return rc;
}

int store_add_label_keys(struct store *s, struct store_label_key *keys, size_t len)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = add_key(s->db, keys[i].key, keys[i].description, &keys[i].id);
    return store_end(s->db, rc);
}

static int key_changed(sqlite3 *db, int64_t id)
{
    return sqlite3_changes(db) > 0
               ? 0
               : err_set(E_NOT_FOUND, "no label key with the id %lld", (long long)id);
}

int store_change_label_key(struct store *s, int64_t id, struct str key, bool set_description,
                           struct str description)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db,
                    "UPDATE label_keys SET key=ifnull(?1, key), description=CASE WHEN ?2 THEN ?3"
                    " ELSE description END WHERE id=?4",
                    "sisi", key, (int64_t)set_description, description, id);
    if (rc == -EEXIST)
        return err_set(rc, "there is a label key \"%.*s\" already", STR_ARG(key));
    return rc < 0 ? rc : key_changed(s->db, id);
}

int store_delete_label_key(struct store *s, int64_t id)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db, "DELETE FROM label_keys WHERE id=?", "i", id);
    return rc < 0 ? rc : key_changed(s->db, id);
}

/* ---- labels of projects ---- */

int store_list_labels(struct store *s, int64_t project_id, struct arena *a,
                      struct store_label **ret, size_t *ret_len)
{
    STORE_LOCKED(s);
    struct store_label *list = arena_calloc(a, STORE_LABELS_MAX, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q,
                      "SELECT key_id, key, value FROM project_labels JOIN label_keys ON"
                      " label_keys.id=key_id WHERE project_id=? ORDER BY key",
                      "i", project_id);
    size_t len = 0;
    while (rc == 0 && len < STORE_LABELS_MAX && (rc = db_step(q)) > 0) {
        list[len++] = (struct store_label){
            .key_id = sqlite3_column_int64(q, 0),
            .key = db_text_dup(q, 1, a),
            .value = db_text_dup(q, 2, a),
        };
        rc = 0;
    }
    *ret = list;
    *ret_len = len;
    return rc;
}

static int find_key(sqlite3 *db, const struct store_label *label, int64_t *ret_id)
{
    int64_t id = 0;
    int rc = label->key_id
                 ? db_number(db, &id, 0, "SELECT id FROM label_keys WHERE id=?", "i", label->key_id)
                 : db_number(db, &id, 0, "SELECT id FROM label_keys WHERE key=?", "s", label->key);
    if (rc == 0 && id == 0 && label->key_id)
        return err_set(E_NOT_FOUND, "no label key with the id %lld", (long long)label->key_id);
    if (rc == 0 && id == 0)
        return add_key(db, label->key, STR_EMPTY, ret_id);
    *ret_id = id;
    return rc;
}

static int put_label(sqlite3 *db, int64_t project_id, const struct store_label *label)
{
    int64_t key_id = 0;
    int rc = find_key(db, label, &key_id);
    if (rc == 0)
        rc = db_run(db, "INSERT INTO project_labels (project_id, key_id, value) VALUES (?, ?, ?)",
                    "iis", project_id, key_id, label->value);
    if (rc == -EEXIST)
        return err_set(rc, "the label key \"%.*s\" comes twice", STR_ARG(label->key));
    return rc;
}

static int check_pairs(sqlite3 *db)
{
    int64_t pairs = 0;
    int rc =
        db_number(db, &pairs, 0,
                  "SELECT count(*) FROM (SELECT DISTINCT key_id, value FROM project_labels)", "");
    if (rc == 0 && pairs > STORE_LABEL_PAIRS_MAX)
        rc = err_set(E_LIMIT, "at most %d different labels are taken", STORE_LABEL_PAIRS_MAX);
    return rc;
}

int store_set_labels(struct store *s, int64_t project_id, const struct store_label *labels,
                     size_t len)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    rc = db_run(s->db, "DELETE FROM project_labels WHERE project_id=?", "i", project_id);
    for (size_t i = 0; i < len && rc == 0; i++)
        rc = put_label(s->db, project_id, &labels[i]);
    if (rc == 0)
        rc = check_pairs(s->db);
    return store_end(s->db, rc);
}

int store_delete_label(struct store *s, int64_t project_id, struct str key)
{
    STORE_LOCKED(s);
    int rc = db_run(s->db,
                    "DELETE FROM project_labels WHERE project_id=? AND key_id=(SELECT id FROM"
                    " label_keys WHERE key=?)",
                    "is", project_id, key);
    if (rc == 0 && sqlite3_changes(s->db) == 0)
        rc = err_set(E_NOT_FOUND, "the project has no label \"%.*s\"", STR_ARG(key));
    return rc;
}
