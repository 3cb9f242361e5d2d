/*
 * archive_path - how k6's archives spell the paths of local files: slashes only, a drive's letter
 * as a folder, and no user's name.
 *
 * "C:\Users\kim\a.js" is "/C/Users/nobody/a.js", "/home/kim/a.js" is "/home/nobody/a.js".  Whoever
 * looks a file up in an archive spells its path in the same way.  Pure.
 */
#ifndef CODEC_ARCHIVE_PATH_H
#define CODEC_ARCHIVE_PATH_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* Appends the spelling of `path`: absolute, without ".", ".." and empty segments.  Failures are in
 * buf_finish(out). */
void archive_path_write(struct buf *out, struct str path);

/* "C:\x", "C:/x" or "\\server\x": absolute for the Windows machine that the archive was made on. */
bool archive_path_is_windows(struct str path);

/* Appends `s` with its %XX as bytes. */
void archive_path_unescape(struct buf *out, struct str s);

/* Appends `path` with what can't stand in a URL's path as %XX. */
void archive_path_escape(struct buf *out, struct str path);

#endif
