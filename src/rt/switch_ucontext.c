#include "rt/switch.h"

#include <stdint.h>
#include <ucontext.h>

void switch_init(struct switch_place *p, void *low, size_t bytes, switch_entry_fn *entry)
{
    uintptr_t top = ((uintptr_t)low + bytes - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *uc = (ucontext_t *)top;
    getcontext(uc);
    uc->uc_stack.ss_sp = low;
    uc->uc_stack.ss_size = top - (uintptr_t)low;
    uc->uc_link = NULL;
    makecontext(uc, entry, 0);
    p->at = uc;
}

void switch_to(struct switch_place *from, const struct switch_place *to)
{
    ucontext_t here;
    from->at = &here;
    swapcontext(&here, to->at);
}
