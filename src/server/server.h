/*
 * server - the results service: k6's cloud protocol, the public API, the page.
 *
 * Threads of its own serve the requests; start and stop belong to the caller's thread.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

/* Who owns the server; empty texts: nothing said. */
struct server_owner {
    char email[256];
    char name[256];
    char password[1100];
};

struct server_config {
    const char *listen; /* "ADDR:PORT"; port 0: a free one; no address: all */
    const char *data_dir;
    const char *token_file; /* NULL: none; else holds a valid token after the start, mode 0600 */
    int64_t run_timeout_ns; /* a run without data for so long is timed out; > 0 */
    int64_t patience_ns;    /* with clients that send or take slowly; 0: SERVER_PATIENCE_S */
    /* Asked at the first start, and once for a folder of before there were passwords, whose owner's
     * e-mail is `present` (else NULL).  NULL, or an empty password: a one-time password is made.
     * 0, or a code with a message, which ends the start. */
    int (*ask_owner)(void *arg, const char *present, struct server_owner *ret);
    void *ask_arg;
};

/*
 * Opens the data folder and listens.  Failures: E_CONFIG (address, data folder of a newer version),
 * -EADDRINUSE, -EBUSY (folder in use), what the file system says; each with a message.
 */
NODISCARD int server_start(const struct server_config *config, struct server **ret);
/* Answers what is under way, ends live streams, closes the store.  NULL is fine. */
void server_stop(struct server *s);

/* "http://127.0.0.1:6600"; valid until the stop. */
const char *server_url(const struct server *s);

/* The token of the first start, to be shown once; NULL when there was one before, or when it is in
 * the token file.  Valid until server_forget_token(), which overwrites it. */
const char *server_new_token(const struct server *s);
void server_forget_token(struct server *s); /* and the password of below */

/* The one-time password made by this start, and whose it is; NULL: none was.  As above. */
const char *server_new_password(const struct server *s, const char **ret_email);

#endif
