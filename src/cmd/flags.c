#include "cmd/flags.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "cmd/flags_int.h"
#include "cmd/suggest.h"
#include "codec/duration.h"
#include "load/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Columns of a help text, and of what stands in front of a flag's name. */
enum { HELP_WIDTH = 110, HELP_LEFT = 8 };

/* Tables looked through as one, and where parsing is. */
struct parser {
    struct flag_values *v;
    struct arena *arena;
    const struct flag_table *tables;
    size_t n;
    int argc, at;
    char **argv;
};

static int usage_error(int rc)
{
    return err_exit(rc, FLAGS_EXIT);
}

const struct flag *flag_find(const struct flag_table *tables, size_t n, struct str name,
                             char letter)
{
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; tables[t].flags != NULL && i < *tables[t].len; i++) {
            const struct flag *f = &tables[t].flags[i];
            if (letter != 0 ? f->letter == letter : str_eqz(name, f->name))
                return f;
        }
    return NULL;
}

static const struct flag *find(const struct parser *p, struct str name, char letter)
{
    return flag_find(p->tables, p->n, name, letter);
}

const char *flag_env(const struct flag *f)
{
    if (f->env != NULL || f->option == 0)
        return f->env;
    return option_env((enum option_id)(f->option - 1));
}

/* The flag that `name` may have been meant to be, as a hint. */
static void hint_flag(const struct parser *p, struct str name)
{
    const char *best = NULL;
    size_t best_distance = SUGGEST_DISTANCE_MAX + 1;
    for (size_t t = 0; t < p->n; t++)
        for (size_t i = 0; p->tables[t].flags != NULL && i < *p->tables[t].len; i++) {
            const struct flag *f = &p->tables[t].flags[i];
            size_t d = f->missing || f->hidden ? SIZE_MAX : suggest_distance(name, str_of(f->name));
            if (d < best_distance) {
                best_distance = d;
                best = f->name;
            }
        }
    if (best != NULL)
        (void)err_hint(err_get()->code, "did you mean --%s?", best);
}

/* ---- values -------------------------------------------------------------------------------- */

int flag_invalid(const struct flag *f, const char *value)
{
    char short_name[8] = "";
    if (f->letter != 0)
        (void)snprintf(short_name, sizeof short_name, "-%c, ", f->letter);
    int rc = err_get()->code;
    return usage_error(err_wrap(rc < 0 ? rc : E_CONFIG,
                                "invalid argument \"%s\" for \"%s--%s\" flag", value, short_name,
                                f->name));
}

int flag_bool(const char *value, bool *ret)
{
    static const char *const good[] = {"true", "false", "1",    "0",     "t",    "f",
                                       "T",    "F",     "TRUE", "FALSE", "True", "False"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (strcmp(value, good[i]) == 0) {
            *ret = i % 2 == 0;
            return 0;
        }
    return err_set(E_CONFIG, "strconv.ParseBool: parsing \"%s\": invalid syntax", value);
}

static int check_int(const char *value)
{
    int64_t n;
    int rc = str_to_i64(str_of(value), &n);
    return rc == 0 ? 0
                   : err_set(E_CONFIG, "strconv.ParseInt: parsing \"%s\": %s", value,
                             rc == -ERANGE ? "value out of range" : "invalid syntax");
}

static int check_value(const struct flag *f, const char *value)
{
    int64_t ns;
    bool on;
    int rc = 0;
    switch (f->kind) {
    case FLAG_BOOL:
        rc = flag_bool(value, &on);
        break;
    case FLAG_INT:
        rc = check_int(value);
        break;
    case FLAG_DURATION:
        rc = duration_parse_go(str_of(value), &ns);
        break;
    case FLAG_STRING:
    case FLAG_LIST:
    case FLAG_STRINGS:
        break;
    }
    return rc < 0 ? flag_invalid(f, value) : 0;
}

/* The arrays live in the arena and are copied when they double. */
static void *grown(struct arena *a, void *items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap)
        return items;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *made = arena_calloc(a, more, size);
    if (made == NULL)
        return NULL;
    if (len > 0)
        memcpy(made, items, len * size);
    *cap = more;
    return made;
}

static int add_one(struct parser *p, const struct flag *f, const char *value)
{
    struct flag_values *v = p->v;
    v->items = grown(p->arena, v->items, v->len, &v->cap, sizeof *v->items);
    if (v->items == NULL)
        return err_set_errno(-ENOMEM, "flags");
    v->items[v->len++] = (struct flag_value){f, value};
    return 0;
}

static int add_list(struct parser *p, const struct flag *f, const char *value)
{
    struct str rest = str_of(value);
    do {
        const char *item = arena_dup(p->arena, str_cut(rest, ',', &rest));
        if (item == NULL)
            return err_set_errno(-ENOMEM, "flags");
        int rc = add_one(p, f, item);
        if (rc < 0)
            return rc;
    } while (rest.ptr != NULL);
    return 0;
}

static int add(struct parser *p, const struct flag *f, const char *value)
{
    if (f->missing)
        return usage_error(err_set(E_UNSUPPORTED, "the flag --%s isn't there yet", f->name));
    int rc = check_value(f, value);
    if (rc < 0)
        return rc;
    return f->kind == FLAG_LIST ? add_list(p, f, value) : add_one(p, f, value);
}

static int add_arg(struct parser *p, const char *arg)
{
    struct flag_values *v = p->v;
    v->args = grown(p->arena, v->args, v->args_len, &v->args_cap, sizeof *v->args);
    if (v->args == NULL)
        return err_set_errno(-ENOMEM, "flags");
    v->args[v->args_len++] = arg;
    return 0;
}

/* ---- syntax -------------------------------------------------------------------------------- */

