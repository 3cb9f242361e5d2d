#include "js/api_table.h"

#include <stddef.h>

#include "base/err.h"
#include "js/api.h"
#include "js/program_int.h"

enum { EXIT_SCRIPT = 107 };

static const struct js_api_module *const modules[] = {
#define JS_API(m) &m,
#include "js/api_table.h"
#undef JS_API
};

/* Modules of k6's that come later; any other name is unknown. */
static const char *const later[] = {
    "k6/browser",
    "k6/experimental/csv",
    "k6/experimental/fs",
    "k6/experimental/redis",
    "k6/experimental/streams",
    "k6/experimental/websockets",
    "k6/html",
    "k6/net/grpc",
    "k6/secrets",
    "k6/websockets",
    "k6/ws",
};

/* Modules that k6 had once, and what has their place. */
static const struct {
    const char *name, *instead;
} gone[] = {
    {"k6/experimental/browser", "import k6/browser"},
    {"k6/experimental/grpc", "import k6/net/grpc"},
    {"k6/experimental/timers", "setTimeout() and the like are globals"},
    {"k6/experimental/tracing", "k6's jslib has a module for it"},
    {"k6/experimental/webcrypto", "crypto is a global"},
};

const struct js_api_module *js_api_at(size_t i)
{
    return i < ARRAY_LEN(modules) ? modules[i] : NULL;
}

const struct js_api_module *js_api_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(modules); i++)
        if (str_eqz(name, modules[i]->name))
            return modules[i];
    return NULL;
}

int program_builtin_check(struct str name)
{
    if (js_api_find(name))
        return 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(later); i++)
        if (str_eqz(name, later[i]))
            rc = err_set(E_UNSUPPORTED, "module \"%.*s\" isn't there yet", STR_ARG(name));
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(gone); i++)
        if (str_eqz(name, gone[i].name))
            rc =
                err_set(E_NOT_FOUND, "module \"%.*s\" is gone: %s", STR_ARG(name), gone[i].instead);
    if (rc == 0 && str_starts(name, STR("k6/x/")))
        rc = err_set(E_UNSUPPORTED,
                     "module \"%.*s\" is an extension of k6: extensions aren't there yet",
                     STR_ARG(name));
    if (rc == 0)
        rc = err_set(E_NOT_FOUND, "unknown module: \"%.*s\"", STR_ARG(name));
    return err_exit(rc, EXIT_SCRIPT);
}
