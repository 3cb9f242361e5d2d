#include "server/password.h"

#include <argon2.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/limits.h"

enum { PASSES = 2, LANES = 1, SALT_BYTES = 16, HASH_BYTES = 32, ONCE_KIB = 8, ONCE_PASSES = 1 };

struct str password_trim(struct str password)
{
    while (password.len > 0 &&
           (password.ptr[password.len - 1] == '\n' || password.ptr[password.len - 1] == '\r'))
        password.len--;
    return password;
}

int password_check(struct str password)
{
    if (password.len < SERVER_PASSWORD_MIN)
        return err_set(E_CONFIG, "the password is too short: at least %d characters are needed",
                       SERVER_PASSWORD_MIN);
    if (password.len > SERVER_PASSWORD_MAX)
        return err_set(E_CONFIG, "the password is too long: at most %d bytes are taken",
                       SERVER_PASSWORD_MAX);
    return 0;
}

static int hash(struct str password, uint32_t passes, uint32_t kib,
                char out[static PASSWORD_ENCODED_MAX])
{
    uint8_t salt[SALT_BYTES];
    if (getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return err_set(-EIO, "no random bytes from the system");
    int e = argon2id_hash_encoded(passes, kib, LANES, password.ptr, password.len, salt, sizeof salt,
                                  HASH_BYTES, out, PASSWORD_ENCODED_MAX);
    if (e == ARGON2_OK)
        return 0;
    return err_set(e == ARGON2_MEMORY_ALLOCATION_ERROR ? -ENOMEM : -EIO, "password: %s",
                   argon2_error_message(e));
}

int password_hash(struct str password, char out[static PASSWORD_ENCODED_MAX])
{
    return hash(password, PASSES, PASSWORD_KIB, out);
}

/* As long as a password takes. */
static void waste_time(struct str password)
{
    char text[PASSWORD_ENCODED_MAX];
    if (password.ptr && password.len <= SERVER_PASSWORD_MAX && password_hash(password, text) < 0)
        err_clear();
}

/* A one-time password's. */
static bool is_quick(struct str encoded)
{
    static const char quick[] = "$argon2id$v=19$m=8,";
    return str_starts(encoded, STR(quick));
}

bool password_verify(struct str password, struct str encoded)
{
    char text[PASSWORD_ENCODED_MAX];
    bool known = encoded.len > 0 && encoded.len < sizeof text && password.ptr;
    if (!known) {
        /* Whoever guesses at e-mail addresses shall not see by the time which of them exist. */
        waste_time(password);
        return false;
    }
    memcpy(text, encoded.ptr, encoded.len);
    text[encoded.len] = '\0';
    bool right = password.len <= SERVER_PASSWORD_MAX &&
                 argon2id_verify(text, password.ptr, password.len) == ARGON2_OK;
    if (!right && is_quick(encoded)) /* nor which of them wait for their first sign-in */
        waste_time(password);
    return right;
}

int password_make_once(char out[static PASSWORD_ONCE_LEN + 1],
                       char encoded[static PASSWORD_ENCODED_MAX])
{
    /* Crockford's letters: none that looks like another. */
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t bytes[PASSWORD_ONCE_LEN];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_set(-EIO, "no random bytes from the system");
    for (size_t i = 0; i < PASSWORD_ONCE_LEN; i++)
        out[i] = letters[bytes[i] % 32];
    out[PASSWORD_ONCE_LEN] = '\0';
    explicit_bzero(bytes, sizeof bytes);
    return hash(str_of(out), ONCE_PASSES, ONCE_KIB, encoded);
}
