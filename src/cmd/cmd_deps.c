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
#include "cmd/use_directive.h"
#include "js/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct flag flags_deps[] = {
    {.name = "json", .kind = FLAG_BOOL, .help = "as JSON"},
};
const size_t flags_deps_len = ARRAY_LEN(flags_deps);

enum { NEEDS_MAX = 1000 }; /* modules that one script asks for */

/* Sorted. */
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

/* What has to be there, sorted by name; version NULL: any. */
struct needs {
    struct need {
        const char *name, *version;
    } items[NEEDS_MAX];
    size_t len;
};

static struct need *find_need(struct needs *n, struct str name)
{
    for (size_t i = 0; i < n->len; i++)
        if (str_eqz(name, n->items[i].name))
            return &n->items[i];
    return NULL;
}

/* ">= 1, < 2" as k6 writes it: ">=1 <2". */
static void spell_version(struct buf *out, struct str version)
{
    for (size_t i = 0; i < version.len; i++) {
        char c = version.ptr[i];
        char before = out->len > 0 ? (char)out->data[out->len - 1] : ' ';
        if (c == ',')
            c = ' ';
        if (c != ' ' || strchr("<>=!~^ ", before) == NULL)
            buf_byte(out, (uint8_t)c);
    }
}

static int add_need(struct arena *a, struct needs *n, struct str name, struct str constraint)
{
    CLEANUP(buf_fini) struct buf spelled;
    buf_init(&spelled, CMD_HELP_BYTES);
    spell_version(&spelled, constraint);
    struct str version = buf_view(&spelled);
    struct need *there = find_need(n, name);
    if (there != NULL && there->version != NULL && version.len > 0 &&
        !str_eqz(version, there->version))
        return err_set(E_CONFIG, "\"use k6 …\" asks for %s of %.*s, and for %.*s", there->version,
                       STR_ARG(name), STR_ARG(version));
    if (there == NULL && n->len == NEEDS_MAX)
        return err_set(E_LIMIT, "more than %d dependencies", NEEDS_MAX);
    if (there == NULL) {
        there = &n->items[n->len++];
        *there = (struct need){arena_dup(a, name), NULL};
    }
    if (version.len > 0)
        there->version = arena_dup(a, version);
    return there->name == NULL || (version.len > 0 && there->version == NULL)
               ? err_set_errno(-ENOMEM, "dependencies")
               : 0;
}

static int by_need(const void *a, const void *b)
{
    return strcmp(((const struct need *)a)->name, ((const struct need *)b)->name);
}

/* k6 itself, modules that aren't there, and what files ask for. */
static int list_needs(struct arena *a, const struct js_program *p, const struct imports *l,
                      struct needs *n)
{
    int rc = add_need(a, n, STR("k6"), STR_EMPTY);
    for (size_t i = 0; rc == 0 && i < l->len; i++)
        if (!js_program_has_module(l->names[i]))
            rc = add_need(a, n, str_of(l->names[i]), STR_EMPTY);
    for (size_t i = 0; rc == 0 && i < js_program_files_len(p); i++) {
        struct js_file f = js_program_file_at(p, i);
        struct use_reader r;
        struct str name, version;
        use_reader_init(&r, str_new(f.data, f.len));
        while (rc == 0 && use_reader_next(&r, &name, &version))
            rc = add_need(a, n, name, version);
    }
    qsort(n->items, n->len, sizeof n->items[0], by_need);
    return rc < 0 ? err_exit(rc, FLAGS_EXIT) : 0;
}

static bool any_missing(const struct needs *n)
{
    for (size_t i = 0; i < n->len; i++)
        if (!js_program_has_module(n->items[i].name))
            return true;
    return false;
}

static const char *version_of(const struct need *n)
{
    return n->version != NULL ? n->version : "*";
}

static void write_json(struct buf *out, const struct imports *l, const struct needs *n)
{
    buf_z(out, "{\n  \"buildDependencies\": {");
    for (size_t i = 0; i < n->len; i++) {
        buf_z(out, i > 0 ? ",\n    " : "\n    ");
        buf_json_str(out, str_of(n->items[i].name));
        buf_z(out, ": ");
        buf_json_str(out, str_of(version_of(&n->items[i])));
    }
    buf_z(out, "\n  },\n  \"imports\": [");
    for (size_t i = 0; i < l->len; i++) {
        buf_z(out, i > 0 ? ",\n    " : "\n    ");
        buf_json_str(out, str_of(l->names[i]));
    }
    buf_printf(out, "\n  ],\n  \"customBuildRequired\": %s\n}\n",
               any_missing(n) ? "true" : "false");
}

static void write_text(struct buf *out, const struct imports *l, const struct needs *n)
{
    buf_z(out, "Build Dependencies:\n");
    for (size_t i = 0; i < n->len; i++)
        buf_printf(out, "  %s: %s\n", n->items[i].name, version_of(&n->items[i]));
    buf_z(out, "\nImports:\n");
    for (size_t i = 0; i < l->len; i++)
        buf_printf(out, "  %s\n", l->names[i]);
    buf_printf(out, "\nCustom Build Required: %s\n", any_missing(n) ? "yes" : "no");
}

static int show(struct run_cmd *c, const struct js_program *p)
{
    CLEANUP(buf_fini) struct buf out;
    struct imports l = {0};
    buf_init(&out, LOAD_JSON_BYTES);
    struct needs *n = arena_calloc(&c->arena, 1, sizeof *n);
    int rc = n != NULL ? list_imports(&c->arena, p, &l) : err_set_errno(-ENOMEM, "dependencies");
    if (rc == 0)
        rc = list_needs(&c->arena, p, &l, n);
    if (rc < 0)
        return rc;
    if (flag_values_bool(&c->flags, "json"))
        write_json(&out, &l, n);
    else
        write_text(&out, &l, n);
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
