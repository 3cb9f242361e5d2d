/*
 * compile - sources to bytecode, in a template runtime of the program's own.
 */
#ifndef JS_COMPILE_H
#define JS_COMPILE_H

#include "base/attr.h"
#include "js/program.h"

#include <stdint.h>

/* Makes the template runtime, and takes it away again (fine when there is none). */
NODISCARD int compile_start(struct js_program *p);
void compile_end(struct js_program *p);

/* Compiles the unit from its file, and loads what it imports.  E_SCRIPT with
 * "file:///x.js: Line 1:23 message" and exit code 107, or what loading an import said. */
NODISCARD int compile_unit(struct js_program *p, uint32_t unit, const struct js_file *file);

#endif
