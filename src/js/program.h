/*
 * program - a script with all its modules, read and compiled once, shared read-only by every VM.
 *
 * Loading resolves imports (relative, absolute, file://, https://), compiles each file to bytecode,
 * and keeps every file that was read (modules, open()) for the archive.  k6-surface 2.2.
 */
#ifndef JS_PROGRAM_H
#define JS_PROGRAM_H

#include "base/attr.h"
#include "base/str.h"
#include "js/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct js_program;

struct js_file {
    const char
        *path; /* absolute, normalised; or "https://host/path", as js/specifier.h makes keys */
    const uint8_t *data;
    size_t len;
};

/* A script that brings all its files along: an archive (load/test_archive.h). */
struct js_bundle {
    const char *main; /* the main file's path, or "https://…" */
    const char *dir;  /* folder that its relative names start from */
    const struct js_file
        *files; /* [0] is the main one; paths as codec/archive_path.h spells them */
    size_t files_len;
};

/* `path`: as the user typed it, a path or an https:// URL ("-": `source` holds stdin's text and
 * `pwd` its folder).  Reads, or gets from the web, and compiles the main file and everything it
 * imports statically.  Not on a coroutine; may block on files and on the network.  E_NOT_FOUND
 * (main file: exit code 255, imports: 107), E_SCRIPT (syntax: 107) with k6's message forms: "could
 * not initialize 'x.js': could not load JS test 'file:///…': …". */
NODISCARD int js_program_load(const char *path, struct str source, const char *pwd,
                              struct js_program **ret);
/* The same of an archive, which `shown` names in messages: imports and open() find what is in it
 * and nothing else.  Copies what it needs of `b`. */
NODISCARD int js_program_load_bundle(const char *shown, const struct js_bundle *b,
                                     struct js_program **ret);
/* Either of them, only to ask what it imports: extensions (k6/x/…) are no error. */
NODISCARD int js_program_list(const char *path, struct str source, const char *pwd,
                              const struct js_bundle *b, struct js_program **ret);
void js_program_free(struct js_program *p);

/* What is imported statically, the main file first: "file://…", "https://…", "k6/http". */
size_t js_program_imports_len(const struct js_program *p);
const char *js_program_import_at(const struct js_program *p, size_t i);
/* False for the name of a built-in module that isn't there. */
bool js_program_has_module(const char *name);

const char *js_program_main_path(const struct js_program *p); /* of file 0 */
const char *js_program_main_url(const struct js_program *p);  /* "file:///…" or "https://…" */
/* Where its relative names start: a path, or a URL when the main file is one of the web. */
const char *js_program_main_dir(const struct js_program *p);
size_t js_program_files_len(const struct js_program *p); /* grows by open() in the first init */
struct js_file js_program_file_at(const struct js_program *p, size_t i); /* [0] is the main file */

#endif
