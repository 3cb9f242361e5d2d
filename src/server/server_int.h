/*
 * server_int - what the files of server/ share.
 */
#ifndef SERVER_SERVER_INT_H
#define SERVER_SERVER_INT_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "server/auth.h"
#include "server/events.h"
#include "server/life.h"
#include "server/password.h"
#include "server/server.h"
#include "store/store.h"

struct http_connection;
struct passwords;
struct tails;
struct schema;

struct server {
    struct store *store;
    struct auth auth;
    struct events events;
    struct life life;
    struct passwords *passwords; /* hashes them */
    struct tails *tails;         /* who follows a log */
    struct schema *schema;       /* of the cloud API v6 */
    struct MHD_Daemon *daemon;
    _Atomic bool draining; /* connections are refused */
    int listen_fd;
    char url[128];
    char *new_token;    /* NULL: none to be shown */
    char *new_password; /* likewise */
    char *new_owner;    /* whose password that is */
    int64_t run_timeout_ns;
    int64_t patience_ns;
    uint64_t auth_generation; /* for which live streams were looked through; the ticker's */
    int64_t quota_ns;         /* monotonic, of the last look at limits; the ticker's */
    _Atomic int64_t told_ns;  /* when a failure of the disk was last logged, monotonic; 0: never */
    pthread_t ticker;
    bool ticking; /* the ticker has been started */
    pthread_mutex_t tick_lock;
    pthread_cond_t tick_wake;
    bool stopping;                       /* of tick_lock */
    int active;                          /* requests begun and not ended; of tick_lock */
    struct http_connection *connections; /* open ones; of tick_lock */
    pthread_cond_t ended;                /* active has become 0, or connections empty */
};

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_OTHER };

/* How an error of a route is written. */
enum error_form {
    FORM_V1, /* {"error":{"message":…,"code":N}} */
    FORM_V6, /* {"error":{"message":…,"code":"…"}} */
};

/* Who may use a route; what its first parameter names decides about the project.  See rights.h. */
enum access {
    ACCESS_ANYONE,
    ACCESS_UPLOAD,   /* the first parameter is a secret that is good for one archive */
    ACCESS_SELF,     /* whoever is signed in, also with a password that has to be changed first */
    ACCESS_PASSWORD, /* likewise, but a user and no service */
    ACCESS_USER,     /* a user */
    ACCESS_TOKEN,    /* whoever is signed in; the handler looks at roles itself */
    ACCESS_OWNER,    /* of the server */
    ACCESS_ADMIN,    /* of all projects */
    ACCESS_RUN,      /* an editor, or the credential of the run */
    VIEWER_OF_PROJECT,
    EDITOR_OF_PROJECT,
    ADMIN_OF_PROJECT,
    VIEWER_OF_TEST,
    EDITOR_OF_TEST,
    VIEWER_OF_RUN,
    EDITOR_OF_RUN,
    VIEWER_OF_SCHEDULE,
    EDITOR_OF_SCHEDULE,
};

/* What a body has to be. */
enum body_kind { BODY_NONE, BODY_JSON, BODY_JSON_OR_FORM, BODY_FORM, BODY_BYTES, BODY_PROTOBUF };

struct request;

/* Fills in the reply; a negative code becomes an error reply made of the error slot; REPLY_LATER:
 * the request has been given to another thread, which resumes the connection. */
enum { REPLY_LATER = 1 };
typedef int handler_fn(struct request *r);

struct route {
    enum method method;
    const char *pattern; /* segments; {} one of them decoded, {*} the rest as sent, at the end */
    handler_fn *handler;
    enum access access;
    enum error_form form;
    enum body_kind body;
    size_t body_max; /* bytes */
};

enum { PARAMS_MAX = 3, REPLY_HEADERS_MAX = 6 };

struct reply {
    int status; /* 0: none yet */
    const char *content_type;
    struct buf body;
    struct {
        const char *name;
        const char *value; /* in the request's arena */
    } headers[REPLY_HEADERS_MAX];
    int headers_len;
    struct MHD_Response *made; /* a stream or a static file instead of body; owned */
};

/* What came of a password; see passwords.h. */
struct password_work {
    bool right;
    int rc; /* of hashing */
    char encoded[PASSWORD_ENCODED_MAX];
};

struct request {
    struct server *server;
    struct MHD_Connection *conn;
    struct arena arena;
    enum method method;
    bool head;         /* HEAD: as GET, without the body */
    struct str target; /* as sent */
    struct str path;   /* as sent, without the query */
    struct str query;  /* as sent, without '?'; empty: none */
    const struct route *route;
    struct str params[PARAMS_MAX]; /* what stood at {} and {*} */
    struct identity who;           /* who asks */
    int64_t run_id;                /* whose credential it is that asks; 0: a user's token */
    bool by_cookie;                /* asks by a session of the page */
    handler_fn *next;              /* goes on with a request that was given away; NULL: none */
    struct password_work password; /* for it */
    struct str deed_target;        /* for the list of deeds; NULL ptr: the first parameter */
    struct str deed_detail;
    struct buf body;
    size_t body_max;  /* bytes */
    uint64_t ignored; /* bytes of a body whose answer is settled */
    bool started;     /* the headers have been looked at */
    struct reply reply;
};

/* A request header; NULL ptr: not there. */
struct str request_header(const struct request *r, const char *name);
/* A parameter of the query, decoded; NULL ptr: not there (or no memory). */
struct str request_arg(struct request *r, const char *name);
/* The n-th of that name. */
struct str request_arg_at(struct request *r, const char *name, size_t n);
/* %XX decoded; NULL ptr when it is malformed. */
struct str percent_decode(struct arena *a, struct str s, bool plus_is_space);
/* True when a proxy before us says that the client came by TLS. */
bool request_is_secure(const struct request *r);
/* "http://host", or with https, as the client reached us. */
struct str request_base_url(struct request *r);

void reply_header(struct request *r, const char *name, const char *value);
int reply_json(struct request *r, int status);  /* what has been put into reply.body; 0 */
int reply_empty(struct request *r, int status); /* 0 */
/* An error in the route's form; 0.  `code`: the number of v1, the word of v6. */
int reply_error(struct request *r, int status, int code, const char *word, const char *fmt, ...)
    PRINTF(5, 6);
/* The error slot's, by its code; 0. */
int reply_failure(struct request *r, int rc);

/* From the segment at `param`; E_NOT_FOUND when it is no id. */
NODISCARD int request_id(const struct request *r, int param, int64_t *ret);

extern const struct route routes[];
extern const size_t routes_len;

/* Made of the asset table; the fallback of every GET. */
int page_serve(struct request *r);

#endif
