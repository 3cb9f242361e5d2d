#include "cmd/program.h"

#include "cmd/commands.h"

#include <string.h>

static const char *name = "spate";

void (*program_exit)(int code);

void program_init(const char *argv0)
{
    const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;
    const char *base = slash != NULL ? slash + 1 : argv0;
    if (base != NULL && (strcmp(base, "k6") == 0 || strncmp(base, "k6-", 3) == 0))
        name = "k6";
}

const char *program_name(void)
{
    return name;
}
