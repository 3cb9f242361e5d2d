/*
 * The idea: one range of address space is reserved per thread and cut into chunks of 64 KB.  A
 * chunk holds blocks of one class, and a byte per chunk says which, so that free() finds the size
 * from the address alone and blocks carry no header.  Free blocks of a class are a linked list.
 *
 * Invariants: (1) chunk i < chunks_used has class_of[i] < CLASSES, and all its blocks have that
 * size; (2) a pointer outside [chunks, chunks + chunks_used * CHUNK) came from base/mem.
 */
#include "js/heap.h"

#include <malloc.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/mem.h"

enum {
    CHUNK_BYTES = 64 * 1024,
    CLASSES = 16 + 8 + 12, /* by 8 to 128, by 16 to 256, four per doubling to 2048 */
    HEAP_SMALL_MAX = 2048,
    LIMIT_UNIT = 1024 * 1024,
    ROOM_BYTES = 16 * 1024, /* per refusal, for the exception */
};

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_SLABS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_SLABS 0
#endif
#endif
#ifndef HEAP_SLABS
#define HEAP_SLABS 1
#endif

struct block {
    struct block *next;
};

struct heap {
    unsigned refs; /* VMs that live here */
    uint8_t *chunks;
    size_t chunks_used, chunks_max;
    uint8_t *class_of; /* by chunk */
    void *map;         /* the whole reservation */
    size_t map_bytes;
    struct block *free[CLASSES];
    uint8_t *bump[CLASSES]; /* next block of the class's newest chunk, NULL: none left */
    uint8_t *bump_end[CLASSES];
};

/* The heap that new VMs of this thread share.  The one thread-local of the folder: VMs are made in
 * many places, all of one thread, and have nothing else in common. */
static _Thread_local struct heap *heap_of_thread;

static unsigned class_of_size(size_t size)
{
    if (size <= 128)
        return size == 0 ? 0 : (unsigned)((size - 1) / 8);
    if (size <= 256)
        return 16 + (unsigned)((size - 129) / 16);
    unsigned shift = 63 - (unsigned)__builtin_clzl(size - 1); /* 2^shift <= size - 1 */
    return 24 + (shift - 8) * 4 + (unsigned)(((size - 1) >> (shift - 2)) & 3);
}

static size_t size_of_class(unsigned c)
{
    static const uint16_t sizes[CLASSES] = {
        8,   16,  24,  32,  40,  48,  56,  64,   72,   80,   88,   96,
        104, 112, 120, 128, 144, 160, 176, 192,  208,  224,  240,  256,
        320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048,
    };
    return sizes[c];
}

