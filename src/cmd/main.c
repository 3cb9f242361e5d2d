/*
 * spate - the program: finds the command, says once what went wrong, ends with the exit code.
 */
#include "base/err.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/crash.h"
#include "cmd/flags_int.h"
#include "cmd/log_sink.h"
#include "cmd/program.h"
#include "cmd/screen.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void log_failure(int code)
{
    const struct err *e = err_get();
    if (e->code != code) {
        log_sink_failure(err_code_text(code), NULL, 0);
        return;
    }
    struct log_field f[2];
    int n = 0;
    if (e->hint[0] != '\0')
        f[n++] = (struct log_field){"hint", e->hint};
    if (strcmp(e->hint, "script exception") == 0)
        f[n++] = (struct log_field){"source", "stacktrace"};
    log_sink_failure(e->message, f, n);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    program_exit = _exit;
    crash_init();
    program_init(argc > 0 ? argv[0] : NULL);
    screen_init();
    log_sink_init();
    int rc = command_main(argc, argv);
    int code = 0;
    if (rc < 0) {
        code =
            err_get()->code == rc && err_get()->exit_code != 0 ? err_get()->exit_code : FLAGS_EXIT;
        log_failure(rc);
    }
    screen_write(stdout, "", 0); /* what printf() kept */
    if (code == 0 && screen_error() < 0) {
        code = FLAGS_EXIT;
        log_failure(err_set_errno(screen_error(), "write to standard output"));
    }
    log_sink_fini();
    return code;
}
