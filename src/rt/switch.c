#include "rt/switch.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

/* As switch.S leaves a suspended stack, lowest address first. */
struct frame {
    uint32_t mxcsr;
    uint16_t x87_control, unused;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void *return_to;
    void *end; /* the entry's own return address: none, where unwinders stop */
};

static void frame_init(struct frame *f, void *entry)
{
    __asm__ volatile("stmxcsr %0" : "=m"(f->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(f->x87_control));
    f->return_to = entry;
}

#elif defined(__aarch64__)

struct frame {
    uint64_t x19_x28[10];
    uint64_t x29;
    void *x30;
    uint64_t d8_d15[8];
    uint64_t fpcr, unused;
};

static void frame_init(struct frame *f, void *entry)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(f->fpcr));
    f->x30 = entry;
}

#endif

void switch_init(struct switch_place *p, void *low, size_t bytes, switch_entry_fn *entry)
{
    uintptr_t top = ((uintptr_t)low + bytes) & ~(uintptr_t)15;
    struct frame *f = (struct frame *)(top - sizeof(struct frame));
    void *address;
    memcpy(&address, &entry, sizeof address);
    memset(f, 0, sizeof *f);
    frame_init(f, address);
    p->at = f;
}
