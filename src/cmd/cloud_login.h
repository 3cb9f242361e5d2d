/*
 * cloud_login - what the config file keeps for the cloud (k6-surface 1.2, 1.5:
 * `collectors.cloud`).  The file is 0600 in a folder 0700 and replaced as a whole.
 */
#ifndef CMD_CLOUD_LOGIN_H
#define CMD_CLOUD_LOGIN_H

#include "base/attr.h"
#include "base/buf.h"

#include <stdint.h>

/* The file's text; empty when there is none.  E_CONFIG with a message when it can't be read or is
 * too long. */
NODISCARD int cloud_login_read(const char *path, struct buf *ret_text);

/* What a login keeps; NULL and 0: the key is removed. */
struct cloud_login {
    const char *token;
    const char *host;
    const char *stack_url;
    int64_t stack_id;
    int64_t default_project_id;
};

/* Puts it into `collectors.cloud`, keeping everything else. */
NODISCARD int cloud_login_write(const char *path, const struct cloud_login *login);

/* `collectors.cloud` of the text as JSON; "{}" when there is none.  E_CONFIG: not JSON. */
NODISCARD int cloud_login_section(struct str text, const char *path, struct buf *ret_json);

/* "abcd****wxyz"; short ones are all stars. */
void cloud_login_mask(const char *token, struct buf *ret);

#endif
