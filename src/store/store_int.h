/*
 * store_int - what the files of store/ share.
 */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/db.h"
#include "store/store.h"

struct run_file;

struct store {
    char *dir;
    int lock_fd;          /* flock on <dir>/lock: one process at a time */
    pthread_mutex_t lock; /* of db */
    sqlite3 *db;          /* spate.db */
    int64_t default_project;
    int64_t data_version;       /* of db, as store_changed_outside() saw it; 0: not yet */
    pthread_mutex_t files_lock; /* of files */
    pthread_cond_t files_given; /* somebody gave one back, or has opened one */
    struct run_file *files;     /* open run files, most recently used first */
    int files_len;
    int files_max;
    int64_t series_max; /* of one run; tests have a smaller one */
};

static inline void store_lock(struct store *s)
{
    pthread_mutex_lock(&s->lock);
}

static inline void store_unlockp(struct store **s)
{
    pthread_mutex_unlock(&(*s)->lock);
}

/* Holds db's lock to the end of the block. */
#define STORE_LOCKED(s)                                                                            \
    struct store *locked_store UNUSED CLEANUP(store_unlockp) = (s);                                \
    store_lock(s)

/* A condition: the project whose id is in `column` is one of the JSON list `parameter`, or that is
 * NULL. */
#define VISIBLE(column, parameter)                                                                 \
    " AND (" parameter " IS NULL OR " column " IN (SELECT value FROM json_each(" parameter ")))"

struct store_grant;
/* Within a transaction; of the user, or with 0 of the token.  Errors as store_set_grants(). */
NODISCARD int store_insert_grants(struct store *s, int64_t user_id, int64_t token_id,
                                  const struct store_grant *grants, size_t len);

/* Writes an ended run's minutes down; within the transaction that ends it. */
NODISCARD int store_settle_run(sqlite3 *db, int64_t run_id);

/* BEGIN IMMEDIATE now; COMMIT or, after a failure, ROLLBACK.  Both return the code to go on with.
 */
NODISCARD int store_begin(sqlite3 *db);
NODISCARD int store_end(sqlite3 *db, int rc);

#endif
