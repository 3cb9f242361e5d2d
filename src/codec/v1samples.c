#include "codec/v1samples.h"

#include <errno.h>
#include <math.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

/* What stands in the compounds; a name that isn't here has the type that its element says. */
static const struct {
    const char *name;
    enum metricset_type type;
} members[] = {
    {"data_received", METRICSET_COUNTER},
    {"data_sent", METRICSET_COUNTER},
    {"http_req_blocked", METRICSET_TREND},
    {"http_req_connecting", METRICSET_TREND},
    {"http_req_duration", METRICSET_TREND},
    {"http_req_failed", METRICSET_RATE},
    {"http_req_receiving", METRICSET_TREND},
    {"http_req_sending", METRICSET_TREND},
    {"http_req_tls_handshaking", METRICSET_TREND},
    {"http_req_waiting", METRICSET_TREND},
    {"http_reqs", METRICSET_COUNTER},
    {"iteration_duration", METRICSET_TREND},
    {"iterations", METRICSET_COUNTER},
};

static int corrupt(const char *what)
{
    return err_set(E_CORRUPT, "samples: %s", what);
}

static struct str text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

static int read_type(yyjson_val *v, enum metricset_type *ret)
{
    static const struct {
        const char *name;
        enum metricset_type type;
    } table[] = {
        {"counter", METRICSET_COUNTER},
        {"gauge", METRICSET_GAUGE},
        {"rate", METRICSET_RATE},
        {"trend", METRICSET_TREND},
    };
    struct str text = text_of(v);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (str_eqz(text, table[i].name)) {
            *ret = table[i].type;
            return 0;
        }
    }
    return err_set(E_CORRUPT, "samples: unknown type \"%.*s\"", STR_ARG(text));
}

static int read_name(yyjson_val *v, struct str *ret)
{
    struct str name = text_of(v);
    if (name.len == 0)
        return corrupt("a metric without a name");
    if (name.len > METRICSET_NAME_MAX)
        return err_set(E_LIMIT, "samples: metric name of %zu bytes, at most %d are taken", name.len,
                       METRICSET_NAME_MAX);
    *ret = name;
    return 0;
}

static int read_number(yyjson_val *v, double *ret)
{
    if (!yyjson_is_num(v) || !isfinite(yyjson_get_num(v)))
        return corrupt("a value is not a number");
    *ret = yyjson_get_num(v);
    return 0;
}

/* A count of values, as k6 writes it or as a double. */
static int read_count(yyjson_val *v, uint64_t *ret)
{
    double n = yyjson_is_num(v) ? yyjson_get_num(v) : -1;
    if (!(n >= 0 && n <= V1_COUNT_MAX) || n != floor(n))
        return corrupt("a count is not one");
    *ret = (uint64_t)n;
    return 0;
}

/* Microseconds since the epoch: text, as large integers are in JSON, or a number. */
static int read_time(yyjson_val *v, int64_t *ret_ns)
{
    int64_t us = -1;
    if (yyjson_is_str(v) && str_to_i64(text_of(v), &us) < 0)
        us = -1;
    else if (yyjson_is_int(v))
        us = yyjson_get_sint(v);
    if (us < 0 || __builtin_mul_overflow(us, 1000, ret_ns))
        return corrupt("a time is not one in microseconds");
    return 0;
}

struct labels {
    struct metricset_label list[METRICSET_LABELS_MAX];
    size_t len;
};

static int read_tags(yyjson_val *tags, struct labels *ret)
{
    size_t i, n;
    yyjson_val *key, *value;
    ret->len = 0;
    if (!tags || yyjson_is_null(tags))
        return 0;
    if (!yyjson_is_obj(tags))
        return corrupt("tags are not an object");
    if (yyjson_obj_size(tags) > METRICSET_LABELS_MAX)
        return err_set(E_LIMIT, "samples: more than %d tags", METRICSET_LABELS_MAX);
    yyjson_obj_foreach(tags, i, n, key, value)
    {
        struct metricset_label *l = &ret->list[ret->len++];
        if (!yyjson_is_str(value))
            return corrupt("a tag is not a text");
        l->name = text_of(key);
        l->value = text_of(value);
        if (l->name.len > METRICSET_NAME_MAX || l->value.len > METRICSET_LABEL_VALUE_MAX)
            return err_set(E_LIMIT, "samples: a tag is too long");
    }
    return 0;
}

/* ---- the three kinds ---- */

static int read_point(const struct v1samples_visitor *v, struct str name, yyjson_val *data)
{
    enum metricset_type type;
    double value = 0;
    int rc = read_type(yyjson_obj_get(data, "type"), &type);
    if (rc == 0)
        rc = read_number(yyjson_obj_get(data, "value"), &value);
    return rc < 0 ? rc : v->value(v->arg, name, type, value);
}

