/*
 * db - SQLite with the house's errors.  Private to store/.
 *
 * Every function may wait for the disk.  A failure leaves SQLite's message in the error slot; the
 * code is E_DAMAGED for a damaged file, -ENOMEM, -ENOSPC, -EEXIST for a broken constraint, else
 * -EIO.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Opens or creates `path` (mode 0600) with write-ahead log and the house's pragmas.  A new file is
 * quick to fill, and not kept from a loss of power, until db_begin_use(). */
NODISCARD int db_open(const char *path, sqlite3 **ret);
NODISCARD int db_begin_use(sqlite3 *db);
/* For reading beside a writer; the file has to exist. */
NODISCARD int db_open_reader(const char *path, sqlite3 **ret);
void db_close(sqlite3 *db); /* NULL is fine */

/* Several statements without results. */
NODISCARD int db_exec(sqlite3 *db, const char *sql);

/*
 * One statement with its parameters, by letter: i int64_t, d double, s struct str (text), b struct
 * str (blob), n nothing (NULL).  An s with NULL ptr is NULL.  Text and blobs have to live until the
 * statement is reset.
 */
NODISCARD int db_run(sqlite3 *db, const char *sql, const char *types, ...);
NODISCARD int db_query(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, ...);

/* For statements kept and used again. */
NODISCARD int db_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql);
NODISCARD int db_bind(sqlite3_stmt *stmt, const char *types, ...);
/* 1: a row; 0: no more. */
NODISCARD int db_step(sqlite3_stmt *stmt);
void db_done(sqlite3_stmt *stmt);   /* finalize; NULL is fine */
void db_donep(sqlite3_stmt **stmt); /* for CLEANUP() */

/* The views are valid until the next step. */
struct str db_text(sqlite3_stmt *stmt, int column);
struct str db_blob(sqlite3_stmt *stmt, int column);
bool db_is_null(sqlite3_stmt *stmt, int column);
/* A copy; NULL ptr for NULL or when there is no memory. */
struct str db_text_dup(sqlite3_stmt *stmt, int column, struct arena *a);

/* The first column of the first row as a number; `none` when there is no row. */
NODISCARD int db_number(sqlite3 *db, int64_t *ret, int64_t none, const char *sql, const char *types,
                        ...);

/* The code for the connection's last failure, its message set. */
int db_error(sqlite3 *db, const char *what);

#endif
