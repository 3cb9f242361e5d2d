/*
 * deps: what a test imports.  k6-surface 1.1.
 */
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/commands.h"
#include "cmd/flags_int.h"
#include "cmd/run_cmd.h"
#include "cmd/screen.h"
#include "js/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct flag flags_deps[] = {
    {.name = "json", .kind = FLAG_BOOL, .help = "as JSON"},
};
const size_t flags_deps_len = ARRAY_LEN(flags_deps);

/* Sorted; a module that isn't there is a dependency that nobody can build. */
struct imports {
    const char **names;
    size_t len;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_imports(struct arena *a, const struct js_program *p, struct imports *ret)
{
    ret->len = js_program_imports_len(p);
    ret->names = arena_calloc(a, ret->len + 1, sizeof *ret->names);
    if (ret->names == NULL)
        return err_set_errno(-ENOMEM, "imports");
    for (size_t i = 0; i < ret->len; i++)
        ret->names[i] = js_program_import_at(p, i);
    qsort(ret->names, ret->len, sizeof *ret->names, by_name);
    return 0;
}

static bool is_missing(const char *name)
{
    return !js_program_has_module(name);
}

static bool any_missing(const struct imports *l)
{
    for (size_t i = 0; i < l->len; i++)
        if (is_missing(l->names[i]))
            return true;
    return false;
}

static void write_json(struct buf *out, const struct imports *l)
{
    buf_z(out, "{\n  \"buildDependencies\": {\n    \"k6\": \"*\"");
    for (size_t i = 0; i < l->len; i++) {
        if (!is_missing(l->names[i]))
            continue;
        buf_z(out, ",\n    ");
        buf_json_str(out, str_of(l->names[i]));
        buf_z(out, ": \"*\"");
    }
    buf_z(out, "\n  },\n  \"imports\": [");
    for (size_t i = 0; i < l->len; i++) {
        buf_z(out, i > 0 ? ",\n    " : "\n    ");
        buf_json_str(out, str_of(l->names[i]));
    }
    buf_printf(out, "\n  ],\n  \"customBuildRequired\": %s\n}\n",
               any_missing(l) ? "true" : "false");
}

static void write_text(struct buf *out, const struct imports *l)
{
    buf_z(out, "Build Dependencies:\n  k6: *\n");
    for (size_t i = 0; i < l->len; i++)
        if (is_missing(l->names[i]))
            buf_printf(out, "  %s: *\n", l->names[i]);
    buf_z(out, "\nImports:\n");
    for (size_t i = 0; i < l->len; i++)
        buf_printf(out, "  %s\n", l->names[i]);
    buf_printf(out, "\nCustom Build Required: %s\n", any_missing(l) ? "yes" : "no");
}

static int show(struct run_cmd *c, const struct js_program *p)
{
    CLEANUP(buf_fini) struct buf out;
    struct imports l;
    buf_init(&out, LOAD_JSON_BYTES);
    int rc = list_imports(&c->arena, p, &l);
    if (rc < 0)
        return rc;
    if (flag_values_bool(&c->flags, "json"))
        write_json(&out, &l);
    else
        write_text(&out, &l);
    screen_write(stdout, out.data, out.len);
    return buf_finish(&out);
}

int cmd_deps(int argc, char **argv)
{
    struct run_cmd c;
    struct js_program *p = NULL;
    int rc = run_cmd_parse_script(&c, "deps", argc, argv);
    const struct run_request *q = &c.request;
    if (rc == 0)
        rc = js_program_list(q->script_arg, q->source, q->pwd,
                             q->archive != NULL ? &q->archive->bundle : NULL, &p);
    if (rc == 0)
        rc = show(&c, p);
    js_program_free(p);
    run_cmd_fini(&c);
    return rc < 0 ? rc : 0;
}
