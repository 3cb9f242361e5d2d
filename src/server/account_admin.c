#include "server/account_admin.h"

#include <errno.h>

#include "base/clock.h"
#include "server/account.h"
#include "server/body.h"
#include "server/list.h"
#include "server/passwords.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/v1.h"
#include "server/vuh.h"
#include "store/audit.h"
#include "store/project.h"
#include "store/usage.h"

/* ---- roles ---- */

void account_put_grants(struct buf *out, const struct store_grant *grants, size_t len)
{
    buf_byte(out, '[');
    for (size_t i = 0; i < len; i++) {
        buf_z(out, i > 0 ? ",{" : "{");
        if (grants[i].project_id)
            run_json_int(out, "project_id", grants[i].project_id);
        else
            json_null(out, "project_id");
        json_str(out, "role", str_of(role_name(grants[i].role)));
        buf_byte(out, '}');
    }
    buf_byte(out, ']');
}

struct grants {
    struct store_grant *list;
    size_t len;
};

static int read_grant(struct request *r, yyjson_val *v, struct store_grant *ret)
{
    yyjson_val *project = yyjson_obj_get(v, "project_id");
    *ret = (struct store_grant){.project_id = body_number(v, "project_id", 0)};
    if (!project || (!yyjson_is_null(project) && ret->project_id <= 0))
        return reply_field(r, "roles.project_id", "wrong_type",
                           "a project's id is needed, or null for all projects");
    if (!role_of_name(body_text(r, v, "role"), &ret->role))
        return reply_field(r, "roles.role", "not_valid", "viewer, editor or admin is needed");
    return 1;
}

/* A member "roles" (or `member`), empty when it isn't there.  1; 0: answered. */
static int read_grants(struct request *r, yyjson_val *root, const char *member, struct grants *ret)
{
    yyjson_val *list = yyjson_obj_get(root, member);
    size_t i, count;
    yyjson_val *one;
    *ret = (struct grants){0};
    if (!list)
        return 1;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) > STORE_GRANTS_MAX)
        return reply_field(r, member, "wrong_type", "a list of at most %d roles is needed",
                           STORE_GRANTS_MAX);
    ret->list = arena_calloc(&r->arena, yyjson_arr_size(list) + 1, sizeof *ret->list);
    if (!ret->list)
        return -ENOMEM;
    yyjson_arr_foreach(list, i, count, one)
    {
        int rc = read_grant(r, one, &ret->list[ret->len++]);
        if (rc <= 0)
            return rc;
    }
    return 1;
}

/* What the store said to a change; 0: it went well. */
static int reply_refusal(struct request *r, int rc)
{
    if (rc == -EEXIST || rc == E_REFUSED || rc == E_LIMIT)
        return reply_conflict(r, "%s", err_message());
    return rc;
}

/* ---- users ---- */

static void put_user(struct request *r, const struct store_user *u, const struct store_grant *all,
                     size_t all_len)
{
    struct buf *out = &r->reply.body;
    size_t first = 0;
    size_t len = 0;
    for (size_t i = 0; i < all_len; i++) {
        if (all[i].user_id != u->id)
            continue;
        if (len++ == 0)
            first = i;
    }
    buf_byte(out, '{');
    run_json_int(out, "id", u->id);
    json_str(out, "email", u->email);
    json_str(out, "name", u->name);
    run_json_bool(out, "is_owner", u->owner);
    run_json_bool(out, "is_disabled", u->disabled);
    run_json_bool(out, "has_password", u->password.ptr != NULL);
    run_json_bool(out, "must_change_password", u->must_change);
    json_time(out, "created", u->created_ns);
    json_time(out, "signed_in", u->signed_in_ns);
    json_key(out, "roles");
    account_put_grants(out, all + first, len);
}

