#include "cmd/loki.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/http.h"
#include "codec/duration.h"
#include "net/dial.h"
#include "net/proxy.h"
#include "rt/co.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LABELS_MAX = LOG_FIELDS_MAX + LOG_TARGET_PAIRS_MAX + 1 };

/* A line with its labels as they are sent; one allocation. */
struct entry {
    struct entry *next;
    int64_t wall_ns;
    struct str labels; /* JSON object */
    struct str message;
    size_t bytes;
};

struct loki {
    const struct loki_settings *settings;
    loki_trouble_fn *trouble;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool has_thread, quit; /* quit: by the lock, likewise what follows */
    struct entry *first, **last;
    size_t len, bytes;
    uint64_t dropped;
};

/* ---- entries ------------------------------------------------------------------------------- */

struct labels {
    struct log_field items[LABELS_MAX]; /* sorted by key, each key once */
    size_t len;
};

static void put_label(struct labels *l, const char *key, const char *value)
{
    size_t at = l->len;
    while (at > 0 && strcmp(l->items[at - 1].key, key) > 0)
        at--;
    if (at > 0 && strcmp(l->items[at - 1].key, key) == 0) {
        l->items[at - 1].value = value;
        return;
    }
    if (l->len == LABELS_MAX)
        return;
    memmove(&l->items[at + 1], &l->items[at], (l->len - at) * sizeof l->items[0]);
    l->items[at] = (struct log_field){key, value};
    l->len++;
}

static bool is_allowed(const struct loki_settings *s, const char *key)
{
    if (!s->allowed_set)
        return true;
    for (size_t i = 0; i < s->allowed_len; i++)
        if (strcmp(s->allowed[i], key) == 0)
            return true;
    return false;
}

/* Labels that may stay as JSON; the others behind the message. */
static void write_parts(const struct loki_settings *s, const struct labels *l, struct buf *json,
                        struct buf *message)
{
    buf_byte(json, '{');
    for (size_t i = 0; i < l->len; i++) {
        const struct log_field *f = &l->items[i];
        if (!is_allowed(s, f->key)) {
            buf_printf(message, " %s=%s", f->key, f->value);
            continue;
        }
        if (json->len > 1)
            buf_byte(json, ',');
        buf_json_str(json, str_of(f->key));
        buf_byte(json, ':');
        buf_json_str(json, str_of(f->value));
    }
    buf_byte(json, '}');
}

static struct entry *entry_new(const struct loki_settings *s, const struct log_line *line)
{
    struct labels labels = {.len = 0};
    struct buf json, message;
    for (int i = 0; i < line->fields_len; i++)
        put_label(&labels, line->fields[i].key, line->fields[i].value);
    for (size_t i = 0; i < s->labels_len; i++)
        put_label(&labels, s->labels[i].key, s->labels[i].value);
    put_label(&labels, "level", log_level_name(line->level));
    buf_init(&json, CMD_LOG_LINE_BYTES);
    buf_init(&message, CMD_LOG_LINE_BYTES);
    buf_z(&message, line->message);
    write_parts(s, &labels, &json, &message);
    struct entry *e = NULL;
    size_t bytes = sizeof *e + json.len + message.len;
    if (buf_finish(&json) == 0 && buf_finish(&message) == 0)
        e = mem_alloc(bytes);
    if (e != NULL) {
        char *text = (char *)(e + 1);
        *e = (struct entry){.wall_ns = line->wall_ns, .bytes = bytes};
        memcpy(text, json.data, json.len);
        if (message.len > 0)
            memcpy(text + json.len, message.data, message.len);
        e->labels = str_new(text, json.len);
        e->message = str_new(text + json.len, message.len);
    }
    buf_fini(&json);
    buf_fini(&message);
    return e;
}

