/*
 * The part of JSON Schema that the specification uses: $ref, oneOf, anyOf, type, const, enum,
 * lengths, pattern, date-time, ranges, items, properties, required, additionalProperties.
 */
#include "server/schema.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/err.h"
#include "base/mem.h"
#include "server/openapi.h"
#include "server/time_arg.h"

struct schema {
    yyjson_doc *doc;
    yyjson_val *named; /* components.schemas */
};

int schema_open(struct schema **ret)
{
    struct schema *s = mem_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->doc = yyjson_read(openapi_text, openapi_text_len, YYJSON_READ_NOFLAG);
    yyjson_val *components = yyjson_obj_get(yyjson_doc_get_root(s->doc), "components");
    s->named = yyjson_obj_get(components, "schemas");
    if (!s->named) {
        schema_close(s);
        return err_set(E_CORRUPT, "the API's specification can't be read");
    }
    *ret = s;
    return 0;
}

void schema_close(struct schema *s)
{
    if (!s)
        return;
    yyjson_doc_free(s->doc);
    mem_free(s);
}

/* ---- problems ---- */

static void problem(struct schema_problems *p, const char *path, const char *code, const char *fmt,
                    ...) PRINTF(4, 5);

static void problem(struct schema_problems *p, const char *path, const char *code, const char *fmt,
                    ...)
{
    if (p->len == SCHEMA_PROBLEMS_MAX)
        return;
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *message = arena_dup(p->arena, str_of(text));
    p->list[p->len++] = (struct schema_problem){
        .target = str_of(path),
        .code = code,
        .message = message ? message : "not valid",
    };
}

static const char *path_of(struct schema_problems *p, const char *path, struct str member)
{
    const char *longer = path[0] ? arena_printf(p->arena, "%s.%.*s", path, STR_ARG(member))
                                 : arena_dup(p->arena, member);
    return longer ? longer : path;
}

/* ---- one keyword ---- */

static struct str text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

static bool is_integer(yyjson_val *v)
{
    if (yyjson_is_real(v))
        return fabs(yyjson_get_real(v)) <= 9e15 && trunc(yyjson_get_real(v)) == yyjson_get_real(v);
    return yyjson_is_sint(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX);
}

static bool is_type(yyjson_val *v, struct str type)
{
    static const struct {
        const char *name;
        bool (*test)(yyjson_val *v);
    } table[] = {
        {"string", yyjson_is_str}, {"integer", is_integer},     {"number", yyjson_is_num},
        {"null", yyjson_is_null},  {"boolean", yyjson_is_bool}, {"object", yyjson_is_obj},
        {"array", yyjson_is_arr},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_eqz(type, table[i].name))
            return table[i].test(v);
    return false;
}

/* False when the type is wrong: the other keywords would only repeat it. */
static bool check_type(yyjson_val *schema, yyjson_val *v, const char *path,
                       struct schema_problems *p)
{
    yyjson_val *type = yyjson_obj_get(schema, "type");
    if (!type)
        return true;
    if (yyjson_is_str(type)) {
        if (is_type(v, text_of(type)))
            return true;
        problem(p, path, "wrong_type", "has to be of type %s", yyjson_get_str(type));
        return false;
    }
    size_t i, count;
    yyjson_val *one;
    struct str first = STR("null");
    yyjson_arr_foreach(type, i, count, one)
    {
        if (is_type(v, text_of(one)))
            return true;
        if (!str_eq(text_of(one), STR("null")))
            first = text_of(one);
    }
    problem(p, path, "wrong_type", "has to be of type %.*s, or null", STR_ARG(first));
    return false;
}

