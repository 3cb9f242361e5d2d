/*
 * script_source - what the argument of `run` and its like means: a script or an archive, in a file
 * or on standard input.
 */
#ifndef CMD_SCRIPT_SOURCE_H
#define CMD_SCRIPT_SOURCE_H

#include "base/attr.h"
#include "base/buf.h"
#include "load/test_archive.h"

#include <stdbool.h>

struct script_source {
    struct buf bytes;            /* of standard input, or of an archive; else empty */
    bool is_archive;             /* then `archive` has been read */
    struct test_archive archive; /* points into `bytes` */
};

/*
 * Reads standard input ("-") to its end, or looks at the file `arg`; an archive is read whole.  A
 * script in a file is left to who compiles it, also one that isn't there.  type: "js", "archive" or
 * NULL, which means that the content says it.  Exit code 255 with a message.  Whatever it returns,
 * script_source_fini() follows.
 */
NODISCARD int script_source_read(struct script_source *s, const char *arg, const char *type);
void script_source_fini(struct script_source *s); /* safe on a zeroed one */

/* Everything that `fd` has, to `out`.  0, -EMSGSIZE, -ENOMEM or an errno value. */
NODISCARD int read_all_of(int fd, struct buf *out);
/* The same of a file. */
NODISCARD int read_whole_file(const char *path, struct buf *out);

#endif
