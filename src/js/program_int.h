/*
 * program_int - the inside of a program, for the engine's own files.
 *
 * A unit is one source file that was compiled.  A template runtime holds all of them in compiled
 * form until the program is sealed, which is after the first VM has run its init code: until then
 * require() may bring in more.  JS_WriteRom() makes one image of them; every VM reads that image in
 * place.  After the seal a program never changes, so threads share it without a lock.
 */
#ifndef JS_PROGRAM_INT_H
#define JS_PROGRAM_INT_H

#include "base/buf.h"
#include "base/map.h"
#include "js/program.h"
#include "js/shared.h"

#include <quickjs.h>

enum js_unit_kind {
    JS_UNIT_MODULE,   /* ES module */
    JS_UNIT_COMMONJS, /* a function of (exports, require, module) */
    JS_UNIT_BROKEN,   /* didn't compile; the script may have caught that */
};

struct js_unit {
    char *name; /* "file:///a/b.js", "https://…": what stack traces show */
    char *dir;  /* folder ("file:///a") against which its imports are resolved */
    enum js_unit_kind kind;
    bool uses_meta;         /* the source says import.meta */
    struct source_map *map; /* to what people wrote; NULL: they wrote the file as it is */
    JSValue compiled;       /* of the template context; undefined after the seal */
};

struct js_image {
    struct js_image *next; /* older ones: the first VM may still read one */
    uint8_t *data;
    size_t len;
    uint32_t units; /* how many of the program's units it has */
};

struct js_program {
    char *main_path;       /* key of the main file among the files */
    char *main_name;       /* its URL */
    char *main_dir;        /* folder that its imports are relative to: "file:///a" */
    char *open_dir;        /* path of the folder that open() is relative to: "/a" */
    struct remote *remote; /* NULL: nothing came from the web yet */

    struct js_file *files;
    size_t files_len, files_cap;
    struct map file_at; /* path -> index + 1 */

    struct js_unit *units; /* [0] is the main one */
    size_t units_len, units_cap;
    struct map unit_at; /* name -> index + 1 */

    struct map builtin_at; /* names of built-in modules that are imported */

    struct js_image *image; /* the newest */
    bool bundled;           /* an archive's: no file comes from a disk */
    bool lenient;           /* built-in modules that aren't there are no error */
    uint32_t depth;         /* units that are being compiled, each for the one before */
    bool sealed;
    bool first_vm_made;
    struct shared_arrays *shared; /* js/shared.h; may change after the seal, too */

    JSRuntime *rt; /* the template; NULL after the seal */
    JSContext *ctx;
    struct typescript *typescript; /* NULL: no file needed it */
    int load_rc; /* why the template's loader failed, when the message is in the error slot */
};

/* In front of a CommonJS source, on its first line. */
#define JS_COMMONJS_HEAD "(function(exports,require,module){"

/* The unit of that name, or -1. */
int program_unit_find(const struct js_program *p, struct str name);

/* Finds or (before the seal) reads and compiles the unit called `name`, which is what `spec` means
 * inside the unit `from` (which may be unknown), with all that it imports.  Its index in *ret.
 * E_NOT_FOUND, E_SCRIPT, E_UNSUPPORTED, … with a message. */
struct js_import {
    struct str spec, name, from;
};
NODISCARD int program_unit_load(struct js_program *p, const struct js_import *what, uint32_t *ret);

/* Adds to the message of `rc` where the import stands; `what` needs no name.  Returns `rc`. */
int program_blame(struct js_program *p, const struct js_import *what, int rc);

/* Name of the module that `spec` means inside the unit called `base`, appended to `out`: a built-in
 * name or a URL.  `base` may be unknown: then the main file's folder counts. */
NODISCARD int program_resolve(struct js_program *p, struct str base, struct str spec,
                              struct buf *out);

/* The unit as an object of `ctx`, before the seal, when the VM's image doesn't have it. */
JSValue program_unit_copy(struct js_program *p, uint32_t unit, JSContext *ctx);

/* Finds or (before the seal) reads a file of the disk.  E_NOT_FOUND after the seal when it wasn't
 * read before; errno values. */
NODISCARD int program_file(struct js_program *p, struct str path, struct js_file *ret);
/* The same for the file of a module; one of the web is fetched.  Blocks; not on a coroutine. */
NODISCARD int program_module_file(struct js_program *p, struct str name, struct js_file *ret);

/* Writes the image of what there is now. */
NODISCARD int program_make_image(struct js_program *p);
NODISCARD int program_seal(struct js_program *p);

/* Checks the import of a built-in module and keeps its name. */
NODISCARD int program_builtin_import(struct js_program *p, struct str name);

/* Says that no built-in module `name` is there: E_UNSUPPORTED or E_NOT_FOUND with a message that
 * names it.  `name` may be one that js_api_find() knows: then 0. */
int program_builtin_check(struct str name);

#endif
