/*
 * new: a first test.  k6-surface 1.1.
 */
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/flags_int.h"
#include "cmd/script_source.h"
#include "cmd/templates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct flag flags_new[] = {
    {.name = "force", .letter = 'f', .kind = FLAG_BOOL, .help = "write over a file that exists"},
    {.name = "template",
     .kind = FLAG_STRING,
     .value_name = "name",
     .help = "minimal, protocol, browser, or a file's path (with a slash)",
     .initial = "minimal",
     .choices = "minimal protocol browser",
     .file = true},
    {.name = "project-id",
     .kind = FLAG_STRING,
     .value_name = "number",
     .help = "the cloud's project that the test belongs to"},
};
const size_t flags_new_len = ARRAY_LEN(flags_new);

static int usage_error(int rc)
{
    return err_exit(rc, FLAGS_EXIT);
}

static int read_template(const char *name, struct buf *out)
{
    const char *text = template_find(name);
    if (text != NULL) {
        buf_z(out, text);
        return buf_finish(out);
    }
    if (strchr(name, '/') == NULL) {
        (void)err_set(E_CONFIG, "invalid template type \"%s\"", name);
        if (access(name, F_OK) == 0)
            (void)err_hint(E_CONFIG, "did you mean ./%s?", name);
        return usage_error(E_CONFIG);
    }
    int rc = read_whole_file(name, out);
    return rc < 0 ? usage_error(err_set_errno(rc, "read the template %s", name)) : 0;
}

static int write_script(const char *path, bool force, const struct buf *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0 && errno == EEXIST)
        return usage_error(
            err_set(E_CONFIG, "%s already exists. Use the `--force` flag to overwrite it", path));
    if (fd < 0)
        return usage_error(err_set_errno(-errno, "open %s", path));
    ssize_t n = write(fd, text->data, text->len);
    int rc = n == (ssize_t)text->len ? 0 : n < 0 ? -errno : -EIO;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc < 0 ? usage_error(err_set_errno(rc, "write %s", path)) : 0;
}

static int make(const struct flag_values *v)
{
    CLEANUP(buf_fini) struct buf text, out;
    const char *path = v->args_len > 0 ? v->args[0] : "script.js";
    const char *name = flag_values_get(v, "template");
    const char *project = flag_values_get(v, "project-id");
    name = name != NULL ? name : "minimal";
    buf_init(&text, CMD_TEMPLATE_BYTES);
    buf_init(&out, CMD_TEMPLATE_BYTES);
    int rc = read_template(name, &text);
    if (rc < 0)
        return rc;
    const struct template_values values = {path, project != NULL ? project : ""};
    rc = template_write(buf_view(&text), &values, &out);
    if (rc < 0)
        return usage_error(err_wrap(rc, "template %s", name));
    rc = write_script(path, flag_values_bool(v, "force"), &out);
    if (rc < 0)
        return rc;
    printf("New script created: %s (%s template).\n", path, name);
    if (strcmp(name, "browser") == 0)
        log_warning("k6/browser isn't there yet: this test runs with k6 only");
    return 0;
}

int cmd_new(int argc, char **argv)
{
    CLEANUP(arena_fini) struct arena a;
    struct flag_values v;
    arena_init(&a, CMD_HELP_BYTES);
    int rc = command_parse("new", &v, &a, argc, argv);
    if (rc == 0)
        rc = command_check_args(&v, 0, 1);
    if (rc == 0)
        rc = make(&v);
    return rc < 0 ? rc : 0;
}
