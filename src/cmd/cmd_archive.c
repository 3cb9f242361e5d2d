/*
 * archive and inspect: a script and what it says of its test, without running it.  k6-surface 1.1.
 */
#include "base/err.h"
#include "base/limits.h"
#include "cmd/commands.h"
#include "cmd/json_pretty.h"
#include "cmd/run_cmd.h"
#include "cmd/screen.h"
#include "codec/duration.h"
#include "output/cloud_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct flag flags_archive[] = {
    {.name = "archive-out",
     .letter = 'O',
     .kind = FLAG_STRING,
     .value_name = "file",
     .help = "where the archive goes; - is standard output",
     .initial = "archive.tar",
     .file = true},
    {.name = "exclude-env-vars",
     .kind = FLAG_BOOL,
     .help = "keep no variables in the archive, those of -e neither"},
};
const size_t flags_archive_len = ARRAY_LEN(flags_archive);

const struct flag flags_inspect[] = {
    {.name = "execution-requirements",
     .kind = FLAG_BOOL,
     .help = "put the config file, variables and shortcuts together, and add totalDuration and "
             "maxVUs"},
};
const size_t flags_inspect_len = ARRAY_LEN(flags_inspect);

/* ---- archive ------------------------------------------------------------------------------- */

static int write_all(int fd, const struct buf *b)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(fd, b->data + at, b->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += (size_t)n;
    }
    return 0;
}

static int write_file(const char *path, const struct buf *b)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set_errno(-errno, "open %s", path);
    int rc = write_all(fd, b);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc < 0 ? err_set_errno(rc, "write %s", path) : 0;
}

static int write_archive(void *arg, const struct run_inspection *what)
{
    const struct run_cmd *c = arg;
    CLEANUP(buf_fini) struct buf out;
    struct output_run_info info = *what->info;
    const char *path = flag_values_get(&c->flags, "archive-out");
    if (path == NULL)
        path = "archive.tar";
    if (flag_values_bool(&c->flags, "exclude-env-vars"))
        info.env_len = 0;
    buf_init(&out, CMD_ARCHIVE_BYTES);
    int rc = cloud_archive_write(&info, &out);
    if (rc < 0)
        return rc;
    if (strcmp(path, "-") != 0)
        return write_file(path, &out);
    rc = write_all(STDOUT_FILENO, &out);
    return rc < 0 ? err_set_errno(rc, "write the archive to standard output") : 0;
}

int cmd_archive(int argc, char **argv)
{
    struct run_cmd c;
    int rc = run_cmd_parse_script(&c, "archive", argc, argv);
    if (rc == 0) {
        /* What its __ENV has is what the archive keeps. */
        c.request.cli_env = c.request.env;
        c.request.cli_env_len = c.request.env_len;
        rc = run_inspect(&c.request, true, write_archive, &c);
    }
    run_cmd_fini(&c);
    return rc < 0 ? rc : 0;
}

/* ---- inspect ------------------------------------------------------------------------------- */

static int print_options(void *arg, const struct run_inspection *what)
{
    const struct run_cmd *c = arg;
    CLEANUP(buf_fini) struct buf json, out;
    char text[DURATION_TEXT_MAX];
    bool plan = flag_values_bool(&c->flags, "execution-requirements");
    buf_init(&json, LOAD_JSON_BYTES);
    buf_init(&out, LOAD_JSON_BYTES);
    buf_str(&json, plan ? what->derived : what->script_options);
    if (plan && json.len > 0) {
        json.len--; /* its closing brace comes behind two more */
        (void)duration_format(what->duration_ns, text);
        buf_printf(&json, ",\"totalDuration\":\"%s\",\"maxVUs\":%u}", text, what->vus_max);
    }
    json_pretty(&out, buf_view(&json));
    int rc = buf_finish(&json) < 0 ? buf_finish(&json) : buf_finish(&out);
    if (rc == 0)
        screen_write(stdout, out.data, out.len);
    return rc;
}

int cmd_inspect(int argc, char **argv)
{
    struct run_cmd c;
    int rc = run_cmd_parse_script(&c, "inspect", argc, argv);
    if (rc == 0)
        rc = run_inspect(&c.request, flag_values_bool(&c.flags, "execution-requirements"),
                         print_options, &c);
    run_cmd_fini(&c);
    return rc < 0 ? rc : 0;
}
