/*
 * schema - the tables of spate.db, and how an older file becomes the present one.  Private to
 * store/.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <sqlite3.h>

#include "base/attr.h"

/*
 * Brings the file to the present format, step by step, each in a transaction of its own.  E_CONFIG
 * for a file of a newer version; `dir` is for the message.
 */
NODISCARD int schema_upgrade(sqlite3 *db, const char *dir);

/* 0 when the file has the present format; E_CONFIG. */
NODISCARD int store_schema_check(sqlite3 *db, const char *dir);

#endif
