#include "metrics/sample.h"

#include "base/mem.h"

void sample_chunk_free(struct sample_chunk *c)
{
    if (!c)
        return;
    arena_fini(&c->arena);
    mem_free(c);
}

size_t sample_chunk_bytes(const struct sample_chunk *c)
{
    return sizeof *c + c->arena.total;
}
