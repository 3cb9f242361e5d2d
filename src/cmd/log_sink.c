#include "cmd/log_sink.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/flags_int.h"
#include "cmd/log_target.h"
#include "cmd/loki.h"
#include "cmd/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The process's sinks; set up by main before anything logs from other threads. */
static struct {
    FILE *to;           /* stderr, stdout, a file; NULL: nowhere */
    FILE *console;      /* of console.*; NULL: with the others */
    struct loki *loki;  /* instead of `to` */
    struct arena arena; /* of the target */
    struct log_target target;
    enum log_form form;
    int64_t start_ns; /* wall */
    bool added;
} sinks;

/* ---- forms --------------------------------------------------------------------------------- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._/@^+", c) != NULL;
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\0' || !is_plain(s.ptr[i]))
            return true;
    return false;
}

/* As Go's %q: what can't be printed is escaped, UTF-8 stays. */
static void write_quoted(struct buf *out, struct str s)
{
    static const char names[] = "abtnvfr"; /* \a is 7, \b 8, ... \r 13 */
    bool utf8 = str_is_utf8(s);
    buf_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c >= 7 && c <= 13)
            buf_printf(out, "\\%c", names[c - 7]);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            buf_printf(out, "\\x%02x", c);
        else
            buf_byte(out, c);
    }
    buf_byte(out, '"');
}

static void write_value(struct buf *out, const char *value)
{
    struct str s = str_of(value);
    if (needs_quotes(s))
        write_quoted(out, s);
    else
        buf_str(out, s);
}

/* RFC 3339 in local time. */
static void write_time(struct buf *out, int64_t wall_ns)
{
    time_t t = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;
    char text[64], zone[48];
    (void)localtime_r(&t, &tm);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (tm.tm_gmtoff == 0)
        (void)snprintf(zone, sizeof zone, "Z");
    else
        (void)snprintf(zone, sizeof zone, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+',
                       labs(tm.tm_gmtoff) / 3600, labs(tm.tm_gmtoff) / 60 % 60);
    buf_printf(out, "%s%s", text, zone);
}

static void format_text(struct buf *out, const struct log_line *l)
{
    buf_z(out, "time=\"");
    write_time(out, l->wall_ns);
    buf_printf(out, "\" level=%s", log_level_name(l->level));
    if (l->message[0] != '\0') {
        buf_z(out, " msg=");
        write_value(out, l->message);
    }
    for (int i = 0; i < l->fields_len; i++) {
        buf_printf(out, " %s=", l->fields[i].key);
        write_value(out, l->fields[i].value);
    }
    buf_byte(out, '\n');
}

static void format_color(struct buf *out, const struct log_line *l, int64_t start_ns)
{
    static const struct {
        const char *name;
        int color;
    } levels[] = {[LOG_DEBUG] = {"DEBU", 37},
                  [LOG_INFO] = {"INFO", 36},
                  [LOG_WARNING] = {"WARN", 33},
                  [LOG_ERROR] = {"ERRO", 31}};
    int color = levels[l->level].color;
    struct str message = str_of(l->message);
    while (message.len > 0 && message.ptr[message.len - 1] == '\n')
        message.len--;
    buf_printf(out, "\033[%dm%s\033[0m[%04lld] %-44.*s ", color, levels[l->level].name,
               (long long)((l->wall_ns - start_ns) / NS_PER_S), STR_ARG(message));
    for (int i = 0; i < l->fields_len; i++) {
        buf_printf(out, " \033[%dm%s\033[0m=", color, l->fields[i].key);
        write_value(out, l->fields[i].value);
    }
    buf_byte(out, '\n');
}

/* Keys sorted: the fields stand around "level", "msg" and "time". */
static void format_json(struct buf *out, const struct log_line *l)
{
    CLEANUP(buf_fini) struct buf time = {0};
    buf_init(&time, 64);
    write_time(&time, l->wall_ns);
    struct log_field all[LOG_FIELDS_MAX + 3] = {{"level", log_level_name(l->level)},
                                                {"msg", l->message},
                                                {"time", buf_cstr(&time) ? buf_cstr(&time) : ""}};
    int n = 3;
    for (int i = 0; i < l->fields_len && n < LOG_FIELDS_MAX + 3; i++) {
        int at = n++;
        for (; at > 0 && strcmp(all[at - 1].key, l->fields[i].key) > 0; at--)
            all[at] = all[at - 1];
        all[at] = l->fields[i];
    }
    for (int i = 0; i < n; i++) {
        buf_byte(out, i == 0 ? '{' : ',');
        buf_json_str(out, str_of(all[i].key));
        buf_byte(out, ':');
        buf_json_str(out, str_of(all[i].value));
    }
    buf_z(out, "}\n");
}

void log_line_format(struct buf *out, const struct log_line *l, enum log_form form,
                     int64_t start_ns)
{
    switch (form) {
    case LOG_FORM_TEXT:
        format_text(out, l);
        break;
    case LOG_FORM_COLOR:
        format_color(out, l, start_ns);
        break;
    case LOG_FORM_JSON:
        format_json(out, l);
        break;
    case LOG_FORM_RAW:
        buf_z(out, l->message);
        buf_byte(out, '\n');
        break;
    }
}

/* ---- sinks --------------------------------------------------------------------------------- */

static bool is_console(const struct log_line *l)
{
    for (int i = 0; i < l->fields_len; i++)
        if (strcmp(l->fields[i].key, "source") == 0)
            return strcmp(l->fields[i].value, "console") == 0;
    return false;
}

