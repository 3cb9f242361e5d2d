/*
 * flags_int - what flags.c and flags_table.c share.
 */
#ifndef CMD_FLAGS_INT_H
#define CMD_FLAGS_INT_H

enum { FLAGS_EXIT = 255 }; /* exit code of wrong usage */

#endif
