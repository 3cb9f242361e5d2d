/*
 * json - the output `json`: every sample as a line of JSON, and a line about each metric before its
 * first one (k6-surface 1.8).
 */
#ifndef OUTPUT_JSON_H
#define OUTPUT_JSON_H

#include "base/attr.h"
#include "base/str.h"
#include "output/output.h"

/* `path`: where to, see outfile.h; copied. */
NODISCARD int json_output_new(struct str path, struct output *ret);

#endif
