#include "base/log.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* The one piece of state that a process shares: where its words go. */
static struct {
    pthread_mutex_t lock;
    struct {
        log_sink_fn *fn;
        void *arg;
        enum log_level level;
    } sinks[LOG_SINKS_MAX];
    int len;
    atomic_int lowest; /* the lowest level that any sink wants */
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER, .lowest = LOG_ERROR + 1};

static void update_lowest(void)
{
    int lowest = LOG_ERROR + 1;
    for (int i = 0; i < logger.len; i++)
        if ((int)logger.sinks[i].level < lowest)
            lowest = (int)logger.sinks[i].level;
    atomic_store(&logger.lowest, lowest);
}

int log_add_sink(enum log_level level, log_sink_fn *fn, void *arg)
{
    int rc = -E2BIG;
    pthread_mutex_lock(&logger.lock);
    if (logger.len < LOG_SINKS_MAX) {
        logger.sinks[logger.len].fn = fn;
        logger.sinks[logger.len].arg = arg;
        logger.sinks[logger.len].level = level;
        logger.len++;
        update_lowest();
        rc = 0;
    }
    pthread_mutex_unlock(&logger.lock);
    return rc;
}

void log_remove_sink(log_sink_fn *fn, void *arg)
{
    pthread_mutex_lock(&logger.lock);
    for (int i = 0; i < logger.len; i++) {
        if (logger.sinks[i].fn != fn || logger.sinks[i].arg != arg)
            continue;
        memmove(&logger.sinks[i], &logger.sinks[i + 1],
                (size_t)(logger.len - i - 1) * sizeof logger.sinks[0]);
        logger.len--;
        break;
    }
    update_lowest();
    pthread_mutex_unlock(&logger.lock);
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&logger.lowest, memory_order_relaxed);
}

static void sort_fields(struct log_field *f, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && strcmp(f[k - 1].key, f[k].key) > 0; k--) {
            struct log_field t = f[k];
            f[k] = f[k - 1];
            f[k - 1] = t;
        }
}

void log_fields(enum log_level level, const char *message, const struct log_field *fields,
                int fields_len)
{
    if (log_wants(level))
        log_at(clock_wall_ns(), level, message, fields, fields_len);
}

void log_at(int64_t wall_ns, enum log_level level, const char *message,
            const struct log_field *fields, int fields_len)
{
    if (!log_wants(level))
        return;
    struct log_field sorted[LOG_FIELDS_MAX];
    int n = MIN(fields_len, (int)LOG_FIELDS_MAX);
    if (n > 0)
        memcpy(sorted, fields, (size_t)n * sizeof sorted[0]);
    sort_fields(sorted, n);
    struct log_line line = {wall_ns, level, message, sorted, n};

    pthread_mutex_lock(&logger.lock);
    for (int i = 0; i < logger.len; i++)
        if (level >= logger.sinks[i].level)
            logger.sinks[i].fn(logger.sinks[i].arg, &line);
    pthread_mutex_unlock(&logger.lock);
}

void log_message(enum log_level level, const char *fmt, ...)
{
    if (!log_wants(level))
        return;
    char small[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < (int)sizeof small) {
        log_fields(level, small, NULL, 0);
        return;
    }
    CLEANUP(mem_freep) char *big = mem_alloc((size_t)n + 1);
    if (big == NULL) {
        log_fields(level, small, NULL, 0);
        return;
    }
    va_start(ap, fmt);
    vsnprintf(big, (size_t)n + 1, fmt, ap);
    va_end(ap);
    log_fields(level, big, NULL, 0);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}
