/*
 * specifier - what an import, a require() or an open() names, as an absolute path.
 *
 * Pure: no file is looked at.  Modules of files are called by their URL ("file:///a/b.js"), as
 * stack traces show them; the built-in ones by their own name ("k6/http").
 */
#ifndef JS_SPECIFIER_H
#define JS_SPECIFIER_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* "k6" or "k6/…". */
bool specifier_is_builtin(struct str spec);

/* Appends the absolute, normalised path of an import in a file of the folder `dir` (absolute).
 * 0, -ENOMEM, E_UNSUPPORTED (https://) or E_NOT_FOUND (neither path nor built-in), with a message.
 */
NODISCARD int specifier_import_path(struct str dir, struct str spec, struct buf *out);

/* The same for open() and the command line, where a bare "x.json" is a file of `dir`, too. */
NODISCARD int specifier_file_path(struct str dir, struct str spec, struct buf *out);

/* "/a/b.js" of "file:///a/b.js"; NULL ptr when it is no such URL. */
struct str specifier_path_of(struct str name);

/* The folder of an absolute path: "/a" of "/a/b.js", "/" of "/b.js". */
struct str specifier_dir_of(struct str path);

#endif
