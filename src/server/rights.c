#include "server/rights.h"

#include <errno.h>

static const char *const names[] = {
    [ROLE_NONE] = "none",
    [ROLE_VIEWER] = "viewer",
    [ROLE_EDITOR] = "editor",
    [ROLE_ADMIN] = "admin",
};

const char *role_name(enum store_role role)
{
    return names[role];
}

bool role_of_name(struct str name, enum store_role *ret)
{
    for (size_t i = ROLE_VIEWER; i < ARRAY_LEN(names); i++) {
        if (!str_eqz(name, names[i]))
            continue;
        *ret = (enum store_role)i;
        return true;
    }
    return false;
}

static const char *article(enum store_role role)
{
    return role == ROLE_VIEWER ? "a" : "an";
}

int rights_need(struct request *r, int64_t project_id, enum store_role role)
{
    if (identity_role(&r->who, project_id) >= role)
        return 1;
    return reply_error(r, 403, 4, "forbidden", "that takes %s %s of project %lld; you are %s there",
                       article(role), names[role], (long long)project_id,
                       names[identity_role(&r->who, project_id)]);
}

/* What the segment {} of a path names. */
enum scope { SCOPE_NONE, SCOPE_PROJECT, SCOPE_TEST, SCOPE_RUN, SCOPE_SCHEDULE };

static const struct {
    enum scope scope;
    enum store_role role;
} needs[] = {
    [ACCESS_RUN] = {SCOPE_RUN, ROLE_EDITOR},
    [VIEWER_OF_PROJECT] = {SCOPE_PROJECT, ROLE_VIEWER},
    [EDITOR_OF_PROJECT] = {SCOPE_PROJECT, ROLE_EDITOR},
    [ADMIN_OF_PROJECT] = {SCOPE_PROJECT, ROLE_ADMIN},
    [VIEWER_OF_TEST] = {SCOPE_TEST, ROLE_VIEWER},
    [EDITOR_OF_TEST] = {SCOPE_TEST, ROLE_EDITOR},
    [VIEWER_OF_RUN] = {SCOPE_RUN, ROLE_VIEWER},
    [EDITOR_OF_RUN] = {SCOPE_RUN, ROLE_EDITOR},
    [VIEWER_OF_SCHEDULE] = {SCOPE_SCHEDULE, ROLE_VIEWER},
    [EDITOR_OF_SCHEDULE] = {SCOPE_SCHEDULE, ROLE_EDITOR},
};

static int project_of(struct request *r, enum scope scope, int64_t *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc < 0)
        return rc;
    switch (scope) {
    case SCOPE_NONE:
    case SCOPE_PROJECT:
        *ret = id;
        return 0;
    case SCOPE_TEST:
        return store_project_of_test(r->server->store, id, ret);
    case SCOPE_RUN:
        return store_project_of_run(r->server->store, id, ret);
    case SCOPE_SCHEDULE:
        return store_project_of_schedule(r->server->store, id, ret);
    }
    return 0;
}

int rights_check_route(struct request *r)
{
    enum access access = r->route->access;
    if (access == ACCESS_OWNER && !r->who.owner)
        return reply_error(r, 403, 4, "forbidden", "that takes the owner of the server");
    if ((access == ACCESS_USER || access == ACCESS_PASSWORD) && r->who.user_id == 0)
        return reply_error(r, 403, 4, "forbidden", "a service token has no account");
    enum store_role in_all = identity_role_in_all(&r->who);
    if (access == ACCESS_ADMIN && in_all < ROLE_ADMIN)
        return reply_error(r, 403, 4, "forbidden",
                           "that takes the owner of the server, or an admin of all projects");
    if ((size_t)access >= ARRAY_LEN(needs) || needs[access].scope == SCOPE_NONE ||
        in_all >= needs[access].role)
        return 1;
    int64_t project_id = 0;
    int rc = project_of(r, needs[access].scope, &project_id);
    return rc < 0 ? rc : rights_need(r, project_id, needs[access].role);
}

int rights_visible(struct request *r, struct str *ret)
{
    *ret = STR_EMPTY;
    if (identity_role_in_all(&r->who) >= ROLE_VIEWER)
        return 0;
    CLEANUP(buf_fini) struct buf list;
    buf_init(&list, 1024 * 1024);
    buf_byte(&list, '[');
    for (size_t i = 0; i < r->who.grants_len; i++)
        buf_printf(&list, "%s%lld", i ? "," : "", (long long)r->who.grants[i].project_id);
    buf_byte(&list, ']');
    int rc = buf_finish(&list);
    if (rc < 0)
        return rc;
    *ret = str_new(arena_dup(&r->arena, buf_view(&list)), list.len);
    return ret->ptr ? 0 : -ENOMEM;
}

int64_t rights_default_project(struct request *r)
{
    int64_t id = store_default_project(r->server->store);
    if (identity_role(&r->who, id) >= ROLE_EDITOR)
        return id;
    for (size_t i = 0; i < r->who.grants_len; i++)
        if (r->who.grants[i].role >= ROLE_EDITOR)
            return r->who.grants[i].project_id;
    return id;
}
