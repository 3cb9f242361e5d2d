/*
 * cmd_login - `cloud login` (a token) and the older `login cloud` (e-mail and password, or a
 * token).  k6-surface 1.1; cloud-protocol.md, "Who calls what".
 */
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/ask.h"
#include "cmd/cloud_cmd.h"
#include "cmd/cloud_login.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/config_path.h"
#include "output/cloud_api.h"
#include "output/cloud_run.h"
#include "output/cloud_signin.h"
#include "output/cloud_v6.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct flag flags_cloud_login[] = {
    {.name = "token",
     .letter = 't',
     .kind = FLAG_STRING,
     .value_name = "string",
     .help = "token to keep; asked for when it isn't given"},
    {.name = "email",
     .kind = FLAG_STRING,
     .value_name = "string",
     .help = "get a token by e-mail and password; the password is asked for"},
    {.name = "host",
     .kind = FLAG_STRING,
     .value_name = "URL",
     .help = "where the cloud is, e.g. http://results.example:6600"},
    {.name = "stack",
     .kind = FLAG_STRING,
     .value_name = "string",
     .help = "URL, name or number of the stack; a URL counts as --host, too"},
    {.name = "show", .letter = 's', .kind = FLAG_BOOL, .help = "show what is kept"},
    {.name = "reset", .letter = 'r', .kind = FLAG_BOOL, .help = "forget token, host and stack"},
};

const size_t flags_cloud_login_len = ARRAY_LEN(flags_cloud_login);

enum { SECRET_MAX = 1100 };

struct login {
    struct arena arena;
    struct flag_values flags;
    struct buf config_path;
    struct cloud_config config; /* as kept, then as it will be */
    char email[256];            /* empty: there is a token already */
    char password[SECRET_MAX];
    int result;       /* of the calls on the loop */
    struct err error; /* its message */
};

static int replace(char **field, const char *value)
{
    char *copy = mem_strdup(value);
    if (copy == NULL)
        return err_set_errno(-ENOMEM, "login");
    mem_free(*field);
    *field = copy;
    return 0;
}

/* ---- what the cloud says ---- */

/* A token for e-mail and password. */
static int sign_in(struct login *l, struct cloud_api *api)
{
    char *token = NULL;
    int rc = cloud_sign_in(api, &l->config, l->email, l->password, &token);
    explicit_bzero(l->password, sizeof l->password);
    if (rc == 0)
        rc = replace(&l->config.token, token);
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    mem_free(token);
    return rc;
}

/* The older question first, as it tells an invalid token from a cloud that can't be asked; then
 * which stack it is, where the cloud knows stacks. */
static int check(struct login *l, struct cloud_api *api)
{
    int rc = cloud_validate_token(api, &l->config);
    if (rc < 0)
        return rc;
    rc = cloud_v6_auth(api, &l->config);
    return rc == -ENOENT ? 0 : rc;
}

/* An api is made for one token, so signing in takes one of its own. */
static void talk(void *arg)
{
    struct login *l = arg;
    struct cloud_api *api = NULL;
    l->result = cloud_api_new(&l->config, &api);
    if (l->result == 0 && l->email[0] != '\0') {
        l->result = sign_in(l, api);
        cloud_api_free(api);
        api = NULL;
        if (l->result == 0)
            l->result = cloud_api_new(&l->config, &api);
    }
    if (l->result == 0)
        l->result = check(l, api);
    l->error = *err_get();
    cloud_api_free(api);
}

static int talk_with_cloud(struct login *l)
{
    struct loop *loop;
    struct co *co;
    int rc = loop_new(&loop);
    if (rc < 0)
        return err_set_errno(rc, "login");
    rc = co_spawn(loop, talk, l, &co);
    if (rc == 0) {
        loop_run(loop);
        rc = l->result;
        *err_get() = l->error;
    }
    loop_free(loop);
    return rc;
}

/* ---- who and where ---- */

/* "https://x", "my-team", "12345" */
static int choose_stack(struct login *l, const char *stack)
{
    int64_t id = 0;
    l->config.stack_id = 0;
    l->config.default_project_id = 0;
    if (str_to_i64(str_of(stack), &id) == 0 && id > 0) {
        l->config.stack_id = id;
        mem_free(l->config.stack_url);
        l->config.stack_url = NULL;
        return 0;
    }
    return replace(&l->config.stack_url, stack);
}

static int choose_host(struct login *l)
{
    const char *host = flag_values_get(&l->flags, "host");
    const char *stack = flag_values_get(&l->flags, "stack");
    if (host == NULL && stack != NULL && strstr(stack, "://") != NULL)
        host = stack;
    if (host == NULL)
        host = getenv("K6_CLOUD_HOST");
    int rc = host != NULL && host[0] != '\0' ? replace(&l->config.host, host) : 0;
    if (rc == 0)
        rc = cloud_config_check(&l->config);
    if (rc == 0 && stack != NULL && stack[0] != '\0')
        rc = choose_stack(l, stack);
    return rc;
}

static int ask_token(struct login *l)
{
    char token[CLOUD_TOKEN_MAX];
    bool got = ask_secret("Token", token, sizeof token);
    struct str text = str_trim(str_of(got ? token : ""));
    int rc = 0;
    if (text.len == 0)
        rc = err_exit(err_set(E_CONFIG, "no token given: use --token TOKEN; the server printed one "
                                        "at its first start"),
                      255);
    else
        rc = replace(&l->config.token, arena_dup(&l->arena, text));
    explicit_bzero(token, sizeof token);
    return rc;
}

