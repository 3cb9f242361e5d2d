#include "cmd/run_cmd.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/commands.h"
#include "cmd/config_path.h"
#include "cmd/flags_int.h"
#include "cmd/log_sink.h"
#include "cmd/outputs.h"
#include "cmd/run_view.h"
#include "cmd/screen.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

static int usage_error(int rc)
{
    return err_exit(rc, FLAGS_EXIT);
}

/* A flag's value, or the variable's, or NULL. */
static const char *flag_or_env(const struct run_cmd *c, const char *flag, const char *env)
{
    const char *value = flag_values_get(&c->flags, flag);
    if (value == NULL)
        value = getenv(env);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool flag_or_env_bool(const struct run_cmd *c, const char *flag, const char *env)
{
    const char *value = flag_or_env(c, flag, env);
    return value != NULL && strchr("tT1", value[0]) != NULL;
}

/* ---- files --------------------------------------------------------------------------------- */

static int read_fd(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *room = buf_reserve(out, 64 * 1024);
        if (room == NULL)
            return buf_finish(out);
        ssize_t n = read(fd, room, 64 * 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buf_claim(out, (size_t)n);
    }
}

static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = read_fd(fd, out);
    (void)close(fd);
    return rc;
}

static int find_config(struct run_cmd *c, bool *given)
{
    CLEANUP(buf_fini) struct buf path = {0};
    const char *named = flag_or_env(c, "config", "K6_CONFIG");
    *given = named != NULL;
    buf_init(&path, 8192);
    if (named != NULL)
        buf_z(&path, named);
    else
        config_default_path(&path);
    c->config_path = arena_dup(&c->arena, buf_view(&path));
    return c->config_path == NULL ? err_set_errno(-ENOMEM, "config file") : 0;
}

static int config_error(int rc, const char *path)
{
    char why[ERR_MESSAGE_MAX];
    if (err_get()->code == rc)
        (void)snprintf(why, sizeof why, "%.1000s: %s", path, err_message());
    else
        (void)snprintf(why, sizeof why, "stat %.1000s: no such file or directory", path);
    if (rc != -ENOENT && err_get()->code != rc)
        (void)snprintf(why, sizeof why, "open %.1000s: %s", path, err_code_text(rc));
    return err_exit(err_set(E_CONFIG,
                            "failed to load the configuration file from the local file system: %s",
                            why),
                    EXIT_CONFIG);
}

static int load_config(struct run_cmd *c)
{
    CLEANUP(buf_fini) struct buf text = {0};
    bool given;
    buf_init(&text, LOAD_SCRIPT_BYTES);
    int rc = find_config(c, &given);
    if (rc < 0)
        return rc;
    err_clear();
    rc = read_file(c->config_path, &text);
    if (rc == -ENOENT && !given)
        return 0;
    if (rc == 0)
        rc = options_parse_json(&c->config_layer, buf_view(&text), OPTIONS_CONFIG_FILE);
    return rc < 0 ? config_error(rc, c->config_path) : 0;
}

static int read_stdin(struct run_cmd *c)
{
    CLEANUP(buf_fini) struct buf text = {0};
    buf_init(&text, LOAD_SCRIPT_BYTES);
    int rc = read_fd(STDIN_FILENO, &text);
    if (rc < 0)
        return usage_error(err_set_errno(rc, "read the script from standard input"));
    size_t len = text.len;
    c->source = str_dup(buf_view(&text));
    if (c->source == NULL)
        return err_set_errno(-ENOMEM, "script");
    c->request.source = str_new(c->source, len);
    return 0;
}

/* ---- __ENV --------------------------------------------------------------------------------- */