int account_list_users(struct request *r)
{
    struct store_user *users = NULL;
    struct store_grant *grants = NULL;
    size_t len = 0;
    size_t grants_len = 0;
    int rc = store_list_users(r->server->store, &r->arena, &users, &len);
    if (rc == 0)
        rc = store_list_grants(r->server->store, &r->arena, &grants, &grants_len);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        put_user(r, &users[i], grants, grants_len);
        buf_byte(&r->reply.body, '}');
    }
    buf_z(&r->reply.body, "]}");
    return reply_json(r, 200);
}

/* `once`: a one-time password that is shown now and never again; NULL: none. */
static int reply_user(struct request *r, int64_t id, int status, const char *once)
{
    struct store_user user;
    struct store_grant *grants = NULL;
    size_t len = 0;
    int rc = store_get_user(r->server->store, id, &r->arena, &user);
    if (rc == 0)
        rc = store_list_grants(r->server->store, &r->arena, &grants, &len);
    if (rc < 0)
        return rc;
    put_user(r, &user, grants, len);
    if (once)
        json_str(&r->reply.body, "one_time_password", str_of(once));
    buf_byte(&r->reply.body, '}');
    return reply_json(r, status);
}

int account_get_user(struct request *r)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    return rc < 0 ? rc : reply_user(r, id, 200, NULL);
}

struct new_user {
    struct store_user user;
    struct grants grants;
    struct str password; /* NULL ptr: a one-time password is to be made */
};

static int read_new_user(struct request *r, struct new_user *n)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    *n = (struct new_user){
        .user = {.email = account_email(r, str_trim(body_text(r, root, "email"))),
                 .name = str_trim(body_text(r, root, "name")),
                 .owner = yyjson_is_true(yyjson_obj_get(root, "is_owner")),
                 .created_ns = clock_wall_ns()},
        .password = password_trim(body_text(r, root, "password")),
    };
    if (n->user.name.len == 0)
        n->user.name = n->user.email;
    rc = account_check_email(r, n->user.email);
    if (rc > 0)
        rc = account_check_name(r, n->user.name);
    if (rc > 0)
        rc = read_grants(r, root, "roles", &n->grants);
    if (rc > 0 && n->password.ptr && password_check(n->password) < 0)
        rc = reply_field(r, "password", "not_valid", "%s", err_message());
    return rc;
}

/* With the password's hash in r->password, or a one-time password. */
static int insert_user(struct request *r)
{
    struct new_user n;
    char once[PASSWORD_ONCE_LEN + 1] = "";
    int rc = read_new_user(r, &n);
    if (rc <= 0)
        return rc;
    if (n.password.ptr) {
        rc = r->password.rc;
    } else {
        n.user.must_change = true;
        rc = password_make_once(once, r->password.encoded);
    }
    n.user.password = str_of(r->password.encoded);
    struct store *s = r->server->store;
    if (rc == 0)
        rc = store_add_user(s, &n.user);
    if (rc == 0 && n.grants.len > 0) {
        rc = store_set_grants(s, n.user.id, 0, n.grants.list, n.grants.len);
        if (rc < 0) {
            struct err why = *err_get();
            if (store_remove_user(s, n.user.id) == 0)
                *err_get() = why;
        }
    }
    if (rc < 0)
        return reply_refusal(r, rc);
    rc = auth_reload(&r->server->auth);
    r->deed_target = n.user.email;
    if (rc == 0)
        rc = reply_user(r, n.user.id, 201, once[0] ? once : NULL);
    explicit_bzero(once, sizeof once);
    return rc;
}

int account_add_user(struct request *r)
{
    struct new_user n;
    int rc = read_new_user(r, &n);
    if (rc <= 0)
        return rc;
    return n.password.ptr ? passwords_hash(r, n.password, insert_user) : insert_user(r);
}

/* The e-mail of the user in the path, for the list of deeds. */
static int find_user(struct request *r, struct store_user *ret)
{
    int64_t id = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_user(r->server->store, id, &r->arena, ret);
    if (rc == 0)
        r->deed_target = ret->email;
    return rc;
}

