/*
 * spate server: the results service, until Ctrl-C.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/ask.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "codec/duration.h"
#include "server/server.h"

static const char default_listen[] = "127.0.0.1:6600";
static const char default_data[] = "./spate-data";
static const char default_timeout[] = "2m";
static const char default_owner[] = "admin@localhost";

enum { FLAG_RUN_TIMEOUT = 3 };

const struct flag flags_server[] = {
    {.name = "listen",
     .kind = FLAG_STRING,
     .value_name = "addr:port",
     .help = "address to serve on, port 0 takes a free one (default 127.0.0.1:6600)"},
    {.name = "data",
     .kind = FLAG_STRING,
     .value_name = "dir",
     .help = "folder that keeps everything (default ./spate-data)"},
    {.name = "token-file",
     .kind = FLAG_STRING,
     .value_name = "file",
     .help = "file that holds a valid access token once the server is up"},
    {.name = "run-timeout",
     .kind = FLAG_DURATION,
     .value_name = "duration",
     .help = "a test run without data for so long is timed out (default 2m)"},
    {.name = "admin-email",
     .kind = FLAG_STRING,
     .value_name = "email",
     .help = "at the first start: who owns the server (default admin@localhost)"},
    {.name = "admin-password-file",
     .kind = FLAG_STRING,
     .value_name = "file",
     .help = "at the first start: the owner's password is the first line of it"},
};

const size_t flags_server_len = ARRAY_LEN(flags_server);

static const char *or_default(const char *given, const char *otherwise)
{
    return given ? given : otherwise;
}

/* ---- the first start ---- */

/* A name is an address of this machine: "admin@localhost"; "Ann Example" is ann… with a dot. */
static int put_email(struct server_owner *o, const char *text)
{
    struct str given = str_trim(str_of(text));
    bool name = !memchr(given.ptr, '@', given.len);
    snprintf(o->email, sizeof o->email, "%.*s%s", STR_ARG(given), name ? "@localhost" : "");
    for (char *p = o->email; name && *p; p++)
        if (*p == ' ')
            *p = '.';
    if (given.len == 0 || strlen(o->email) > 254 || o->email[0] == '@' || strchr(o->email, ' '))
        return err_set(E_CONFIG, "\"%s\" is no e-mail address", text);
    return 0;
}

static int ask_at_terminal(const char *present, struct server_owner *ret)
{
    char text[sizeof ret->email - 16];
    fprintf(stderr, "%s\n",
            present ? "Signing in takes a password from now on." : "This is the first start.");
    if (!present) {
        char prompt[sizeof ret->email + 64];
        snprintf(prompt, sizeof prompt, "Name or e-mail of the owner [%s]", ret->email);
        if (!ask_line(prompt, text, sizeof text))
            return err_set(E_CONFIG, "no owner given");
        struct str given = str_trim(str_of(text));
        int rc = given.len > 0 ? put_email(ret, text) : 0; /* else it stays as it is */
        if (rc < 0)
            return rc;
        snprintf(ret->name, sizeof ret->name, "%.*s", STR_ARG(given));
    }
    char prompt[sizeof ret->email + 32];
    snprintf(prompt, sizeof prompt, "Password for %s", present ? present : ret->email);
    return ask_new_password(prompt, ret->password, sizeof ret->password);
}

static int ask_owner(void *arg, const char *present, struct server_owner *ret)
{
    const struct flag_values *v = arg;
    const char *file = flag_values_get(v, "admin-password-file");
    int rc = put_email(ret, or_default(flag_values_get(v, "admin-email"), default_owner));
    if (rc < 0)
        return err_wrap(rc, "--admin-email");
    if (file)
        return ask_password_file(file, ret->password, sizeof ret->password);
    if (!ask_has_terminal())
        return 0;
    /* Blocked for the server's sake; whoever is asked may give up. */
    sigset_t ends;
    sigset_t before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &ends, &before);
    rc = ask_at_terminal(present, ret);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int read_config(const struct flag_values *v, struct server_config *ret)
{
    const char *timeout = or_default(flag_values_get(v, "run-timeout"), default_timeout);
    *ret = (struct server_config){
        .listen = or_default(flag_values_get(v, "listen"), default_listen),
        .data_dir = or_default(flag_values_get(v, "data"), default_data),
        .token_file = flag_values_get(v, "token-file"),
        .ask_owner = ask_owner,
        .ask_arg = (void *)(uintptr_t)v,
    };
    int rc = duration_parse(str_of(timeout), &ret->run_timeout_ns);
    if (rc == 0 && ret->run_timeout_ns <= 0)
        rc = err_set(E_CONFIG, "the duration has to be more than 0");
    return rc < 0 ? flag_invalid(&flags_server[FLAG_RUN_TIMEOUT], timeout) : 0;
}

static void greet(struct server *s, const struct server_config *config)
{
    printf("Spate is at %s, its data in %s\n", server_url(s), config->data_dir);
    const char *email = NULL;
    const char *password = server_new_password(s, &email);
    const char *token = server_new_token(s);
    if (password)
        printf("\nThe owner signs in on the page as %s; the password, shown only now, has to be\n"
               "changed there at once:\n\n    %s\n",
               email, password);
    if (token)
        printf("\nThis is the first start. Your token, shown only now:\n\n    %s\n\n"
               "Let this machine's runs stream here (the page takes it, too):\n\n"
               "    %s cloud login --host %s --token %s\n"
               "    %s cloud run --local-execution script.js\n\n",
               token, program_name(), server_url(s), token, program_name());
    fflush(stdout);
    server_forget_token(s);
}

/* Serves until SIGINT or SIGTERM; the server's threads inherit that both are blocked. */
static int serve(const struct server_config *config)
{
    sigset_t ends;
    sigset_t before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
    struct server *s = NULL;
    int rc = server_start(config, &s);
    if (rc == 0) {
        int which = 0;
        greet(s, config);
        sigwait(&ends, &which);
        log_info("stopping");
        server_stop(s);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int cmd_server(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "user") == 0 || strcmp(argv[1], "token") == 0))
        return cmd_server_accounts(argc - 1, argv + 1);
    CLEANUP(arena_fini) struct arena a;
    struct flag_values v = {0};
    struct server_config config;
    arena_init(&a, 1024 * 1024);
    int rc = command_parse("server", &v, &a, argc, argv);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (v.args_len > 0)
        return err_exit(err_set(E_CONFIG, "server takes no argument, but got \"%s\"", v.args[0]),
                        255);
    rc = read_config(&v, &config);
    if (rc < 0)
        return rc;
    rc = serve(&config);
    return rc < 0 && err_get()->exit_code == 0 ? err_exit(rc, 1) : rc;
}
