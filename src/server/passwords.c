#include "server/passwords.h"

#include <errno.h>
#include <pthread.h>

#include "base/mem.h"

struct job {
    struct request *request; /* suspended */
    bool verify;
    struct str given;
    struct str encoded;
    struct str fresh; /* NULL ptr: nothing to hash */
};

struct passwords {
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t wake;
    pthread_t thread;
    bool started;
    bool closing;
    struct job queue[SERVER_PASSWORDS_WAITING_MAX]; /* a ring */
    size_t first;
    size_t len;
};

static void do_job(const struct job *j)
{
    struct password_work *w = &j->request->password;
    w->right = !j->verify || password_verify(j->given, j->encoded);
    w->rc = 0;
    if (w->right && j->fresh.ptr)
        w->rc = password_hash(j->fresh, w->encoded);
}

static void *run(void *arg)
{
    struct passwords *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->len == 0 && !p->closing)
            pthread_cond_wait(&p->wake, &p->lock);
        if (p->len == 0)
            break;
        struct job j = p->queue[p->first];
        p->first = (p->first + 1) % ARRAY_LEN(p->queue);
        p->len--;
        pthread_mutex_unlock(&p->lock);
        struct MHD_Connection *conn = j.request->conn;
        do_job(&j);
        MHD_resume_connection(conn); /* from here on the request is its thread's again */
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int passwords_new(struct passwords **ret)
{
    struct passwords *p = mem_calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    int rc = -pthread_create(&p->thread, NULL, run, p);
    if (rc < 0) {
        passwords_free(p);
        return err_set_errno(rc, "start a thread");
    }
    p->started = true;
    *ret = p;
    return 0;
}

void passwords_free(struct passwords *p)
{
    if (!p)
        return;
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        p->closing = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static int give(struct request *r, const struct job *j, handler_fn *then)
{
    struct passwords *p = r->server->passwords;
    pthread_mutex_lock(&p->lock);
    bool full = p->len == ARRAY_LEN(p->queue) || p->closing;
    if (!full) {
        r->next = then;
        MHD_suspend_connection(r->conn); /* before anybody can resume it */
        p->queue[(p->first + p->len++) % ARRAY_LEN(p->queue)] = *j;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    if (!full)
        return REPLY_LATER;
    reply_header(r, "Retry-After", "1");
    return err_set(E_UNAVAILABLE, "too many people are signing in right now, try again");
}

int passwords_verify(struct request *r, struct str given, struct str encoded, struct str fresh,
                     handler_fn *then)
{
    struct job j = {
        .request = r, .verify = true, .given = given, .encoded = encoded, .fresh = fresh};
    return give(r, &j, then);
}

int passwords_hash(struct request *r, struct str fresh, handler_fn *then)
{
    struct job j = {.request = r, .fresh = fresh};
    return give(r, &j, then);
}