static bool good_name(struct str name)
{
    if (name.len == 0 || isdigit((unsigned char)name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '_')
            return false;
    return true;
}

static void put_env(struct tag *list, size_t *len, struct str key, struct str value)
{
    for (size_t i = 0; i < *len; i++)
        if (str_eq(list[i].key, key)) {
            list[i].value = value;
            return;
        }
    list[(*len)++] = (struct tag){key, value};
}

static int flag_env(struct run_cmd *c, struct tag *list, size_t *len)
{
    for (size_t i = 0; i < c->flags.len; i++) {
        if (strcmp(c->flags.items[i].flag->name, "env") != 0)
            continue;
        struct str value;
        struct str name = str_cut(str_of(c->flags.items[i].value), '=', &value);
        if (!good_name(name))
            return usage_error(
                err_set(E_CONFIG, "invalid environment variable name '%.*s'", STR_ARG(name)));
        put_env(list, len, name, value);
    }
    return 0;
}

static bool wants_system_env(const struct run_cmd *c)
{
    const char *value = flag_or_env(c, "include-system-env-vars", "K6_INCLUDE_SYSTEM_ENV_VARS");
    return value == NULL || strchr("tT1", value[0]) != NULL;
}

static int make_env(struct run_cmd *c)
{
    size_t system = 0;
    while (environ[system] != NULL)
        system++;
    struct tag *all = arena_calloc(&c->arena, system + c->flags.len + 1, sizeof *all);
    struct tag *own = arena_calloc(&c->arena, c->flags.len + 1, sizeof *own);
    if (all == NULL || own == NULL)
        return err_set_errno(-ENOMEM, "environment");
    size_t all_len = 0, own_len = 0;
    for (size_t i = 0; i < system && wants_system_env(c); i++) {
        struct str value;
        struct str name = str_cut(str_of(environ[i]), '=', &value);
        if (value.ptr != NULL && name.len > 0)
            all[all_len++] = (struct tag){name, value};
    }
    int rc = flag_env(c, own, &own_len);
    for (size_t i = 0; i < own_len; i++)
        put_env(all, &all_len, own[i].key, own[i].value);
    c->request.env = all;
    c->request.env_len = all_len;
    c->request.cli_env = own;
    c->request.cli_env_len = own_len;
    return rc;
}

/* ---- flags --------------------------------------------------------------------------------- */

static void print_help(const struct flag *extra, size_t extra_len)
{
    CLEANUP(buf_fini) struct buf text = {0};
    buf_init(&text, 1 << 20);
    buf_printf(&text, "Runs a test and shows its results.\n\nUsage:\n  %s %s [flags] SCRIPT\n\n",
               program_name(), extra_len > 0 ? "cloud run" : "run");
    buf_z(&text, "SCRIPT is a file, or - for standard input.\n\nFlags:\n");
    flags_help(&text, flags_run, flags_run_len);
    flags_help(&text, extra, extra_len);
    buf_z(&text, "\nFlags of all commands:\n");
    flags_help(&text, flags_global, flags_global_len);
    screen_write(stdout, text.data, text.len);
}

static int parse_flags(struct run_cmd *c, int argc, char **argv, const struct flag *extra,
                       size_t extra_len)
{
    size_t n = flags_run_len + flags_global_len;
    struct flag *own = arena_calloc(&c->arena, n, sizeof *own);
    if (own == NULL)
        return err_set_errno(-ENOMEM, "flags");
    memcpy(own, flags_run, flags_run_len * sizeof *own);
    memcpy(own + flags_run_len, flags_global, flags_global_len * sizeof *own);
    return flags_parse(&c->flags, &c->arena, argc, argv, own, n, extra, extra_len);
}

static int set_options(struct run_cmd *c)
{
    for (size_t i = 0; i < c->flags.len; i++) {
        const struct flag_value *v = &c->flags.items[i];
        if (v->flag->option == 0)
            continue;
        int rc =
            options_set_text(&c->cli_layer, (enum option_id)(v->flag->option - 1), v->value, true);
        if (rc == E_CONFIG)
            return flag_invalid(v->flag, v->value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* "64MB", "65536", "1g": powers of 1024. */
static int parse_size(const char *text, int64_t *ret)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},    {"b", 0},    {"k", 10}, {"kb", 10}, {"kib", 10}, {"m", 20},
                 {"mb", 20}, {"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}};
    size_t digits = strspn(text, "0123456789");
    int64_t n;
    if (str_to_i64(str_new(text, digits), &n) < 0 || n <= 0 || n > INT64_MAX >> 30)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_ieq(str_of(text + digits), str_of(units[i].name))) {
            *ret = n << units[i].shift;
            return 0;
        }
    return -EINVAL;
}

/* What the environment asks for isn't passed over in silence. */
static int check_env(void)
{
    static const char *const missing[] = {
        "K6_ADDRESS",
        "K6_PROFILING_ENABLED",
        "K6_SECRET_SOURCE",
        "K6_TRACES_OUTPUT",
        "K6_NEW_MACHINE_READABLE_SUMMARY",
        "K6_FEATURES",
        "K6_WEB_DASHBOARD",
    };
    static const char *const off[] = {"", "0", "false", "none"};
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        const char *value = getenv(missing[i]);
        bool wanted = value != NULL;
        for (size_t k = 0; k < ARRAY_LEN(off) && wanted; k++)
            wanted = strcmp(value, off[k]) != 0;
        if (wanted)
            return err_exit(err_set(E_UNSUPPORTED, "what %s asks for isn't there yet", missing[i]),
                            EXIT_CONFIG);
    }
    return 0;
}

static int check_mode(struct run_cmd *c)
{
    static const char *const modes[] = {"extended", "base", "experimental_enhanced"};
    const char *mode = flag_or_env(c, "compatibility-mode", "K6_COMPATIBILITY_MODE");
    bool known = mode == NULL;
    for (size_t i = 0; i < ARRAY_LEN(modes) && !known; i++)
        known = strcmp(mode, modes[i]) == 0;
    return known ? 0
                 : usage_error(err_set(E_CONFIG,
                                       "invalid compatibility mode \"%s\". Use: \"extended\", "
                                       "\"base\", \"experimental_enhanced\"",
                                       mode));
}

static int set_own(struct run_cmd *c)
{
    struct run_request *q = &c->request;
    const char *workers = flag_or_env(c, "workers", "SPATE_WORKERS");
    const char *memory = flag_or_env(c, "vu-memory-limit", "SPATE_VU_MEMORY_LIMIT");
    int64_t n = 0;
    if (workers != NULL && (str_to_i64(str_of(workers), &n) < 0 || n < 1 || n > LOAD_WORKERS_MAX))
        return usage_error(err_set(E_CONFIG, "--workers must be a number from 1 to %d, not '%s'",
                                   LOAD_WORKERS_MAX, workers));
    if (workers != NULL)
        q->workers = (uint32_t)n;
    if (memory != NULL && parse_size(memory, &q->vu_memory_max) < 0)
        return usage_error(
            err_set(E_CONFIG, "--vu-memory-limit must be a size like 64MB, not '%s'", memory));
    q->no_thresholds = flag_or_env_bool(c, "no-thresholds", "K6_NO_THRESHOLDS");
    q->summary_export = flag_or_env(c, "summary-export", "K6_SUMMARY_EXPORT");
    const char *mode = flag_or_env(c, "summary-mode", "K6_SUMMARY_MODE");
    int rc = summary_mode_parse(str_of(mode != NULL ? mode : ""), &q->summary_mode);
    if (rc < 0)
        return usage_error(rc);
    if (flag_or_env_bool(c, "no-summary", "K6_NO_SUMMARY"))
        q->summary_mode = SUMMARY_DISABLED;
    const char *type = flag_or_env(c, "type", "K6_TYPE");
    if (type != NULL && strcmp(type, "js") != 0)
        return usage_error(
            err_set(E_UNSUPPORTED, "running a test of type '%s' isn't there yet", type));
    c->no_archive_upload = flag_values_bool(&c->flags, "no-archive-upload");
    rc = check_mode(c);
    return rc < 0 ? rc : check_env();
}

static int set_script(struct run_cmd *c)
{
    if (c->flags.args_len != 1)
        return usage_error(err_set(E_CONFIG,
                                   "accepts 1 arg(s), received %zu: arg should either be \"-\", if "
                                   "reading script from stdin, or a path to a script file",
                                   c->flags.args_len));
    char *pwd = arena_alloc(&c->arena, PATH_MAX);
    if (pwd == NULL || getcwd(pwd, PATH_MAX) == NULL)
        return err_set_errno(pwd == NULL ? -ENOMEM : -errno, "working folder");
    c->request.script_arg = c->flags.args[0];
    c->request.pwd = pwd;
    return strcmp(c->request.script_arg, "-") == 0 ? read_stdin(c) : 0;
}

static int set_look(struct run_cmd *c)
{
    bool no_color = flag_values_bool(&c->flags, "no-color") ||
                    flag_or_env(c, "no-color", "K6_NO_COLOR") != NULL || getenv("NO_COLOR") != NULL;
    c->quiet = flag_values_bool(&c->flags, "quiet");
    c->request.no_color = no_color;
    c->request.stdout_tty = screen.out_tty;
    c->request.stderr_tty = screen.err_tty;
    c->request.color = screen.out_tty && !no_color;
    return log_sink_configure(flag_values_get(&c->flags, "log-output"),
                              flag_values_get(&c->flags, "log-format"),
                              flag_values_bool(&c->flags, "verbose"), no_color);
}

int run_cmd_parse(struct run_cmd *c, int argc, char **argv, const struct flag *extra,
                  size_t extra_len)
{
    *c = (struct run_cmd){0};
    arena_init(&c->arena, LOAD_OPTIONS_BYTES);
    options_init(&c->config_layer, &c->arena);
    options_init(&c->env_layer, &c->arena);
    options_init(&c->cli_layer, &c->arena);
    int rc = parse_flags(c, argc, argv, extra, extra_len);
    if (rc < 0)
        return rc;
    if (flag_values_bool(&c->flags, "help")) {
        print_help(extra, extra_len);
        return 1;
    }
    rc = set_look(c);
    if (rc == 0)
        rc = set_options(c);
    if (rc == 0)
        rc = set_own(c);
    if (rc == 0)
        rc = make_env(c);
    if (rc == 0)
        rc = set_script(c);
    if (rc == 0)
        rc = load_config(c);
    if (rc == 0)
        rc = options_parse_env(&c->env_layer, NULL, NULL);
    c->request.config_layer = &c->config_layer;
    c->request.env_layer = &c->env_layer;
    c->request.cli_layer = &c->cli_layer;
    c->request.program = program_name();
    return rc;
}

void run_cmd_fini(struct run_cmd *c)
{
    mem_free(c->source);
    arena_fini(&c->arena);
    *c = (struct run_cmd){0};
}

/* ---- running ------------------------------------------------------------------------------- */

static const struct opt_strs *wanted_outputs(const struct run_cmd *c)
{
    if (c->cli_layer.out.set)
        return &c->cli_layer.out;
    return c->env_layer.out.set ? &c->env_layer.out : &c->config_layer.out;
}

static int make_outputs(struct run_cmd *c, const struct output *more, size_t more_len,
                        struct output *list, size_t *len)
{
    const struct opt_strs *wanted = wanted_outputs(c);
    for (size_t i = 0; i < more_len; i++)
        list[(*len)++] = more[i];
    for (size_t i = 0; i < wanted->len; i++) {
        int rc = outputs_make(c, wanted->items[i], &list[*len]);
        if (rc < 0)
            return rc;
        (*len)++;
    }
    return 0;
}

static const char *console_file(const struct run_cmd *c)
{
    if (c->cli_layer.console_output != NULL)
        return c->cli_layer.console_output;
    return c->env_layer.console_output != NULL ? c->env_layer.console_output
                                               : c->config_layer.console_output;
}

int run_cmd_execute(struct run_cmd *c, const struct output *more, size_t more_len)
{
    struct run_view view;
    size_t len = 0;
    struct output *list = mem_calloc(wanted_outputs(c)->len + more_len + 1, sizeof *list);
    if (list == NULL)
        return err_set_errno(-ENOMEM, "outputs");
    const char *console = console_file(c);
    int rc = make_outputs(c, more, more_len, list, &len);
    if (rc == 0 && console != NULL && console[0] != '\0')
        rc = log_sink_console(console);
    if (rc == 0) {
        run_view_init(&view, c->quiet, c->request.color);
        c->request.ui = &view.ui;
        c->request.outputs = list;
        c->request.outputs_len = len;
        rc = run_test(&c->request);
    }
    struct err kept = *err_get(); /* freeing may use the slot */
    for (size_t i = 0; i < len; i++)
        if (list[i].ops->free != NULL)
            list[i].ops->free(list[i].self);
    mem_free(list);
    *err_get() = kept;
    return rc;
}

int cmd_run(int argc, char **argv)
{
    struct run_cmd c;
    int rc = run_cmd_parse(&c, argc, argv, NULL, 0);
    if (rc == 0)
        rc = run_cmd_execute(&c, NULL, 0);
    run_cmd_fini(&c);
    return rc;
}
