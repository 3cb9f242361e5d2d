/*
 * switch - from one stack to another.
 *
 * The one piece that knows the processor: switch.S for x86-64 and arm64, switch_ucontext.c for
 * everything else (and for -Dco=ucontext).  Both keep what the C calling convention keeps, the
 * floating-point control words included; the signal mask is the thread's and stays as it is
 * (ucontext saves it too, which is what makes it twenty times slower).
 */
#ifndef RT_SWITCH_H
#define RT_SWITCH_H

#include <stddef.h>

/* A suspended place.  What it points to lies on the suspended stack itself. */
struct switch_place {
    void *at;
};

typedef void switch_entry_fn(void);

/* Prepares the first switch to a fresh stack of `bytes` bytes from `low`; `entry` never returns. */
void switch_init(struct switch_place *p, void *low, size_t bytes, switch_entry_fn *entry);

/* Keeps the running place in *from and goes on at *to; returns when somebody switches back. */
void switch_to(struct switch_place *from, const struct switch_place *to);

#endif
