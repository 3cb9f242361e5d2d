#include "net/resolve.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/roots.h"
#include "rt/co.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { MESSAGE_MAX = NET_HOST_MAX + 128 };

/* One coroutine that waits for a look-up, on its stack.  In the entry's list until the look-up is
 * over; then a mail is on its way to its loop, and it may not go away before that has come. */
struct waiter {
    struct mail mail;
    struct loop *loop;
    struct co *co;
    struct waiter *next;
    bool listed;   /* under the lock */
    bool answered; /* set by the mail; its loop's thread only */
    const struct dial_rules *rules;
    struct net_ip ip; /* the answer, when result is 0 */
    int result;
    char message[MESSAGE_MAX]; /* when it isn't */
};

/* One name.  All under the lock of the cache. */
struct entry {
    bool pending; /* a look-up is running */
    struct waiter *waiters;
    struct net_ip ips[NET_DNS_ADDRESSES_MAX];
    int ips_len;
    int64_t looked_up_ns; /* valid when ips_len > 0 */
    unsigned turn;        /* of round robin */
};

/* Something to look up; in the queue, or its thread's own. */
struct lookup {
    struct lookup *next;
    struct net_ip ips[NET_DNS_ADDRESSES_MAX];
    char host[NET_HOST_MAX + 1];
};

/*
 * Threads of its own look names up: the C library gives up when it likes, up to a minute later, and
 * neither a virtual user that is interrupted nor the end of the run can wait for that. So a thread
 * that is still at it keeps the cache alive, and frees it when the owner has gone meanwhile.
 */
struct dns_cache {
    pthread_mutex_t lock;
    struct map entries; /* name → struct entry, lower case */
    uint64_t random;
    resolve_lookup_fn *lookup;
    struct roots *roots;
    struct lookup *queue, **queue_end;
    unsigned threads; /* that look up, or are about to end */
    bool closed;      /* the owner has gone: nobody wants an answer */
};

