/*
 * templates - the first lines of a test, for `new`.  Pure.
 *
 * A template is text with {{ .ScriptName }}, {{ .ProjectID }} and {{ if .ProjectID }} … {{ else }}
 * …
 * {{ end }} in it; a minus inside the braces takes the white space on its side away.
 */
#ifndef CMD_TEMPLATES_H
#define CMD_TEMPLATES_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/* The text of "minimal", "protocol" or "browser"; NULL for other names. */
const char *template_find(const char *name);

struct template_values {
    const char *script_name;
    const char *project_id; /* "" for none */
};

/* Appends the text with its values; E_CONFIG with line and reason when it can't. */
NODISCARD int template_write(struct str text, const struct template_values *v, struct buf *out);

#endif