int account_change_user(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct store_user user;
    int rc = find_user(r, &user);
    if (rc == 0)
        rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *owner = yyjson_obj_get(root, "is_owner");
    yyjson_val *disabled = yyjson_obj_get(root, "is_disabled");
    struct store_user_change c = {
        .email = account_email(r, str_trim(body_text(r, root, "email"))),
        .name = str_trim(body_text(r, root, "name")),
        .set_owner = yyjson_is_bool(owner),
        .owner = yyjson_is_true(owner),
        .set_disabled = yyjson_is_bool(disabled),
        .disabled = yyjson_is_true(disabled),
    };
    rc = c.email.ptr ? account_check_email(r, c.email) : 1;
    if (rc > 0 && c.name.ptr)
        rc = account_check_name(r, c.name);
    if (rc <= 0)
        return rc;
    rc = store_change_user(r->server->store, user.id, &c);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    return rc < 0 ? reply_refusal(r, rc) : reply_user(r, user.id, 200, NULL);
}

int account_remove_user(struct request *r)
{
    struct store_user user;
    int rc = find_user(r, &user);
    if (rc == 0)
        rc = store_remove_user(r->server->store, user.id);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    return rc < 0 ? reply_refusal(r, rc) : reply_empty(r, 204);
}

int account_reset_password(struct request *r)
{
    struct store_user user;
    char once[PASSWORD_ONCE_LEN + 1] = "";
    int rc = find_user(r, &user);
    if (rc == 0)
        rc = password_make_once(once, r->password.encoded);
    if (rc == 0)
        rc = store_set_password(r->server->store, user.id, str_of(r->password.encoded), true, NULL);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    if (rc == 0)
        rc = reply_user(r, user.id, 200, once);
    explicit_bzero(once, sizeof once);
    return rc;
}

/* ---- a user's or a service's roles as a whole ---- */

static int put_roles(struct request *r, int64_t user_id, int64_t token_id)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    struct grants g;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_obj_get(root, "value"))
        return reply_field(r, "value", "required", "is needed");
    rc = read_grants(r, root, "value", &g);
    if (rc <= 0)
        return rc;
    rc = store_set_grants(r->server->store, user_id, token_id, g.list, g.len);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    return rc < 0 ? reply_refusal(r, rc) : reply_empty(r, 204);
}

int account_put_user_roles(struct request *r)
{
    struct store_user user;
    int rc = find_user(r, &user);
    return rc < 0 ? rc : put_roles(r, user.id, 0);
}

/* ---- service tokens ---- */

static void put_service(struct request *r, const struct store_token *t,
                        const struct store_grant *all, size_t all_len, const char *secret)
{
    size_t first = 0;
    size_t len = 0;
    for (size_t i = 0; i < all_len; i++) {
        if (all[i].token_id != t->id)
            continue;
        if (len++ == 0)
            first = i;
    }
    account_put_token(r, t, secret);
    json_key(&r->reply.body, "roles");
    account_put_grants(&r->reply.body, all + first, len);
    buf_byte(&r->reply.body, '}');
}

int account_list_services(struct request *r)
{
    struct auth *a = &r->server->auth;
    list_begin(r);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len; i++) {
        if (a->tokens[i].user_id != 0)
            continue;
        list_item(r);
        put_service(r, &a->tokens[i], a->grants, a->grants_len, NULL);
    }
    pthread_mutex_unlock(&a->lock);
    buf_z(&r->reply.body, "]}");
    return reply_json(r, 200);
}

int account_add_service(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    char secret[AUTH_SECRET_LEN + 1];
    struct grants g;
    int rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct store_token t = {
        .name = str_trim(body_text(r, root, "name")),
        .created_by = r->who.email,
    };
    rc = account_check_name(r, t.name);
    if (rc > 0)
        rc = read_grants(r, root, "roles", &g);
    if (rc <= 0)
        return rc;
    rc = auth_add_token(&r->server->auth, &t, g.list, g.len, secret);
    if (rc < 0)
        return reply_refusal(r, rc);
    for (size_t i = 0; i < g.len; i++)
        g.list[i].token_id = t.id;
    r->deed_target = t.name;
    put_service(r, &t, g.list, g.len, secret);
    explicit_bzero(secret, sizeof secret);
    return reply_json(r, 201);
}

