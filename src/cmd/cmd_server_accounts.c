/*
 * spate server user …, spate server token …: who may use a server, from its own machine.
 *
 * They write into the data folder, whether a server runs on it or not; a running one takes notice
 * within a second.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "cmd/ask.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "server/auth.h"
#include "server/password.h"
#include "server/rights.h"
#include "store/audit.h"
#include "store/token.h"
#include "store/user.h"

static const char default_data[] = "./spate-data";

const struct flag flags_server_accounts[] = {
    {.name = "data",
     .kind = FLAG_STRING,
     .value_name = "dir",
     .help = "the server's data folder (default ./spate-data)"},
    {.name = "email", .kind = FLAG_STRING, .value_name = "email", .help = "which user"},
    {.name = "name",
     .kind = FLAG_STRING,
     .value_name = "string",
     .help = "name of the user or of the token, for people"},
    {.name = "owner", .kind = FLAG_BOOL, .help = "the user may do everything (user add)"},
    {.name = "role",
     .kind = FLAG_STRINGS,
     .value_name = "role[:project]",
     .help = "viewer, editor or admin, of a project's number or of all: editor:3; repeatable"},
    {.name = "password-file",
     .kind = FLAG_STRING,
     .value_name = "file",
     .help = "the password is its first line, - reads standard input; else it is asked for"},
    {.name = "one-time",
     .kind = FLAG_BOOL,
     .help = "make a password that has to be changed at the first sign-in, and print it"},
};

const size_t flags_server_accounts_len = ARRAY_LEN(flags_server_accounts);

struct accounts_cmd {
    struct arena arena;
    struct flag_values v;
    struct store *store;
    const char *name; /* "user add" */
};

/* In the server's list of deeds, as done on its own machine. */
static int note(struct accounts_cmd *c, const char *action, struct str target)
{
    struct store_deed d = {
        .at_ns = clock_wall_ns(),
        .actor = STR("command line"),
        .action = str_of(action),
        .target = target,
    };
    return store_add_deed(c->store, &d);
}

static int get_email(struct accounts_cmd *c, struct str *ret)
{
    const char *text = flag_values_get(&c->v, "email");
    struct str given = str_trim(str_of(text ? text : ""));
    if (given.len == 0)
        return err_set(E_CONFIG, "%s: --email EMAIL says which user", c->name);
    if (!memchr(given.ptr, '@', given.len))
        given = str_of(arena_printf(&c->arena, "%.*s@localhost", STR_ARG(given)));
    if (!given.ptr)
        return -ENOMEM;
    if (given.len > SERVER_EMAIL_MAX || given.ptr[0] == '@' || given.ptr[given.len - 1] == '@' ||
        memchr(given.ptr, ' ', given.len) || !str_is_utf8(given))
        return err_set(E_CONFIG, "--email: \"%.*s\" is no e-mail address", STR_ARG(given));
    *ret = given;
    return 0;
}

static int get_name(struct accounts_cmd *c, struct str otherwise, struct str *ret)
{
    const char *text = flag_values_get(&c->v, "name");
    struct str name = str_trim(str_of(text ? text : ""));
    *ret = name.len > 0 ? name : otherwise;
    if (ret->len == 0)
        return err_set(E_CONFIG, "%s: --name NAME is needed", c->name);
    bool good = ret->len <= SERVER_NAME_MAX && str_is_utf8(*ret);
    for (size_t i = 0; i < ret->len && good; i++)
        good = (unsigned char)ret->ptr[i] >= ' ' && ret->ptr[i] != 0x7f;
    if (!good)
        return err_set(E_CONFIG,
                       "--name: at most %d bytes of UTF-8 without control characters are taken",
                       SERVER_NAME_MAX);
    return 0;
}

static int get_user(struct accounts_cmd *c, struct store_user *ret)
{
    struct str email;
    int rc = get_email(c, &email);
    return rc < 0 ? rc : store_find_user(c->store, email, &c->arena, ret);
}

/* "editor", "editor:3" */
static int read_role(const char *text, struct store_grant *ret)
{
    struct str project;
    struct str role = str_cut(str_of(text), ':', &project);
    *ret = (struct store_grant){0};
    if (!role_of_name(role, &ret->role))
        return err_set(E_CONFIG, "--role %s: viewer, editor or admin is needed", text);
    if (project.ptr && (str_to_i64(project, &ret->project_id) < 0 || ret->project_id <= 0))
        return err_set(E_CONFIG, "--role %s: a project's number is needed behind the colon", text);
    return 0;
}