static int system_lookup(const char *host, struct net_ip *ips, int max)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    /* allowed: called only in the cache's own threads */
    int gai = getaddrinfo(host, NULL, &hints, &list);
    if (gai == EAI_NONAME || gai == EAI_NODATA)
        return 0;
    if (gai == EAI_SYSTEM)
        return err_set(E_DNS, "lookup %s: %s", host, err_code_text(-errno));
    if (gai != 0)
        return err_set(E_DNS, "lookup %s: %s", host, gai_strerror(gai));
    int n = 0;
    for (struct addrinfo *a = list; a != NULL && n < max; a = a->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *from = a->ai_family == AF_INET
                               ? (void *)&((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr
                               : (void *)&((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr;
        if (inet_ntop(a->ai_family, from, text, sizeof text) != NULL &&
            net_ip_parse(str_of(text), &ips[n]))
            n++;
    }
    freeaddrinfo(list);
    return n;
}

int dns_cache_new(struct dns_cache **ret)
{
    struct dns_cache *c = mem_calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(-ENOMEM, "DNS cache");
    int rc = roots_new(&c->roots);
    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    if (getrandom(&c->random, sizeof c->random, GRND_NONBLOCK) < 0)
        c->random = (uint64_t)clock_mono_ns();
    c->random |= 1;
    c->lookup = system_lookup;
    c->queue_end = &c->queue;
    pthread_mutex_init(&c->lock, NULL);
    map_init(&c->entries, NET_DNS_HOSTS_MAX);
    *ret = c;
    return 0;
}

/* Under the lock. */
static struct lookup *next_lookup(struct dns_cache *c)
{
    struct lookup *l = c->queue;
    if (l == NULL)
        return NULL;
    c->queue = l->next;
    if (c->queue == NULL)
        c->queue_end = &c->queue;
    return l;
}

static void free_all(struct dns_cache *c)
{
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

void dns_cache_free(struct dns_cache *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < map_len(&c->entries); i++) {
        struct entry *e = map_value_at(&c->entries, i);
        CHECK(e->waiters == NULL);
        mem_free(e);
    }
    map_fini(&c->entries);
    for (struct lookup *l; (l = next_lookup(c)) != NULL;)
        mem_free(l);
    roots_free(c->roots);
    c->closed = true;
    bool last = c->threads == 0;
    pthread_mutex_unlock(&c->lock);
    if (last)
        free_all(c);
}

struct roots *dns_cache_roots(struct dns_cache *c)
{
    return c->roots;
}

void dns_cache_set_lookup(struct dns_cache *c, resolve_lookup_fn *fn)
{
    c->lookup = fn;
}

/* --- choosing --- */

static bool allowed(const struct net_ip *ip, enum dial_policy policy, bool has_v4, bool has_v6)
{
    bool v4 = net_ip_is_v4(ip);
    switch (policy) {
    case DIAL_PREFER_IPV4:
        return v4 || !has_v4;
    case DIAL_PREFER_IPV6:
        return !v4 || !has_v6;
    case DIAL_ONLY_IPV4:
        return v4;
    case DIAL_ONLY_IPV6:
        return !v4;
    case DIAL_ANY:
        return true;
    }
    return false;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state; /* xorshift64* */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (x * 0x2545f4914f6cdd1dULL) >> 32;
}

/* Under the lock.  False when the policy leaves none. */
static bool choose(struct dns_cache *c, struct entry *e, const struct dial_rules *rules,
                   struct net_ip *ret)
{
    bool has_v4 = false, has_v6 = false;
    for (int i = 0; i < e->ips_len; i++)
        *(net_ip_is_v4(&e->ips[i]) ? &has_v4 : &has_v6) = true;
    const struct net_ip *fit[NET_DNS_ADDRESSES_MAX];
    size_t n = 0, at = 0;
    for (int i = 0; i < e->ips_len; i++)
        if (allowed(&e->ips[i], rules->dns_policy, has_v4, has_v6))
            fit[n++] = &e->ips[i];
    if (n == 0)
        return false;
    switch (rules->dns_select) {
    case DIAL_SELECT_FIRST:
        break;
    case DIAL_SELECT_RANDOM:
        at = next_random(&c->random) % n;
        break;
    case DIAL_SELECT_ROUND_ROBIN:
        at = e->turn++ % n;
        break;
    }
    *ret = *fit[at];
    return true;
}

/* --- looking up --- */

static void on_answer(struct mail *m)
{
    struct waiter *w = CONTAINER_OF(m, struct waiter, mail);
    w->answered = true;
    co_unpark(w->co);
}

/* Under the lock. */
static void tell_waiters(struct dns_cache *c, struct entry *e, int result, const char *message)
{
    struct waiter *w = e->waiters;
    e->waiters = NULL;
    while (w != NULL) {
        struct waiter *next = w->next; /* it may be gone right after the mail */
        w->listed = false;
        w->result = result;
        if (result == 0 && !choose(c, e, w->rules, &w->ip))
            w->result = E_NOT_FOUND;
        snprintf(w->message, sizeof w->message, "%s", message);
        mail_send(w->loop, &w->mail);
        w = next;
    }
}

/* Under the lock: what came of a look-up, `n` addresses or a code whose message is in the slot. */
static void finish_lookup(struct dns_cache *c, const struct lookup *l, int n)
{
    char message[MESSAGE_MAX]; /* also for those whose policy leaves none of the addresses */
    snprintf(message, sizeof message, "lookup %s: no such host", l->host);
    if (n < 0)
        snprintf(message, sizeof message, "%s", err_message());
    struct entry *e = map_get(&c->entries, str_of(l->host));
    e->pending = false;
    e->ips_len = MAX(n, 0);
    e->looked_up_ns = clock_mono_ns();
    memcpy(e->ips, l->ips, (size_t)e->ips_len * sizeof *e->ips);
    tell_waiters(c, e, n > 0 ? 0 : n == 0 ? E_NOT_FOUND : E_DNS, message);
}

static void *look_up(void *arg)
{
    struct dns_cache *c = arg;
    pthread_mutex_lock(&c->lock);
    for (struct lookup *l; (l = next_lookup(c)) != NULL; mem_free(l)) {
        resolve_lookup_fn *lookup = c->lookup;
        pthread_mutex_unlock(&c->lock);
        int n = lookup(l->host, l->ips, NET_DNS_ADDRESSES_MAX);
        pthread_mutex_lock(&c->lock);
        if (!c->closed)
            finish_lookup(c, l, n);
    }
    bool last = --c->threads == 0 && c->closed;
    pthread_mutex_unlock(&c->lock);
    if (last)
        free_all(c);
    return NULL;
}

/* Under the lock. Signals are for the threads that wait for them. */
static int start_thread(struct dns_cache *c)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(&thread, NULL, look_up, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0)
        return rc;
    pthread_detach(thread);
    c->threads++;
    return 0;
}

/* Under the lock. */
static int start_lookup(struct dns_cache *c, struct str host)
{
    struct lookup *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return -ENOMEM;
    memcpy(l->host, host.ptr, host.len);
    *c->queue_end = l;
    c->queue_end = &l->next;
    if (c->threads >= NET_DNS_THREADS_MAX)
        return 0;
    int rc = start_thread(c);
    if (rc == 0 || c->threads > 0)
        return 0;
    mem_free(next_lookup(c)); /* without a thread it was the only one */
    return rc;
}

static void forget_all(struct dns_cache *c)
{
    for (size_t i = map_len(&c->entries); i-- > 0;) {
        struct entry *e = map_value_at(&c->entries, i);
        if (e->pending)
            continue;
        map_remove(&c->entries, map_key_at(&c->entries, i));
        mem_free(e);
    }
}

/* Under the lock.  The entry of a name, made when it is new; NULL: no memory. */
static struct entry *entry_of(struct dns_cache *c, struct str host)
{
    struct entry *e = map_get(&c->entries, host);
    if (e != NULL)
        return e;
    e = mem_calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    int rc = map_put(&c->entries, host, e);
    if (rc == -E2BIG) {
        forget_all(c);
        rc = map_put(&c->entries, host, e);
    }
    if (rc == 0)
        return e;
    mem_free(e);
    return NULL;
}

static bool is_fresh(const struct entry *e, int64_t ttl_ns)
{
    return e->ips_len > 0 && clock_mono_ns() - e->looked_up_ns < ttl_ns;
}

/* Whoever told us may still be about to wake our loop, which may end next: it does so under the
 * lock. */
static void let_go_of_sender(struct dns_cache *c)
{
    pthread_mutex_lock(&c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* Until the look-up is over (0: w->result says how it went) or the deadline is. */
static int await_answer(struct dns_cache *c, struct entry *e, struct waiter *w, int64_t deadline_ns)
{
    int rc = 0;
    while (!w->answered && rc == 0)
        rc = co_park(deadline_ns);
    if (w->answered) {
        let_go_of_sender(c);
        return rc == -ECANCELED ? rc : 0;
    }
    pthread_mutex_lock(&c->lock);
    bool listed = w->listed;
    if (listed) {
        struct waiter **at = &e->waiters;
        while (*at != w)
            at = &(*at)->next;
        *at = w->next;
    }
    pthread_mutex_unlock(&c->lock);
    while (!listed && !w->answered)
        co_park_hard(); /* the mail is on its way and holds the waiter */
    if (!listed)
        let_go_of_sender(c);
    return rc;
}

static int resolve_name(struct dns_cache *c, const struct dial_rules *rules, struct str host,
                        int64_t deadline_ns, struct net_ip *ret)
{
    struct waiter w = {
        .mail.fn = on_answer, .loop = loop_current(), .co = co_self(), .rules = rules};
    int rc = 0;
    bool found = false, cached = false;
    pthread_mutex_lock(&c->lock);
    struct entry *e = entry_of(c, host);
    if (e == NULL) {
        rc = -ENOMEM;
    } else if (is_fresh(e, rules->dns_ttl_ns)) {
        cached = true;
        found = choose(c, e, rules, ret);
    } else {
        if (!e->pending)
            rc = start_lookup(c, host);
        if (rc == 0) {
            e->pending = true;
            w.next = e->waiters;
            w.listed = true;
            e->waiters = &w;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (rc < 0)
        return err_set_errno(rc, "lookup %.*s", STR_ARG(host));
    if (cached)
        return found ? 0 : err_set(E_NOT_FOUND, "lookup %.*s: no such host", STR_ARG(host));

    rc = await_answer(c, e, &w, deadline_ns);
    if (rc < 0)
        return err_set(rc, "lookup %.*s: %s", STR_ARG(host),
                       rc == -ETIMEDOUT ? "i/o timeout" : "operation was canceled");
    if (w.result < 0)
        return err_set(w.result, "%s", w.message);
    *ret = w.ip;
    return 0;
}

/* "127.1" and "0x7f000001" are addresses to the C library, and names to Go. */
static bool is_old_number(struct str host)
{
    char z[NET_HOST_MAX + 1];
    struct in_addr ignored;
    if (host.ptr[0] < '0' || host.ptr[0] > '9')
        return false;
    memcpy(z, host.ptr, host.len);
    z[host.len] = '\0';
    return inet_aton(z, &ignored) != 0;
}

int resolve(struct dns_cache *c, const struct dial_rules *rules, struct str host,
            int64_t deadline_ns, struct net_ip *ret)
{
    if (net_ip_parse(host, ret))
        return 0;
    if (str_ieq(host, STR("localhost"))) {
        bool v6 = rules->dns_policy == DIAL_PREFER_IPV6 || rules->dns_policy == DIAL_ONLY_IPV6;
        bool ok = net_ip_parse(v6 ? STR("::1") : STR("127.0.0.1"), ret);
        CHECK(ok);
        return 0;
    }
    if (host.len == 0 || host.len > NET_HOST_MAX)
        return err_set(E_NOT_FOUND, "lookup %.*s: no such host",
                       (int)MIN(host.len, (size_t)NET_HOST_MAX), host.len > 0 ? host.ptr : "");
    char lower[NET_HOST_MAX];
    for (size_t i = 0; i < host.len; i++)
        lower[i] =
            host.ptr[i] >= 'A' && host.ptr[i] <= 'Z' ? (char)(host.ptr[i] + 32) : host.ptr[i];
    if (is_old_number(str_new(lower, host.len)))
        return err_set(E_NOT_FOUND, "lookup %.*s: no such host", STR_ARG(host));
    return resolve_name(c, rules, str_new(lower, host.len), deadline_ns, ret);
}