static int find_service(struct request *r, int64_t *ret_id)
{
    struct auth *a = &r->server->auth;
    int64_t id = 0;
    bool found = false;
    int rc = request_id(r, 0, &id);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->tokens_len; i++)
        if (a->tokens[i].id == id && a->tokens[i].user_id == 0) {
            r->deed_target =
                str_new(arena_dup(&r->arena, a->tokens[i].name), a->tokens[i].name.len);
            found = true;
        }
    pthread_mutex_unlock(&a->lock);
    *ret_id = id;
    return found ? 0 : err_set(E_NOT_FOUND, "no service token with the id %lld", (long long)id);
}

int account_put_service_roles(struct request *r)
{
    int64_t id = 0;
    int rc = find_service(r, &id);
    return rc < 0 ? rc : put_roles(r, 0, id);
}

int account_remove_service(struct request *r)
{
    int64_t id = 0;
    int rc = find_service(r, &id);
    if (rc == 0)
        rc = store_remove_token(r->server->store, id);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    return rc < 0 ? rc : reply_empty(r, 204);
}

/* ---- members of one project ---- */

static void put_member(struct request *r, const struct store_user *u, enum store_role role,
                       bool in_all)
{
    struct buf *out = &r->reply.body;
    list_item(r);
    buf_byte(out, '{');
    run_json_int(out, "user_id", u->id);
    json_str(out, "email", u->email);
    json_str(out, "name", u->name);
    json_str(out, "role", str_of(role_name(role)));
    run_json_bool(out, "in_all_projects", in_all);
    buf_byte(out, '}');
}

int account_list_members(struct request *r)
{
    struct auth *a = &r->server->auth;
    int64_t project_id = 0;
    int rc = request_id(r, 0, &project_id);
    if (rc < 0)
        return rc;
    list_begin(r);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->users_len; i++) {
        enum store_role here = ROLE_NONE;
        enum store_role in_all = a->users[i].owner ? ROLE_ADMIN : ROLE_NONE;
        for (size_t j = 0; j < a->grants_len; j++) {
            const struct store_grant *g = &a->grants[j];
            if (g->user_id != a->users[i].id)
                continue;
            if (g->project_id == project_id)
                here = g->role;
            else if (g->project_id == 0)
                in_all = MAX(in_all, g->role);
        }
        if (MAX(here, in_all) > ROLE_NONE)
            put_member(r, &a->users[i], MAX(here, in_all), in_all >= here);
    }
    pthread_mutex_unlock(&a->lock);
    buf_z(&r->reply.body, "]}");
    return reply_json(r, 200);
}

static int set_member(struct request *r, int64_t project_id, struct str email, enum store_role role)
{
    struct store_user user;
    int rc = store_find_user(r->server->store, email, &r->arena, &user);
    if (rc < 0)
        return rc;
    struct store_grant g = {.user_id = user.id, .project_id = project_id, .role = role};
    rc = store_set_grant(r->server->store, &g);
    if (rc == 0)
        rc = auth_reload(&r->server->auth);
    r->deed_detail =
        str_of(arena_printf(&r->arena, "%.*s: %s", STR_ARG(user.email), role_name(role)));
    return rc < 0 ? reply_refusal(r, rc) : reply_empty(r, 204);
}

int account_put_member(struct request *r)
{
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    enum store_role role = ROLE_NONE;
    int64_t project_id = 0;
    int rc = request_id(r, 0, &project_id);
    if (rc == 0)
        rc = body_object(r, &doc);
    if (rc < 0)
        return rc;
    if (!role_of_name(body_text(r, yyjson_doc_get_root(doc), "role"), &role))
        return reply_field(r, "role", "not_valid", "viewer, editor or admin is needed");
    return set_member(r, project_id, r->params[1], role);
}