static int parse_long(struct parser *p, const char *arg)
{
    const char *eq = strchr(arg, '=');
    struct str name = str_new(arg + 2, eq != NULL ? (size_t)(eq - arg) - 2 : strlen(arg) - 2);
    const struct flag *f = find(p, name, 0);
    if (f == NULL) {
        int rc = usage_error(err_set(E_CONFIG, "unknown flag: --%.*s", STR_ARG(name)));
        hint_flag(p, name);
        return rc;
    }
    if (eq != NULL)
        return add(p, f, eq + 1);
    if (f->kind == FLAG_BOOL)
        return add(p, f, "true");
    if (f->bare != NULL)
        return add(p, f, f->bare);
    if (p->at + 1 >= p->argc)
        return usage_error(err_set(E_CONFIG, "flag needs an argument: --%s", f->name));
    return add(p, f, p->argv[++p->at]);
}

static int parse_short(struct parser *p, const char *arg)
{
    for (const char *c = arg + 1; *c != '\0'; c++) {
        const struct flag *f = find(p, STR_EMPTY, *c);
        if (f == NULL)
            return usage_error(err_set(E_CONFIG, "unknown shorthand flag: '%c' in -%s", *c, c));
        if (f->kind != FLAG_BOOL) {
            if (c[1] != '\0')
                return add(p, f, c[1] == '=' ? c + 2 : c + 1);
            if (p->at + 1 >= p->argc)
                return usage_error(err_set(E_CONFIG, "flag needs an argument: '%c' in -%s", *c, c));
            return add(p, f, p->argv[++p->at]);
        }
        if (c[1] == '=')
            return add(p, f, c + 2);
        int rc = add(p, f, "true");
        if (rc < 0)
            return rc;
    }
    return 0;
}

int flags_parse(struct flag_values *v, struct arena *a, int argc, char **argv,
                const struct flag *flags, size_t len, const struct flag *b, size_t b_len)
{
    const struct flag_table tables[] = {{flags, &len}, {b, &b_len}};
    return flags_parse_tables(v, a, argc, argv, tables, ARRAY_LEN(tables));
}

int flags_parse_tables(struct flag_values *v, struct arena *a, int argc, char **argv,
                       const struct flag_table *tables, size_t n)
{
    *v = (struct flag_values){0};
    struct parser p = {.v = v, .arena = a, .tables = tables, .n = n, .argc = argc, .argv = argv};
    bool only_args = false;
    for (p.at = 1; p.at < argc; p.at++) {
        const char *arg = argv[p.at];
        int rc;
        if (only_args || arg[0] != '-' || arg[1] == '\0')
            rc = add_arg(&p, arg);
        else if (strcmp(arg, "--") == 0) {
            only_args = true;
            rc = 0;
        } else if (arg[1] == '-')
            rc = parse_long(&p, arg);
        else
            rc = parse_short(&p, arg);
        if (rc < 0)
            return rc;
    }
    return 0;
}

const char *flag_values_get(const struct flag_values *v, const char *name)
{
    for (size_t i = v->len; i-- > 0;)
        if (strcmp(v->items[i].flag->name, name) == 0)
            return v->items[i].value;
    return NULL;
}

bool flag_values_bool(const struct flag_values *v, const char *name)
{
    const char *value = flag_values_get(v, name);
    return value != NULL && (value[0] == 't' || value[0] == 'T' || value[0] == '1');
}

/* ---- help ---------------------------------------------------------------------------------- */

static size_t left_width(const struct flag *f)
{
    size_t value = f->value_name != NULL ? strlen(f->value_name) + 1 : 0;
    return strlen(f->name) + value + (f->bare != NULL ? 2 : 0);
}

/* " (default 20, K6_BATCH)" */
static void put_extra(struct buf *out, const struct flag *f)
{
    const char *env = flag_env(f);
    if (f->initial == NULL && env == NULL)
        return;
    buf_z(out, " (");
    if (f->initial != NULL)
        buf_printf(out, "default %s%s", f->initial, env != NULL ? ", " : "");
    buf_printf(out, "%s)", env != NULL ? env : "");
}

/* Words in lines of HELP_WIDTH, the second and further ones beginning at `column`. */
static void put_wrapped(struct buf *out, struct str text, size_t column)
{
    size_t at = column;
    while (text.ptr != NULL) {
        struct str word = str_cut(text, ' ', &text);
        bool first = at == column;
        if (!first && at + 1 + word.len > HELP_WIDTH) {
            buf_byte(out, '\n');
            buf_fill(out, ' ', column);
            at = column;
            first = true;
        }
        if (!first)
            buf_byte(out, ' ');
        buf_str(out, word);
        at += word.len + (first ? 0 : 1);
    }
    buf_byte(out, '\n');
}

static void put_help(struct buf *out, const struct flag *f, size_t column)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, CMD_HELP_BYTES);
    buf_z(&text, f->help);
    put_extra(&text, f);
    put_wrapped(out, buf_view(&text), column);
}

void flags_help(struct buf *out, const struct flag *flags, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len; i++)
        if (!flags[i].hidden && !flags[i].missing)
            width = MAX(width, left_width(&flags[i]));
    for (size_t i = 0; i < len; i++) {
        const struct flag *f = &flags[i];
        if (f->hidden || f->missing)
            continue;
        if (f->letter != 0)
            buf_printf(out, "  -%c, --%s", f->letter, f->name);
        else
            buf_printf(out, "      --%s", f->name);
        if (f->bare != NULL) /* its value comes with '=' or not at all */
            buf_printf(out, "[=%s]", f->value_name);
        else if (f->value_name != NULL)
            buf_printf(out, " %s", f->value_name);
        buf_fill(out, ' ', width - left_width(f) + 3);
        put_help(out, f, HELP_LEFT + width + 3);
    }
}