static void heap_reserve(struct heap *h)
{
    if (!HEAP_SLABS)
        return;
    /* Smaller ranges where the system doesn't grant the large one (ulimit -v, no overcommit). */
    for (size_t bytes = JS_HEAP_RESERVE_BYTES; bytes >= 1024 * CHUNK_BYTES; bytes /= 4) {
        void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            continue;
        h->map = p;
        h->map_bytes = bytes;
        /* The table of classes first, then the chunks. */
        size_t n = bytes / CHUNK_BYTES;
        size_t table = (n + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
        h->class_of = p;
        h->chunks = (uint8_t *)p + table;
        h->chunks_max = (bytes - table) / CHUNK_BYTES;
        return;
    }
}

struct heap *heap_ref(void)
{
    struct heap *h = heap_of_thread;
    if (!h) {
        h = mem_calloc(1, sizeof *h);
        if (!h)
            return NULL;
        heap_reserve(h);
        heap_of_thread = h;
    }
    h->refs++;
    return h;
}

void heap_unref(struct heap *h)
{
    if (!h || --h->refs > 0)
        return;
    if (heap_of_thread == h)
        heap_of_thread = NULL;
    if (h->map)
        (void)munmap(h->map, h->map_bytes);
    mem_free(h);
}

size_t heap_slab_bytes(const struct heap *h)
{
    return h->chunks_used * CHUNK_BYTES;
}

static bool in_slabs(const struct heap *h, const void *p)
{
    return (size_t)((const uint8_t *)p - h->chunks) < h->chunks_used * CHUNK_BYTES;
}

static size_t block_bytes(const struct heap *h, const void *p)
{
    if (in_slabs(h, p))
        return size_of_class(h->class_of[(size_t)((const uint8_t *)p - h->chunks) / CHUNK_BYTES]);
    return malloc_usable_size((void *)(uintptr_t)p);
}

static void *slab_grow(struct heap *h, unsigned c)
{
    if (h->chunks_used == h->chunks_max)
        return NULL;
    size_t size = size_of_class(c);
    uint8_t *chunk = h->chunks + h->chunks_used * CHUNK_BYTES;
    h->class_of[h->chunks_used++] = (uint8_t)c;
    h->bump[c] = chunk + size;
    h->bump_end[c] = chunk + CHUNK_BYTES / size * size;
    return chunk;
}

void *heap_alloc(struct heap *h, size_t size)
{
    if (size > HEAP_SMALL_MAX || !h->chunks)
        return mem_alloc(size);
    unsigned c = class_of_size(size);
    struct block *b = h->free[c];
    if (LIKELY(b != NULL)) {
        h->free[c] = b->next;
        return b;
    }
    uint8_t *p = h->bump[c];
    if (p != h->bump_end[c]) {
        h->bump[c] = p + size_of_class(c);
        return p;
    }
    p = slab_grow(h, c);
    return p ? p : mem_alloc(size);
}

void heap_free(struct heap *h, void *p)
{
    if (!p)
        return;
    if (!in_slabs(h, p)) {
        mem_free(p);
        return;
    }
    unsigned c = h->class_of[(size_t)((uint8_t *)p - h->chunks) / CHUNK_BYTES];
    struct block *b = p;
    b->next = h->free[c];
    h->free[c] = b;
}

/* Says no, and leaves room for the exception that tells of it.  Limits are whole megabytes
 * (heap_limit()), so what is below that counts the room that was given. */
static void *over_limit(JSMallocState *s)
{
    if ((s->malloc_limit & (LIMIT_UNIT - 1)) + ROOM_BYTES < LIMIT_UNIT)
        s->malloc_limit += ROOM_BYTES;
    return NULL;
}

size_t heap_limit(int64_t bytes)
{
    if (bytes < LIMIT_UNIT)
        return LIMIT_UNIT;
    return (size_t)(bytes / LIMIT_UNIT) * LIMIT_UNIT;
}

static void *js_heap_malloc(JSMallocState *s, size_t size)
{
    struct heap *h = s->opaque;
    if (UNLIKELY(s->malloc_size + size > s->malloc_limit))
        return over_limit(s);
    void *p = heap_alloc(h, size);
    if (UNLIKELY(!p))
        return NULL;
    s->malloc_count++;
    s->malloc_size += block_bytes(h, p);
    return p;
}

static void js_heap_free(JSMallocState *s, void *p)
{
    if (!p)
        return;
    struct heap *h = s->opaque;
    s->malloc_count--;
    s->malloc_size -= block_bytes(h, p);
    heap_free(h, p);
}

static void *js_heap_realloc(JSMallocState *s, void *p, size_t size)
{
    struct heap *h = s->opaque;
    if (!p)
        return size == 0 ? NULL : js_heap_malloc(s, size);
    if (size == 0) {
        js_heap_free(s, p);
        return NULL;
    }
    size_t old = block_bytes(h, p);
    bool slab = in_slabs(h, p);
    if (slab && size <= old && (size > old / 2 || old <= 32))
        return p;
    if (UNLIKELY(size > old && s->malloc_size + size - old > s->malloc_limit))
        return over_limit(s);
    void *q;
    if (!slab && size > HEAP_SMALL_MAX) {
        q = mem_realloc(p, size);
        if (!q)
            return NULL;
    } else {
        q = heap_alloc(h, size);
        if (!q)
            return NULL;
        memcpy(q, p, MIN(old, size));
        heap_free(h, p);
    }
    s->malloc_size = s->malloc_size - old + block_bytes(h, q);
    return q;
}

/* QuickJS asks for the slack of a block without saying whose it is; scripts run on the thread that
 * made their VM, so it is this thread's heap. */
static size_t js_heap_usable(const void *p)
{
    return heap_of_thread && p ? block_bytes(heap_of_thread, p) : 0;
}

const JSMallocFunctions *heap_functions(void)
{
    static const JSMallocFunctions functions = {js_heap_malloc, js_heap_free, js_heap_realloc,
                                                js_heap_usable};
    return &functions;
}
