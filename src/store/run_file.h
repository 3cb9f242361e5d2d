/*
 * run_file - the file of one run's measurements, open for writing and for reading beside it.
 * Private to store/.
 *
 * metrics and series are dictionaries; chunks holds a row for what a push has brought of a bucket
 * of a metric, series by series (chunk.h), rollups a row for a bucket of a metric with all its
 * series merged: a REAL for counters, else a blob (value.h).  pushes holds the idempotency keys
 * that have been applied, in the transaction of their data.  estimated names the series whose
 * percentiles are, requests are single HTTP requests of series of http_req_duration, logs the lines
 * of the script.  Times are Unix seconds, the start of the bucket, or nanoseconds (t_ns).
 */
#ifndef STORE_RUN_FILE_H
#define STORE_RUN_FILE_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/map.h"
#include "codec/metricset.h"
#include "store/store_int.h"

struct run_metric {
    int64_t id;
    enum metricset_type type;
};

struct run_file {
    int64_t run_id;
    int users;             /* taken and not yet given back; of files_lock */
    bool opening;          /* somebody is at it: wait; of files_lock */
    struct run_file *next; /* of files_lock */

    pthread_mutex_t write_lock; /* of everything down to `series` */
    sqlite3 *w;
    sqlite3_stmt *insert_series;
    sqlite3_stmt *select_series;
    sqlite3_stmt *insert_chunk;
    sqlite3_stmt *select_rollup;
    sqlite3_stmt *put_rollup;
    int64_t period_s;   /* length of a bucket; 0 before the first push */
    int64_t series_len; /* in the file */
    struct map metrics; /* name -> struct run_metric */
    struct map series;  /* labels as sent -> id (as uintptr_t), as far as known */

    pthread_mutex_t read_lock; /* of r */
    sqlite3 *r;                /* NULL: nobody has asked yet */
};

/* Opens it, or makes it when `create`; E_NOT_FOUND when it isn't there and shall not be made. */
NODISCARD int run_file_take(struct store *s, int64_t run_id, bool create, struct run_file **ret);
void run_file_give(struct store *s, struct run_file *f);
void run_files_close(struct store *s);

/* Opens `r` when it isn't.  Holds read_lock. */
NODISCARD int run_file_open_reader(const struct store *s, struct run_file *f);

/* How many may be open at once, by the limit of descriptors. */
int run_files_max(void);

/* Moves what the write-ahead log holds into the file itself, so that a copy of the file is whole (a
 * reader in the way makes it a matter of the next time), and forgets what only pushes need. */
void run_file_settle(struct store *s, int64_t run_id);

/* Forgets what a rolled back transaction has put into the dictionaries.  Holds write_lock. */
void run_file_forget(struct run_file *f);

#endif
