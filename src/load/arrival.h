/*
 * arrival - iterations that are due at times of their own, whoever is free takes them.
 *
 * On each worker a coroutine per scenario knows which iterations are due there (every W-th). It
 * hands them to an idle virtual user of its own worker, or else of another one: a worker's idle
 * virtual users are tokens in an atomic counter, taken by whoever has work, and a mail then says
 * so to a worker whose token was taken. Nobody idle anywhere: the iteration is dropped, and one
 * more virtual user is made in the background while maxVUs allows it.
 */
#ifndef LOAD_ARRIVAL_H
#define LOAD_ARRIVAL_H

#include "load/run_int.h"

bool arrival_is(const struct scenario *s);
/* The rate of a scenario, ready to be asked. */
void arrival_pace(const struct scenario *s, struct pace_arrival *ret);

/* Starts the worker's coroutines, one an arrival-rate scenario. -ENOMEM, -EAGAIN. */
NODISCARD int arrival_start(struct worker *w);

/* A virtual user's stay: idle until it is handed an iteration, until the scenario ends. False: the
 * run ends. */
YIELDS bool arrival_window(struct vu *v, const struct window *win);

#endif
