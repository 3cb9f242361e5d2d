/*
 * The queue is a list of lines as they were logged, with their fields; labels and redaction come
 * when a push is written, as the settings are only known once the run exists.
 *
 * Loki takes the lines of one stream in order of time, so a push is sorted, and its notice of what
 * was dropped carries the newest time.
 */
#include "output/cloud_logs.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/duration.h"
#include "rt/co.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static const char hidden[] = "***SECRET_REDACTED***";
/* A push that takes longer is given up; the next period has its own. */
static const int64_t push_timeout_ns = 10 * NS_PER_S;

struct line {
    struct line *next;
    int64_t wall_ns;
    uint64_t seq; /* order among equal times */
    size_t bytes; /* of the whole block */
    enum log_level level;
    int fields_len;
    const char *message;
    struct log_field fields[]; /* strings behind them */
};

struct cloud_logs {
    pthread_mutex_t lock; /* of the queue and what is counted; held for moments only */
    struct line *first, **last;
    size_t len, bytes;
    uint64_t seq;
    uint64_t dropped; /* not yet told of */
    bool closed;

    char *secrets[CLOUD_LOG_LABELS_MAX];
    size_t secrets_len;

    struct cloud_api *api;
    const struct cloud_logs_settings *settings; /* NULL: not started */
    const char *token, *test_run_id;
    struct co *sender, *stopper;
    int64_t deadline_ns; /* valid once stopping */
    bool stopping;
    bool failing; /* said so already */
};

/* ---- settings ---- */

void cloud_logs_settings_init(struct cloud_logs_settings *s)
{
    *s = (struct cloud_logs_settings){
        .level = LOG_INFO, .limit = 900, .period_ns = 3 * NS_PER_S, .message_max = 10000};
}

void cloud_logs_settings_fini(struct cloud_logs_settings *s)
{
    mem_free(s->push_url);
    *s = (struct cloud_logs_settings){0};
}

/* k6's words; what is below debug or above error isn't told apart here. */
static bool parse_level(struct str name, enum log_level *ret)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"trace", LOG_DEBUG},  {"debug", LOG_DEBUG},     {"info", LOG_INFO},
                  {"warn", LOG_WARNING}, {"warning", LOG_WARNING}, {"error", LOG_ERROR},
                  {"fatal", LOG_ERROR},  {"panic", LOG_ERROR}};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_eqz(name, levels[i].name)) {
            *ret = levels[i].level;
            return true;
        }
    return false;
}

/* "3s", or a bare number of seconds, as the field's name has it. */
static bool parse_period(struct str text, int64_t *ret_ns)
{
    int64_t ns;
    uint64_t seconds;
    if (str_to_u64(text, &seconds) == 0 && seconds <= 3600)
        ns = (int64_t)seconds * NS_PER_S;
    else if (duration_parse_go(text, &ns) < 0)
        return false;
    if (ns < 10 * NS_PER_MS || ns > 3600 * NS_PER_S)
        return false;
    *ret_ns = ns;
    return true;
}