static int ask_email_and_password(struct login *l)
{
    const char *given = flag_values_get(&l->flags, "email");
    char line[sizeof l->email];
    bool got = true;
    if (given != NULL)
        snprintf(line, sizeof line, "%s", given);
    else
        got = ask_line("Email", line, sizeof line);
    struct str email = str_trim(str_of(got ? line : ""));
    snprintf(l->email, sizeof l->email, "%.*s", STR_ARG(email));
    if (l->email[0] != '\0')
        got = ask_secret("Password", l->password, sizeof l->password);
    if (!got || l->email[0] == '\0' || l->password[0] == '\0')
        return err_exit(err_set(E_CONFIG, "no e-mail and password given: type both, or use --token "
                                          "TOKEN"),
                        255);
    return 0;
}

static int choose_token(struct login *l, bool older)
{
    const char *given = flag_values_get(&l->flags, "token");
    if (given != NULL && given[0] != '\0')
        return replace(&l->config.token, given);
    if (older || flag_values_get(&l->flags, "email") != NULL)
        return ask_email_and_password(l);
    return ask_token(l);
}

/* ---- what is kept ---- */

static void show_id(const char *name, int64_t id)
{
    if (id != 0)
        printf("  %s: %lld\n", name, (long long)id);
    else
        printf("  %s: <not set>\n", name);
}

static int login_show(struct login *l)
{
    CLEANUP(buf_fini) struct buf masked;
    const struct cloud_config *c = &l->config;
    buf_init(&masked, CLOUD_TOKEN_MAX + 1);
    if (c->token != NULL)
        cloud_login_mask(c->token, &masked);
    printf("  token: %s\n  host: %s\n",
           c->token != NULL && buf_cstr(&masked) ? buf_cstr(&masked) : "<not set>", c->host);
    show_id("stack-id", c->stack_id);
    printf("  stack-url: %s\n", c->stack_url != NULL ? c->stack_url : "<not set>");
    show_id("default-project-id", c->default_project_id);
    printf("  file: %s\n", buf_cstr(&l->config_path));
    return 0;
}

static int login_keep(struct login *l, bool older)
{
    const char *path = buf_cstr(&l->config_path);
    int rc = choose_host(l);
    if (rc == 0)
        rc = choose_token(l, older);
    if (rc == 0)
        rc = talk_with_cloud(l);
    struct cloud_login kept = {
        .token = l->config.token,
        .host = l->config.host,
        .stack_url = l->config.stack_url,
        .stack_id = l->config.stack_id,
        .default_project_id = l->config.default_project_id,
    };
    if (rc == 0)
        rc = cloud_login_write(path, &kept);
    if (rc == 0)
        printf("Logged in to the cloud at %s; the token is kept in %s\n", l->config.host, path);
    return rc;
}

static int login_reset(struct login *l)
{
    const char *path = buf_cstr(&l->config_path);
    struct cloud_login nothing = {0};
    int rc = cloud_login_write(path, &nothing);
    if (rc == 0)
        printf("Token, host and stack are forgotten (%s)\n", path);
    return rc;
}

static int find_config_path(struct login *l)
{
    const char *path = flag_values_get(&l->flags, "config");
    if (path == NULL || path[0] == '\0')
        path = getenv("K6_CONFIG");
    if (path != NULL && path[0] != '\0')
        buf_z(&l->config_path, path);
    else
        config_default_path(&l->config_path);
    return buf_cstr(&l->config_path) == NULL ? err_set_errno(-ENOMEM, "login") : 0;
}

static int login_with(struct login *l, bool older, int argc, char **argv)
{
    int rc = command_parse("cloud login", &l->flags, &l->arena, argc, argv);
    if (rc != 0)
        return rc;
    if (l->flags.args_len > 0)
        return err_exit(err_set(E_CONFIG, "accepts 0 arg(s), received %zu", l->flags.args_len),
                        255);
    rc = find_config_path(l);
    if (rc == 0 && flag_values_bool(&l->flags, "reset"))
        return login_reset(l);
    if (rc == 0)
        rc = cloud_cmd_settings(buf_cstr(&l->config_path), &l->config);
    if (rc < 0)
        return rc;
    return flag_values_bool(&l->flags, "show") ? login_show(l) : login_keep(l, older);
}

static int login(bool older, int argc, char **argv)
{
    struct login *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return err_set_errno(-ENOMEM, "login");
    arena_init(&l->arena, 1 << 20);
    buf_init(&l->config_path, 8192);
    int rc = login_with(l, older, argc, argv);
    rc = MIN(rc, 0); /* the help was asked for */
    if (rc < 0 && err_get()->exit_code == 0)
        (void)err_exit(rc, 255);
    arena_fini(&l->arena);
    buf_fini(&l->config_path);
    cloud_config_fini(&l->config);
    explicit_bzero(l->password, sizeof l->password);
    mem_free(l);
    return rc;
}

int cmd_cloud_login(int argc, char **argv)
{
    return login(false, argc, argv);
}

int cmd_login(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "cloud") == 0)
        return login(true, argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "influxdb") == 0)
        return err_exit(
            err_set(E_UNSUPPORTED, "login influxdb isn't there: k6 itself has dropped it"), 255);
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        command_help("login");
        return 0;
    }
    return err_exit(err_set(E_CONFIG, "login: say where: `%s login cloud`", program_name()), 255);
}
