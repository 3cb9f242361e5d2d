#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "cmd/command.h"
#include "cmd/commands.h"

#include <stdio.h>
#include <string.h>

/* As Go calls them: what scripts around k6 compare with. */
#if defined __x86_64__
#define ARCH "amd64"
#elif defined __aarch64__
#define ARCH "arm64"
#else
#define ARCH "unknown"
#endif

#if defined __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The k6 whose scripts, flags and output this is measured by. */
#define K6_VERSION "v2.2.0"

int cmd_version(int argc, char **argv)
{
    CLEANUP(arena_fini) struct arena a;
    struct flag_values v;
    arena_init(&a, CMD_HELP_BYTES);
    int rc = command_parse("version", &v, &a, argc, argv);
    if (rc == 0)
        rc = command_check_args(&v, 0, 0);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (flag_values_bool(&v, "json"))
        printf("{\"compiler\":\"%s\",\"go_arch\":\"%s\",\"go_os\":\"linux\",\"k6_version\":\"%s\","
               "\"version\":\"v%s\"}\n",
               COMPILER, ARCH, K6_VERSION, SPATE_VERSION);
    else
        printf("%s v%s (k6 %s, %s, linux/%s)\n", program_name(), SPATE_VERSION, K6_VERSION,
               COMPILER, ARCH);
    return 0;
}
