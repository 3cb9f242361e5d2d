#include "output/checks.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* First part of a path without its leading "::"; the rest in *ret_rest (NULL ptr: nothing). */
static struct str first_part(struct str path, struct str *ret_rest)
{
    if (str_starts(path, STR("::")))
        path = str_new(path.ptr + 2, path.len - 2);
    for (size_t i = 0; i + 1 < path.len; i++) {
        if (path.ptr[i] == ':' && path.ptr[i + 1] == ':') {
            *ret_rest = str_new(path.ptr + i, path.len - i);
            return str_new(path.ptr, i);
        }
    }
    *ret_rest = STR_EMPTY;
    return path;
}

static struct group *inner_group(struct group *g, struct str name, struct str path, struct arena *a)
{
    struct group **at = &g->groups;
    for (; *at; at = &(*at)->next) {
        if (str_eq((*at)->name, name))
            return *at;
    }
    *at = arena_calloc(a, 1, sizeof **at);
    if (*at) {
        (*at)->name = name;
        (*at)->path = path;
    }
    return *at;
}

/* The group of `path`, made with all around it. */
static struct group *reach(struct group *root, struct str path, struct arena *a)
{
    struct group *g = root;
    struct str rest = path;
    while (g && rest.len > 0) {
        struct str name = first_part(rest, &rest);
        struct str upto = str_new(path.ptr, (size_t)(name.ptr + name.len - path.ptr));
        g = inner_group(g, name, upto, a);
    }
    return g;
}

static int add_check(struct group *g, const struct check_count *c, struct arena *a)
{
    struct check **at = &g->checks;
    while (*at && !str_eq((*at)->name, c->name))
        at = &(*at)->next;
    if (!*at) {
        *at = arena_calloc(a, 1, sizeof **at);
        if (!*at)
            return -ENOMEM;
        char *path = arena_printf(a, "%.*s::%.*s", STR_ARG(g->path), STR_ARG(c->name));
        if (!path)
            return -ENOMEM;
        (*at)->name = c->name;
        (*at)->path = str_of(path);
    }
    (*at)->passes += c->passes;
    (*at)->fails += c->fails;
    return 0;
}

static int by_seq(const void *a, const void *b)
{
    uint64_t x = (*(const struct check_count *const *)a)->seq;
    uint64_t y = (*(const struct check_count *const *)b)->seq;
    return (x > y) - (x < y);
}

/* The snapshot's checks in order of first sight; NULL without memory. */
static const struct check_count **sorted_checks(const struct snapshot *s, struct arena *a)
{
    const struct check_count **list =
        arena_alloc(a, (s->checks_len + 1) * sizeof(const struct check_count *));
    if (!list)
        return NULL;
    for (size_t i = 0; i < s->checks_len; i++)
        list[i] = &s->checks[i];
    qsort(list, s->checks_len, sizeof(const struct check_count *), by_seq);
    return list;
}

static int group_by_seq(const void *a, const void *b)
{
    uint64_t x = (*(const struct group_seen *const *)a)->seq;
    uint64_t y = (*(const struct group_seen *const *)b)->seq;
    return (x > y) - (x < y);
}

static int add_groups(const struct snapshot *s, struct group *root, struct arena *a)
{
    const struct group_seen **list =
        arena_alloc(a, (s->groups_len + 1) * sizeof(const struct group_seen *));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < s->groups_len; i++)
        list[i] = &s->groups[i];
    qsort(list, s->groups_len, sizeof(const struct group_seen *), group_by_seq);
    for (size_t i = 0; i < s->groups_len; i++) {
        if (!reach(root, list[i]->path, a))
            return -ENOMEM;
    }
    return 0;
}

const struct group *checks_tree(const struct snapshot *s, struct arena *a)
{
    struct group *root = arena_calloc(a, 1, sizeof *root);
    const struct check_count **list = sorted_checks(s, a);
    if (!root || !list || add_groups(s, root, a) < 0)
        return NULL;
    for (size_t i = 0; i < s->checks_len; i++) {
        struct group *g = reach(root, list[i]->group, a);
        if (!g || add_check(g, list[i], a) < 0)
            return NULL;
    }
    return root;
}

static bool belongs(const struct check_count *c, const struct section *const *of, size_t of_len)
{
    for (size_t i = 0; i < of_len; i++) {
        if (str_eq(c->scenario, of[i]->scenario) &&
            (of[i]->group.len == 0 || str_eq(c->group, of[i]->group)))
            return true;
    }
    return of_len == 0;
}

int checks_flat(const struct snapshot *s, const struct section *const *of, size_t of_len,
                struct arena *a, const struct check **ret, size_t *ret_len)
{
    const struct check_count **list = sorted_checks(s, a);
    struct check *flat = arena_calloc(a, s->checks_len + 1, sizeof *flat);
    size_t len = 0;
    if (!list || !flat)
        return -ENOMEM;
    for (size_t i = 0; i < s->checks_len; i++) {
        const struct check_count *c = list[i];
        if (!belongs(c, of, of_len))
            continue;
        size_t at = 0;
        while (at < len && !str_eq(flat[at].name, c->name))
            at++;
        flat[at].name = c->name;
        flat[at].passes += c->passes;
        flat[at].fails += c->fails;
        len = MAX(len, at + 1);
    }
    *ret = flat;
    *ret_len = len;
    return 0;
}

void checks_id(struct str path, char out[static 33])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    (void)EVP_Digest(path.ptr ? path.ptr : "", path.len, digest, NULL, EVP_md5(), NULL);
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
