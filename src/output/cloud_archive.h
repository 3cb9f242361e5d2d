/*
 * cloud_archive - the script and all its files as the tar that k6 calls an archive
 * (cloud-protocol.md, "The archive"; k6-surface 1.8).
 */
#ifndef OUTPUT_CLOUD_ARCHIVE_H
#define OUTPUT_CLOUD_ARCHIVE_H

#include "base/attr.h"
#include "base/buf.h"
#include "output/output.h"

/* Appends to `out`; failures (-ENOMEM, -EMSGSIZE) are in buf_finish(out) and returned. */
NODISCARD int cloud_archive_write(const struct output_run_info *info, struct buf *out);

#endif
