/*
 * crash - exit code 109 when the program itself is wrong: a broken promise (base/attr.h, CHECK) or
 * a signal that says as much.  k6-surface 1.4.
 */
#ifndef CMD_CRASH_H
#define CMD_CRASH_H

enum { EXIT_CRASH = 109 };

/* From now on.  Where core files are wanted (ulimit -c), the signal does what it always does; with
 * a sanitizer built in, that one says what there is to say. */
void crash_init(void);

#endif
