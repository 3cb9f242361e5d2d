/*
 * completion - what can come next on a command line, and the shells' scripts that ask for it.
 *
 * The scripts know nothing: they call the program as `__complete WORD…` with the words behind its
 * name, of which the last one is unfinished, and get a candidate a line, with a tab and a word
 * about it.  A line ":files" says that files are meant, ":nospace" that the word goes on.
 */
#ifndef CMD_COMPLETION_H
#define CMD_COMPLETION_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdbool.h>

/* The lines for these words (at least one). Pure. */
void completion_write(struct buf *out, const char *const *words, size_t n, bool descriptions);

/* The script of "bash", "zsh", "fish" or "powershell" for the program `name`; E_CONFIG for others.
 */
NODISCARD int completion_script(struct buf *out, const char *shell, const char *name,
                                bool descriptions);

#endif
