#include "store/credential.h"

#include "base/err.h"
#include "store/store_int.h"

int store_add_credential(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                         const struct store_credential *c)
{
    STORE_LOCKED(s);
    return db_run(s->db,
                  "INSERT INTO credentials (hash, run_id, purpose, bytes) VALUES (?, ?, ?, ?)",
                  "biii", str_new(hash, STORE_HASH_LEN), c->run_id, (int64_t)c->purpose, c->bytes);
}

int store_find_credential(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                          enum store_purpose purpose, struct store_credential *ret)
{
    STORE_LOCKED(s);
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    int rc = db_query(s->db, &q, "SELECT run_id, bytes FROM credentials WHERE hash=? AND purpose=?",
                      "bi", str_new(hash, STORE_HASH_LEN), (int64_t)purpose);
    if (rc == 0)
        rc = db_step(q);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(E_NOT_FOUND, "no such credential");
    *ret = (struct store_credential){
        .run_id = sqlite3_column_int64(q, 0),
        .purpose = purpose,
        .bytes = sqlite3_column_int64(q, 1),
    };
    return 0;
}
