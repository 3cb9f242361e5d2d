/*
 * outfile - a file that results are written to: buffered, gzipped when its name ends in ".gz";
 * "-" and "" are standard output.
 *
 * Appends go to `text`; outfile_flush() and outfile_close() write it, and may block on the disk.
 * The first failure is kept and told by outfile_close(); what comes after it is thrown away.
 */
#ifndef OUTPUT_OUTFILE_H
#define OUTPUT_OUTFILE_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>

struct z_stream_s;

struct outfile {
    struct buf text;      /* not yet written */
    const char *path;     /* for messages; outlives the file */
    int fd;               /* -1: not open */
    bool is_stdout;       /* not ours to close */
    struct z_stream_s *z; /* NULL: plain */
    uint8_t *packed;      /* with z: room for its output */
    int rc;               /* 0, or the first failure of writing */
};

void outfile_init(struct outfile *f); /* no file; cannot fail */

/* Makes the file, or empties the one there is.  `path` is kept.  With a message. */
NODISCARD int outfile_open(struct outfile *f, const char *path);

/* Writes `text` when it has grown to a block's size, or (outfile_flush) anyway. */
void outfile_keep_small(struct outfile *f);
void outfile_flush(struct outfile *f);

/* 0, or the first failure with a message.  Fine when not open, and twice. */
NODISCARD int outfile_close(struct outfile *f);
void outfile_fini(struct outfile *f);

#endif
