/*
 * brake - slows guessing down: so many failures of one address or account within a window, then
 * none until the window ends.
 *
 * A table of fixed size.  Keys are hashed with the process's own secret (base/map), so that nobody
 * can choose addresses that push each other out.  Any thread may call.
 */
#ifndef SERVER_BRAKE_H
#define SERVER_BRAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { BRAKE_SLOTS = 4096 };

struct brake_slot {
    uint64_t key; /* 0: free */
    int64_t since_ns;
    int failures;
};

struct brake {
    pthread_mutex_t lock;
    int max; /* failures in one window */
    int64_t window_ns;
    struct brake_slot *slots; /* BRAKE_SLOTS of them */
};

/* -ENOMEM. */
int brake_init(struct brake *b, int max, int64_t window_ns);
void brake_fini(struct brake *b); /* zeroed is fine */

/* 0: may try; else after how many seconds. */
int brake_wait_s(struct brake *b, uint64_t key, int64_t now_ns);
void brake_failed(struct brake *b, uint64_t key, int64_t now_ns);
/* The right password came: nothing more to be held against the account. */
void brake_forgive(struct brake *b, uint64_t key);

#endif