static double number_or_zero(yyjson_val *values, const char *name)
{
    double n = yyjson_get_num(yyjson_obj_get(values, name));
    return isfinite(n) ? n : 0;
}

/* setup() and teardown() are sent as iterations, too, which the client's own count leaves out. */
static bool is_outside_iterations(const struct labels *labels)
{
    for (size_t i = 0; i < labels->len; i++)
        if (str_eq(labels->list[i].name, STR("group")))
            return str_eq(labels->list[i].value, STR("::setup")) ||
                   str_eq(labels->list[i].value, STR("::teardown"));
    return false;
}

static int read_points(const struct v1samples_visitor *v, struct str compound, int64_t time_ns,
                       yyjson_val *data, const struct labels *labels)
{
    bool uncounted = str_eq(compound, STR("iter_li_all")) && is_outside_iterations(labels);
    enum metricset_type otherwise;
    yyjson_val *values = yyjson_obj_get(data, "values");
    size_t i, n;
    yyjson_val *key, *member;
    int rc = read_type(yyjson_obj_get(data, "type"), &otherwise);
    if (rc == 0 && !yyjson_is_obj(values))
        rc = corrupt("Points without values");
    if (rc < 0)
        return rc;
    yyjson_obj_foreach(values, i, n, key, member)
    {
        struct str name;
        double value = 0;
        enum metricset_type type = otherwise;
        rc = read_name(key, &name);
        if (rc == 0)
            rc = read_number(member, &value);
        for (size_t j = 0; j < ARRAY_LEN(members) && rc == 0; j++)
            if (str_eqz(name, members[j].name))
                type = members[j].type;
        if (rc == 0 && !(uncounted && str_eq(name, STR("iterations"))))
            rc = v->value(v->arg, name, type, value);
        if (rc < 0)
            return rc;
    }
    if (!v->request || !str_eq(compound, STR("http_req_li_all")) ||
        !yyjson_is_num(yyjson_obj_get(values, "http_req_duration")))
        return 0;
    struct metricset_request request = {
        .time_ns = time_ns,
        .duration = number_or_zero(values, "http_req_duration"),
        .blocked = number_or_zero(values, "http_req_blocked"),
        .connecting = number_or_zero(values, "http_req_connecting"),
        .tls_handshaking = number_or_zero(values, "http_req_tls_handshaking"),
        .sending = number_or_zero(values, "http_req_sending"),
        .waiting = number_or_zero(values, "http_req_waiting"),
        .receiving = number_or_zero(values, "http_req_receiving"),
        .failed = number_or_zero(values, "http_req_failed") != 0,
    };
    return v->request(v->arg, &request);
}

static int read_summary(const struct v1samples_visitor *v, struct str name, uint64_t count,
                        yyjson_val *value)
{
    struct v1samples_summary s = {.count = count};
    int rc = read_number(yyjson_obj_get(value, "min"), &s.min);
    if (rc == 0)
        rc = read_number(yyjson_obj_get(value, "max"), &s.max);
    if (rc == 0)
        rc = read_number(yyjson_obj_get(value, "avg"), &s.avg);
    if (rc < 0)
        return err_wrap(rc, "%.*s", STR_ARG(name));
    /* An average of equal values may be off by rounding. */
    double slack = 1e-9 * fmax(fabs(s.min), fabs(s.max));
    if (s.min > s.max || s.avg < s.min - slack || s.avg > s.max + slack)
        return err_set(E_CORRUPT, "samples: %.*s: minimum, average and maximum are out of order",
                       STR_ARG(name));
    return v->summary(v->arg, name, &s);
}

static int read_ratio(const struct v1samples_visitor *v, struct str name, yyjson_val *value)
{
    uint64_t total = 0;
    uint64_t nonzero = 0;
    int rc = read_count(yyjson_obj_get(value, "count"), &total);
    if (rc == 0)
        rc = read_count(yyjson_obj_get(value, "nz_count"), &nonzero);
    if (rc == 0 && nonzero > total)
        rc = corrupt("more non-zero values than values");
    if (rc < 0)
        return err_wrap(rc, "%.*s", STR_ARG(name));
    return total == 0 ? 0 : v->ratio(v->arg, name, nonzero, total);
}

