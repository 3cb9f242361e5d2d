#include "server/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static const char default_email[] = "admin@localhost";
static const char default_name[] = "Owner";
static const char token_name[] = "first token";

/* ---- the token file ---- */

static int write_token_file(const char *path, const char *token)
{
    char part[STORE_PATH_MAX];
    int n = snprintf(part, sizeof part, "%s.part", path);
    if (n < 0 || (size_t)n >= sizeof part)
        return err_set(E_CONFIG, "path of the token file is too long");
    (void)unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(-errno, "token file %s", path);
    char line[AUTH_SECRET_LEN + 2];
    int len = snprintf(line, sizeof line, "%s\n", token);
    int rc = write(fd, line, (size_t)len) == len ? 0 : -EIO;
    if (close(fd) < 0 || (rc == 0 && rename(part, path) < 0))
        rc = -errno;
    return rc < 0 ? err_set_errno(rc, "token file %s", path) : 0;
}

/* True when the file holds a token that is valid here; closes it to others then. */
static bool token_file_is_valid(struct server *s, const char *path)
{
    char text[AUTH_SECRET_LEN * 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text);
    CLEANUP(arena_fini) struct arena a;
    struct identity who;
    arena_init(&a, STORE_ARENA_MAX);
    bool valid =
        n > 0 && auth_check_token(&s->auth, str_trim(str_new(text, (size_t)n)), &a, &who) > 0;
    explicit_bzero(text, sizeof text);
    if (valid && fchmod(fd, 0600) < 0)
        log_warning("token file %s: can't be closed to other users", path);
    close(fd);
    return valid;
}

static int make_token(struct server *s, int64_t owner_id, struct str email, const char *file)
{
    char secret[AUTH_SECRET_LEN + 1];
    struct store_token t = {.user_id = owner_id, .name = str_of(token_name), .created_by = email};
    int rc = auth_add_token(&s->auth, &t, NULL, 0, secret);
    if (rc == 0 && file)
        rc = write_token_file(file, secret);
    else if (rc == 0 && !(s->new_token = mem_strdup(secret)))
        rc = -ENOMEM;
    explicit_bzero(secret, sizeof secret);
    return rc;
}

/* ---- the owner ---- */

/* The owner who can sign in; without one, the first; NULL when there is none at all. */
static const struct store_user *find_owner(const struct store_user *users, size_t len)
{
    const struct store_user *ret = NULL;
    for (size_t i = 0; i < len; i++) {
        if (!users[i].owner || users[i].disabled)
            continue;
        if (users[i].password.ptr)
            return &users[i];
        if (!ret)
            ret = &users[i];
    }
    return ret;
}

/* The password's hash: of the one that was given, else of a one-time password. */
static int choose_password(struct server *s, const struct server_owner *given, struct str email,
                           char encoded[static PASSWORD_ENCODED_MAX])
{
    if (given->password[0])
        return password_hash(str_of(given->password), encoded);
    char once[PASSWORD_ONCE_LEN + 1];
    int rc = password_make_once(once, encoded);
    if (rc == 0) {
        s->new_password = mem_strdup(once);
        s->new_owner = str_dup(email);
        rc = s->new_password && s->new_owner ? 0 : -ENOMEM;
    }
    explicit_bzero(once, sizeof once);
    return rc;
}

static int make_owner(struct server *s, const struct server_owner *given, struct store_user *ret)
{
    char encoded[PASSWORD_ENCODED_MAX];
    struct str email = str_of(given->email[0] ? given->email : default_email);
    int rc = choose_password(s, given, email, encoded);
    if (rc < 0)
        return rc;
    *ret = (struct store_user){
        .email = email,
        .name = str_of(given->name[0] ? given->name : default_name),
        .password = str_of(encoded),
        .owner = true,
        .must_change = !given->password[0],
        .created_ns = clock_wall_ns(),
    };
    rc = store_add_user(s->store, ret);
    explicit_bzero(encoded, sizeof encoded);
    ret->password = STR_EMPTY;
    return rc;
}

/* A folder of before there were passwords: its owner has tokens alone. */
static int give_password(struct server *s, const struct server_owner *given,
                         const struct store_user *owner)
{
    char encoded[PASSWORD_ENCODED_MAX];
    int rc = choose_password(s, given, owner->email, encoded);
    if (rc == 0)
        rc = store_set_password(s->store, owner->id, str_of(encoded), !given->password[0], NULL);
    explicit_bzero(encoded, sizeof encoded);
    return rc;
}

static int prepare_owner(struct server *s, const struct server_config *config, struct arena *a,
                         struct store_user *ret)
{
    struct store_user *users = NULL;
    size_t len = 0;
    struct server_owner given = {0};
    int rc = store_list_users(s->store, a, &users, &len);
    if (rc < 0)
        return rc;
    const struct store_user *owner = find_owner(users, len);
    if (owner)
        *ret = *owner;
    if (owner && owner->password.ptr)
        return 0;
    if (config->ask_owner)
        rc = config->ask_owner(config->ask_arg, owner ? owner->email.ptr : NULL, &given);
    if (rc == 0)
        rc = owner ? give_password(s, &given, owner) : make_owner(s, &given, ret);
    explicit_bzero(given.password, sizeof given.password);
    if (rc == 0 && !owner) {
        ret->email = str_of(arena_dup(a, ret->email));
        rc = ret->email.ptr ? 0 : -ENOMEM;
    }
    return rc < 0 ? rc : auth_reload(&s->auth);
}

int owner_prepare(struct server *s, const struct server_config *config)
{
    CLEANUP(arena_fini) struct arena a;
    struct store_user owner;
    const char *file = config->token_file;
    arena_init(&a, STORE_ARENA_MAX);
    int rc = prepare_owner(s, config, &a, &owner);
    if (rc < 0)
        return rc;
    if (file ? token_file_is_valid(s, file) : auth_has_tokens(&s->auth))
        return 0;
    return make_token(s, owner.id, owner.email, file);
}
