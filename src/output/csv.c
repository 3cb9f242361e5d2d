#include "output/csv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/duration.h"
#include "output/numfmt.h"
#include "output/outfile.h"
#include "output/timetext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

/* ---- settings ------------------------------------------------------------------------------ */

int csv_config_init(struct csv_config *c)
{
    *c = (struct csv_config){mem_strdup("file.csv"), NS_PER_S, CSV_UNIX};
    return c->path ? 0 : err_set_errno(-ENOMEM, "output csv");
}

void csv_config_fini(struct csv_config *c)
{
    mem_free(c->path);
    *c = (struct csv_config){0};
}

static int set_path(struct csv_config *c, struct str v)
{
    char *path = str_dup(v);
    if (!path)
        return err_set_errno(-ENOMEM, "output csv");
    mem_free(c->path);
    c->path = path;
    return 0;
}

static int set_interval(struct csv_config *c, struct str v, const char *name)
{
    int64_t ns;
    if (duration_parse(v, &ns) < 0)
        return err_set(E_CONFIG, "%s: '%.*s' isn't a duration like 10s", name, STR_ARG(v));
    if (ns <= 0)
        return err_set(E_CONFIG, "%s must be positive, not '%.*s'", name, STR_ARG(v));
    c->save_interval_ns = ns;
    return 0;
}

static int set_time(struct csv_config *c, struct str v, const char *name)
{
    static const char *const names[] = {
        [CSV_UNIX] = "unix",
        [CSV_UNIX_MILLI] = "unix_milli",
        [CSV_UNIX_MICRO] = "unix_micro",
        [CSV_UNIX_NANO] = "unix_nano",
        [CSV_RFC3339] = "rfc3339",
        [CSV_RFC3339_NANO] = "rfc3339_nano",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_ieq(v, str_of(names[i]))) {
            c->time = (enum csv_time)i;
            return 0;
        }
    }
    return err_set(E_CONFIG,
                   "%s: '%.*s' isn't one of unix, unix_milli, unix_micro, unix_nano, rfc3339, "
                   "rfc3339_nano",
                   name, STR_ARG(v));
}

static int set_path_named(struct csv_config *c, struct str v, const char *name)
{
    (void)name;
    return set_path(c, v);
}

static const struct setting {
    const char *arg, *json, *env;
    int (*set)(struct csv_config *c, struct str v, const char *name);
} settings[] = {
    {"fileName", "file_name", "K6_CSV_FILENAME", set_path_named},
    {"saveInterval", "save_interval", "K6_CSV_SAVE_INTERVAL", set_interval},
    {"timeFormat", "time_format", "K6_CSV_TIME_FORMAT", set_time},
};

static int apply_object(struct csv_config *c, yyjson_val *object)
{
    if (!yyjson_is_obj(object))
        return err_set(E_CONFIG, "collectors.csv must be an object");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(settings); i++) {
        yyjson_val *v = yyjson_obj_get(object, settings[i].json);
        char ms[32];
        if (!v || yyjson_is_null(v))
            continue;
        if (yyjson_is_str(v)) {
            rc =
                settings[i].set(c, str_new(yyjson_get_str(v), yyjson_get_len(v)), settings[i].json);
        } else if (yyjson_is_uint(v)) {
            (void)snprintf(ms, sizeof ms, "%llu", (unsigned long long)yyjson_get_uint(v));
            rc = settings[i].set(c, str_of(ms), settings[i].json);
        } else {
            rc = err_set(E_CONFIG, "collectors.csv.%s has the wrong type", settings[i].json);
        }
    }
    return rc;
}

int csv_config_apply_json(struct csv_config *c, struct str json)
{
    if (json.len == 0)
        return 0;
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, 0);
    if (!doc)
        return err_set(E_CONFIG, "collectors.csv isn't JSON");
    int rc = apply_object(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return rc;
}

int csv_config_apply_env(struct csv_config *c, const char *(*env_get)(void *arg, const char *name),
                         void *arg)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(settings); i++) {
        const char *v = env_get(arg, settings[i].env);
        if (v)
            rc = settings[i].set(c, str_of(v), settings[i].env);
    }
    return rc;
}

static int apply_pair(struct csv_config *c, struct str pair, struct str arg)
{
    struct str value;
    struct str key = str_cut(pair, '=', &value);
    if (value.len == 0)
        return err_set(E_CONFIG, "couldn't parse \"%.*s\" as argument for csv output",
                       STR_ARG(arg));
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (str_eqz(key, settings[i].arg))
            return settings[i].set(c, value, settings[i].arg);
    return err_set(E_CONFIG, "unknown key \"%.*s\" as argument for csv output", STR_ARG(key));
}

