/*
 * vm_int - the inside of a VM, for the engine's own files.
 */
#ifndef JS_VM_INT_H
#define JS_VM_INT_H

#include "js/api.h"
#include "js/event.h"
#include "js/heap.h"
#include "js/program_int.h"
#include "js/vm.h"
#include "rt/co.h"

#include <stdatomic.h>

/* What a VM has made of a unit. */
struct vm_unit {
    JSModuleDef *def; /* NULL: not imported; belongs to the context */
    JSValue commonjs; /* its `module` object; undefined: not run */
};

struct js_vm {
    JSRuntime *rt;
    JSContext *ctx;
    struct heap *heap;
    struct js_program *program;
    struct js_host *host;
    uint32_t units_in_image; /* those below are read from the image, others copied */
    size_t memory_max;       /* bytes of its JavaScript heap */
    bool first;              /* may bring in files and modules that the program doesn't have yet */
    bool running;            /* a call is under way */
    bool started;            /* init code has run */
    atomic_bool interrupted; /* by js_vm_interrupt(), for the call under way */

    JSModuleDef *main_def; /* of the main unit; belongs to the context */
    JSValue main;          /* namespace of the main module */
    JSValue setup_data;    /* what setup() returned, parsed */
    JSAtom iter_atom;      /* "__ITER" */
    JSAtom called_atom;    /* of `called` */
    char called[24];       /* export that was called last, when it fits: mostly "default" */

    JSValue go_error_proto;  /* undefined before the first such error */
    JSValue api[JS_API_LEN]; /* objects of the API modules; undefined before the import */
    void *api_state[JS_API_LEN];

    struct vm_unit *units; /* by the program's units, units_len of them */
    uint32_t units_len;

    struct events events;
};

/* Call before and after running script code from outside: one at a time, on a coroutine or (for
 * code that can't wait) outside. */
void vm_enter(struct js_vm *vm);
void vm_leave(struct js_vm *vm);
/* True when the call under way was cancelled or interrupted. */
bool vm_stopped(const struct js_vm *vm);

/* A state of Math.random() for a seed; equal seeds give equal states. */
uint64_t vm_random_state(uint64_t seed);

/* ---- module.c: imports and require() */
void module_init_runtime(struct js_vm *vm); /* loader callbacks */
/* Reads, links and evaluates the main unit: its promise. */
JSValue module_run_main(struct js_vm *vm);
/* The namespace of the main unit once it has run. */
JSValue module_main_namespace(struct js_vm *vm);
JSValue module_require(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
void module_fini(struct js_vm *vm);

/* ---- globals.c */
int globals_init(struct js_vm *vm); /* 0, or -1 with an exception pending */

/* ---- env.c: __ENV, of the host and `more`; an exception without memory */
JSValue env_object(struct js_vm *vm, const struct tag *more, uint32_t n);

/* ---- inspect.c: a value as console shows it, appended to `out`; `top`: strings without quotes */
void inspect_value(JSContext *ctx, struct buf *out, JSValueConst v, bool top);

/* ---- trace.c: an exception in k6's form, "Error: x\n\tat f (file:///a.js:1:2)\n", appended */
void trace_exception(struct js_vm *vm, JSValueConst e, struct buf *out);

#endif
