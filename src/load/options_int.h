/*
 * options_int - what the options_*.c files share.
 */
#ifndef LOAD_OPTIONS_INT_H
#define LOAD_OPTIONS_INT_H

#include "load/options.h"

#include <yyjson.h>

enum { OPTIONS_EXIT = 104 }; /* exit code of configurations that can't be */

enum option_kind {
    OPTION_KIND_BOOL,
    OPTION_KIND_INT,
    OPTION_KIND_DUR,
    OPTION_KIND_STR,
    OPTION_KIND_STRS,
    OPTION_KIND_PAIRS,
    OPTION_KIND_STAGES,
    OPTION_KIND_DNS,
};

struct option_info {
    size_t offset; /* of the field in struct options */
    const char *json, *env, *go_name;
    enum option_kind kind;
};
extern const struct option_info option_table[OPTION_LEN];

/* `code`, with the exit code for bad configurations. */
int options_bad(int code);

/* Room for one more of `size` bytes behind items[0..len): the list to use from now on, NULL without
 * memory. */
void *options_list_add(struct arena *a, void *items, size_t len, size_t size);
NODISCARD int options_strs_add(struct arena *a, struct opt_strs *l, struct str s);
/* Adds or replaces; keeps the order by key. */
NODISCARD int options_pairs_put(struct arena *a, struct opt_pairs *l, struct str key,
                                struct str value);

NODISCARD int options_int_parse(struct str text, struct opt_int *ret);
NODISCARD int options_dns_parse(struct options *o, struct str text);
/* "10s:5": E_CONFIG with message. */
NODISCARD int options_stage_parse(struct str text, bool go_durations, struct stage *ret);

/* JSON values into options; E_CONFIG with Go's message. */
NODISCARD int json_bool(yyjson_val *v, struct opt_bool *ret);
NODISCARD int json_int(yyjson_val *v, struct opt_int *ret);
NODISCARD int json_dur(yyjson_val *v, struct opt_dur *ret);
NODISCARD int json_text(struct arena *a, yyjson_val *v, const char **ret);
NODISCARD int json_strs(struct arena *a, yyjson_val *v, struct opt_strs *ret);
NODISCARD int json_pairs(struct arena *a, yyjson_val *v, struct opt_pairs *ret);
NODISCARD int json_stages(struct arena *a, yyjson_val *v, struct opt_stages *ret);
/* The value itself as text. */
NODISCARD int json_raw(struct arena *a, yyjson_val *v, const char **ret);
NODISCARD int json_thresholds(struct arena *a, yyjson_val *v, struct opt_thresholds *ret);

/* scenario_json.c */
NODISCARD int json_scenarios(struct arena *a, yyjson_val *v, struct opt_scenarios *ret);

/* Writing. */
void options_write_dur(struct buf *out, struct opt_dur d);
void options_write_int(struct buf *out, struct opt_int i);
void options_write_text(struct buf *out, const char *s); /* NULL: null */
void options_write_pairs(struct buf *out, const struct opt_pairs *p);
void options_write_stages(struct buf *out, const struct opt_stages *s);
void scenario_write_json(const struct scenario *s, struct buf *out);

#endif
