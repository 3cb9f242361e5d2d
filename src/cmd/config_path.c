#include "cmd/config_path.h"

#include <stdlib.h>

void config_default_path(struct buf *out)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    if (base != NULL && base[0] != '\0') {
        buf_printf(out, "%s/spate/config.json", base);
        return;
    }
    const char *home = getenv("HOME");
    buf_printf(out, "%s/.config/spate/config.json", home != NULL ? home : "");
}

void config_path_choose(const char *flag, struct buf *out)
{
    const char *path = flag != NULL && flag[0] != '\0' ? flag : getenv("K6_CONFIG");
    if (path != NULL && path[0] != '\0')
        buf_z(out, path);
    else
        config_default_path(out);
}
