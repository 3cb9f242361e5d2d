#include "cmd/run_cmd.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/config_path.h"
#include "cmd/features.h"
#include "cmd/flags_int.h"
#include "cmd/log_sink.h"
#include "cmd/outputs.h"
#include "cmd/rest.h"
#include "cmd/run_view.h"
#include "cmd/screen.h"
#include "load/segment.h"
#include "load/settings.h"

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

/* What the flag says, else its variable; *ret stays as it is when neither does. */
static int switch_of(const struct run_cmd *c, const char *flag, bool *ret)
{
    const struct flag_table tables[] = {{flags_runtime, &flags_runtime_len},
                                        {flags_run, &flags_run_len}};
    const struct flag *f = flag_find(tables, ARRAY_LEN(tables), str_of(flag), 0);
    const char *value = flag_values_get(&c->flags, flag);
    if (value != NULL) {
        *ret = flag_values_bool(&c->flags, flag);
        return 0;
    }
    value = f != NULL && f->env != NULL ? getenv(f->env) : NULL;
    if (value == NULL)
        return 0;
    return flag_bool(value, ret) < 0
               ? usage_error(
                     err_wrap(E_CONFIG, "env var '%s' is not a valid boolean value", f->env))
               : 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static int find_config(struct run_cmd *c, bool *given)
{
    CLEANUP(buf_fini) struct buf path = {0};
    const char *named = flag_or_env(c, "config", "K6_CONFIG");
    buf_init(&path, 8192);
    config_default_path(&path);
    *given = named != NULL && !str_eqz(buf_view(&path), named);
    if (*given) {
        buf_reset(&path);
        buf_z(&path, named);
    }
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
    rc = read_whole_file(c->config_path, &text);
    if (rc == -ENOENT && !given)
        return 0;
    if (rc == 0)
        rc = options_parse_json(&c->config_layer, buf_view(&text), OPTIONS_CONFIG_FILE);
    return rc < 0 ? config_error(rc, c->config_path) : 0;
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

static int put_flag_env(struct run_cmd *c, struct tag *list, size_t *len)
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

static int wants_system_env(const struct run_cmd *c, bool *ret)
{
    *ret = c->system_env;
    return switch_of(c, "include-system-env-vars", ret);
}

static void put_system_env(struct tag *list, size_t *len)
{
    for (size_t i = 0; environ[i] != NULL; i++) {
        struct str value;
        struct str name = str_cut(str_of(environ[i]), '=', &value);
        if (value.ptr != NULL && name.len > 0)
            put_env(list, len, name, value);
    }
}

/* An archive's own, then the process's, then that of -e: the last one counts. */
static int make_env(struct run_cmd *c)
{
    const struct test_archive *archive = &c->script.archive;
    size_t system = 0, all_len = 0, own_len = 0;
    bool wanted;
    int rc = wants_system_env(c, &wanted);
    if (rc < 0)
        return rc;
    while (environ[system] != NULL)
        system++;
    size_t most = archive->env_len + c->flags.len + 1;
    struct tag *all = arena_calloc(&c->arena, most + system, sizeof *all);
    struct tag *own = arena_calloc(&c->arena, most, sizeof *own);
    if (all == NULL || own == NULL)
        return err_set_errno(-ENOMEM, "environment");
    for (size_t i = 0; i < archive->env_len; i++)
        all[all_len++] = own[own_len++] = archive->env[i];
    if (wanted)
        put_system_env(all, &all_len);
    rc = put_flag_env(c, all, &all_len);
    if (rc == 0)
        rc = put_flag_env(c, own, &own_len);
    c->request.env = all;
    c->request.env_len = all_len;
    c->request.cli_env = own;
    c->request.cli_env_len = own_len;
    return rc;
}

/* ---- flags --------------------------------------------------------------------------------- */

/* A flag's value that can't be is a wrong use of the command, not of the configuration. */
static int check_options(struct run_cmd *c)
{
    struct options o = c->cli_layer;
    struct settings s = {0};
    struct segment segment = {0};
    for (size_t i = 0; i < o.stages.len; i++)
        if (!o.stages.items[i].duration.set)
            return usage_error(err_set(E_CONFIG, "stage %zu doesn't have a specified duration", i));
    const char *unit = o.summary_time_unit;
    if (unit != NULL && unit[0] != '\0' && strcmp(unit, "s") != 0 && strcmp(unit, "ms") != 0 &&
        strcmp(unit, "us") != 0)
        return usage_error(
            err_set(E_CONFIG, "invalid summary time unit '%s', use 's', 'ms' or 'us'", unit));
    int rc = options_finish(&o);
    if (rc == 0)
        rc = settings_make(&o, &s);
    if (rc == 0 && o.execution_segment != NULL)
        rc = segment_parse(o.execution_segment, NULL, &segment);
    segment_fini(&segment);
    settings_fini(&s);
    return rc < 0 ? usage_error(rc) : 0;
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
    return check_options(c);
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
        "K6_SECRET_SOURCE",
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

static int check_traces(const struct run_cmd *c)
{
    const char *where = flag_or_env(c, "traces-output", "K6_TRACES_OUTPUT");
    if (where == NULL || strcmp(where, "none") == 0)
        return 0;
    return usage_error(err_set(E_UNSUPPORTED,
                               "--traces-output '%s' (K6_TRACES_OUTPUT) isn't there yet, only none",
                               where));
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

static int set_switches(struct run_cmd *c)
{
    bool no_summary = false;
    int rc = switch_of(c, "no-thresholds", &c->request.no_thresholds);
    if (rc == 0)
        rc = switch_of(c, "no-summary", &no_summary);
    if (rc == 0)
        rc = switch_of(c, "no-archive-upload", &c->no_archive_upload);
    if (rc == 0)
        rc = switch_of(c, "new-machine-readable-summary", &c->request.summary_machine);
    if (no_summary)
        c->request.summary_mode = SUMMARY_DISABLED;
    if (rc == 0)
        rc = check_mode(c);
    if (rc == 0)
        rc = check_traces(c);
    return rc < 0 ? rc : check_env();
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
    q->summary_export = flag_or_env(c, "summary-export", "K6_SUMMARY_EXPORT");
    const char *mode = flag_or_env(c, "summary-mode", "K6_SUMMARY_MODE");
    int rc = summary_mode_parse(str_of(mode != NULL ? mode : ""), &q->summary_mode);
    if (rc < 0)
        return usage_error(rc);
    return set_switches(c);
}

/* The REST API, when it is wanted. */
static int set_rest(struct run_cmd *c)
{
    const char *address = flag_or_env(c, "address", "K6_ADDRESS");
    if (flag_or_env(c, "profiling-enabled", "K6_PROFILING_ENABLED") != NULL)
        log_warning("there are no profiles of Go's to be enabled; try perf(1) with this process");
    if (address == NULL)
        return 0;
    int rc = rest_new(address, flag_values_get(&c->flags, "address") != NULL, &c->rest);
    c->request.control = &rest_ops;
    c->request.control_arg = c->rest;
    return rc;
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
    int rc =
        script_source_read(&c->script, c->request.script_arg, flag_or_env(c, "type", "K6_TYPE"));
    if (rc < 0)
        return rc;
    if (c->script.is_archive)
        c->request.archive = &c->script.archive;
    else if (strcmp(c->request.script_arg, "-") == 0)
        c->request.source = buf_view(&c->script.bytes);
    return 0;
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

static void init(struct run_cmd *c)
{
    *c = (struct run_cmd){0};
    arena_init(&c->arena, LOAD_OPTIONS_BYTES);
    options_init(&c->config_layer, &c->arena);
    options_init(&c->env_layer, &c->arena);
    options_init(&c->cli_layer, &c->arena);
}

/* Of flags, else variables, else the config file. */
static int set_features(struct run_cmd *c)
{
    const struct opt_strs *names = c->cli_layer.features.set   ? &c->cli_layer.features
                                   : c->env_layer.features.set ? &c->env_layer.features
                                                               : &c->config_layer.features;
    unsigned on = features_parse(names->items, names->len);
    struct tag *tags = arena_calloc(&c->arena, FEATURES_LEN, sizeof *tags);
    if (tags == NULL)
        return err_set_errno(-ENOMEM, "features");
    c->request.freeze_env = (on & (1u << FEATURE_FREEZE_ENV)) != 0;
    c->request.merge_run_tags = (on & (1u << FEATURE_MERGE_RUN_TAGS)) != 0;
    for (enum feature f = 0; f < FEATURES_LEN; f++)
        if ((on & (1u << f)) != 0)
            tags[c->request.more_tags_len++] = (struct tag){str_of(feature_tag(f)), STR("true")};
    c->request.more_tags = tags;
    return 0;
}

/* All that follows from the flags. */
static int conclude(struct run_cmd *c)
{
    int rc = set_look(c);
    if (rc == 0)
        rc = set_options(c);
    if (rc == 0)
        rc = set_own(c);
    if (rc == 0)
        rc = set_rest(c);
    if (rc == 0)
        rc = set_script(c);
    if (rc == 0)
        rc = make_env(c);
    if (rc == 0)
        rc = load_config(c);
    if (rc == 0)
        rc = options_parse_env(&c->env_layer, NULL, NULL);
    if (rc == 0)
        rc = set_features(c);
    c->request.config_layer = &c->config_layer;
    c->request.env_layer = &c->env_layer;
    c->request.cli_layer = &c->cli_layer;
    c->request.program = program_name();
    return rc;
}

int run_cmd_parse(struct run_cmd *c, int argc, char **argv, const struct flag *extra,
                  size_t extra_len)
{
    const struct flag_table tables[] = {{flags_options, &flags_options_len},
                                        {flags_runtime, &flags_runtime_len},
                                        {flags_run, &flags_run_len},
                                        {extra, &extra_len},
                                        {flags_global, &flags_global_len}};
    init(c);
    int rc = flags_parse_tables(&c->flags, &c->arena, argc, argv, tables, ARRAY_LEN(tables));
    if (rc < 0)
        return rc;
    if (flag_values_bool(&c->flags, "help")) {
        command_help(extra != NULL ? "cloud run" : "run");
        return 1;
    }
    /* On other machines nothing of this one's is known. */
    c->system_env = extra == NULL || flag_values_bool(&c->flags, "local-execution");
    return conclude(c);
}

int run_cmd_parse_script(struct run_cmd *c, const char *path, int argc, char **argv)
{
    init(c);
    int rc = command_parse(path, &c->flags, &c->arena, argc, argv);
    return rc != 0 ? rc : conclude(c);
}

void run_cmd_fini(struct run_cmd *c)
{
    script_source_fini(&c->script);
    rest_free(c->rest);
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
        if (rc == 0 && view.summary_lost)
            rc = usage_error(err_set(-EIO, "not all of the summary could be saved"));
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
