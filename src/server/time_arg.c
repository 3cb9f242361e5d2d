#include "server/time_arg.h"

#include "codec/time_text.h"
#include "server/server_int.h"

int time_parse(struct str text, int64_t *ret_ns)
{
    return time_text_parse(text, ret_ns);
}

int time_arg(struct request *r, const char *name, int64_t *ret_ns)
{
    struct str text = request_arg(r, name);
    if (!text.ptr)
        return 0;
    int rc = time_parse(text, ret_ns);
    return rc < 0 ? err_wrap(rc, "%s", name) : 0;
}
