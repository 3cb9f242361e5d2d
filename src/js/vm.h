/*
 * vm - one JavaScript world: a runtime, a context, the script's module instances.
 *
 * A VM belongs to a loop's thread and runs on whichever of its coroutines calls into it, one at a
 * time.  Calls run the event loop of the script (promises, timers) until it is empty, as k6 does:
 * they wait.  A cancelled coroutine interrupts the script anywhere (js loop, sleep, request) and
 * the call returns -ECANCELED without a log line.
 */
#ifndef JS_VM_H
#define JS_VM_H

#include "base/attr.h"
#include "base/buf.h"
#include "js/host.h"
#include "js/program.h"

#include <stdbool.h>

struct js_vm;

/* Makes the world and runs the init code (top level of all modules).  Must run on a coroutine
 * (top-level await may wait).  `host` is the VM's to use until js_vm_free().  The very first VM of
 * a program may open() files; later ones only those.  E_SCRIPT with exit code 107 and a stack trace
 * "ReferenceError: x is not defined\n\tat file:///a.js:1:39\n" as message. */
YIELDS NODISCARD int js_vm_new(struct js_program *p, struct js_host *host, struct js_vm **ret);
void js_vm_free(struct js_vm *vm); /* on the loop's thread, nothing running in it; NULL is fine */

bool js_vm_has_export(struct js_vm *vm, const char *name);    /* an exported function */
bool js_vm_exports_other(struct js_vm *vm, const char *name); /* something else than a function */
size_t js_vm_exports_len(struct js_vm *vm); /* exported functions, default included */

/* The exported `options` as JSON appended to `out`: "{}" when there is none, nothing when there is
 * no JSON for it, as for a function. */
NODISCARD int js_vm_options_json(struct js_vm *vm, struct buf *out);
/* Overwrites the script-visible `options` with the consolidated ones. */
NODISCARD int js_vm_set_options(struct js_vm *vm, struct str json);

/* Makes __ENV anew: the host's, with `more` over it (a scenario's own). On a coroutine; -ENOMEM. */
NODISCARD int js_vm_set_env(struct js_vm *vm, const struct tag *more, uint32_t n);

/* Sets the data that setup() returned (JSON text; len 0: undefined), for default() and teardown():
 * parsed once per VM. */
NODISCARD int js_vm_set_setup_data(struct js_vm *vm, struct str json);

/*
 * Calls the exported function with the setup data as argument, and drains timers and promises.
 * 0; -ECANCELED; E_SCRIPT when it threw: the message is k6's text with the stack
 * ("Error: x\n\tat default (file:///s.js:1:26)\n").  ret_json, when not NULL, gets the returned
 * value as JSON (nothing for undefined): setup().
 */
YIELDS NODISCARD int js_vm_call(struct js_vm *vm, const char *name, struct buf *ret_json);

/* New cookie jar, cleared per-iteration state; load/ calls it before each iteration. */
void js_vm_begin_iteration(struct js_vm *vm);
/* k6's noVUConnectionReuse: closes idle connections. */
void js_vm_close_idle_connections(struct js_vm *vm);

/*
 * handleSummary(data): `data` is JSON.  Calls `emit` for each entry of what it returned ("stdout",
 * "stderr" or a path).  Returns 1 when the script has no handleSummary or it returned something
 * falsy (the default summary is wanted), 0 when it was handled, E_SCRIPT when it threw.
 */
typedef int js_summary_emit_fn(void *arg, struct str destination, const void *data, size_t len);
YIELDS NODISCARD int js_vm_handle_summary(struct js_vm *vm, struct str data,
                                          js_summary_emit_fn *emit, void *arg);

/* Makes the endless loop end: from any thread; the running call returns -ECANCELED soon. */
void js_vm_interrupt(struct js_vm *vm);

#endif
