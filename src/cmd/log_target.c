#include "cmd/log_target.h"

#include "base/clock.h"
#include "base/err.h"
#include "cmd/flags_int.h"
#include "codec/duration.h"

#include <errno.h>

#define LOKI_URL "http://127.0.0.1:3100/loki/api/v1/push"

enum { LOKI_LIMIT = 100, LOKI_MESSAGE_MAX = 1024 * 1024 };

/* What stands in front of the first value: that may be a secret. */
static struct str shown(const char *text)
{
    struct str rest;
    return str_cut(str_of(text), '=', &rest);
}

static int bad(const char *text)
{
    return err_set(E_CONFIG, "unsupported log output '%.*s'", STR_ARG(shown(text)));
}

/* The key in front of an equals sign and its value: up to a comma, or within brackets. */
static int next_pair(struct str *rest, struct str *ret_key, struct str *ret_value)
{
    ptrdiff_t eq = str_find(*rest, '='), comma = str_find(*rest, ',');
    if (eq < 0 || (comma >= 0 && comma < eq) || (size_t)eq + 1 == rest->len) {
        struct str key = comma >= 0 ? str_new(rest->ptr, (size_t)comma) : *rest;
        return err_set(E_CONFIG, "key `%.*s` with no value", STR_ARG(key));
    }
    *ret_key = str_new(rest->ptr, (size_t)eq);
    struct str value = str_new(rest->ptr + eq + 1, rest->len - (size_t)eq - 1);
    if (value.ptr[0] != '[') {
        *ret_value = str_cut(value, ',', rest);
        return 0;
    }
    ptrdiff_t end = str_find(value, ']');
    if (end < 0)
        return err_set(E_CONFIG, "array value for key `%.*s` didn't end", STR_ARG(*ret_key));
    *ret_value = str_new(value.ptr + 1, (size_t)end - 1);
    value = str_new(value.ptr + end + 1, value.len - (size_t)end - 1);
    if (value.len > 0 && value.ptr[0] != ',')
        return err_set(E_CONFIG, "there was no ',' after an array with key '%.*s'",
                       STR_ARG(*ret_key));
    *rest = value.len > 0 ? str_new(value.ptr + 1, value.len - 1) : STR_EMPTY;
    return 0;
}

static int set_level(struct log_target *t, struct str name)
{
    static const struct {
        const char *name;
        enum log_level level;
        bool silent;
    } levels[] = {{"trace", LOG_DEBUG, false},     {"debug", LOG_DEBUG, false},
                  {"info", LOG_INFO, false},       {"warn", LOG_WARNING, false},
                  {"warning", LOG_WARNING, false}, {"error", LOG_ERROR, false},
                  {"fatal", LOG_ERROR, true},      {"panic", LOG_ERROR, true}};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_ieq(name, str_of(levels[i].name))) {
            t->level = levels[i].level;
            t->silent = levels[i].silent;
            return 0;
        }
    return err_set(E_CONFIG, "unknown log level %.*s", STR_ARG(name));
}

static int dup_text(struct arena *a, struct str s, const char **ret)
{
    *ret = arena_dup(a, s);
    return *ret == NULL ? err_set_errno(-ENOMEM, "log output") : 0;
}

/* ---- file ---------------------------------------------------------------------------------- */

