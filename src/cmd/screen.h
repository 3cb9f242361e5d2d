/*
 * screen - the one place that writes to the terminal, so that log lines and the progress, which is
 * redrawn in place, don't run into each other. Thread-safe.
 *
 * The progress is a block at the bottom that leaves the cursor at its own beginning: whatever is
 * written next erases it, and it is drawn again behind that.
 */
#ifndef CMD_SCREEN_H
#define CMD_SCREEN_H

#include "base/attr.h"
#include "base/buf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

struct screen {
    pthread_mutex_t lock;
    struct buf block; /* the progress as drawn last; empty: none */
    bool out_tty, err_tty;
    int out_error; /* of the first write to standard output that failed, but for closed pipes */
};

/* Of the process; what is a terminal is known after screen_init(). */
extern struct screen screen;

void screen_init(void);
void screen_write(FILE *to, const void *data, size_t len);
/* Draws the block anew (standard output's terminal); empty text takes it away. */
void screen_block(struct str text);
/* Negative: something that was meant for standard output couldn't be written there. */
int screen_error(void);
int screen_width(void); /* columns, 0: not known */

#endif
