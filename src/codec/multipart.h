/*
 * multipart - multipart/form-data bodies, byte for byte as Go's mime/multipart writes them.
 *
 * A writer appends to a buffer of the caller's; what goes wrong is noted there (buf_finish()).
 */
#ifndef CODEC_MULTIPART_H
#define CODEC_MULTIPART_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { MULTIPART_RANDOM_BYTES = 30, MULTIPART_BOUNDARY_LEN = 2 * MULTIPART_RANDOM_BYTES };

struct multipart {
    struct buf *out;
    bool begun;                                /* a part is there */
    char boundary[MULTIPART_BOUNDARY_LEN + 1]; /* hex digits, NUL */
};

/* The boundary is made of random bytes of the caller's. */
void multipart_init(struct multipart *m, struct buf *out,
                    const uint8_t random[static MULTIPART_RANDOM_BYTES]);
void multipart_field(struct multipart *m, struct str name, struct str value);
void multipart_file(struct multipart *m, struct str name, struct str filename,
                    struct str content_type, struct str data);
void multipart_end(struct multipart *m);

#endif