static int parse_file(struct str rest, struct arena *a, struct log_target *t)
{
    while (rest.len > 0) {
        struct str key, value;
        int rc = next_pair(&rest, &key, &value);
        if (rc == 0 && str_eqz(key, "file"))
            rc = value.len > 0 ? dup_text(a, value, &t->path)
                               : err_set(E_CONFIG, "filepath must not be empty");
        else if (rc == 0 && str_eqz(key, "level"))
            rc = set_level(t, value);
        else if (rc == 0)
            rc = err_set(E_CONFIG, "unknown logfile config key %.*s", STR_ARG(key));
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- loki ---------------------------------------------------------------------------------- */

static int parse_count(struct str key, struct str value, uint32_t *ret)
{
    int64_t n;
    int rc = str_to_i64(value, &n);
    if (rc < 0)
        return err_set(E_CONFIG, "couldn't parse the loki %.*s as a number: '%.*s'", STR_ARG(key),
                       STR_ARG(value));
    if (n < 1 || n > UINT32_MAX)
        return err_set(E_CONFIG, "loki %.*s needs to be a positive number, is %lld", STR_ARG(key),
                       (long long)n);
    *ret = (uint32_t)n;
    return 0;
}

static int parse_period(struct str value, int64_t *ret)
{
    int rc = duration_parse_go(value, ret);
    if (rc == 0 && *ret < NS_PER_MS)
        rc = err_set(E_CONFIG, "'%.*s' is less than 1ms", STR_ARG(value));
    return rc < 0 ? err_wrap(rc, "couldn't parse the loki pushPeriod") : 0;
}

static int too_many(const char *what)
{
    return err_set(E_CONFIG, "more than %d %s for loki", LOG_TARGET_PAIRS_MAX, what);
}

static int add_pair(struct arena *a, struct log_field *list, size_t *len, struct str key,
                    struct str value, const char *what)
{
    if (*len == LOG_TARGET_PAIRS_MAX)
        return too_many(what);
    int rc = dup_text(a, key, &list[*len].key);
    if (rc == 0)
        rc = dup_text(a, value, &list[*len].value);
    if (rc == 0)
        ++*len;
    return rc;
}

static int parse_allowed(struct arena *a, struct str value, struct loki_settings *l)
{
    l->allowed_set = true;
    while (value.ptr != NULL) {
        struct str name = str_cut(value, ',', &value);
        if (l->allowed_len == LOG_TARGET_PAIRS_MAX)
            return too_many("allowed labels");
        int rc = dup_text(a, name, &l->allowed[l->allowed_len]);
        if (rc < 0)
            return rc;
        l->allowed_len++;
    }
    return 0;
}

static int parse_loki_key(struct arena *a, struct str key, struct str value, struct log_target *t)
{
    struct loki_settings *l = &t->loki;
    if (str_eqz(key, "loki"))
        return dup_text(a, value, &l->url);
    if (str_eqz(key, "pushPeriod"))
        return parse_period(value, &l->period_ns);
    if (str_eqz(key, "limit"))
        return parse_count(key, value, &l->limit);
    if (str_eqz(key, "msgMaxSize"))
        return parse_count(key, value, &l->message_max);
    if (str_eqz(key, "level"))
        return set_level(t, value);
    if (str_eqz(key, "allowedLabels"))
        return parse_allowed(a, value, l);
    if (str_starts(key, STR("label.")))
        return add_pair(a, l->labels, &l->labels_len, str_new(key.ptr + 6, key.len - 6), value,
                        "labels");
    if (str_starts(key, STR("header.")))
        return add_pair(a, l->headers, &l->headers_len, str_new(key.ptr + 7, key.len - 7), value,
                        "headers");
    if (!str_eqz(key, "profile"))
        return err_set(E_CONFIG, "unknown loki config key %.*s", STR_ARG(key));
    l->profile = true;
    return 0;
}

static int parse_loki(struct str rest, struct arena *a, struct log_target *t)
{
    t->loki = (struct loki_settings){.url = LOKI_URL,
                                     .period_ns = NS_PER_S,
                                     .limit = LOKI_LIMIT,
                                     .message_max = LOKI_MESSAGE_MAX};
    if (str_eqz(rest, "loki"))
        return 0;
    if (!str_starts(rest, STR("loki=")))
        return err_set(E_CONFIG,
                       "loki configuration should be in the form `loki=url-to-push` but is `%.*s`",
                       STR_ARG(shown(rest.ptr)));
    while (rest.len > 0) {
        struct str key, value;
        int rc = next_pair(&rest, &key, &value);
        if (rc == 0)
            rc = parse_loki_key(a, key, value, t);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int parse(const char *text, struct arena *a, struct log_target *t)
{
    struct str s = str_of(text);
    if (str_starts(s, STR("loki"))) {
        t->kind = LOG_TARGET_LOKI;
        return parse_loki(s, a, t);
    }
    if (str_starts(s, STR("file"))) {
        t->kind = LOG_TARGET_FILE;
        if (!str_starts(s, STR("file=")))
            return err_set(E_CONFIG,
                           "logfile configuration should be in the form "
                           "`file=path-to-local-file` but is `%.*s`",
                           STR_ARG(shown(text)));
        return parse_file(s, a, t);
    }
    static const char *const names[] = {"stderr", "stdout", "none"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqz(s, names[i])) {
            t->kind = (enum log_target_kind)i;
            return 0;
        }
    return bad(text);
}

int log_target_parse(const char *text, struct arena *a, struct log_target *ret)
{
    struct log_target t = {.level = LOG_DEBUG};
    int rc = parse(text, a, &t);
    if (rc < 0)
        return err_exit(rc, FLAGS_EXIT);
    *ret = t;
    return 0;
}