static int read_aggregate(const struct v1samples_visitor *v, struct str compound, yyjson_val *data)
{
    yyjson_val *values = yyjson_obj_get(data, "values");
    uint64_t count = 0;
    size_t i, n;
    yyjson_val *key, *value;
    int rc = read_count(yyjson_obj_get(data, "count"), &count);
    if (rc == 0 && !yyjson_is_obj(values))
        rc = corrupt("AggregatedPoints without values");
    if (rc < 0 || count == 0)
        return rc;
    yyjson_obj_foreach(values, i, n, key, value)
    {
        struct str name;
        rc = read_name(key, &name);
        if (rc == 0)
            rc = yyjson_obj_get(value, "nz_count") ? read_ratio(v, name, value)
                                                   : read_summary(v, name, count, value);
        if (rc < 0)
            return rc;
    }
    /* The number of requests is nowhere else. */
    return str_eq(compound, STR("http_req_li_all")) ? v->count(v->arg, STR("http_reqs"), count) : 0;
}

static int read_item(const struct v1samples_visitor *v, yyjson_val *root, struct labels *labels)
{
    struct str type = text_of(yyjson_obj_get(root, "type"));
    yyjson_val *data = yyjson_obj_get(root, "data");
    struct str name;
    int64_t time_ns = 0;
    if (!yyjson_is_obj(data))
        return corrupt("an element without data");
    int rc = read_name(yyjson_obj_get(root, "metric"), &name);
    if (rc == 0)
        rc = read_time(yyjson_obj_get(data, "time"), &time_ns);
    if (rc == 0)
        rc = read_tags(yyjson_obj_get(data, "tags"), labels);
    if (rc == 0)
        rc = v->item(v->arg, time_ns, labels->list, labels->len);
    if (rc < 0)
        return rc;
    if (str_eq(type, STR("Point")))
        return read_point(v, name, data);
    if (str_eq(type, STR("Points")))
        return read_points(v, name, time_ns, data, labels);
    if (str_eq(type, STR("AggregatedPoints")))
        return read_aggregate(v, name, data);
    return err_set(E_CORRUPT, "samples: unknown kind \"%.*s\"", STR_ARG(type));
}

/* ---- the array ---- */

static struct str skip_space(struct str s)
{
    while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t' || *s.ptr == '\n' || *s.ptr == '\r'))
        s = str_new(s.ptr + 1, s.len - 1);
    return s;
}

/* Length of the object that `s` begins with, found by its braces alone. */
static int object_len(struct str s, size_t *ret)
{
    int depth = 0;
    bool quoted = false;
    size_t end = MIN(s.len, (size_t)V1_SAMPLE_BYTES_MAX);
    for (size_t i = 0; i < end; i++) {
        char c = s.ptr[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > V1_SAMPLE_DEPTH_MAX)
                return corrupt("an element is nested too deep");
        } else if ((c == '}' || c == ']') && --depth == 0) {
            *ret = i + 1;
            return 0;
        }
    }
    if (end < s.len)
        return err_set(E_LIMIT, "samples: an element of more than %d bytes", V1_SAMPLE_BYTES_MAX);
    return corrupt("the array is cut short");
}

static int read_element(const struct v1samples_visitor *v, struct str text, struct labels *labels)
{
    yyjson_read_err e;
    /* The flags promise not to write into the text. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, NULL, &e);
    if (!doc)
        return e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION
                   ? -ENOMEM
                   : err_set(E_CORRUPT, "samples: not JSON: %s", e.msg);
    int rc = read_item(v, yyjson_doc_get_root(doc), labels);
    yyjson_doc_free(doc);
    return rc;
}

static int read_array(struct str rest, const struct v1samples_visitor *v, struct labels *labels)
{
    rest = skip_space(rest);
    if (rest.len == 0 || *rest.ptr != '[')
        return corrupt("the body is not a JSON array");
    rest = skip_space(str_new(rest.ptr + 1, rest.len - 1));
    bool first = true;
    while (rest.len > 0 && *rest.ptr != ']') {
        if (!first && *rest.ptr != ',')
            return corrupt("the array is malformed");
        if (!first)
            rest = skip_space(str_new(rest.ptr + 1, rest.len - 1));
        first = false;
        if (rest.len == 0 || *rest.ptr != '{')
            return corrupt("an element is not an object");
        size_t len = 0;
        int rc = object_len(rest, &len);
        if (rc == 0)
            rc = read_element(v, str_new(rest.ptr, len), labels);
        if (rc < 0)
            return rc;
        rest = skip_space(str_new(rest.ptr + len, rest.len - len));
    }
    if (rest.len == 0)
        return corrupt("the array is cut short");
    if (skip_space(str_new(rest.ptr + 1, rest.len - 1)).len > 0)
        return corrupt("something stands behind the array");
    return 0;
}

int v1samples_read(const void *data, size_t len, const struct v1samples_visitor *visitor)
{
    struct labels *labels = mem_alloc(sizeof *labels);
    if (!labels)
        return -ENOMEM;
    int rc = read_array(str_new(data, len), visitor, labels);
    mem_free(labels);
    return rc;
}
