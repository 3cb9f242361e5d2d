/*
 * archive - k6 archives: what they say about the test, and their main script.
 */
#ifndef SERVER_ARCHIVE_H
#define SERVER_ARCHIVE_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "store/store.h"

/* The thresholds of k6's options, {metric: [expression or {threshold: expression, …}]}, into the
 * arena. */
NODISCARD int archive_thresholds(struct arena *a, yyjson_val *all, struct store_new_run *run);

/* Options and thresholds out of run->archive, into the arena; E_CORRUPT when it is none.  The bytes
 * have to be writable: a token among the options is overwritten. */
NODISCARD int archive_read(struct arena *a, struct store_new_run *run);

/* The main script's text; E_NOT_FOUND. */
NODISCARD int archive_main_script(struct str archive, struct buf *out);

bool archive_is_tar(struct str bytes);
/* An archive of a single script. */
NODISCARD int archive_of_script(struct str script, int64_t now_s, struct buf *out);

#endif
