/* Options from the text of flags and variables. */

#include "base/err.h"
#include "codec/duration.h"
#include "load/options_int.h"

#include <errno.h>
#include <stdlib.h>

const struct option_info option_table[OPTION_LEN] = {
#define OPTION(id, field, json, env, go_name, kind)                                                \
    [OPTION_##id] = {offsetof(struct options, field), json, env, go_name, OPTION_KIND_##kind},
#include "load/options_table.h"
#undef OPTION
};

const char *option_env(enum option_id id)
{
    return option_table[id].env;
}

int options_int_parse(struct str text, struct opt_int *ret)
{
    int64_t v;
    int rc = str_to_i64(text, &v);
    if (rc < 0)
        return err_set(E_CONFIG, "strconv.ParseInt: parsing \"%.*s\": %s", STR_ARG(text),
                       rc == -ERANGE ? "value out of range" : "invalid syntax");
    *ret = (struct opt_int){true, v};
    return 0;
}

static int bool_parse(struct str text, struct opt_bool *ret)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"1", true},    {"t", true},      {"T", true},
                 {"TRUE", true}, {"True", true}, {"false", false}, {"0", false},
                 {"f", false},   {"F", false},   {"FALSE", false}, {"False", false}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eqz(text, words[i].text)) {
            *ret = (struct opt_bool){true, words[i].value};
            return 0;
        }
    return err_set(E_CONFIG, "strconv.ParseBool: parsing \"%.*s\": invalid syntax", STR_ARG(text));
}

static int dur_parse(struct str text, bool go_durations, struct opt_dur *ret)
{
    int64_t ns;
    int rc = go_durations ? duration_parse_go(text, &ns) : duration_parse(text, &ns);
    if (rc == 0)
        *ret = (struct opt_dur){true, ns};
    return rc;
}

int options_stage_parse(struct str text, bool go_durations, struct stage *ret)
{
    struct str target;
    struct str duration = str_cut(text, ':', &target);
    struct stage s = {0};
    int rc = 0;
    if (duration.len > 0)
        rc = dur_parse(duration, go_durations, &s.duration);
    if (rc == 0 && target.ptr != NULL)
        rc = options_int_parse(target, &s.target);
    if (rc == 0)
        *ret = s;
    return rc;
}

static int stages_add(struct arena *a, struct opt_stages *l, struct str text, bool go_durations)
{
    struct stage s;
    int rc = options_stage_parse(text, go_durations, &s);
    if (rc < 0)
        return rc;
    struct stage *items = options_list_add(a, l->items, l->len, sizeof *items);
    if (items == NULL)
        return -ENOMEM;
    items[l->len++] = s;
    l->items = items;
    l->set = true;
    return 0;
}

int options_dns_parse(struct options *o, struct str text)
{
    const char *ttl = o->dns_ttl, *select = o->dns_select, *policy = o->dns_policy;
    while (text.len > 0) {
        struct str part = str_cut(text, ',', &text), value;
        struct str key = str_cut(part, '=', &value);
        if (value.ptr == NULL)
            return err_set(E_CONFIG, "no value for key %.*s", STR_ARG(key));
        const char **to = str_eqz(key, "ttl")      ? &ttl
                          : str_eqz(key, "select") ? &select
                          : str_eqz(key, "policy") ? &policy
                                                   : NULL;
        if (to == NULL)
            return err_set(E_CONFIG, "unknown DNS configuration field: %.*s", STR_ARG(key));
        *to = arena_dup(o->arena, value);
        if (*to == NULL)
            return -ENOMEM;
    }
    o->dns_ttl = ttl;
    o->dns_select = select;
    o->dns_policy = policy;
    return 0;
}

/* "key=value" of a flag; "key:value" of a variable, where the other form does no harm. */
static int pair_add(struct arena *a, struct opt_pairs *l, struct str text, bool flag)
{
    struct str value;
    ptrdiff_t eq = str_find(text, '='), colon = str_find(text, ':');
    bool by_colon = !flag && colon >= 0 && (eq < 0 || colon < eq);
    struct str key = str_cut(text, by_colon ? ':' : '=', &value);
    if (value.ptr == NULL || key.len == 0 || value.len == 0)
        return err_set(E_CONFIG, "invalid tag, expected 'name=value', received '%.*s'",
                       STR_ARG(text));
    return options_pairs_put(a, l, key, value);
}