static int get_roles(struct accounts_cmd *c, struct store_grant **ret, size_t *ret_len)
{
    struct store_grant *list = arena_calloc(&c->arena, c->v.len + 1, sizeof *list);
    size_t len = 0;
    int rc = list ? 0 : -ENOMEM;
    for (size_t i = 0; i < c->v.len && rc == 0; i++)
        if (strcmp(c->v.items[i].flag->name, "role") == 0)
            rc = read_role(c->v.items[i].value, &list[len++]);
    *ret = list;
    *ret_len = len;
    return rc;
}

/* ---- passwords ---- */

struct chosen {
    char encoded[PASSWORD_ENCODED_MAX];
    char once[PASSWORD_ONCE_LEN + 1]; /* empty: it was given */
};

static int choose_password(struct accounts_cmd *c, struct chosen *ret)
{
    char password[SERVER_PASSWORD_MAX + 2];
    const char *file = flag_values_get(&c->v, "password-file");
    ret->once[0] = '\0';
    if (!file && (flag_values_bool(&c->v, "one-time") || !ask_has_terminal()))
        return password_make_once(ret->once, ret->encoded);
    int rc = file ? ask_password_file(file, password, sizeof password)
                  : ask_new_password("Password", password, sizeof password);
    if (rc == 0)
        rc = password_hash(str_of(password), ret->encoded);
    explicit_bzero(password, sizeof password);
    return rc;
}

static void say_password(struct chosen *chosen, struct str email)
{
    if (chosen->once[0])
        printf("One-time password of %.*s, to be changed at the first sign-in:\n\n    %s\n",
               STR_ARG(email), chosen->once);
    explicit_bzero(chosen, sizeof *chosen);
}

/* ---- users ---- */

/* Of a user who has just been made, and isn't when the roles can't be. */
static int give_roles(struct accounts_cmd *c, int64_t user_id, const struct store_grant *grants,
                      size_t len)
{
    int rc = store_set_grants(c->store, user_id, 0, grants, len);
    if (rc < 0) {
        struct err why = *err_get();
        if (store_remove_user(c->store, user_id) == 0)
            *err_get() = why;
    }
    return rc;
}

static int user_add(struct accounts_cmd *c)
{
    struct store_user u = {.owner = flag_values_bool(&c->v, "owner"),
                           .created_ns = clock_wall_ns()};
    struct store_grant *grants = NULL;
    struct chosen chosen = {0};
    size_t len = 0;
    int rc = get_email(c, &u.email);
    if (rc == 0)
        rc = get_name(c, u.email, &u.name);
    if (rc == 0)
        rc = get_roles(c, &grants, &len);
    if (rc == 0)
        rc = choose_password(c, &chosen);
    if (rc < 0)
        return rc;
    u.password = str_of(chosen.encoded);
    u.must_change = chosen.once[0] != '\0';
    rc = store_add_user(c->store, &u);
    if (rc == 0 && len > 0)
        rc = give_roles(c, u.id, grants, len);
    if (rc == 0)
        rc = note(c, "user.create", u.email);
    if (rc < 0)
        return rc;
    printf("%.*s is user %lld\n", STR_ARG(u.email), (long long)u.id);
    say_password(&chosen, u.email);
    return 0;
}

static int user_passwd(struct accounts_cmd *c)
{
    struct store_user u;
    struct chosen chosen = {0};
    int rc = get_user(c, &u);
    if (rc == 0)
        rc = choose_password(c, &chosen);
    if (rc == 0)
        rc = store_set_password(c->store, u.id, str_of(chosen.encoded), chosen.once[0] != '\0',
                                NULL);
    if (rc == 0)
        rc = note(c, "user.password_reset", u.email);
    if (rc < 0)
        return rc;
    printf("%.*s has a new password; the sessions have ended\n", STR_ARG(u.email));
    say_password(&chosen, u.email);
    return 0;
}

