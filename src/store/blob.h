/*
 * blob - archives and scripts, a file each.  Private to store/.
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "store/store_int.h"

enum blob_kind {
    BLOB_ARCHIVE, /* archives/<run>.tar */
    BLOB_SCRIPT,  /* scripts/<test>.tar */
};

/* Whole or not at all, in place of an earlier one. */
NODISCARD int blob_write(struct store *s, enum blob_kind kind, int64_t id, struct str bytes);
/* E_NOT_FOUND without message. */
NODISCARD int blob_read(struct store *s, enum blob_kind kind, int64_t id, struct buf *out);
void blob_remove(struct store *s, enum blob_kind kind, int64_t id);

#endif
