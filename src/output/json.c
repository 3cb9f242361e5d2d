/*
 * Most of a line is that of the one before it: the nine samples of a request share tags and time.
 * So the text of the last tags and metadata is kept, told by their pointers, which are compared
 * within one chunk only, as its memory may come back in the next one.
 */
#include "output/json.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "output/numfmt.h"
#include "output/outfile.h"
#include "output/timetext.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct json {
    char *path;
    char *description;
    struct outfile file;
    const struct output_run_info *info;
    struct timetext time;
    bool *seen; /* by metric id: its line is written */
    size_t seen_len;

    /* Of the sample before. */
    const struct tag *tags, *metadata;
    uint64_t endless;     /* samples of a value that JSON has no number for */
    struct buf tags_text; /* "{…}" of tags, then ",\"metadata\":{…}" */
};

/* ---- about a metric ------------------------------------------------------------------------ */

static void pairs(struct buf *out, const struct tag *tags, uint32_t len)
{
    buf_byte(out, '{');
    for (uint32_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_json_str(out, tags[i].key);
        buf_byte(out, ':');
        buf_json_str(out, tags[i].value);
    }
    buf_byte(out, '}');
}

static void threshold(struct buf *out, const struct output_threshold *t)
{
    if (!t->abort_on_fail) {
        buf_json_str(out, str_of(t->expression));
        return;
    }
    buf_z(out, "{\"threshold\":");
    buf_json_str(out, str_of(t->expression));
    buf_z(out, ",\"abortOnFail\":true,\"delayAbortEval\":");
    if (t->delay_abort_ns < 0) {
        buf_z(out, "null}");
        return;
    }
    buf_byte(out, '"');
    numfmt_go_duration(out, t->delay_abort_ns);
    buf_z(out, "\"}");
}

static void thresholds(struct buf *out, const struct json *j, const struct metric *m)
{
    bool first = true;
    buf_byte(out, '[');
    for (size_t i = 0; i < j->info->thresholds_len; i++) {
        if (strcmp(j->info->thresholds[i].metric, m->name) != 0)
            continue;
        buf_z(out, first ? "" : ",");
        first = false;
        threshold(out, &j->info->thresholds[i]);
    }
    buf_byte(out, ']');
}

/* As an object has them: by key. */
static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct tag *)a)->key, ((const struct tag *)b)->key);
}

static void submetric(struct buf *out, const struct submetric *sub)
{
    struct tag *sorted = mem_alloc((sub->tags_len + 1) * sizeof *sorted);
    if (!sorted) {
        out->err = -ENOMEM;
        return;
    }
    memcpy(sorted, sub->tags, sub->tags_len * sizeof *sorted);
    qsort(sorted, sub->tags_len, sizeof *sorted, by_key);
    buf_z(out, "{\"name\":");
    buf_json_str(out, str_of(sub->name));
    buf_z(out, ",\"suffix\":");
    buf_json_str(out, str_of(sub->suffix));
    buf_z(out, ",\"tags\":");
    pairs(out, sorted, sub->tags_len);
    buf_byte(out, '}');
    mem_free(sorted);
}

static void submetrics(struct buf *out, const struct json *j, const struct metric *m)
{
    bool first = true;
    for (size_t i = 0; i < metrics_submetrics_len(j->info->metrics); i++) {
        const struct submetric *sub = metrics_submetric_at(j->info->metrics, i);
        if (sub->parent != m)
            continue;
        buf_z(out, first ? "[" : ",");
        first = false;
        submetric(out, sub);
    }
    buf_z(out, first ? "null" : "]");
}

static void metric_line(struct json *j, const struct metric *m)
{
    struct buf *out = &j->file.text;
    buf_z(out, "{\"type\":\"Metric\",\"data\":{\"name\":");
    buf_json_str(out, str_of(m->name));
    buf_z(out, ",\"type\":\"");
    buf_z(out, metric_type_name(m->type));
    buf_z(out, "\",\"contains\":\"");
    buf_z(out, metric_contains_name(m->contains));
    buf_z(out, "\",\"thresholds\":");
    thresholds(out, j, m);
    buf_z(out, ",\"submetrics\":");
    submetrics(out, j, m);
    buf_z(out, "},\"metric\":");
    buf_json_str(out, str_of(m->name));
    buf_z(out, "}\n");
}

