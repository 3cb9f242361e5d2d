/*
 * run_schema - the format of a run's file and the way to it from older ones.  Private to store/.
 */
#ifndef STORE_RUN_SCHEMA_H
#define STORE_RUN_SCHEMA_H

#include <sqlite3.h>

#include "base/attr.h"

/* Brings an empty file, or one of an older format, to the present one; E_CONFIG for a newer one.  A
 * failure leaves the format that was reached. */
NODISCARD int run_schema_upgrade(sqlite3 *db, const char *path);

#endif