static void check_choice(yyjson_val *schema, yyjson_val *v, const char *path,
                         struct schema_problems *p)
{
    yyjson_val *only = yyjson_obj_get(schema, "const");
    if (only && !yyjson_equals(only, v))
        problem(p, path, "not_allowed", "has to be \"%.*s\"", STR_ARG(text_of(only)));
    yyjson_val *all = yyjson_obj_get(schema, "enum");
    size_t i, count;
    yyjson_val *one;
    bool found = !all;
    yyjson_arr_foreach(all, i, count, one) found = found || yyjson_equals(one, v);
    if (found)
        return;
    char text[160] = "";
    size_t len = 0;
    yyjson_arr_foreach(all, i, count, one)
    {
        int n =
            snprintf(text + len, sizeof text - len, "%s%.*s", i ? ", " : "", STR_ARG(text_of(one)));
        if (n > 0 && len + (size_t)n < sizeof text)
            len += (size_t)n;
    }
    problem(p, path, "not_allowed", "has to be one of %s", text);
}

static int64_t characters(struct str s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((uint8_t)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

static bool matches(struct str pattern, struct str text)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, PCRE2_UTF | PCRE2_UCP,
                                   &code, &at, NULL);
    pcre2_match_data *data = re ? pcre2_match_data_create_from_pattern(re, NULL) : NULL;
    bool found = data && pcre2_match(re, (PCRE2_SPTR)text.ptr, text.len, 0, 0, data, NULL) >= 0;
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return found;
}

static bool is_time(struct str text)
{
    int64_t ns = 0;
    bool good = text.len >= 19 && (text.ptr[10] == 'T' || text.ptr[10] == 't') &&
                time_parse(text, &ns) == 0;
    err_clear();
    return good;
}

static void check_text(yyjson_val *schema, yyjson_val *v, const char *path,
                       struct schema_problems *p)
{
    struct str text = text_of(v);
    int64_t len = characters(text);
    yyjson_val *least = yyjson_obj_get(schema, "minLength");
    yyjson_val *most = yyjson_obj_get(schema, "maxLength");
    struct str pattern = text_of(yyjson_obj_get(schema, "pattern"));
    if (least && len < yyjson_get_sint(least))
        problem(p, path, "too_short", "at least %lld character%s needed",
                (long long)yyjson_get_sint(least), yyjson_get_sint(least) == 1 ? " is" : "s are");
    else if (most && len > yyjson_get_sint(most))
        problem(p, path, "too_long", "at most %lld characters are taken",
                (long long)yyjson_get_sint(most));
    else if (pattern.ptr && !matches(pattern, text))
        problem(p, path, "bad_characters", "holds characters that are not allowed here");
    if (str_eq(text_of(yyjson_obj_get(schema, "format")), STR("date-time")) && !is_time(text))
        problem(p, path, "not_a_time", "a time as in 2026-11-22T05:58:38Z is needed");
}

static void check_number(yyjson_val *schema, yyjson_val *v, const char *path,
                         struct schema_problems *p)
{
    double n = yyjson_get_num(v);
    yyjson_val *least = yyjson_obj_get(schema, "minimum");
    yyjson_val *above = yyjson_obj_get(schema, "exclusiveMinimum");
    yyjson_val *most = yyjson_obj_get(schema, "maximum");
    if (least && n < yyjson_get_num(least))
        problem(p, path, "too_small", "has to be at least %.0f", yyjson_get_num(least));
    if (above && n <= yyjson_get_num(above))
        problem(p, path, "too_small", "has to be more than %.0f", yyjson_get_num(above));
    if (most && n > yyjson_get_num(most))
        problem(p, path, "too_large", "has to be at most %.0f", yyjson_get_num(most));
}

/* ---- a value ---- */

static void check(const struct schema *s, yyjson_val *schema, yyjson_val *v, const char *path,
                  struct schema_problems *p);