static void see_metric(struct json *j, const struct metric *m)
{
    if (m->id >= j->seen_len) {
        size_t len = MAX(m->id + 1, 2 * j->seen_len);
        bool *grown = mem_realloc_array(j->seen, len, sizeof *grown);
        if (!grown) {
            j->file.text.err = -ENOMEM;
            return;
        }
        memset(grown + j->seen_len, 0, len - j->seen_len);
        j->seen = grown;
        j->seen_len = len;
    }
    if (!j->seen[m->id])
        metric_line(j, m);
    j->seen[m->id] = true;
}

/* ---- a sample ------------------------------------------------------------------------------ */

static void keep_tags(struct json *j, const struct sample *s)
{
    if (j->tags == s->tags && j->metadata == s->metadata && j->tags_text.len > 0)
        return;
    buf_reset(&j->tags_text);
    pairs(&j->tags_text, s->tags, s->tags_len);
    if (s->metadata_len > 0) {
        buf_z(&j->tags_text, ",\"metadata\":");
        pairs(&j->tags_text, s->metadata, s->metadata_len);
    }
    j->tags = s->tags;
    j->metadata = s->metadata;
}

static void point_line(struct json *j, const struct sample *s)
{
    struct buf *out = &j->file.text;
    keep_tags(j, s);
    buf_z(out, "{\"metric\":\"");
    buf_z(out, s->metric->name); /* letters, digits and underscores */
    buf_z(out, "\",\"type\":\"Point\",\"data\":{\"time\":\"");
    timetext_nanos(&j->time, out, s->wall_ns);
    buf_z(out, "\",\"value\":");
    numfmt_js(out, s->value);
    buf_z(out, ",\"tags\":");
    buf_str(out, buf_view(&j->tags_text));
    buf_z(out, "}}\n");
}

static void json_samples(void *self, const struct sample_chunk *c)
{
    struct json *j = self;
    if (!c) {
        outfile_flush(&j->file);
        return;
    }
    buf_reset(&j->tags_text);
    for (size_t i = 0; i < c->len; i++) {
        see_metric(j, c->samples[i].metric);
        if (!isfinite(c->samples[i].value)) {
            j->endless++;
            continue;
        }
        point_line(j, &c->samples[i]);
        outfile_keep_small(&j->file);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

static int json_start(void *self, const struct output_run_info *info)
{
    struct json *j = self;
    j->info = info;
    int rc = outfile_open(&j->file, j->path);
    return rc < 0 ? err_wrap(rc, "could not start the output 'json'") : 0;
}

static const char *json_description(void *self)
{
    const struct json *j = self;
    return j->description;
}

static int json_stop(void *self, const struct output_result *result)
{
    struct json *j = self;
    (void)result;
    if (j->endless > 0)
        log_error("%llu samples are not in the output 'json': their values are infinite",
                  (unsigned long long)j->endless);
    int rc = outfile_close(&j->file);
    return rc < 0 ? err_wrap(rc, "the output 'json' is incomplete") : 0;
}

static void json_free(void *self)
{
    struct json *j = self;
    outfile_fini(&j->file);
    buf_fini(&j->tags_text);
    mem_free(j->seen);
    mem_free(j->path);
    mem_free(j->description);
    mem_free(j);
}

static const struct output_ops json_ops = {
    .name = "json",
    .start = json_start,
    .description = json_description,
    .samples = json_samples,
    .stop = json_stop,
    .free = json_free,
};

static char *describe(const char *path)
{
    if (path[0] == '\0' || strcmp(path, "-") == 0)
        return mem_strdup("json(stdout)");
    size_t size = strlen(path) + sizeof "json ()";
    char *text = mem_alloc(size);
    if (text)
        (void)snprintf(text, size, "json (%s)", path);
    return text;
}

int json_output_new(struct str path, struct output *ret)
{
    struct json *j = mem_calloc(1, sizeof *j);
    if (!j)
        return err_set_errno(-ENOMEM, "output json");
    outfile_init(&j->file);
    buf_init(&j->tags_text, OUTFILE_TEXT_MAX);
    timetext_init(&j->time);
    j->path = str_dup(path);
    j->description = j->path ? describe(j->path) : NULL;
    if (!j->description) {
        json_free(j);
        return err_set_errno(-ENOMEM, "output json");
    }
    *ret = (struct output){&json_ops, j};
    return 0;
}