static int user_roles(struct accounts_cmd *c)
{
    struct store_user u;
    struct store_grant *grants = NULL;
    size_t len = 0;
    int rc = get_user(c, &u);
    if (rc == 0)
        rc = get_roles(c, &grants, &len);
    if (rc == 0)
        rc = store_set_grants(c->store, u.id, 0, grants, len);
    if (rc == 0)
        rc = note(c, "user.roles", u.email);
    if (rc == 0)
        printf("%.*s has %zu role%s now\n", STR_ARG(u.email), len, len == 1 ? "" : "s");
    return rc;
}

static int user_remove(struct accounts_cmd *c)
{
    struct store_user u;
    int rc = get_user(c, &u);
    if (rc == 0)
        rc = store_remove_user(c->store, u.id);
    if (rc == 0)
        rc = note(c, "user.remove", u.email);
    if (rc == 0)
        printf("%.*s is removed, with tokens and sessions\n", STR_ARG(u.email));
    return rc;
}

/* "editor:3 viewer", "-" for none. */
static void put_roles(struct buf *out, const struct store_grant *grants, size_t len,
                      int64_t user_id, int64_t token_id)
{
    size_t before = out->len;
    for (size_t i = 0; i < len; i++) {
        if (grants[i].user_id != user_id || grants[i].token_id != token_id)
            continue;
        if (out->len > before)
            buf_byte(out, ' ');
        buf_z(out, role_name(grants[i].role));
        if (grants[i].project_id)
            buf_printf(out, ":%lld", (long long)grants[i].project_id);
    }
    if (out->len == before)
        buf_byte(out, '-');
}

static void put_time(struct buf *out, int64_t wall_ns)
{
    char text[40] = "never";
    if (wall_ns > 0)
        clock_format_utc(wall_ns, 0, text);
    buf_z(out, text);
}

static int print(struct buf *out)
{
    int rc = buf_finish(out);
    if (rc == 0)
        printf("%.*s", STR_ARG(buf_view(out)));
    return rc;
}

static int user_list(struct accounts_cmd *c)
{
    CLEANUP(buf_fini) struct buf out;
    struct store_user *users = NULL;
    struct store_grant *grants = NULL;
    size_t len = 0;
    size_t grants_len = 0;
    buf_init(&out, STORE_ARENA_MAX);
    int rc = store_list_users(c->store, &c->arena, &users, &len);
    if (rc == 0)
        rc = store_list_grants(c->store, &c->arena, &grants, &grants_len);
    if (rc < 0)
        return rc;
    buf_z(&out, "ID\tE-MAIL\tNAME\tROLES\tSIGNED IN\n");
    for (size_t i = 0; i < len; i++) {
        buf_printf(&out, "%lld\t%.*s\t%.*s\t", (long long)users[i].id, STR_ARG(users[i].email),
                   STR_ARG(users[i].name));
        if (users[i].owner)
            buf_z(&out, "owner");
        else
            put_roles(&out, grants, grants_len, users[i].id, 0);
        buf_byte(&out, '\t');
        put_time(&out, users[i].signed_in_ns);
        buf_z(&out, users[i].disabled ? "\tdisabled\n" : "\n");
    }
    return print(&out);
}

/* ---- tokens ---- */

