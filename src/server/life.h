/*
 * life - the runs that are open: what may still come, and which have been silent for too long.
 *
 * created -> running at the first push -> finished or aborted when the client says so, aborted
 * when somebody asks for it, timed out when nothing has come for the run timeout of its project.
 * The store has the state; here is only when each open run was last heard of, counted from the
 * server's start for those that it found open.  Any thread may call.
 */
#ifndef SERVER_LIFE_H
#define SERVER_LIFE_H

#include "base/attr.h"
#include "base/str.h"
#include "store/store.h"

#include <pthread.h>
#include <stdint.h>

struct life_run {
    int64_t id;
    int64_t project_id;
    int64_t timeout_ns; /* the project's, or the server's */
    int64_t heard_ns;   /* monotonic */
    bool running;       /* a push has come */
    bool ending;        /* the store is being told of its end: ask the store */
};

struct life {
    pthread_mutex_t lock;
    struct life_run *runs; /* open ones */
    size_t len;
    size_t cap;
};

struct server;

/* Fills the zeroed table, whose lock is ready, from the store. */
NODISCARD int life_init(struct server *s);
void life_fini(struct server *s);

/* A run was created; when it has ended already, as its creation was asked for again, nothing. */
NODISCARD int life_add(struct server *s, int64_t id);
/* Whether it takes data: 0, E_NOT_FOUND, or E_REFUSED when it has ended; messages set. */
NODISCARD int life_check_open(struct server *s, int64_t id);
/* Data has been stored; tells the live streams. */
NODISCARD int life_pushed(struct server *s, int64_t id, const struct store_push *push);
/* As store_set_state(); tells the live streams when something changed. */
NODISCARD int life_change(struct server *s, int64_t id, const struct store_finish *change,
                          bool *ret_repeated);
/* The project's run timeout is another one, for its open runs, too. */
void life_set_timeout(struct server *s, int64_t project_id, int64_t timeout_ns);
/* Times out the silent ones. */
void life_tick(struct server *s, int64_t mono_ns);

#endif
