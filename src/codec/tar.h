/*
 * tar - archives in memory: ustar with pax names where a path is too long for it.
 *
 * Paths are data here: nothing is ever written to a disk by them.  The reader takes what k6 (Go's
 * writer), GNU and bsdtar make of plain files and hard links, and skips the rest.
 */
#ifndef CODEC_TAR_H
#define CODEC_TAR_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A file, and the trailer; failures are in buf_finish(out).  `mtime_s`: Unix seconds. */
void tar_put_file(struct buf *out, struct str path, const void *data, size_t len, int64_t mtime_s);
/* `path` is the same file as the earlier entry `target`. */
void tar_put_link(struct buf *out, struct str path, struct str target, int64_t mtime_s);
void tar_finish(struct buf *out);

enum tar_type { TAR_FILE, TAR_LINK };

struct tar_entry {
    enum tar_type type;
    struct str path;   /* as written; may be absolute, hold "..", or be a Windows path */
    struct str target; /* of a link */
    struct str data;   /* of a file; points into the archive */
};

/* Reads one archive; `path` and `target` of an entry are valid until the next tar_next(). */
struct tar_reader {
    const uint8_t *data;
    size_t len;
    size_t at;         /* of the next header */
    size_t entries;    /* read so far */
    struct buf path;   /* long or joined names */
    struct buf target; /* likewise */
    bool path_set;     /* a pax or GNU header has named the next entry */
    bool target_set;
};

void tar_reader_init(struct tar_reader *r, const void *data, size_t len);
void tar_reader_fini(struct tar_reader *r);

/* True when the block of 512 bytes is a header with a name and a good checksum. */
bool tar_is_header(const uint8_t *block);

/* 1 with the next file or link, 0 at the end, E_CORRUPT (bad checksum, cut short), E_LIMIT (too
 * many entries, too long a name) or -ENOMEM, with a message. */
NODISCARD int tar_next(struct tar_reader *r, struct tar_entry *ret);

#endif
