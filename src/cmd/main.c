/*
 * spate - the program: finds the command, says once what went wrong, ends with the exit code.
 */
#include "base/err.h"
#include "base/log.h"
#include "cmd/commands.h"
#include "cmd/flags_int.h"
#include "cmd/log_sink.h"
#include "cmd/program.h"
#include "cmd/screen.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
} commands[] = {
    {"run", cmd_run},     {"server", cmd_server},   {"cloud", cmd_cloud},
    {"login", cmd_login}, {"version", cmd_version}, {"--version", cmd_version},
};

/* Of k6's, for later. */
static const char *const later[] = {"archive", "inspect",  "new",    "completion", "stats",
                                    "status",  "pause",    "resume", "scale",      "convert",
                                    "deps",    "features", "x"};

static const char usage[] = "Load tests with k6 scripts; results live in a cloud of your own.\n"
                            "\n"
                            "Usage:\n"
                            "  %s run [flags] SCRIPT     run a test\n"
                            "  %s cloud run --local-execution SCRIPT\n"
                            "                               run it and stream its results\n"
                            "  %s cloud login            keep the token for that\n"
                            "  %s server                 keep and show results\n"
                            "  %s version\n"
                            "\n"
                            "Each command has --help.\n";

static int print_usage(void)
{
    const char *p = program_name();
    printf(usage, p, p, p, p, p);
    return 0;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return print_usage();
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].fn(argc - 1, argv + 1);
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (strcmp(argv[1], later[i]) == 0)
            return err_exit(err_set(E_UNSUPPORTED, "the command %s isn't there yet", argv[1]),
                            FLAGS_EXIT);
    if (argv[1][0] == '-')
        return err_exit(err_set(E_CONFIG, "unknown flag: %s", argv[1]), FLAGS_EXIT);
    return err_exit(err_set(E_CONFIG, "unknown command \"%s\" for \"%s\"", argv[1], program_name()),
                    FLAGS_EXIT);
}

static void log_failure(int code)
{
    const struct err *e = err_get();
    if (e->code != code) {
        log_error("%s", err_code_text(code));
        return;
    }
    struct log_field f[2];
    int n = 0;
    if (e->hint[0] != '\0')
        f[n++] = (struct log_field){"hint", e->hint};
    if (strcmp(e->hint, "script exception") == 0)
        f[n++] = (struct log_field){"source", "stacktrace"};
    log_fields(LOG_ERROR, e->message, f, n);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    program_exit = _exit;
    program_init(argc > 0 ? argv[0] : NULL);
    screen_init();
    log_sink_init();
    int rc = dispatch(argc, argv);
    int code = 0;
    if (rc < 0) {
        code =
            err_get()->code == rc && err_get()->exit_code != 0 ? err_get()->exit_code : FLAGS_EXIT;
        log_failure(rc);
    }
    log_sink_fini();
    (void)fflush(stdout);
    return code;
}
