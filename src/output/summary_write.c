#include "output/summary_write.h"

#include <math.h>

static void new_line(struct writer *w)
{
    if (w->indent == 0)
        return;
    buf_z(w->out, "\n");
    buf_fill(w->out, ' ', w->indent * w->depth);
}

/* Before each member or element. */
void write_next(struct writer *w)
{
    buf_z(w->out, w->first ? "" : ",");
    w->first = false;
    new_line(w);
}

void write_key(struct writer *w, struct str name)
{
    write_next(w);
    buf_json_str(w->out, name);
    buf_z(w->out, w->indent ? ": " : ":");
}

void write_open(struct writer *w, char bracket)
{
    buf_byte(w->out, (uint8_t)bracket);
    w->depth++;
    w->first = true;
}

void write_close(struct writer *w, char bracket)
{
    w->depth--;
    if (!w->first)
        new_line(w);
    buf_byte(w->out, (uint8_t)bracket);
    w->first = false;
}

void write_text(struct writer *w, const char *name, struct str value)
{
    write_key(w, str_of(name));
    buf_json_str(w->out, value);
}

void write_number(struct writer *w, const char *name, double v)
{
    write_key(w, str_of(name));
    if (isfinite(v))
        numfmt_js(w->out, v);
    else
        buf_z(w->out, "null");
}

void write_boolean(struct writer *w, struct str name, bool v)
{
    write_key(w, name);
    buf_z(w->out, v ? "true" : "false");
}
