/*
 * ask - questions to whoever sits at the terminal.
 */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* True when standard input and standard error are a terminal, and this isn't a job in its
 * background. */
bool ask_has_terminal(void);

/*
 * Writes "prompt: " to standard error, when that is a terminal, and reads a line of standard input
 * into `out` (without the line end, cut at `size`).  False at the end of the input.  Ctrl-C ends
 * the program, and the terminal is as it was.
 */
NODISCARD bool ask_line(const char *prompt, char *out, size_t size);
/* The same without showing what is typed. */
NODISCARD bool ask_secret(const char *prompt, char *out, size_t size);

/* Twice, until both are the same and `check` (its message is shown) is content.  E_CONFIG at the
 * end of the input, or when there is no terminal and the one answer isn't good. */
NODISCARD int ask_new_password(const char *prompt, char *out, size_t size);
/* The first line of a file, "-": of standard input.  E_CONFIG. */
NODISCARD int ask_password_file(const char *path, char *out, size_t size);

#endif
