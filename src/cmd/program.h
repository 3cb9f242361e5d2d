/*
 * program - the name that the process was called by.
 */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

/* argv[0] or NULL; program_name() (commands.h) is "k6" when the file is called that, else "spate".
 */
void program_init(const char *argv0);

/* Ends the process at once, without cleaning up; main.c's, as only it may exit. */
extern void (*program_exit)(int code);

#endif
