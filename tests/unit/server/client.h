/*
 * client - a server of its own for each test, and requests to it over plain sockets.
 */
#ifndef TESTS_SERVER_CLIENT_H
#define TESTS_SERVER_CLIENT_H

#include "base/buf.h"
#include "server/server.h"

#include <stdint.h>

struct world {
    char dir[64];
    char token_file[96];
    char token[80];
    struct server *server;
    int port;
    int64_t run_timeout_ns;
    int64_t patience_ns; /* of the next start; 0: the server's own */
};

void world_open(struct world *w, int64_t run_timeout_ns);
void world_stop(struct world *w);
void world_restart(struct world *w);
void world_close(struct world *w); /* and the folder removed */

struct reply {
    int status;
    struct buf head; /* status line and headers, with a NUL behind */
    struct buf body; /* with a NUL behind */
};

void reply_free(struct reply *r);
const char *reply_text(struct reply *r); /* the body */
/* Value of a header into `out`; "" when it isn't there. */
void reply_header_value(struct reply *r, const char *name, char out[static 256]);

/* `headers`: lines, each with CRLF, NULL for none.  The token is sent unless they hold an
 * Authorization or a Cookie, or start with "-". */
void call(struct world *w, const char *method, const char *path, const char *headers,
          const void *body, size_t len, struct reply *ret);
/* The same for JSON; fails the test when the status isn't `want`.  Replaces *ret. */
void call_json(struct world *w, const char *method, const char *path, const char *json, int want,
               struct reply *ret);
/* GET; the status has to be 200. */
void get(struct world *w, const char *path, struct reply *ret);

/* A connection for what isn't a plain request; reading gives up after ten seconds. */
int dial(struct world *w);
void send_all(int fd, const void *data, size_t len);
/* Reads until `what` is in `in` (with a NUL behind it); fails the test when it doesn't come. */
void read_until(int fd, struct buf *in, const char *what);

#endif
