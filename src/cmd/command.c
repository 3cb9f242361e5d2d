#include "cmd/command.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/commands.h"
#include "cmd/flags_int.h"
#include "cmd/log_sink.h"
#include "cmd/screen.h"
#include "cmd/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command *command_find(const char *path)
{
    for (size_t i = 0; i < command_table_len; i++)
        if (strcmp(command_table[i].path, path) == 0)
            return &command_table[i];
    return NULL;
}

/* ---- help ---------------------------------------------------------------------------------- */

void command_text(struct buf *out, const char *text)
{
    for (const char *at; (at = strstr(text, "{}")) != NULL; text = at + 2) {
        buf_append(out, text, (size_t)(at - text));
        buf_z(out, program_name());
    }
    buf_z(out, text);
}

static void print(struct buf *text)
{
    screen_write(stdout, text->data, text->len);
}

static bool is_child(const struct command *c, const char *path)
{
    size_t n = strlen(path);
    return strncmp(c->path, path, n) == 0 && c->path[n] == ' ' && !c->hidden;
}

static void help_children(struct buf *out, const char *path)
{
    bool any = false;
    for (size_t i = 0; i < command_table_len; i++) {
        if (!is_child(&command_table[i], path))
            continue;
        buf_z(out, any ? "" : "\nCommands:\n");
        buf_printf(out, "  %-24s %s\n", command_table[i].path, command_table[i].summary);
        any = true;
    }
}

static void help_flags(struct buf *out, const struct command *c)
{
    size_t before = out->len;
    buf_z(out, "\nFlags:\n");
    size_t empty = out->len;
    for (size_t i = 0; i < COMMAND_TABLES_MAX; i++)
        if (c->flags[i].flags != NULL)
            flags_help(out, c->flags[i].flags, *c->flags[i].len);
    if (out->len == empty && out->err == 0)
        out->len = before;
    buf_z(out, "\nFlags of all commands:\n");
    flags_help(out, flags_global, flags_global_len);
}

void command_help(const char *path)
{
    CLEANUP(buf_fini) struct buf out;
    const struct command *c = command_find(path);
    buf_init(&out, CMD_HELP_BYTES);
    if (c == NULL)
        return;
    command_text(&out, c->summary);
    buf_printf(&out, ".\n\nUsage:\n  %s %s %s\n", program_name(), c->path,
               c->args != NULL ? c->args : "[flags]");
    if (c->about != NULL) {
        buf_byte(&out, '\n');
        command_text(&out, c->about);
        buf_byte(&out, '\n');
    }
    help_children(&out, path);
    if (c->examples != NULL) {
        buf_z(&out, "\nExamples:\n");
        command_text(&out, c->examples);
        buf_byte(&out, '\n');
    }
    help_flags(&out, c);
    print(&out);
}

static void help_group(struct buf *out, enum command_group group)
{
    static const char *const titles[COMMAND_GROUPS] = {"Tests", "Results", "A test that runs",
                                                       "Others"};
    bool any = false;
    for (size_t i = 0; i < command_table_len; i++) {
        const struct command *c = &command_table[i];
        if (c->group != group || c->hidden || strchr(c->path, ' ') != NULL)
            continue;
        if (!any)
            buf_printf(out, "\n%s:\n", titles[group]);
        buf_printf(out, "  %-12s %s\n", c->path, c->summary);
        any = true;
    }
}

static int help_root(void)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, CMD_HELP_BYTES);
    command_text(&out, "Load tests with k6 scripts; results live in a cloud of your own.\n"
                       "\nUsage:\n  {} COMMAND [flags] [arguments]\n");
    for (enum command_group g = 0; g < COMMAND_GROUPS; g++)
        help_group(&out, g);
    command_text(&out, "\nExamples:\n"
                       "  # write a first test and run it\n"
                       "  {} new shop.js\n"
                       "  {} run shop.js\n"
                       "  # keep its results, and look at them while it runs\n"
                       "  {} server &\n"
                       "  {} cloud run --local-execution shop.js\n"
                       "\nFlags of all commands:\n");
    flags_help(&out, flags_global, flags_global_len);
    buf_z(&out, "      --version             the program's version, instead of a command\n");
    command_text(&out, "\n`{} help COMMAND` says more about one of them.\n");
    print(&out);
    return 0;
}

/* ---- what isn't there ---------------------------------------------------------------------- */

/* Of k6's, with what to do instead. */
static const struct {
    const char *name, *message, *hint;
} absent[] = {
    {"convert", "the command convert isn't there: k6 itself has dropped it",
     "record a script with a browser extension or a HAR converter"},
    {"x",
     "the command x isn't there: extensions are programs for k6 in Go, which can't be loaded "
     "here",
     ""},
};

static int say_absent(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        if (strcmp(absent[i].name, name) != 0)
            continue;
        (void)err_set(E_UNSUPPORTED, "%s", absent[i].message);
        if (absent[i].hint[0] != '\0')
            (void)err_hint(E_UNSUPPORTED, "%s", absent[i].hint);
        return err_exit(E_UNSUPPORTED, FLAGS_EXIT);
    }
    return 0;
}

