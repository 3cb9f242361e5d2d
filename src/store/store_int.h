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

/* BEGIN IMMEDIATE now; COMMIT or, after a failure, ROLLBACK.  Both return the code to go on with.
 */
NODISCARD int store_begin(sqlite3 *db);
NODISCARD int store_end(sqlite3 *db, int rc);

#endif
