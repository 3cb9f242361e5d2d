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