void loki_add(struct loki *l, const struct log_line *line)
{
    pthread_mutex_lock(&l->lock);
    bool room = l->len < l->settings->limit && l->bytes < CMD_LOKI_BYTES;
    struct entry *e = room ? entry_new(l->settings, line) : NULL;
    if (e == NULL) {
        l->dropped++;
    } else {
        *l->last = e;
        l->last = &e->next;
        l->len++;
        l->bytes += e->bytes;
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- a push -------------------------------------------------------------------------------- */

static size_t count_characters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* The first `n` characters, or all behind them. */
static struct str characters(struct str s, size_t n, bool behind)
{
    size_t i = 0, seen = 0;
    for (; i < s.len; i++)
        if (((unsigned char)s.ptr[i] & 0xc0) != 0x80 && seen++ == n)
            break;
    return behind ? str_new(s.ptr + i, s.len - i) : str_new(s.ptr, i);
}

static void write_message(struct buf *out, struct str message, size_t max)
{
    size_t n = count_characters(message);
    if (n <= max) {
        buf_json_str(out, message);
        return;
    }
    CLEANUP(buf_fini) struct buf cut;
    buf_init(&cut, CMD_LOG_LINE_BYTES);
    buf_str(&cut, characters(message, max / 2, false));
    buf_printf(&cut, "... omitting %zu characters ...", n - max);
    buf_str(&cut, characters(message, n - max / 2, true));
    buf_json_str(out, buf_view(&cut));
}

/* One stream: all entries from `e` on that have its labels; they are marked by empty labels. */
static void write_stream(const struct loki *l, struct buf *out, struct entry *e)
{
    struct str labels = e->labels;
    bool first = true;
    buf_z(out, out->len > 0 && out->data[out->len - 1] == '}' ? ",{\"stream\":" : "{\"stream\":");
    buf_str(out, labels);
    buf_z(out, ",\"values\":[");
    for (; e != NULL; e = e->next) {
        if (!str_eq(e->labels, labels))
            continue;
        buf_printf(out, "%s[\"%lld\",", first ? "" : ",", (long long)e->wall_ns);
        write_message(out, e->message, l->settings->message_max);
        buf_byte(out, ']');
        e->labels = STR_EMPTY;
        first = false;
    }
    buf_z(out, "]}");
}

static struct entry *dropped_entry(const struct loki *l, uint64_t dropped)
{
    char text[160], period[DURATION_TEXT_MAX];
    (void)duration_format(l->settings->period_ns, period);
    (void)snprintf(text, sizeof text, "%llu log lines were left out: more than %u within %s",
                   (unsigned long long)dropped, l->settings->limit, period);
    struct log_line line = {.wall_ns = clock_wall_ns(), .level = LOG_WARNING, .message = text};
    return entry_new(l->settings, &line);
}

static void free_entries(struct entry *e)
{
    while (e != NULL) {
        struct entry *next = e->next;
        mem_free(e);
        e = next;
    }
}

static struct entry *take_entries(struct loki *l)
{
    pthread_mutex_lock(&l->lock);
    struct entry *first = l->first;
    uint64_t dropped = l->dropped;
    struct entry **last = first != NULL ? l->last : &first;
    l->first = NULL;
    l->last = &l->first;
    l->len = l->bytes = 0;
    l->dropped = 0;
    pthread_mutex_unlock(&l->lock);
    if (dropped > 0)
        *last = dropped_entry(l, dropped);
    return first;
}

bool loki_take(struct loki *l, struct buf *out)
{
    struct entry *first = take_entries(l);
    if (first == NULL)
        return false;
    buf_z(out, "{\"streams\":[");
    for (struct entry *e = first; e != NULL; e = e->next)
        if (e->labels.ptr != NULL)
            write_stream(l, out, e);
    buf_z(out, "]}");
    free_entries(first);
    return true;
}

/* ---- sending ------------------------------------------------------------------------------- */

struct push {
    const struct loki *loki;
    struct str body;
    int64_t timeout_ns;
    struct http_client *client;
    struct url url;
    int rc;
    struct err error;
};

static int push_do(struct push *p)
{
    struct http_header headers[LOG_TARGET_PAIRS_MAX + 1];
    size_t n = 0;
    headers[n++] = (struct http_header){STR("Content-Type"), STR("application/json")};
    for (size_t i = 0; i < p->loki->settings->headers_len; i++)
        headers[n++] = (struct http_header){str_of(p->loki->settings->headers[i].key),
                                            str_of(p->loki->settings->headers[i].value)};
    const struct http_request req = {.method = STR("POST"),
                                     .url = &p->url,
                                     .headers = headers,
                                     .headers_len = n,
                                     .body = p->body,
                                     .body_given = true,
                                     .timeout_ns = p->timeout_ns,
                                     .body_max = CMD_LOKI_REPLY_BYTES};
    struct http_response res = {0};
    int rc = http_do(p->client, &req, &res);
    if (rc == 0 && res.status >= 400)
        rc = err_set(E_REFUSED, "got %d from loki: %.*s", res.status,
                     (int)MIN(res.body.len, (size_t)500), res.body.ptr ? res.body.ptr : "");
    http_response_fini(&res);
    return rc;
}

static void push_main(void *arg)
{
    struct push *p = arg;
    p->rc = push_do(p);
    p->error = *err_get();
}

/* A loop and a connection for each push: there is one a second at most. */
static int push_on_loop(struct push *p)
{
    struct dial_rules rules;
    struct dns_cache *dns = NULL;
    struct dialer *dialer = NULL;
    struct loop *loop = NULL;
    struct co *co;
    dial_rules_init(&rules);
    int rc = url_parse(str_of(p->loki->settings->url), &p->url);
    if (rc == 0)
        rc = proxies_from_process(&rules.proxies);
    if (rc == 0)
        rc = loop_new(&loop);
    if (rc == 0)
        rc = dns_cache_new(&dns);
    if (rc == 0)
        rc = dialer_new(&rules, dns, &dialer);
    if (rc == 0)
        rc = http_client_new(
            &(struct http_client_options){.dialer = dialer, .user_agent = "Spate/" SPATE_VERSION},
            &p->client);
    if (rc == 0)
        rc = co_spawn(loop, push_main, p, &co);
    if (rc == 0) {
        loop_run(loop);
        rc = p->rc;
        *err_get() = p->error;
    }
    http_client_free(p->client);
    dialer_free(dialer);
    dns_cache_free(dns);
    if (loop != NULL)
        loop_free(loop);
    url_fini(&p->url);
    dial_rules_fini(&rules);
    return rc;
}

static void tell_profile(const struct loki *l, int64_t start_ns, size_t bytes)
{
    char text[100];
    (void)snprintf(text, sizeof text, "log lines to loki: %zu bytes in %lld ms", bytes,
                   (long long)((clock_mono_ns() - start_ns) / NS_PER_MS));
    l->trouble(LOG_INFO, text);
}

static void push(struct loki *l)
{
    CLEANUP(buf_fini) struct buf body;
    int64_t start_ns = clock_mono_ns();
    buf_init(&body, 2 * CMD_LOKI_BYTES);
    if (!loki_take(l, &body))
        return;
    struct push p = {.loki = l,
                     .body = buf_view(&body),
                     .timeout_ns = MAX(l->settings->period_ns, LOKI_TIMEOUT_NS)};
    err_clear();
    int rc = buf_finish(&body);
    if (rc == 0)
        rc = push_on_loop(&p);
    if (rc < 0) {
        (void)err_wrap(rc, "Error while sending logs to loki");
        l->trouble(LOG_ERROR, err_message());
    } else if (l->settings->profile) {
        tell_profile(l, start_ns, body.len);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    struct loki *l = arg;
    int64_t due_ns = clock_mono_ns() + l->settings->period_ns;
    bool quit = false;
    while (!quit) {
        struct timespec at = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};
        pthread_mutex_lock(&l->lock);
        while (!l->quit && pthread_cond_timedwait(&l->wake, &l->lock, &at) == 0)
            ;
        quit = l->quit;
        pthread_mutex_unlock(&l->lock);
        push(l);
        due_ns = MAX(due_ns + l->settings->period_ns, clock_mono_ns());
    }
    return NULL;
}

int loki_new_idle(const struct loki_settings *settings, struct loki **ret)
{
    pthread_condattr_t attr;
    struct loki *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return err_set_errno(-ENOMEM, "log output");
    l->settings = settings;
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &attr);
    pthread_condattr_destroy(&attr);
    *ret = l;
    return 0;
}

int loki_new(const struct loki_settings *settings, loki_trouble_fn *trouble, struct loki **ret)
{
    struct loki *l;
    struct url url = {0};
    int rc = url_parse(str_of(settings->url), &url);
    bool http = rc == 0 && (str_eqz(url.scheme, "http") || str_eqz(url.scheme, "https"));
    url_fini(&url);
    if (!http)
        return err_set(E_CONFIG, "loki's URL has to begin with http:// or https://");
    rc = loki_new_idle(settings, &l);
    if (rc < 0)
        return rc;
    l->trouble = trouble;
    rc = -pthread_create(&l->thread, NULL, thread_main, l);
    if (rc < 0) {
        loki_free(l);
        return err_set_errno(rc, "thread of the log output");
    }
    l->has_thread = true;
    *ret = l;
    return 0;
}

void loki_free(struct loki *l)
{
    if (l == NULL)
        return;
    if (l->has_thread) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_signal(&l->wake);
        pthread_mutex_unlock(&l->lock);
        (void)pthread_join(l->thread, NULL);
    }
    free_entries(l->first);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}
