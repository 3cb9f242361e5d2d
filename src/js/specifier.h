/*
 * specifier - what an import, a require() or an open() names.
 *
 * Pure: nothing is looked at or asked for.  Modules are called by their URL ("file:///a/b.js",
 * "https://host/b.js?v=1"), as stack traces show them; the built-in ones by their own name
 * ("k6/http").  A folder is such a URL without the last slash ("file:///a", "https://host").
 */
#ifndef JS_SPECIFIER_H
#define JS_SPECIFIER_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* "k6" or "k6/…". */
bool specifier_is_builtin(struct str spec);

/* "https://…". */
bool specifier_is_remote(struct str name);

/* Appends the URL of an import in a file of the folder `dir`.  0, -ENOMEM, -EMSGSIZE, or
 * E_NOT_FOUND with a message: no path, no URL, or one that may not be imported there. */
NODISCARD int specifier_resolve(struct str dir, struct str spec, struct buf *out);

/* Appends the absolute, normalised path of what open() or the command line names, in the folder
 * with the path `dir`: a bare "x.json" is a file there, too. */
NODISCARD int specifier_file_path(struct str dir, struct str spec, struct buf *out);

/* Appends the path of the folder `dir`, for open(): of one of the web that of the URL, as in k6. */
NODISCARD int specifier_open_dir(struct str dir, struct buf *out);

/* Appends the name by which a program keeps the file of a module, and an archive has it: "/a/b.js"
 * of "file:///a/b.js"; "https://host/a b.js?v=1" of "https://host/a%20b.js?v=1". */
NODISCARD int specifier_key(struct str name, struct buf *out);

/* "/a/b.js" of "file:///a/b.js"; NULL ptr when it is no such URL. */
struct str specifier_path_of(struct str name);

/* The folder of an absolute path: "/a" of "/a/b.js", "/" of "/b.js". */
struct str specifier_dir_of(struct str path);

/* The folder of a module: "file:///a" of "file:///a/b.js", "https://host" of "https://host/b.js?c".
 */
struct str specifier_folder_of(struct str name);

#endif