int options_set_text(struct options *o, enum option_id id, const char *text, bool go_durations)
{
    const struct option_info *info = &option_table[id];
    void *field = (char *)o + info->offset;
    struct str s = str_of(text);
    switch (info->kind) {
    case OPTION_KIND_BOOL:
        return bool_parse(s, field);
    case OPTION_KIND_INT:
        return options_int_parse(s, field);
    case OPTION_KIND_DUR:
        return dur_parse(s, go_durations, field);
    case OPTION_KIND_STR: {
        char *copy = arena_dup(o->arena, s);
        if (copy == NULL)
            return -ENOMEM;
        *(const char **)field = copy;
        return 0;
    }
    case OPTION_KIND_STRS:
        ((struct opt_strs *)field)->set = true;
        return s.len == 0 ? 0 : options_strs_add(o->arena, field, s);
    case OPTION_KIND_PAIRS:
        return pair_add(o->arena, field, s, go_durations);
    case OPTION_KIND_STAGES:
        return stages_add(o->arena, field, s, go_durations);
    case OPTION_KIND_DNS:
        return options_dns_parse(o, s);
    }
    return -EINVAL;
}

/* ---- environment --------------------------------------------------------------------------- */

static const char *type_name(enum option_kind k)
{
    switch (k) {
    case OPTION_KIND_BOOL:
        return "null.Bool";
    case OPTION_KIND_INT:
        return "null.Int";
    case OPTION_KIND_DUR:
        return "types.NullDuration";
    case OPTION_KIND_STR:
        return "null.String";
    case OPTION_KIND_STRS:
        return "[]string";
    case OPTION_KIND_PAIRS:
        return "map[string]string";
    case OPTION_KIND_STAGES:
        return "[]lib.Stage";
    case OPTION_KIND_DNS:
        return "types.DNSConfig";
    }
    return "string";
}

static const char *process_getenv(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static int env_bad(const char *env, const char *go_name, const char *value, const char *type)
{
    char why[ERR_MESSAGE_MAX];
    size_t n = strlen(err_message());
    memcpy(why, err_message(), n + 1);
    return options_bad(err_set(
        E_CONFIG, "envconfig.Process: assigning %s to %s: converting '%s' to type %s. details: %s",
        env, go_name, value, type, why));
}

static bool is_list(enum option_kind k)
{
    return k == OPTION_KIND_STRS || k == OPTION_KIND_PAIRS || k == OPTION_KIND_STAGES;
}

static int env_set(struct options *o, enum option_id id, const char *value)
{
    if (!is_list(option_table[id].kind))
        return options_set_text(o, id, value, false);
    struct str rest = str_of(value);
    while (rest.ptr != NULL) {
        char *item = arena_dup(o->arena, str_trim(str_cut(rest, ',', &rest)));
        if (item == NULL)
            return -ENOMEM;
        if (item[0] == '\0')
            continue;
        int rc = options_set_text(o, id, item, false);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Variables that hold JSON. */
static int env_json(struct options *o, const char *name, const char *value)
{
    yyjson_doc *doc = yyjson_read(value, strlen(value), 0);
    int rc;
    if (doc == NULL)
        rc = err_set(E_CONFIG, "invalid JSON");
    else if (strcmp(name, "K6_HOSTS") == 0)
        rc = json_pairs(o->arena, yyjson_doc_get_root(doc), &o->hosts);
    else if (strcmp(name, "K6_TLSAUTH") == 0)
        rc = json_raw(o->arena, yyjson_doc_get_root(doc), &o->tls_auth);
    else
        rc = json_thresholds(o->arena, yyjson_doc_get_root(doc), &o->thresholds);
    yyjson_doc_free(doc);
    if (rc < 0 && rc != -ENOMEM)
        return env_bad(name, name + 3, value, "JSON");
    return rc;
}

int options_parse_env(struct options *o, options_getenv_fn *getenv_fn, void *arg)
{
    if (getenv_fn == NULL)
        getenv_fn = process_getenv;
    for (enum option_id id = 0; id < OPTION_LEN; id++) {
        const struct option_info *info = &option_table[id];
        const char *value = info->env ? getenv_fn(arg, info->env) : NULL;
        if (value == NULL || value[0] == '\0')
            continue;
        int rc = env_set(o, id, value);
        if (rc == E_CONFIG)
            return env_bad(info->env, info->go_name, value, type_name(info->kind));
        if (rc < 0)
            return rc;
    }
    static const char *const json_names[] = {"K6_HOSTS", "K6_THRESHOLDS", "K6_TLSAUTH"};
    for (size_t i = 0; i < ARRAY_LEN(json_names); i++) {
        const char *value = getenv_fn(arg, json_names[i]);
        if (value == NULL || value[0] == '\0')
            continue;
        int rc = env_json(o, json_names[i], value);
        if (rc < 0)
            return rc;
    }
    return 0;
}
