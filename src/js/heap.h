/*
 * heap - the allocator of a thread's VMs: slabs by size class, shared by all of them.
 *
 * QuickJS allocates many small objects of a few sizes, and glibc's malloc takes a third of a
 * script's time over them.  One heap serves every VM that its thread makes; each VM counts its own
 * bytes (JSMallocState), so that its limit is its own.  Blocks are 8-byte aligned.  Sizes over
 * HEAP_SMALL_MAX go to base/mem.  Memory of slabs is reused, and given back when the last VM has
 * gone.  Built with a sanitizer, everything goes to base/mem, so that mistakes are seen.
 */
#ifndef JS_HEAP_H
#define JS_HEAP_H

#include "base/attr.h"

#include <quickjs.h>
#include <stdint.h>

struct heap;

/* The calling thread's heap, made when there is none; a reference for heap_unref().  NULL: out of
 * memory. */
NODISCARD struct heap *heap_ref(void);
/* By the thread that uses its VMs now; that may be another one when the first has ended. */
void heap_unref(struct heap *h);

/* For JS_NewRuntime2(heap_functions(), heap). */
const JSMallocFunctions *heap_functions(void);

/* What JS_SetMemoryLimit() is to be given for a VM that may have `bytes`: whole megabytes, one at
 * least (a VM without a script takes 60 KB, and QuickJS doesn't survive less). */
size_t heap_limit(int64_t bytes);

/* For C code of the engine that wants blocks of this heap. */
NODISCARD void *heap_alloc(struct heap *h, size_t size);
void heap_free(struct heap *h, void *p);

/* Bytes of memory that its slabs have taken from the system. */
size_t heap_slab_bytes(const struct heap *h);

#endif
