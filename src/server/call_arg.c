#include "server/call_arg.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "server/time_arg.h"

/* 'text', in which '' stands for a quote. */
static int take_quoted(struct arena *a, struct str *rest, struct str *ret)
{
    char *out = arena_alloc(a, rest->len);
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    size_t i = 1;
    for (; i < rest->len; i++) {
        if (rest->ptr[i] == '\'') {
            if (i + 1 == rest->len || rest->ptr[i + 1] != '\'')
                break;
            i++;
        }
        out[n++] = rest->ptr[i];
    }
    if (i == rest->len)
        return err_set(E_CONFIG, "a parameter lacks its closing quote");
    *ret = str_new(out, n);
    *rest = str_new(rest->ptr + i + 1, rest->len - i - 1);
    return 0;
}

/* A parameter's value: 'text', [list] or a bare word. */
static int take_value(struct arena *a, struct str *rest, struct str *ret)
{
    if (rest->len > 0 && rest->ptr[0] == '\'')
        return take_quoted(a, rest, ret);
    bool list = rest->len > 0 && rest->ptr[0] == '[';
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != (list ? ']' : ','))
        n++;
    if (list && n == rest->len)
        return err_set(E_CONFIG, "a list lacks its closing bracket");
    n += list;
    *ret = str_trim(str_new(rest->ptr, n));
    *rest = str_new(rest->ptr + n, rest->len - n);
    return 0;
}

static int set_step(struct str value, struct call *c)
{
    double step = 0;
    if (str_to_double(value, &step) < 0 || !(step >= 1) || step > 1e9)
        return err_set(E_CONFIG, "step: a number of seconds is needed, not \"%.*s\"",
                       STR_ARG(value));
    c->query.step_s = (int64_t)step;
    return 0;
}

static int set_time(struct str name, struct str value, struct call *c)
{
    int64_t ns = 0;
    int rc = time_parse(value, &ns);
    if (rc < 0)
        return err_wrap(rc, "%.*s", STR_ARG(name));
    if (name.ptr[0] == 's')
        c->query.start_s = ns / NS_PER_S;
    else
        c->query.end_s = (ns + NS_PER_S - 1) / NS_PER_S;
    return 0;
}

static int set_count(struct str value, struct call *c)
{
    if (str_to_i64(value, &c->runs_count) < 0 || c->runs_count < 1 || c->runs_count > CALL_RUNS_MAX)
        return err_set(E_CONFIG, "test_run_count: a number from 1 to %d is needed, not \"%.*s\"",
                       CALL_RUNS_MAX, STR_ARG(value));
    return 0;
}

static int set_ids(struct str value, struct call *c)
{
    struct str rest = value;
    if (value.len < 3 || value.ptr[0] != '[' || value.ptr[value.len - 1] != ']')
        return err_set(E_CONFIG, "test_run_ids: a list of numbers is needed, as in [1,2]");
    rest = str_new(value.ptr + 1, value.len - 2);
    for (c->run_ids_len = 0; rest.len > 0; c->run_ids_len++) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        if (c->run_ids_len == CALL_RUNS_MAX)
            return err_set(E_CONFIG, "test_run_ids: at most %d", CALL_RUNS_MAX);
        if (str_to_i64(one, &c->run_ids[c->run_ids_len]) < 0 || c->run_ids[c->run_ids_len] <= 0)
            return err_set(E_CONFIG, "test_run_ids: not a test run's id: \"%.*s\"", STR_ARG(one));
    }
    return 0;
}

static int set_parameter(struct call *c, struct str name, struct str value)
{
    if (str_eq(name, STR("query")))
        c->query.query = value;
    else if (str_eq(name, STR("metric")))
        c->query.metric = value;
    else if (str_eq(name, STR("step")))
        return set_step(value, c);
    else if (str_eq(name, STR("start")) || str_eq(name, STR("end")))
        return set_time(name, value, c);
    else if (str_eq(name, STR("test_run_count")))
        return set_count(value, c);
    else if (str_eq(name, STR("test_run_ids")))
        return set_ids(value, c);
    else
        return err_set(E_CONFIG, "unknown parameter \"%.*s\"", STR_ARG(name));
    return 0;
}

static int take_parameter(struct arena *a, struct str *rest, struct call *c)
{
    ptrdiff_t at = str_find(*rest, '=');
    if (at < 0)
        return err_set(E_CONFIG, "name=value expected, not \"%.*s\"", STR_ARG(*rest));
    struct str name = str_trim(str_new(rest->ptr, (size_t)at));
    struct str value = STR_EMPTY;
    *rest = str_trim(str_new(rest->ptr + at + 1, rest->len - (size_t)at - 1));
    int rc = take_value(a, rest, &value);
    if (rc == 0)
        rc = set_parameter(c, name, value);
    *rest = str_trim(*rest);
    if (rc == 0 && rest->len > 0 && rest->ptr[0] != ',')
        rc = err_set(E_CONFIG, "\",\" expected before \"%.*s\"", STR_ARG(*rest));
    if (rc == 0 && rest->len > 0)
        *rest = str_trim(str_new(rest->ptr + 1, rest->len - 1));
    return rc;
}

int call_parse(struct arena *a, struct str text, struct call *ret)
{
    *ret = (struct call){.query = {.start_s = -1, .end_s = -1}};
    text = str_trim(text);
    ptrdiff_t open = str_find(text, '(');
    ret->name = open < 0 ? text : str_trim(str_new(text.ptr, (size_t)open));
    if (open < 0)
        return 0;
    if (text.ptr[text.len - 1] != ')')
        return err_set(E_CONFIG, "parameters have to stand in parentheses behind the name");
    struct str rest = str_trim(str_new(text.ptr + open + 1, text.len - (size_t)open - 2));
    int rc = 0;
    while (rest.len > 0 && rc == 0)
        rc = take_parameter(a, &rest, ret);
    return rc;
}