static int token_add(struct accounts_cmd *c)
{
    char secret[AUTH_SECRET_LEN + 1];
    struct store_token t = {.created_by = STR("command line"), .created_ns = clock_wall_ns()};
    struct store_grant *grants = NULL;
    struct store_user u = {0};
    size_t len = 0;
    bool personal = flag_values_get(&c->v, "email") != NULL;
    int rc = get_name(c, STR_EMPTY, &t.name);
    if (rc == 0 && personal)
        rc = get_user(c, &u);
    if (rc == 0)
        rc = get_roles(c, &grants, &len);
    if (rc == 0 && personal && len > 0)
        rc = err_set(E_CONFIG, "a user's token has the user's roles: leave --role away");
    if (rc == 0)
        rc = auth_new_secret(secret);
    if (rc < 0)
        return rc;
    t.user_id = u.id;
    auth_hash(str_of(secret), t.hash);
    rc = store_add_token(c->store, &t, grants, len);
    if (rc == 0)
        rc = note(c, personal ? "token.create" : "service_token.create", t.name);
    if (rc == 0)
        printf("Token %lld, shown only now:\n\n    %s\n", (long long)t.id, secret);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

static int token_remove(struct accounts_cmd *c)
{
    int64_t id = 0;
    if (str_to_i64(str_of(c->v.args[1]), &id) < 0)
        return err_set(E_CONFIG,
                       "token remove: the token's number is needed, as `%s server token "
                       "list` shows it",
                       program_name());
    int rc = store_remove_token(c->store, id);
    if (rc == 0)
        rc = note(c, "token.revoke", str_of(c->v.args[1]));
    if (rc == 0)
        printf("Token %lld is revoked\n", (long long)id);
    return rc;
}

static int token_list(struct accounts_cmd *c)
{
    CLEANUP(buf_fini) struct buf out;
    struct store_token *tokens = NULL;
    struct store_grant *grants = NULL;
    size_t len = 0;
    size_t grants_len = 0;
    buf_init(&out, STORE_ARENA_MAX);
    int rc = store_list_tokens(c->store, &c->arena, &tokens, &len);
    if (rc == 0)
        rc = store_list_grants(c->store, &c->arena, &grants, &grants_len);
    if (rc < 0)
        return rc;
    buf_z(&out, "ID\tNAME\tOF\tROLES\tCREATED BY\tLAST USED\n");
    for (size_t i = 0; i < len; i++) {
        struct store_user u;
        struct str of = STR("service");
        if (tokens[i].user_id) {
            rc = store_get_user(c->store, tokens[i].user_id, &c->arena, &u);
            of = rc == 0 ? u.email : STR("?");
        }
        buf_printf(&out, "%lld\t%.*s\t%.*s\t", (long long)tokens[i].id, STR_ARG(tokens[i].name),
                   STR_ARG(of));
        if (tokens[i].user_id)
            buf_z(&out, "the user's");
        else
            put_roles(&out, grants, grants_len, 0, tokens[i].id);
        buf_printf(&out, "\t%.*s\t", STR_ARG(tokens[i].created_by));
        put_time(&out, tokens[i].used_ns);
        buf_byte(&out, '\n');
    }
    return print(&out);
}

/* ---- the commands ---- */

static const struct {
    const char *noun;
    const char *verb;
    const char *name;
    int (*run)(struct accounts_cmd *c);
    size_t args; /* besides noun and verb */
} commands[] = {
    {"user", "list", "user list", user_list, 0},
    {"user", "add", "user add", user_add, 0},
    {"user", "passwd", "user passwd", user_passwd, 0},
    {"user", "roles", "user roles", user_roles, 0},
    {"user", "remove", "user remove", user_remove, 0},
    {"token", "list", "token list", token_list, 0},
    {"token", "add", "token add", token_add, 0},
    {"token", "remove", "token remove", token_remove, 1},
};

static int run_command(struct accounts_cmd *c, size_t which)
{
    const char *data = flag_values_get(&c->v, "data");
    c->name = commands[which].name;
    if (c->v.args_len != 1 + commands[which].args)
        return err_set(E_CONFIG, "%s: %zu argument%s needed, not %zu", c->name,
                       commands[which].args, commands[which].args == 1 ? " is" : "s are",
                       c->v.args_len - 1);
    int rc = store_open_accounts(data ? data : default_data, &c->store);
    return rc < 0 ? rc : commands[which].run(c);
}

static int find_and_run(struct accounts_cmd *c, int argc, char **argv)
{
    char path[32];
    snprintf(path, sizeof path, "server %s", argv[0]);
    int rc = command_parse(path, &c->v, &c->arena, argc, argv);
    if (rc != 0)
        return MIN(rc, 0);
    const char *verb = c->v.args_len > 0 ? c->v.args[0] : "";
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[0], commands[i].noun) == 0 && strcmp(verb, commands[i].verb) == 0)
            return run_command(c, i);
    return err_set(E_CONFIG, "%s: unknown command \"%s\"; `%s %s --help` lists them", path, verb,
                   program_name(), path);
}

int cmd_server_accounts(int argc, char **argv)
{
    struct accounts_cmd c = {0};
    arena_init(&c.arena, STORE_ARENA_MAX);
    int rc = find_and_run(&c, argc, argv);
    if (rc < 0 && err_get()->exit_code == 0)
        (void)err_exit(rc, 255);
    store_close(c.store);
    arena_fini(&c.arena);
    return rc;
}