static bool parse_count(struct str text, uint32_t *ret)
{
    uint64_t n;
    if (str_to_u64(text, &n) < 0 || n == 0 || n > UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static void add_label(struct cloud_logs_settings *s, struct str label)
{
    if (s->labels_len == CLOUD_LOG_LABELS_MAX || label.len == 0 || label.len >= CLOUD_LOG_LABEL_MAX)
        return;
    char *to = s->labels[s->labels_len++];
    memcpy(to, label.ptr, label.len);
    to[label.len] = '\0';
}

static void odd(const char *key)
{
    log_warning("cloud: the settings of the run's log are odd (%s); the default is used", key);
}

void cloud_logs_settings_read(struct cloud_logs_settings *s, struct yyjson_val *logs)
{
    size_t i, max;
    yyjson_val *label;
    const char *url = yyjson_get_str(yyjson_obj_get(logs, "push_url"));
    const char *level = yyjson_get_str(yyjson_obj_get(logs, "level"));
    const char *period = yyjson_get_str(yyjson_obj_get(logs, "push_period_seconds"));
    int64_t limit = yyjson_get_sint(yyjson_obj_get(logs, "limit"));
    int64_t size = yyjson_get_sint(yyjson_obj_get(logs, "message_max_size"));
    mem_free(s->push_url);
    s->push_url = url != NULL ? mem_strdup(url) : NULL;
    if (level != NULL && level[0] != '\0' && !parse_level(str_of(level), &s->level))
        odd("level");
    if (period != NULL && period[0] != '\0' && !parse_period(str_of(period), &s->period_ns))
        odd("push_period_seconds");
    if (limit > 0 && limit <= UINT32_MAX)
        s->limit = (uint32_t)limit;
    else if (limit != 0)
        odd("limit");
    if (size > 0 && size <= UINT32_MAX)
        s->message_max = (uint32_t)size;
    else if (size != 0)
        odd("message_max_size");
    yyjson_arr_foreach(yyjson_obj_get(logs, "allowed_labels"), i, max, label)
        add_label(s, str_new(yyjson_get_str(label), yyjson_get_len(label)));
}

static int bad_env(const char *name, const char *wanted)
{
    return err_exit(err_set(E_CONFIG, "environment: %s must be %s", name, wanted), 104);
}

int cloud_logs_settings_env(struct cloud_logs_settings *s,
                            const char *(*get)(void *arg, const char *name), void *arg)
{
    static const char *const names[] = {
        "K6_CLOUD_LOGS_PUSH_URL",
        "K6_CLOUD_LOGS_LEVEL",
        "K6_CLOUD_LOGS_LIMIT",
        "K6_CLOUD_LOGS_PUSH_PERIOD",
        "K6_CLOUD_LOGS_MESSAGE_MAX_SIZE",
        "K6_CLOUD_LOGS_ALLOWED_LABELS",
    };
    struct str v[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        v[i] = str_of(get(arg, names[i]));
    if (v[0].len > 0 && (s->push_url = str_dup(v[0])) == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    if (v[1].len > 0 && !parse_level(v[1], &s->level))
        return bad_env(names[1], "a level: debug, info, warning, error");
    if (v[2].len > 0 && !parse_count(v[2], &s->limit))
        return bad_env(names[2], "a whole number above 0");
    if (v[3].len > 0 && !parse_period(v[3], &s->period_ns))
        return bad_env(names[3], "a duration like \"3s\", at most 1h");
    if (v[4].len > 0 && !parse_count(v[4], &s->message_max))
        return bad_env(names[4], "a whole number above 0");
    while (v[5].len > 0)
        add_label(s, str_trim(str_cut(v[5], ',', &v[5])));
    return 0;
}

/* ---- taking lines: any thread ---- */

/* `p` is room for it; returns what is behind. */
static char *keep(char *p, const char *text, const char **ret)
{
    size_t len = strlen(text) + 1;
    memcpy(p, text, len);
    *ret = p;
    return p + len;
}

static struct line *line_new(const struct log_line *l)
{
    size_t bytes = sizeof(struct line) + (size_t)l->fields_len * sizeof(struct log_field) +
                   strlen(l->message) + 1;
    for (int i = 0; i < l->fields_len; i++)
        bytes += strlen(l->fields[i].key) + strlen(l->fields[i].value) + 2;
    struct line *line = bytes <= CLOUD_LOG_BYTES_MAX ? mem_alloc(bytes) : NULL;
    if (line == NULL)
        return NULL;
    *line = (struct line){
        .wall_ns = l->wall_ns, .bytes = bytes, .level = l->level, .fields_len = l->fields_len};
    char *p = (char *)&line->fields[l->fields_len];
    p = keep(p, l->message, &line->message);
    for (int i = 0; i < l->fields_len; i++) {
        p = keep(p, l->fields[i].key, &line->fields[i].key);
        p = keep(p, l->fields[i].value, &line->fields[i].value);
    }
    return line;
}

/* Counts the line as dropped when there is none. */
static bool has_room(struct cloud_logs *logs)
{
    pthread_mutex_lock(&logs->lock);
    bool room = !logs->closed && logs->len < CLOUD_LOG_LINES_MAX;
    logs->dropped += !room;
    pthread_mutex_unlock(&logs->lock);
    return room;
}

static void take(void *arg, const struct log_line *l)
{
    struct cloud_logs *logs = arg;
    if (!has_room(logs))
        return; /* a flood isn't even copied */
    struct line *line = line_new(l);
    pthread_mutex_lock(&logs->lock);
    bool fits = line != NULL && !logs->closed && logs->len < CLOUD_LOG_LINES_MAX &&
                logs->bytes + line->bytes <= CLOUD_LOG_BYTES_MAX;
    if (fits) {
        line->seq = logs->seq++;
        *logs->last = line;
        logs->last = &line->next;
        logs->len++;
        logs->bytes += line->bytes;
    } else {
        logs->dropped++;
    }
    pthread_mutex_unlock(&logs->lock);
    if (!fits)
        mem_free(line);
}

void cloud_logs_add(struct cloud_logs *l, enum log_level level, const char *message)
{
    struct log_line line = {.wall_ns = clock_wall_ns(), .level = level, .message = message};
    if (l->settings == NULL || level >= l->settings->level)
        take(l, &line);
}

/* ---- life ---- */

int cloud_logs_new(struct cloud_logs **ret)
{
    struct cloud_logs *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return err_set_errno(-ENOMEM, "cloud: log");
    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    l->last = &l->first;
    int rc = log_add_sink(log_wants(LOG_DEBUG) ? LOG_DEBUG : LOG_INFO, take, l);
    if (rc < 0) {
        cloud_logs_free(l);
        return err_set_errno(rc, "cloud: log");
    }
    *ret = l;
    return 0;
}

void cloud_logs_free(struct cloud_logs *l)
{
    if (l == NULL)
        return;
    log_remove_sink(take, l);
    while (l->first != NULL) {
        struct line *line = l->first;
        l->first = line->next;
        mem_free(line);
    }
    for (size_t i = 0; i < l->secrets_len; i++)
        mem_free(l->secrets[i]);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void cloud_logs_hide(struct cloud_logs *l, const char *secret)
{
    /* A few letters would be in every line. */
    if (secret == NULL || strlen(secret) < 4 || l->secrets_len == CLOUD_LOG_LABELS_MAX)
        return;
    char *copy = mem_strdup(secret);
    if (copy != NULL)
        l->secrets[l->secrets_len++] = copy;
}

/* ---- writing ---- */

static struct line **take_lines(struct cloud_logs *l, size_t *ret_len, uint64_t *ret_dropped)
{
    pthread_mutex_lock(&l->lock);
    size_t len = MIN(l->len, (size_t)l->settings->limit);
    struct line **lines = mem_calloc(len + 1, sizeof(struct line *)); /* one more: a notice */
    *ret_len = 0;
    while (lines != NULL && l->first != NULL && *ret_len < len) {
        struct line *line = l->first;
        l->first = line->next;
        l->len--;
        l->bytes -= line->bytes;
        if (line->level >= l->settings->level)
            lines[(*ret_len)++] = line;
        else /* it came before the level was known */
            mem_free(line);
    }
    if (l->first == NULL)
        l->last = &l->first;
    *ret_dropped = l->dropped;
    l->dropped = 0;
    pthread_mutex_unlock(&l->lock);
    return lines;
}

static int by_level_and_time(const void *pa, const void *pb)
{
    const struct line *a = *(struct line *const *)pa, *b = *(struct line *const *)pb;
    if (a->wall_ns != b->wall_ns)
        return a->wall_ns < b->wall_ns ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool is_label(const struct cloud_logs_settings *s, const char *key)
{
    for (size_t i = 0; i < s->labels_len; i++)
        if (strcmp(s->labels[i], key) == 0)
            return true;
    return s->labels_len == 0;
}

static void put_hidden(const struct cloud_logs *l, struct buf *out, struct str text)
{
    while (text.len > 0) {
        size_t at = text.len, skip = 0;
        for (size_t i = 0; i < l->secrets_len; i++) {
            size_t n = strlen(l->secrets[i]);
            const char *hit = memmem(text.ptr, text.len, l->secrets[i], n);
            if (hit != NULL && (size_t)(hit - text.ptr) < at) {
                at = (size_t)(hit - text.ptr);
                skip = n;
            }
        }
        buf_append(out, text.ptr, at);
        if (skip > 0)
            buf_z(out, hidden);
        text = str_new(text.ptr + at + skip, text.len - at - skip);
    }
}

static void put_pair(const struct cloud_logs *l, struct buf *out, const char *key,
                     const char *value)
{
    CLEANUP(buf_fini) struct buf plain;
    buf_init(&plain, CLOUD_LOG_BYTES_MAX);
    put_hidden(l, &plain, str_of(value));
    buf_json_str(out, str_of(key));
    buf_byte(out, ':');
    buf_json_str(out, buf_view(&plain));
}

static void put_labels(const struct cloud_logs *l, struct buf *out, const struct line *line)
{
    buf_byte(out, '{');
    put_pair(l, out, "level", log_level_name(line->level));
    buf_byte(out, ',');
    put_pair(l, out, "test_run_id", l->test_run_id);
    for (int i = 0; i < line->fields_len; i++) {
        const struct log_field *f = &line->fields[i];
        if (!is_label(l->settings, f->key) || strcmp(f->key, "level") == 0 ||
            strcmp(f->key, "test_run_id") == 0)
            continue;
        buf_byte(out, ',');
        put_pair(l, out, f->key, f->value);
    }
    buf_byte(out, '}');
}

/* The message with the fields that are no labels behind it, secrets hidden, cut at the limit
 * between characters. */
static void put_message(const struct cloud_logs *l, struct buf *out, const struct line *line)
{
    CLEANUP(buf_fini) struct buf plain, shown;
    buf_init(&plain, CLOUD_LOG_BYTES_MAX);
    buf_init(&shown, 4 * (size_t)CLOUD_LOG_BYTES_MAX);
    buf_z(&plain, line->message);
    for (int i = 0; i < line->fields_len; i++)
        if (!is_label(l->settings, line->fields[i].key))
            buf_printf(&plain, " %s=%s", line->fields[i].key, line->fields[i].value);
    put_hidden(l, &shown, buf_view(&plain));
    struct str text = buf_view(&shown);
    if (text.len > l->settings->message_max) {
        text.len = l->settings->message_max;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    buf_json_str(out, text);
}

/* A line that is to be written, and its labels as text, which tell its stream. */
struct entry {
    struct line *line; /* NULL: written */
    size_t labels_at, labels_len;
};

static void put_stream(const struct cloud_logs *l, struct buf *out, struct str all,
                       struct entry *from, size_t len)
{
    struct str labels = str_new(all.ptr + from->labels_at, from->labels_len);
    buf_z(out, "{\"stream\":");
    buf_str(out, labels);
    buf_z(out, ",\"values\":[");
    for (size_t i = 0; i < len; i++) {
        struct entry *e = &from[i];
        if (e->line == NULL || !str_eq(labels, str_new(all.ptr + e->labels_at, e->labels_len)))
            continue;
        buf_printf(out, "%s[\"%lld\",", i == 0 ? "" : ",", (long long)e->line->wall_ns);
        put_message(l, out, e->line);
        buf_byte(out, ']');
        e->line = NULL;
    }
    buf_z(out, "]}");
}

/* Lines with the same labels are one stream; `lines` are in order of time. */
static void put_streams(const struct cloud_logs *l, struct buf *out, struct line **lines,
                        size_t len)
{
    CLEANUP(buf_fini) struct buf labels;
    CLEANUP(mem_freep) struct entry *entries = mem_calloc(len, sizeof *entries);
    bool first = true;
    buf_init(&labels, 16 * (size_t)CLOUD_LOG_BYTES_MAX);
    for (size_t i = 0; entries != NULL && i < len; i++) {
        entries[i] = (struct entry){.line = lines[i], .labels_at = labels.len};
        put_labels(l, &labels, lines[i]);
        entries[i].labels_len = labels.len - entries[i].labels_at;
    }
    for (size_t i = 0; entries != NULL && i < len; i++) {
        if (entries[i].line == NULL)
            continue;
        buf_z(out, first ? "" : ",");
        first = false;
        put_stream(l, out, buf_view(&labels), &entries[i], len - i);
    }
}

/* What was dropped is a line of its own. */
static void add_notice(struct line **lines, size_t *len, uint64_t dropped)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, 200);
    buf_printf(&text, "%llu log lines were dropped: more than the cloud's log takes",
               (unsigned long long)dropped);
    int64_t after_ns = *len > 0 ? lines[*len - 1]->wall_ns + 1 : 0;
    struct log_line l = {.wall_ns = MAX(after_ns, clock_wall_ns()),
                         .level = LOG_WARNING,
                         .message = buf_cstr(&text)};
    struct line *line = l.message != NULL ? line_new(&l) : NULL;
    if (line != NULL)
        lines[(*len)++] = line;
}

bool cloud_logs_write(struct cloud_logs *l, struct buf *out)
{
    size_t len;
    uint64_t dropped;
    struct line **lines = take_lines(l, &len, &dropped);
    if (lines == NULL)
        return false;
    qsort(lines, len, sizeof(struct line *), by_level_and_time);
    if (dropped > 0)
        add_notice(lines, &len, dropped);
    if (len > 0) {
        buf_z(out, "{\"streams\":[");
        put_streams(l, out, lines, len);
        buf_z(out, "]}");
    }
    for (size_t i = 0; i < len; i++)
        mem_free(lines[i]);
    mem_free(lines);
    return len > 0;
}

/* ---- sending ---- */

static int push_once(struct cloud_logs *l, struct str body, int64_t timeout_ns)
{
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    struct cloud_call call = {
        .method = "POST",
        .url = l->settings->push_url,
        .auth = CLOUD_AUTH_RUN,
        .token = l->token,
        .content_type = STR("application/json"),
        .body = body,
        .timeout_ns = timeout_ns,
    };
    return cloud_api_call(l->api, &call, &reply);
}

static bool has_lines(struct cloud_logs *l)
{
    pthread_mutex_lock(&l->lock);
    bool any = l->len > 0 || l->dropped > 0;
    pthread_mutex_unlock(&l->lock);
    return any;
}

/* A push that fails is tried once more, then its lines are lost. */
static int push(struct cloud_logs *l)
{
    CLEANUP(buf_fini) struct buf body;
    buf_init(&body, 16 * (size_t)CLOUD_LOG_BYTES_MAX);
    if (!cloud_logs_write(l, &body) || buf_finish(&body) < 0)
        return 0;
    int rc = E_UNAVAILABLE;
    for (int i = 0; i < 2 && rc == E_UNAVAILABLE; i++) {
        int64_t left_ns = l->stopping ? l->deadline_ns - clock_mono_ns() : push_timeout_ns;
        if (left_ns <= 0)
            break;
        rc = push_once(l, buf_view(&body), MIN(left_ns, push_timeout_ns));
    }
    if (rc == -ECANCELED)
        return rc;
    if (rc < 0 && !l->failing)
        log_warning("cloud: log lines can't be sent: %s", err_message());
    l->failing = rc < 0;
    return 0;
}

static void sender_main(void *arg)
{
    struct cloud_logs *l = arg;
    int rc = 0;
    while (rc >= 0 && !l->stopping) {
        rc = co_wait(clock_mono_ns() + l->settings->period_ns);
        if (rc == -ETIMEDOUT)
            rc = has_lines(l) ? push(l) : 0;
    }
    while (rc >= 0 && has_lines(l) && !l->failing && clock_mono_ns() < l->deadline_ns)
        rc = push(l);
    l->sender = NULL;
    if (l->stopper != NULL)
        co_wake(l->stopper);
}

int cloud_logs_start(struct cloud_logs *l, struct cloud_api *api,
                     const struct cloud_logs_settings *settings, const char *token,
                     const char *test_run_id)
{
    l->api = api;
    l->settings = settings;
    l->token = token;
    l->test_run_id = test_run_id;
    cloud_logs_hide(l, token);
    /* Lines of lower levels came before the level was known. */
    log_remove_sink(take, l);
    int rc = log_add_sink(settings->level, take, l);
    if (rc == 0 && api != NULL)
        rc = co_spawn(loop_current(), sender_main, l, &l->sender);
    return rc < 0 ? err_set_errno(rc, "cloud: log") : 0;
}

void cloud_logs_stop(struct cloud_logs *l, int64_t deadline_ns)
{
    l->deadline_ns = deadline_ns;
    l->stopping = true;
    log_remove_sink(take, l);
    pthread_mutex_lock(&l->lock);
    l->closed = true;
    pthread_mutex_unlock(&l->lock);
    l->stopper = co_self();
    if (l->sender != NULL)
        co_wake(l->sender);
    while (l->sender != NULL) {
        int rc = co_wait(CO_FOREVER);
        if (rc == -ECANCELED) {
            co_cancel_clear();
            co_cancel(l->sender);
        }
    }
}
