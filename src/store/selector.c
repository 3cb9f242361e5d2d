#define PCRE2_CODE_UNIT_WIDTH 8
#include "store/selector.h"

#include <errno.h>
#include <pcre2.h>

#include "base/err.h"
#include "base/mem.h"

/* ---- reading ---- */

struct scanner {
    struct arena *arena;
    struct str text;
    size_t at;
};

static bool at_end(const struct scanner *s)
{
    return s->at >= s->text.len;
}

static char peek(const struct scanner *s)
{
    return at_end(s) ? '\0' : s->text.ptr[s->at];
}

static void skip_space(struct scanner *s)
{
    while (!at_end(s) && strchr(" \t\r\n", peek(s)))
        s->at++;
}

static bool take(struct scanner *s, const char *token)
{
    skip_space(s);
    size_t len = strlen(token);
    if (s->text.len - s->at < len || memcmp(s->text.ptr + s->at, token, len) != 0)
        return false;
    s->at += len;
    return true;
}

static int unexpected(const struct scanner *s, const char *wanted)
{
    struct str rest = str_new(s->text.ptr + s->at, s->text.len - s->at);
    if (rest.len > 40)
        rest.len = 40;
    if (rest.len == 0)
        return err_set(E_CONFIG, "selector %.*s: %s expected at its end", STR_ARG(s->text), wanted);
    return err_set(E_CONFIG, "selector %.*s: %s expected before \"%.*s\"", STR_ARG(s->text), wanted,
                   STR_ARG(rest));
}

/* Names of tags are a script's own: everything but the characters of the syntax. */
static bool is_name_char(char c)
{
    return c != '\0' && !strchr("{}(),=!~\"'` \t\r\n", c);
}

static struct str take_name(struct scanner *s)
{
    skip_space(s);
    size_t from = s->at;
    while (!at_end(s) && is_name_char(peek(s)))
        s->at++;
    return str_new(s->text.ptr + from, s->at - from);
}

/* A quoted string.  Of escapes only those of quotes, the backslash and the newline are undone:
 * "\d" is left for the regular expression. */
static int take_string(struct scanner *s, struct str *ret)
{
    skip_space(s);
    char quote = peek(s);
    if (quote == '\0' || !strchr("\"'`", quote))
        return unexpected(s, "a quoted value");
    char *out = arena_alloc(s->arena, s->text.len - s->at + 1);
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    for (s->at++; !at_end(s) && peek(s) != quote; s->at++) {
        char c = peek(s);
        char next = s->at + 1 < s->text.len ? s->text.ptr[s->at + 1] : '\0';
        if (c == '\\' && quote != '`' && next != '\0' && strchr("\\\"'n", next)) {
            c = next == 'n' ? '\n' : next;
            s->at++;
        }
        out[n++] = c;
    }
    if (at_end(s))
        return unexpected(s, "the closing quote");
    s->at++;
    *ret = str_new(out, n);
    return 0;
}

static int compile(struct matcher *m)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    m->regex = pcre2_compile(
        (PCRE2_SPTR)(m->value.ptr ? m->value.ptr : ""), m->value.len,
        PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (m->regex)
        return 0;
    PCRE2_UCHAR text[128];
    if (pcre2_get_error_message(code, text, sizeof text) < 0)
        text[0] = '\0';
    return err_set(E_CONFIG, "regular expression \"%.*s\": %s", STR_ARG(m->value), (char *)text);
}

static int take_matcher(struct scanner *s, struct selector *sel)
{
    if (sel->len >= QUERY_MATCHERS_MAX)
        return err_set(E_CONFIG, "selector: more than %d conditions", QUERY_MATCHERS_MAX);
    struct matcher *m = &sel->matchers[sel->len];
    *m = (struct matcher){.label = take_name(s)};
    if (m->label.len == 0)
        return unexpected(s, "a label's name");
    if (take(s, "=~"))
        m->op = MATCHER_RE;
    else if (take(s, "!~"))
        m->op = MATCHER_NRE;
    else if (take(s, "!="))
        m->op = MATCHER_NE;
    else if (take(s, "="))
        m->op = MATCHER_EQ;
    else
        return unexpected(s, "=, !=, =~ or !~");
    int rc = take_string(s, &m->value);
    if (rc < 0)
        return rc;
    sel->len++; /* from here selector_fini() frees it */
    return m->op == MATCHER_RE || m->op == MATCHER_NRE ? compile(m) : 0;
}

static int take_matchers(struct scanner *s, struct selector *sel)
{
    for (;;) {
        if (take(s, "}"))
            return 0;
        int rc = take_matcher(s, sel);
        if (rc < 0)
            return rc;
        if (take(s, ","))
            continue;
        return take(s, "}") ? 0 : unexpected(s, "\",\" or \"}\"");
    }
}

int selector_parse(struct arena *a, struct str text, struct selector *ret)
{
    struct scanner s = {a, text, 0};
    memset(ret, 0, sizeof *ret);
    if (text.len > QUERY_TEXT_MAX)
        return err_set(E_CONFIG, "selector: longer than %d bytes", QUERY_TEXT_MAX);
    struct str name = take_name(&s);
    if (name.len > 0)
        ret->metric = name;
    int rc = 0;
    if (take(&s, "{"))
        rc = take_matchers(&s, ret);
    skip_space(&s);
    if (rc == 0 && (!at_end(&s) || (!ret->metric.ptr && text.len == 0)))
        rc = unexpected(&s, at_end(&s) ? "a metric's name" : "nothing");
    if (rc < 0)
        selector_fini(ret);
    return rc;
}

void selector_fini(struct selector *s)
{
    for (size_t i = 0; i < s->len; i++)
        pcre2_code_free(s->matchers[i].regex);
    memset(s, 0, sizeof *s);
}

/* ---- matching ---- */

static int match_regex(const struct matcher *m, struct str value)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int rc = -ENOMEM;
    if (data && context) {
        pcre2_set_match_limit(context, QUERY_REGEX_STEPS_MAX);
        int n = pcre2_match(m->regex, (PCRE2_SPTR)(value.ptr ? value.ptr : ""), value.len, 0, 0,
                            data, context);
        if (n >= 0)
            rc = 1;
        else if (n == PCRE2_ERROR_NOMATCH)
            rc = 0;
        else
            rc = err_set(E_CONFIG, "regular expression \"%.*s\" takes too long", STR_ARG(m->value));
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return rc;
}

static int match_one(const struct matcher *m, struct str value)
{
    switch (m->op) {
    case MATCHER_EQ:
        return str_eq(m->value, value);
    case MATCHER_NE:
        return !str_eq(m->value, value);
    case MATCHER_RE:
        return match_regex(m, value);
    case MATCHER_NRE: {
        int rc = match_regex(m, value);
        return rc < 0 ? rc : !rc;
    }
    }
    return 0;
}

int selector_match(const struct selector *s, struct str metric,
                   const struct metricset_label *labels, size_t labels_len)
{
    if (s->metric.ptr && !str_eq(s->metric, metric))
        return 0;
    for (size_t i = 0; i < s->len; i++) {
        const struct matcher *m = &s->matchers[i];
        struct str value = str_eq(m->label, STR("__name__")) ? metric : STR_EMPTY;
        for (size_t j = 0; j < labels_len; j++)
            if (str_eq(labels[j].name, m->label))
                value = labels[j].value;
        int rc = match_one(m, value);
        if (rc <= 0)
            return rc;
    }
    return 1;
}
