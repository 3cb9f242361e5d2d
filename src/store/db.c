#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"

static int err_of_open(int error)
{
    return error == ENOSPC || error == EROFS ? -error : -EIO;
}

int db_error(sqlite3 *db, const char *what)
{
    int code = sqlite3_errcode(db);
    int rc = -EIO;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        rc = -ENOMEM;
        break;
    case SQLITE_FULL:
        rc = -ENOSPC;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        rc = E_DAMAGED;
        break;
    case SQLITE_READONLY:
        rc = -EROFS;
        break;
    case SQLITE_CANTOPEN:
        rc = err_of_open(sqlite3_system_errno(db));
        break;
    case SQLITE_CONSTRAINT:
        rc = -EEXIST;
        break;
    case SQLITE_IOERR:
        rc = err_of_open(sqlite3_system_errno(db));
        break;
    default:
        break;
    }
    return err_set(rc, "%s: %s", what, sqlite3_errmsg(db));
}

static int open_with(const char *path, int flags, const char *pragmas, sqlite3 **ret)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        int rc = db ? db_error(db, path) : -ENOMEM;
        sqlite3_close_v2(db);
        return rc;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, STORE_BUSY_TIMEOUT_MS);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, STORE_VALUE_MAX);
    int rc = db_exec(db, pragmas);
    if (rc < 0) {
        sqlite3_close_v2(db);
        return err_wrap(rc, "open %s", path);
    }
    *ret = db;
    return 0;
}

/* As long as there is nothing in it, nothing is worth a wait for the disk, nor a journal. */
#define NEW_FILE "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; PRAGMA journal_mode=WAL;"

#define ANY_FILE                                                                                   \
    "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-1024;"                  \
    "PRAGMA journal_mode=WAL;"

int db_open(const char *path, sqlite3 **ret)
{
    /* Made here for its mode, which SQLite takes over for the files beside it. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(-errno, "open %s", path);
    struct stat st;
    bool is_new = fstat(fd, &st) == 0 && st.st_size == 0;
    close(fd);
    return open_with(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                     is_new ? NEW_FILE ANY_FILE : ANY_FILE, ret);
}

int db_begin_use(sqlite3 *db)
{
    /* NORMAL: a commit survives the death of the process; a loss of power may take the last ones,
     * never the file. */
    return db_exec(db, "PRAGMA synchronous=NORMAL");
}

int db_open_reader(const char *path, sqlite3 **ret)
{
    return open_with(path, SQLITE_OPEN_READWRITE,
                     "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-512;",
                     ret);
}

void db_close(sqlite3 *db)
{
    sqlite3_close_v2(db);
}

int db_exec(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_error(db, "database");
    return 0;
}

int db_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql)
{
    if (sqlite3_prepare_v3(db, sql, -1, 0, ret, NULL) != SQLITE_OK)
        return db_error(db, "database");
    return 0;
}

static int bind_all(sqlite3_stmt *stmt, const char *types, va_list ap)
{
    int rc = SQLITE_OK;
    sqlite3_reset(stmt);
    for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 'i') {
            rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
        } else if (*types == 'd') {
            rc = sqlite3_bind_double(stmt, i, va_arg(ap, double));
        } else if (*types == 'n') {
            rc = sqlite3_bind_null(stmt, i);
        } else {
            CHECK(*types == 's' || *types == 'b');
            struct str s = va_arg(ap, struct str);
            if (*types == 's')
                rc = sqlite3_bind_text64(stmt, i, s.ptr, s.len, SQLITE_STATIC, SQLITE_UTF8);
            else
                rc = sqlite3_bind_blob64(stmt, i, s.ptr ? s.ptr : "", s.len, SQLITE_STATIC);
        }
    }
    return rc == SQLITE_OK ? 0 : db_error(sqlite3_db_handle(stmt), "database");
}

int db_bind(sqlite3_stmt *stmt, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    int rc = bind_all(stmt, types, ap);
    va_end(ap);
    return rc;
}

int db_step(sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    int rc = db_error(sqlite3_db_handle(stmt), "database");
    sqlite3_reset(stmt);
    return rc;
}

void db_done(sqlite3_stmt *stmt)
{
    sqlite3_finalize(stmt);
}

void db_donep(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

static int query_all(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types,
                     va_list ap)
{
    sqlite3_stmt *stmt = NULL;
    int rc = db_prepare(db, &stmt, sql);
    if (rc < 0)
        return rc;
    rc = bind_all(stmt, types, ap);
    if (rc < 0) {
        db_done(stmt);
        return rc;
    }
    *ret = stmt;
    return 0;
}

int db_query(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    int rc = query_all(db, ret, sql, types, ap);
    va_end(ap);
    return rc;
}

int db_run(sqlite3 *db, const char *sql, const char *types, ...)
{
    CLEANUP(db_donep) sqlite3_stmt *stmt = NULL;
    va_list ap;
    va_start(ap, types);
    int rc = query_all(db, &stmt, sql, types, ap);
    va_end(ap);
    return rc < 0 ? rc : db_step(stmt);
}

int db_number(sqlite3 *db, int64_t *ret, int64_t none, const char *sql, const char *types, ...)
{
    CLEANUP(db_donep) sqlite3_stmt *stmt = NULL;
    va_list ap;
    va_start(ap, types);
    int rc = query_all(db, &stmt, sql, types, ap);
    va_end(ap);
    if (rc == 0)
        rc = db_step(stmt);
    if (rc < 0)
        return rc;
    *ret = rc == 1 && !db_is_null(stmt, 0) ? sqlite3_column_int64(stmt, 0) : none;
    return 0;
}

struct str db_text(sqlite3_stmt *stmt, int column)
{
    const void *p = sqlite3_column_text(stmt, column);
    return str_new(p, (size_t)sqlite3_column_bytes(stmt, column));
}

struct str db_blob(sqlite3_stmt *stmt, int column)
{
    const void *p = sqlite3_column_blob(stmt, column);
    return str_new(p, (size_t)sqlite3_column_bytes(stmt, column));
}

bool db_is_null(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL;
}

struct str db_text_dup(sqlite3_stmt *stmt, int column, struct arena *a)
{
    if (db_is_null(stmt, column))
        return STR_EMPTY;
    struct str s = db_text(stmt, column);
    return str_new(arena_dup(a, s), s.len);
}
