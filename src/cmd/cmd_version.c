#include "base/err.h"
#include "cmd/commands.h"
#include "cmd/flags_int.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

int cmd_version(int argc, char **argv)
{
    struct utsname u;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") != 0)
            return err_exit(err_set(E_CONFIG, "unknown flag: %s", argv[i]), FLAGS_EXIT);
        json = true;
    }
    if (uname(&u) < 0)
        u = (struct utsname){.sysname = "unknown", .machine = "unknown"};
    if (json)
        printf("{\"version\":\"v%s\",\"os\":\"%s\",\"arch\":\"%s\"}\n", SPATE_VERSION, u.sysname,
               u.machine);
    else
        printf("%s v%s (%s/%s)\n", program_name(), SPATE_VERSION, u.sysname, u.machine);
    return 0;
}