static void sink(void *arg, const struct log_line *l)
{
    (void)arg;
    CLEANUP(buf_fini) struct buf out = {0};
    bool console = sinks.console != NULL && is_console(l);
    FILE *to = console ? sinks.console : sinks.to;
    if (sinks.loki != NULL && !console) {
        loki_add(sinks.loki, l);
        return;
    }
    if (to == NULL)
        return;
    enum log_form form = console && sinks.form == LOG_FORM_COLOR ? LOG_FORM_TEXT : sinks.form;
    buf_init(&out, CMD_LOG_LINE_BYTES);
    log_line_format(&out, l, form, sinks.start_ns);
    screen_write(to, out.data, out.len);
}

static void use(FILE *to, enum log_form form, enum log_level level)
{
    if (sinks.added)
        log_remove_sink(sink, NULL);
    if (sinks.to != NULL && sinks.to != stderr && sinks.to != stdout && sinks.to != to)
        (void)fclose(sinks.to);
    sinks.to = to;
    sinks.form = form;
    sinks.added = log_add_sink(level, sink, NULL) == 0;
}

static enum log_form default_form(FILE *to, bool no_color)
{
    bool tty = (to == stderr && screen.err_tty) || (to == stdout && screen.out_tty);
    return tty && !no_color ? LOG_FORM_COLOR : LOG_FORM_TEXT;
}

void log_sink_init(void)
{
    sinks.start_ns = clock_wall_ns();
    use(stderr, default_form(stderr, getenv("NO_COLOR") != NULL), LOG_INFO);
}

/* Straight to standard error, whatever the lines' own way is. */
static void say(enum log_level level, const char *message, const struct log_field *fields, int n)
{
    CLEANUP(buf_fini) struct buf out = {0};
    struct log_line line = {clock_wall_ns(), level, message, fields, n};
    buf_init(&out, CMD_LOG_LINE_BYTES);
    log_line_format(&out, &line, LOG_FORM_TEXT, sinks.start_ns);
    screen_write(stderr, out.data, out.len);
}

static void loki_trouble(enum log_level level, const char *message)
{
    say(level, message, NULL, 0);
}

void log_sink_failure(const char *message, const struct log_field *fields, int fields_len)
{
    log_fields(LOG_ERROR, message, fields, fields_len);
    if (sinks.loki != NULL)
        say(LOG_ERROR, message, fields, fields_len);
}

void log_sink_fini(void)
{
    log_remove_sink(sink, NULL);
    sinks.added = false;
    loki_free(sinks.loki);
    sinks.loki = NULL;
    arena_fini(&sinks.arena);
    if (sinks.console != NULL)
        (void)fclose(sinks.console);
    if (sinks.to != NULL && sinks.to != stderr && sinks.to != stdout)
        (void)fclose(sinks.to);
    sinks.console = sinks.to = NULL;
}

static int open_append(const char *path, mode_t mode, FILE **ret)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode);
    *ret = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (*ret == NULL) {
        int rc = err_set_errno(-errno, "open %s", path);
        if (fd >= 0)
            (void)close(fd);
        return err_exit(rc, FLAGS_EXIT);
    }
    return 0;
}

/* A variable that is set to nothing says nothing. */
static const char *or_env(const char *value, const char *env, const char *otherwise)
{
    if (value == NULL)
        value = getenv(env);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

static int open_target(const struct log_target *t, FILE **ret)
{
    switch (t->kind) {
    case LOG_TARGET_STDERR:
        *ret = stderr;
        return 0;
    case LOG_TARGET_STDOUT:
        *ret = stdout;
        return 0;
    case LOG_TARGET_FILE:
        return open_append(t->path, 0600, ret);
    case LOG_TARGET_NONE:
    case LOG_TARGET_LOKI:
        break;
    }
    *ret = NULL;
    return 0;
}

static enum log_form form_of(const char *format, FILE *to, bool no_color)
{
    if (strcmp(format, "json") == 0)
        return LOG_FORM_JSON;
    if (strcmp(format, "raw") == 0)
        return LOG_FORM_RAW;
    return default_form(to, no_color || getenv("NO_COLOR") != NULL);
}

int log_sink_configure(const char *output, const char *format, bool verbose, bool no_color)
{
    struct log_target t;
    FILE *to = NULL;
    struct loki *loki = NULL;
    format = or_env(format, "K6_LOG_FORMAT", "text");
    loki_free(sinks.loki); /* who configures twice means the second */
    sinks.loki = NULL;
    arena_fini(&sinks.arena);
    arena_init(&sinks.arena, CMD_HELP_BYTES);
    int rc = log_target_parse(or_env(output, "K6_LOG_OUTPUT", "stderr"), &sinks.arena, &t);
    if (rc == 0)
        rc = open_target(&t, &to);
    if (rc < 0)
        return rc;
    sinks.target = t;
    if (t.kind == LOG_TARGET_LOKI) {
        rc = loki_new(&sinks.target.loki, loki_trouble, &loki);
        if (rc < 0)
            return err_exit(rc, FLAGS_EXIT);
    }
    enum log_level level = verbose ? LOG_DEBUG : LOG_INFO;
    if (t.level > level)
        level = t.level;
    use(to, form_of(format, to, no_color), level);
    sinks.loki = loki;
    if (t.silent) {
        log_remove_sink(sink, NULL);
        sinks.added = false;
    }
    return 0;
}

int log_sink_console(const char *path)
{
    return open_append(path, 0666, &sinks.console);
}
