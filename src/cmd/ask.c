#include "cmd/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "server/password.h"

enum { TRIES = 5 };

/* A job in the background would be stopped by the terminal when it reads from it. */
static bool in_foreground(void)
{
    pid_t group = tcgetpgrp(STDIN_FILENO);
    return group < 0 || group == getpgrp();
}

bool ask_has_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && in_foreground();
}

static void prompt_for(const char *prompt)
{
    if (!isatty(STDIN_FILENO))
        return;
    fprintf(stderr, "%s: ", prompt);
    fflush(stderr);
}

/* Byte by byte, so that what follows the line stays for whoever reads next. */
static bool read_line(int fd, char *out, size_t size)
{
    size_t len = 0;
    bool any = false;
    char c;
    ssize_t n;
    while ((n = read(fd, &c, 1)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        any = true;
        if (c == '\n')
            break;
        if (len + 1 < size)
            out[len++] = c;
    }
    if (len > 0 && out[len - 1] == '\r')
        len--;
    out[len] = '\0';
    return any;
}

bool ask_line(const char *prompt, char *out, size_t size)
{
    prompt_for(prompt);
    return read_line(STDIN_FILENO, out, size);
}

/* The terminal as it was before a secret was asked for. */
static struct termios shown;

/* Whoever gives up gets a terminal back that shows what is typed. */
static void give_up(int which)
{
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &shown);
    (void)raise(which); /* the handler is gone by now: ends the program */
}

bool ask_secret(const char *prompt, char *out, size_t size)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before[ARRAY_LEN(ends)];
    struct sigaction restore = {.sa_handler = give_up, .sa_flags = (int)SA_RESETHAND};
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (!terminal)
        return ask_line(prompt, out, size);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        (void)sigaction(ends[i], &restore, &before[i]);
    struct termios quiet = shown;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    bool got = ask_line(prompt, out, size);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        (void)sigaction(ends[i], &before[i], NULL);
    fprintf(stderr, "\n");
    return got;
}

int ask_new_password(const char *prompt, char *out, size_t size)
{
    char again[1100];
    bool terminal = ask_has_terminal();
    for (int i = 0; i < (terminal ? TRIES : 1); i++) {
        if (!ask_secret(prompt, out, size))
            return err_set(E_CONFIG, "no password given");
        int rc = password_check(str_of(out));
        if (!terminal)
            return rc;
        if (rc < 0) {
            fprintf(stderr, "%s\n", err_message());
            continue;
        }
        bool same = ask_secret("The same again", again, sizeof again) && strcmp(out, again) == 0;
        explicit_bzero(again, sizeof again);
        if (same)
            return 0;
        fprintf(stderr, "these were two different ones\n");
    }
    explicit_bzero(out, size);
    return err_set(E_CONFIG, "no password given");
}

int ask_password_file(const char *path, char *out, size_t size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file)
        return err_set_errno(-errno, "password file %s", path);
    bool got =
        file == stdin ? read_line(STDIN_FILENO, out, size) : fgets(out, (int)size, file) != NULL;
    if (file != stdin)
        fclose(file);
    if (!got)
        out[0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    int rc = password_check(str_of(out));
    return rc < 0 ? err_wrap(rc, "password file %s", path) : 0;
}
