/*
 * summary_write - JSON of a summary, member by member; for summary_json.c and summary_machine.c.
 */
#ifndef OUTPUT_SUMMARY_WRITE_H
#define OUTPUT_SUMMARY_WRITE_H

#include "base/buf.h"
#include "output/summary.h"

#include <stdbool.h>
#include <stddef.h>

struct writer {
    struct buf *out;
    const struct summary_input *in;
    size_t indent; /* spaces a level; 0: one line */
    size_t depth;
    bool first; /* nothing yet in the open object or array */
    bool old;   /* the export's dialect */
};

void write_next(struct writer *w); /* before each element of an array */
void write_key(struct writer *w, struct str name);
void write_open(struct writer *w, char bracket);
void write_close(struct writer *w, char bracket);

/* Whole members. */
void write_text(struct writer *w, const char *name, struct str value);
void write_number(struct writer *w, const char *name, double v); /* not finite: null */
void write_boolean(struct writer *w, struct str name, bool v);

#endif
