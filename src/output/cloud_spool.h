/*
 * cloud_spool - batches that wait to be acknowledged, first in, first out.
 *
 * They stay in memory up to CLOUD_SPOOL_MEMORY_MAX, then go to an unlinked file in TMPDIR up to
 * CLOUD_SPOOL_FILE_MAX.  Main loop's thread only.
 */
#ifndef OUTPUT_CLOUD_SPOOL_H
#define OUTPUT_CLOUD_SPOOL_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"
#include "output/cloud_api.h"

#include <stdint.h>
#include <sys/types.h>

struct cloud_batch {
    struct cloud_batch *next;
    char key[CLOUD_KEY_LEN + 1]; /* its idempotency key, for all its tries */
    uint32_t series;             /* values in it */
    uint8_t *data;               /* owned; NULL: it is in the file */
    size_t len;
    off_t at; /* in the file */
};

struct cloud_spool {
    struct cloud_batch *first, **last;
    size_t waiting;    /* batches in the queue, those taken not counted */
    size_t memory;     /* bytes of data in memory */
    size_t memory_max; /* before the file is used */
    int fd;            /* -1: no file yet */
    off_t file_end;    /* where the next one goes; 0 again when nothing is in the file */
    size_t in_file;    /* batches in the file */
};

void cloud_spool_init(struct cloud_spool *s);
void cloud_spool_fini(struct cloud_spool *s);

/* Copies `data`.  -ENOMEM, E_LIMIT, or -errno of the file, with a message: the batch isn't in. */
YIELDS NODISCARD int cloud_spool_put(struct cloud_spool *s, struct str data, uint32_t series);

/* Takes the first one out, its data in memory: the caller frees it with cloud_batch_free().  0;
 * -ENOENT: nothing waits; -errno when it couldn't be read back (it stays). */
YIELDS NODISCARD int cloud_spool_take(struct cloud_spool *s, struct cloud_batch **ret);
void cloud_batch_free(struct cloud_spool *s, struct cloud_batch *b);

#endif
