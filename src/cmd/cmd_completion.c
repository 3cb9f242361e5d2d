/*
 * completion: the shells' scripts, and what they ask.  k6-surface 1.1.
 */
#include "base/err.h"
#include "base/limits.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/completion.h"
#include "cmd/flags_int.h"
#include "cmd/screen.h"

#include <string.h>

const struct flag flags_completion[] = {
    {.name = "no-descriptions",
     .kind = FLAG_BOOL,
     .help = "candidates only, without a word about each"},
};
const size_t flags_completion_len = ARRAY_LEN(flags_completion);

int cmd_completion(int argc, char **argv)
{
    CLEANUP(arena_fini) struct arena a;
    CLEANUP(buf_fini) struct buf out;
    struct flag_values v;
    arena_init(&a, CMD_HELP_BYTES);
    buf_init(&out, CMD_HELP_BYTES);
    int rc = command_parse("completion", &v, &a, argc, argv);
    if (rc == 0 && v.args_len == 0) {
        command_help("completion");
        return 0;
    }
    if (rc == 0)
        rc = command_check_args(&v, 1, 1);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = completion_script(&out, v.args[0], program_name(),
                           !flag_values_bool(&v, "no-descriptions"));
    if (rc < 0)
        return err_exit(rc, FLAGS_EXIT);
    screen_write(stdout, out.data, out.len);
    return 0;
}

int cmd_complete(int argc, char **argv)
{
    CLEANUP(buf_fini) struct buf out;
    int first = 1;
    bool descriptions = true;
    buf_init(&out, CMD_HELP_BYTES);
    if (argc > 1 && strcmp(argv[1], "-n") == 0) {
        descriptions = false;
        first = 2;
    }
    if (argc <= first)
        return 0;
    if (strcmp(argv[argc - 1], ":empty") == 0) /* some shells can't hand over an empty word */
        argv[argc - 1][0] = '\0';
    completion_write(&out, (const char *const *)(argv + first), (size_t)(argc - first),
                     descriptions);
    screen_write(stdout, out.data, out.len);
    return 0;
}