static int unknown(const char *name)
{
    const char *best = NULL;
    size_t best_distance = SUGGEST_DISTANCE_MAX + 1;
    for (size_t i = 0; i < command_table_len; i++) {
        const struct command *c = &command_table[i];
        size_t d = suggest_distance(str_of(name), str_of(c->path));
        if (!c->hidden && strchr(c->path, ' ') == NULL && d < best_distance) {
            best_distance = d;
            best = c->path;
        }
    }
    int rc = err_set(E_CONFIG, "unknown command \"%s\" for \"%s\"", name, program_name());
    (void)err_exit(rc, FLAGS_EXIT);
    if (best != NULL)
        return err_hint(rc, "did you mean %s?", best);
    struct str suffix[] = {STR(".js"), STR(".ts"), STR(".tar")};
    for (size_t i = 0; i < ARRAY_LEN(suffix); i++)
        if (str_ends(str_of(name), suffix[i]))
            return err_hint(rc, "a script is run by `%s run %s`", program_name(), name);
    return err_hint(rc, "`%s help` lists the commands", program_name());
}

/* ---- parsing and finding ------------------------------------------------------------------- */

int command_parse(const char *path, struct flag_values *v, struct arena *a, int argc, char **argv)
{
    const struct command *c = command_find(path);
    struct flag_table tables[COMMAND_TABLES_MAX + 1];
    CHECK(c != NULL);
    memcpy(tables, c->flags, sizeof c->flags);
    tables[COMMAND_TABLES_MAX] = (struct flag_table){flags_global, &flags_global_len};
    int rc = flags_parse_tables(v, a, argc, argv, tables, ARRAY_LEN(tables));
    if (rc < 0)
        return rc;
    if (flag_values_bool(v, "help")) {
        command_help(path);
        return 1;
    }
    const char *no_color = getenv("K6_NO_COLOR");
    return log_sink_configure(flag_values_get(v, "log-output"), flag_values_get(v, "log-format"),
                              flag_values_bool(v, "verbose"),
                              flag_values_bool(v, "no-color") ||
                                  (no_color != NULL && no_color[0] != '\0'));
}

int command_check_args(const struct flag_values *v, size_t min, size_t max)
{
    if (v->args_len >= min && v->args_len <= max)
        return 0;
    int rc = min == max ? err_set(E_CONFIG, "accepts %zu arg(s), received %zu", min, v->args_len)
                        : err_set(E_CONFIG, "accepts between %zu and %zu arg(s), received %zu", min,
                                  max, v->args_len);
    return err_exit(rc, FLAGS_EXIT);
}

/* `help cloud login` */
static int help_of(int argc, char **argv)
{
    CLEANUP(buf_fini) struct buf path;
    buf_init(&path, CMD_HELP_BYTES);
    for (int i = 0; i < argc && argv[i][0] != '-'; i++)
        buf_printf(&path, "%s%s", i > 0 ? " " : "", argv[i]);
    if (path.len == 0)
        return help_root();
    const char *name = buf_cstr(&path);
    if (name != NULL && command_find(name) != NULL) {
        command_help(name);
        return 0;
    }
    int rc = say_absent(argv[0]);
    return rc < 0 ? rc : unknown(name != NULL ? name : argv[0]);
}

static int call(int argc, char **argv)
{
    const char *name = argv[0];
    if (strcmp(name, "help") == 0)
        return help_of(argc - 1, argv + 1);
    const struct command *c = command_find(name);
    if (c != NULL && c->fn != NULL)
        return c->fn(argc, argv);
    int rc = say_absent(name);
    return rc < 0 ? rc : unknown(name);
}

/* How many of argv[1..) are global flags in front of the command, with their values. */
static int count_leading(int argc, char **argv)
{
    const struct flag_table global = {flags_global, &flags_global_len};
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        const char *eq = strchr(argv[i], '=');
        bool is_long = argv[i][1] == '-';
        struct str name = is_long ? str_new(argv[i] + 2, eq != NULL ? (size_t)(eq - argv[i]) - 2
                                                                    : strlen(argv[i]) - 2)
                                  : STR_EMPTY;
        const struct flag *f = flag_find(&global, 1, name, is_long ? 0 : argv[i][1]);
        bool takes_next = f != NULL && f->kind != FLAG_BOOL && f->bare == NULL && eq == NULL &&
                          (is_long || argv[i][2] == '\0');
        i += takes_next ? 2 : 1;
    }
    return MIN(i, argc) - 1;
}

/* Only flags: the help, the version, or a mistake. */
static int only_flags(int argc, char **argv)
{
    const struct flag_table global = {flags_global, &flags_global_len};
    struct arena a;
    struct flag_values v;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--version") == 0)
            return cmd_version(1, argv);
    arena_init(&a, CMD_HELP_BYTES);
    int rc = flags_parse_tables(&v, &a, argc, argv, &global, 1);
    arena_fini(&a);
    return rc < 0 ? rc : help_root();
}

int command_main(int argc, char **argv)
{
    int leading = count_leading(argc, argv);
    if (1 + leading >= argc)
        return only_flags(argc, argv);
    if (leading == 0)
        return call(argc - 1, argv + 1);
    /* The command first, then its flags, among them those that stood in front of it. */
    char **sorted = mem_calloc((size_t)argc + 1, sizeof *sorted);
    if (sorted == NULL)
        return err_set_errno(-ENOMEM, "arguments");
    sorted[0] = argv[1 + leading];
    memcpy(sorted + 1, argv + 1, (size_t)leading * sizeof *argv);
    memcpy(sorted + 1 + leading, argv + 2 + leading, (size_t)(argc - leading - 2) * sizeof *argv);
    int rc = call(argc - 1, sorted);
    mem_free(sorted);
    return rc;
}