int csv_config_apply_arg(struct csv_config *c, struct str arg)
{
    if (arg.len == 0)
        return 0;
    if (str_find(arg, '=') < 0)
        return set_path(c, arg);
    int rc = 0;
    struct str rest = arg;
    do {
        rc = apply_pair(c, str_cut(rest, ',', &rest), arg);
    } while (rc == 0 && rest.ptr);
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------- */

struct csv {
    struct csv_config config;
    char *description;
    struct outfile file;
    struct timetext time;
    int64_t saved_ns; /* mono: when the file was written last */

    enum system_tag columns[TAG_SYSTEM_LEN]; /* by name */
    size_t columns_len;

    /* Of the sample before; see json.c. */
    const struct tag *tags, *metadata;
    struct buf tags_text; /* all columns behind the value, with their commas */
    struct buf scratch;
};

/* Spaces of Unicode that a first character may be. */
static bool begins_with_space(struct str s)
{
    static const char *const wide[] = {"\xc2\x85", "\xc2\xa0", "\u1680", "\u2028",
                                       "\u2029",   "\u202f",   "\u205f", "\u3000"};
    if (s.len == 0)
        return false;
    if (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r'))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        if (str_starts(s, str_of(wide[i])))
            return true;
    return s.len >= 3 && s.ptr[0] == '\xe2' && s.ptr[1] == '\x80' && (uint8_t)s.ptr[2] >= 0x80 &&
           (uint8_t)s.ptr[2] <= 0x8a; /* U+2000 to U+200A */
}

void csv_field(struct buf *out, struct str text)
{
    bool quoted = str_eqz(text, "\\.") || begins_with_space(text);
    for (size_t i = 0; i < text.len && !quoted; i++)
        quoted =
            text.ptr[i] == ',' || text.ptr[i] == '"' || text.ptr[i] == '\n' || text.ptr[i] == '\r';
    if (!quoted) {
        buf_str(out, text);
        return;
    }
    buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_byte(out, '"');
        buf_byte(out, (uint8_t)text.ptr[i]);
    }
    buf_byte(out, '"');
}

static struct str value_of(const struct sample *s, const char *key)
{
    for (uint32_t i = 0; i < s->tags_len; i++)
        if (str_eqz(s->tags[i].key, key))
            return s->tags[i].value;
    return STR_EMPTY;
}

/* System tags have columns of their own, or, those that are off, none; iter and vu are metadata. */
static bool is_column(struct str key)
{
    uint32_t bit = system_tags_parse(key);
    return bit != 0 && bit != TAG_BIT(TAG_ITER) && bit != TAG_BIT(TAG_VU);
}

static void joined(struct csv *c, const struct tag *list, uint32_t len)
{
    buf_reset(&c->scratch);
    for (uint32_t i = 0; i < len; i++) {
        if (is_column(list[i].key))
            continue;
        if (c->scratch.len > 0)
            buf_byte(&c->scratch, '&');
        buf_str(&c->scratch, list[i].key);
        buf_byte(&c->scratch, '=');
        buf_str(&c->scratch, list[i].value);
    }
    csv_field(&c->tags_text, buf_view(&c->scratch));
}

static void keep_tags(struct csv *c, const struct sample *s)
{
    if (c->tags == s->tags && c->metadata == s->metadata && c->tags_text.len > 0)
        return;
    buf_reset(&c->tags_text);
    for (size_t i = 0; i < c->columns_len; i++) {
        csv_field(&c->tags_text, value_of(s, system_tag_name(c->columns[i])));
        buf_byte(&c->tags_text, ',');
    }
    joined(c, s->tags, s->tags_len);
    buf_byte(&c->tags_text, ',');
    joined(c, s->metadata, s->metadata_len);
    buf_byte(&c->tags_text, '\n');
    c->tags = s->tags;
    c->metadata = s->metadata;
}

static void time_field(struct csv *c, int64_t wall_ns)
{
    struct buf *out = &c->file.text;
    switch (c->config.time) {
    case CSV_UNIX:
        buf_printf(out, "%lld", (long long)(wall_ns / NS_PER_S));
        return;
    case CSV_UNIX_MILLI:
        buf_printf(out, "%lld", (long long)(wall_ns / NS_PER_MS));
        return;
    case CSV_UNIX_MICRO:
        buf_printf(out, "%lld", (long long)(wall_ns / NS_PER_US));
        return;
    case CSV_UNIX_NANO:
        buf_printf(out, "%lld", (long long)wall_ns);
        return;
    case CSV_RFC3339:
        timetext_seconds(&c->time, out, wall_ns);
        return;
    case CSV_RFC3339_NANO:
        timetext_nanos(&c->time, out, wall_ns);
        return;
    }
}

static void header(struct csv *c)
{
    struct buf *out = &c->file.text;
    buf_z(out, "metric_name,timestamp,metric_value,");
    for (size_t i = 0; i < c->columns_len; i++)
        buf_printf(out, "%s,", system_tag_name(c->columns[i]));
    buf_z(out, "extra_tags,metadata\n");
}

static void csv_samples(void *self, const struct sample_chunk *chunk)
{
    struct csv *c = self;
    if (!chunk) {
        int64_t now_ns = clock_mono_ns();
        if (now_ns - c->saved_ns < c->config.save_interval_ns)
            return;
        c->saved_ns = now_ns;
        outfile_flush(&c->file);
        return;
    }
    buf_reset(&c->tags_text);
    for (size_t i = 0; i < chunk->len; i++) {
        const struct sample *s = &chunk->samples[i];
        keep_tags(c, s);
        buf_z(&c->file.text, s->metric->name);
        buf_byte(&c->file.text, ',');
        time_field(c, s->wall_ns);
        buf_printf(&c->file.text, ",%f,", s->value);
        buf_str(&c->file.text, buf_view(&c->tags_text));
        outfile_keep_small(&c->file);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(system_tag_name(*(const enum system_tag *)a),
                  system_tag_name(*(const enum system_tag *)b));
}

static int csv_start(void *self, const struct output_run_info *info)
{
    struct csv *c = self;
    for (uint32_t t = 0; t < TAG_SYSTEM_LEN; t++)
        if ((info->system_tags & TAG_BIT(t)) != 0 && is_column(str_of(system_tag_name(t))))
            c->columns[c->columns_len++] = (enum system_tag)t;
    qsort(c->columns, c->columns_len, sizeof c->columns[0], by_name);
    int rc = outfile_open(&c->file, c->config.path);
    if (rc < 0)
        return err_wrap(rc, "could not start the output 'csv'");
    header(c);
    outfile_flush(&c->file);
    c->saved_ns = clock_mono_ns();
    return 0;
}

static const char *csv_description(void *self)
{
    const struct csv *c = self;
    return c->description;
}

static int csv_stop(void *self, const struct output_result *result)
{
    struct csv *c = self;
    (void)result;
    int rc = outfile_close(&c->file);
    return rc < 0 ? err_wrap(rc, "the output 'csv' is incomplete") : 0;
}

static void csv_free(void *self)
{
    struct csv *c = self;
    outfile_fini(&c->file);
    buf_fini(&c->tags_text);
    buf_fini(&c->scratch);
    csv_config_fini(&c->config);
    mem_free(c->description);
    mem_free(c);
}

static const struct output_ops csv_ops = {
    .name = "csv",
    .start = csv_start,
    .description = csv_description,
    .samples = csv_samples,
    .stop = csv_stop,
    .free = csv_free,
};

static char *describe(const char *path)
{
    if (path[0] == '\0' || strcmp(path, "-") == 0)
        return mem_strdup("csv (stdout)");
    size_t size = strlen(path) + sizeof "csv ()";
    char *text = mem_alloc(size);
    if (text)
        (void)snprintf(text, size, "csv (%s)", path);
    return text;
}

int csv_output_new(struct csv_config *config, struct output *ret)
{
    struct csv *c = mem_calloc(1, sizeof *c);
    if (!c) {
        csv_config_fini(config);
        return err_set_errno(-ENOMEM, "output csv");
    }
    c->config = *config;
    *config = (struct csv_config){0};
    outfile_init(&c->file);
    buf_init(&c->tags_text, OUTFILE_TEXT_MAX);
    buf_init(&c->scratch, OUTFILE_TEXT_MAX);
    timetext_init(&c->time);
    c->description = describe(c->config.path);
    if (!c->description) {
        csv_free(c);
        return err_set_errno(-ENOMEM, "output csv");
    }
    *ret = (struct output){&csv_ops, c};
    return 0;
}