int account_remove_member(struct request *r)
{
    int64_t project_id = 0;
    int rc = request_id(r, 0, &project_id);
    return rc < 0 ? rc : set_member(r, project_id, r->params[1], ROLE_NONE);
}

/* ---- the list of deeds ---- */

int account_list_deeds(struct request *r)
{
    struct store_deed_filter filter = {
        .actor = request_arg(r, "actor"),
        .action = request_arg(r, "action"),
    };
    struct store_page page;
    struct store_deed *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int rc = list_page(r, NULL, &page);
    if (rc == 0)
        rc = store_list_deeds(r->server->store, &filter, &page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    list_begin(r);
    for (size_t i = 0; i < len; i++) {
        list_item(r);
        buf_byte(out, '{');
        run_json_int(out, "id", list[i].id);
        json_time(out, "time", list[i].at_ns);
        json_str(out, "actor", list[i].actor);
        json_str(out, "token", list[i].token);
        json_str(out, "address", list[i].address.len > 0 ? list[i].address : STR_EMPTY);
        json_str(out, "action", list[i].action);
        json_str(out, "target", list[i].target);
        json_str(out, "detail", list[i].detail);
        buf_byte(out, '}');
    }
    return list_finish(r, &page, len, total);
}

/* ---- used hours ---- */

/* "2026-11" */
static int month_arg(struct request *r, const char *name, int32_t none, int32_t *ret)
{
    struct str text = request_arg(r, name);
    int64_t year = 0;
    int64_t month = 0;
    *ret = none;
    if (!text.ptr)
        return 0;
    struct str rest;
    struct str first = str_cut(text, '-', &rest);
    if (str_to_i64(first, &year) < 0 || str_to_i64(rest, &month) < 0 || year < 1970 ||
        year > 9999 || month < 1 || month > 12)
        return err_set(E_CONFIG, "%s: a month is needed, as in 2026-11", name);
    *ret = (int32_t)(year * 100 + month);
    return 0;
}

static void put_usage(struct buf *out, const struct store_usage *u, const struct store_limits *l)
{
    buf_byte(out, '{');
    run_json_int(out, "project_id", u->project_id);
    json_key(out, "month");
    buf_printf(out, "\"%04d-%02d\"", u->month / 100, u->month % 100);
    run_json_int(out, "runs", u->runs);
    json_key(out, "vuh");
    buf_json_double(out, vuh_of_minutes(u->cloud_minutes, false) +
                             vuh_of_minutes(u->local_minutes, true));
    if (l->vuh_max > 0)
        run_json_int(out, "vuh_max", l->vuh_max);
    else
        json_null(out, "vuh_max");
    buf_byte(out, '}');
}

int account_list_usage(struct request *r)
{
    struct store *s = r->server->store;
    int64_t now = clock_wall_ns();
    struct store_page page;
    struct store_usage *list = NULL;
    size_t len = 0;
    int64_t total = 0;
    int32_t from = 0;
    int32_t to = 0;
    int rc = list_page(r, NULL, &page);
    if (rc == 0)
        rc = month_arg(r, "from", store_month(now), &from);
    if (rc == 0)
        rc = month_arg(r, "to", MAX(from, store_month(now)), &to);
    if (rc == 0)
        rc = rights_visible(r, &page.visible);
    if (rc == 0)
        rc = store_list_usage(s, from, to, now, &page, &r->arena, &list, &len, &total);
    if (rc < 0)
        return rc;
    list_begin(r);
    for (size_t i = 0; i < len && rc == 0; i++) {
        struct store_limits limits;
        rc = store_get_limits(s, list[i].project_id, &limits);
        if (rc < 0)
            break;
        list_item(r);
        put_usage(&r->reply.body, &list[i], &limits);
    }
    return rc < 0 ? rc : list_finish(r, &page, len, total);
}