static void check_array(const struct schema *s, yyjson_val *schema, yyjson_val *v, const char *path,
                        struct schema_problems *p)
{
    yyjson_val *least = yyjson_obj_get(schema, "minItems");
    yyjson_val *most = yyjson_obj_get(schema, "maxItems");
    yyjson_val *items = yyjson_obj_get(schema, "items");
    int64_t len = (int64_t)yyjson_arr_size(v);
    if (least && len < yyjson_get_sint(least))
        problem(p, path, "too_few", "at least %lld needed", (long long)yyjson_get_sint(least));
    if (most && len > yyjson_get_sint(most)) {
        problem(p, path, "too_many", "at most %lld are taken", (long long)yyjson_get_sint(most));
        return;
    }
    size_t i, count;
    yyjson_val *one;
    yyjson_arr_foreach(v, i, count, one)
    {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        if (items && p->len < SCHEMA_PROBLEMS_MAX)
            check(s, items, one, path_of(p, path, str_of(index)), p);
    }
}

static void check_object(const struct schema *s, yyjson_val *schema, yyjson_val *v,
                         const char *path, struct schema_problems *p)
{
    yyjson_val *known = yyjson_obj_get(schema, "properties");
    yyjson_val *others = yyjson_obj_get(schema, "additionalProperties");
    size_t i, count;
    yyjson_val *name, *one;
    yyjson_arr_foreach(yyjson_obj_get(schema, "required"), i, count, name)
    {
        struct str want = text_of(name);
        if (!yyjson_obj_getn(v, want.ptr, want.len))
            problem(p, path_of(p, path, want), "required", "is needed");
    }
    yyjson_obj_foreach(v, i, count, name, one)
    {
        struct str have = text_of(name);
        yyjson_val *of = known ? yyjson_obj_getn(known, have.ptr, have.len) : NULL;
        if (p->len == SCHEMA_PROBLEMS_MAX)
            return;
        if (of)
            check(s, of, one, path_of(p, path, have), p);
        else if (yyjson_is_false(others))
            problem(p, path_of(p, path, have), "unknown_field", "can't be given here");
        else if (yyjson_is_obj(others))
            check(s, others, one, path_of(p, path, have), p);
    }
}

/* As one of them is; else what keeps it from being the first that isn't "null". */
static void check_any(const struct schema *s, yyjson_val *list, yyjson_val *v, const char *path,
                      struct schema_problems *p)
{
    size_t i, count;
    yyjson_val *one;
    yyjson_val *first = NULL;
    yyjson_arr_foreach(list, i, count, one)
    {
        struct schema_problems tried = {.arena = p->arena};
        check(s, one, v, path, &tried);
        if (tried.len == 0)
            return;
        if (!first && !str_eq(text_of(yyjson_obj_get(one, "type")), STR("null")))
            first = one;
    }
    check(s, first ? first : list, v, path, p);
}

static yyjson_val *resolve(const struct schema *s, yyjson_val *schema)
{
    struct str ref = text_of(yyjson_obj_get(schema, "$ref"));
    struct str start = STR("#/components/schemas/");
    if (!str_starts(ref, start))
        return schema;
    yyjson_val *named = yyjson_obj_getn(s->named, ref.ptr + start.len, ref.len - start.len);
    CHECK(named);
    return named;
}

static void check(const struct schema *s, yyjson_val *schema, yyjson_val *v, const char *path,
                  struct schema_problems *p)
{
    schema = resolve(s, schema);
    yyjson_val *any = yyjson_obj_get(schema, "oneOf");
    if (!any)
        any = yyjson_obj_get(schema, "anyOf");
    if (any)
        check_any(s, any, v, path, p);
    if (!check_type(schema, v, path, p))
        return;
    check_choice(schema, v, path, p);
    if (yyjson_is_str(v))
        check_text(schema, v, path, p);
    else if (yyjson_is_num(v))
        check_number(schema, v, path, p);
    else if (yyjson_is_arr(v))
        check_array(s, schema, v, path, p);
    else if (yyjson_is_obj(v))
        check_object(s, schema, v, path, p);
}

void schema_check(const struct schema *s, const char *name, yyjson_val *value,
                  struct schema_problems *problems)
{
    yyjson_val *schema = yyjson_obj_get(s->named, name);
    CHECK(schema);
    check(s, schema, value, "", problems);
}
