/* The options as k6 writes them, into archives, for the cloud and for the script itself. */

#include "base/err.h"
#include "codec/duration.h"
#include "load/options_int.h"

#include <stdlib.h>

/* A JSON string as Go writes it: with <, > and & escaped, so that it can stand in HTML. */
static void write_str(struct buf *out, struct str s)
{
    struct buf plain;
    buf_init(&plain, out->max);
    buf_json_str(&plain, s);
    struct str v = buf_view(&plain);
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '<' || c == '>' || c == '&')
            buf_printf(out, "\\u%04x", (unsigned)c);
        else
            buf_byte(out, (uint8_t)c);
    }
    if (plain.err != 0 && out->err == 0)
        out->err = plain.err;
    buf_fini(&plain);
}

void options_write_text(struct buf *out, const char *s)
{
    if (s == NULL)
        buf_z(out, "null");
    else
        write_str(out, str_of(s));
}

void options_write_dur(struct buf *out, struct opt_dur d)
{
    char text[DURATION_TEXT_MAX];
    if (!d.set) {
        buf_z(out, "null");
        return;
    }
    (void)duration_format(d.ns, text);
    buf_printf(out, "\"%s\"", text);
}

void options_write_int(struct buf *out, struct opt_int i)
{
    if (i.set)
        buf_printf(out, "%lld", (long long)i.value);
    else
        buf_z(out, "null");
}

static void write_bool(struct buf *out, struct opt_bool b)
{
    buf_z(out, !b.set ? "null" : b.value ? "true" : "false");
}

static void write_strs(struct buf *out, const struct opt_strs *l)
{
    if (!l->set) {
        buf_z(out, "null");
        return;
    }
    buf_byte(out, '[');
    for (size_t i = 0; i < l->len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        options_write_text(out, l->items[i]);
    }
    buf_byte(out, ']');
}

void options_write_pairs(struct buf *out, const struct opt_pairs *p)
{
    if (!p->set) {
        buf_z(out, "null");
        return;
    }
    buf_byte(out, '{');
    for (size_t i = 0; i < p->len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        write_str(out, p->items[i].key);
        buf_byte(out, ':');
        write_str(out, p->items[i].value);
    }
    buf_byte(out, '}');
}

void options_write_stages(struct buf *out, const struct opt_stages *s)
{
    if (!s->set) {
        buf_z(out, "null");
        return;
    }
    buf_byte(out, '[');
    for (size_t i = 0; i < s->len; i++) {
        buf_z(out, i > 0 ? ",{\"duration\":" : "{\"duration\":");
        options_write_dur(out, s->items[i].duration);
        buf_z(out, ",\"target\":");
        options_write_int(out, s->items[i].target);
        buf_byte(out, '}');
    }
    buf_byte(out, ']');
}

static int text_cmp(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Those that exist, sorted, each once: k6 keeps a set. */
static void write_system_tags(struct buf *out, const struct opt_strs *l)
{
    const char *names[TAG_SYSTEM_LEN];
    uint32_t bits = 0;
    struct opt_strs sorted = {.set = l->set, .items = names};
    for (size_t i = 0; i < l->len; i++)
        bits |= system_tags_parse(str_of(l->items[i]));
    for (enum system_tag t = 0; t < TAG_SYSTEM_LEN; t++)
        if ((bits & TAG_BIT(t)) != 0)
            names[sorted.len++] = system_tag_name(t);
    qsort(names, sorted.len, sizeof *names, text_cmp);
    write_strs(out, &sorted);
}

static void write_scenarios(struct buf *out, const struct opt_scenarios *l)
{
    if (!l->set) {
        buf_z(out, "null");
        return;
    }
    buf_byte(out, '{');
    for (size_t i = 0; i < l->len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        options_write_text(out, l->items[i].name);
        buf_byte(out, ':');
        scenario_write_json(&l->items[i], out);
    }
    buf_byte(out, '}');
}

static void write_threshold(struct buf *out, const struct threshold_config *t)
{
    if (!t->abort_on_fail && !t->delay_abort_eval.set) {
        options_write_text(out, t->expression);
        return;
    }
    buf_z(out, "{\"threshold\":");
    options_write_text(out, t->expression);
    buf_printf(out, ",\"abortOnFail\":%s,\"delayAbortEval\":", t->abort_on_fail ? "true" : "false");
    options_write_dur(out, t->delay_abort_eval);
    buf_byte(out, '}');
}

static void write_thresholds(struct buf *out, const struct opt_thresholds *l)
{
    if (!l->set) {
        buf_z(out, "null");
        return;
    }
    buf_byte(out, '{');
    for (size_t i = 0; i < l->len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        options_write_text(out, l->items[i].metric);
        buf_z(out, ":[");
        for (size_t j = 0; j < l->items[i].len; j++) {
            if (j > 0)
                buf_byte(out, ',');
            write_threshold(out, &l->items[i].items[j]);
        }
        buf_byte(out, ']');
    }
    buf_byte(out, '}');
}

static void key(struct buf *out, const char *name)
{
    if (out->len == 0 || out->data[out->len - 1] != '{')
        buf_byte(out, ',');
    buf_printf(out, "\"%s\":", name);
}

#define WRITE(name, call)                                                                          \
    do {                                                                                           \
        key(out, name);                                                                            \
        call;                                                                                      \
    } while (0)

static void write_schedule(const struct options *o, struct buf *out)
{
    WRITE("paused", write_bool(out, o->paused));
    WRITE("vus", options_write_int(out, o->vus));
    WRITE("duration", options_write_dur(out, o->duration));
    WRITE("iterations", options_write_int(out, o->iterations));
    WRITE("stages", options_write_stages(out, &o->stages));
    WRITE("scenarios", write_scenarios(out, &o->scenarios));
    WRITE("executionSegment", options_write_text(out, o->execution_segment));
    WRITE("executionSegmentSequence", options_write_text(out, o->execution_segment_sequence));
    WRITE("noSetup", write_bool(out, o->no_setup));
    WRITE("setupTimeout", options_write_dur(out, o->setup_timeout));
    WRITE("noTeardown", write_bool(out, o->no_teardown));
    WRITE("teardownTimeout", options_write_dur(out, o->teardown_timeout));
    WRITE("handleSummaryTimeout", options_write_dur(out, o->handle_summary_timeout));
}

static void write_tls(const struct options *o, struct buf *out)
{
    WRITE("insecureSkipTLSVerify", write_bool(out, o->insecure_skip_tls_verify));
    WRITE("tlsCipherSuites", write_strs(out, &o->tls_cipher_suites));
    key(out, "tlsVersion");
    if (o->tls_min == NULL && o->tls_max == NULL) {
        buf_z(out, "null");
    } else {
        buf_z(out, "{\"min\":");
        options_write_text(out, o->tls_min ? o->tls_min : "");
        buf_z(out, ",\"max\":");
        options_write_text(out, o->tls_max ? o->tls_max : "");
        buf_byte(out, '}');
    }
    WRITE("tlsAuth", buf_z(out, o->tls_auth ? o->tls_auth : "null"));
}

static void write_http(const struct options *o, struct buf *out)
{
    WRITE("rps", options_write_int(out, o->rps));
    buf_z(out, ",\"dns\":{\"ttl\":");
    options_write_text(out, o->dns_ttl);
    buf_z(out, ",\"select\":");
    options_write_text(out, o->dns_select);
    buf_z(out, ",\"policy\":");
    options_write_text(out, o->dns_policy);
    buf_byte(out, '}');
    WRITE("maxRedirects", options_write_int(out, o->max_redirects));
    WRITE("userAgent", options_write_text(out, o->user_agent));
    WRITE("batch", options_write_int(out, o->batch));
    WRITE("batchPerHost", options_write_int(out, o->batch_per_host));
    WRITE("httpDebug", options_write_text(out, o->http_debug));
    write_tls(o, out);
    WRITE("throw", write_bool(out, o->throw_errors));
}

void options_write_json(const struct options *o, struct buf *out)
{
    buf_byte(out, '{');
    write_schedule(o, out);
    write_http(o, out);
    WRITE("thresholds", write_thresholds(out, &o->thresholds));
    WRITE("blacklistIPs", write_strs(out, &o->blacklist_ips));
    WRITE("blockHostnames", write_strs(out, &o->block_hostnames));
    WRITE("hosts", options_write_pairs(out, &o->hosts));
    WRITE("noConnectionReuse", write_bool(out, o->no_connection_reuse));
    WRITE("noVUConnectionReuse", write_bool(out, o->no_vu_connection_reuse));
    WRITE("minIterationDuration", options_write_dur(out, o->min_iteration_duration));
    if (o->cloud != NULL)
        WRITE("cloud", buf_z(out, o->cloud));
    WRITE("ext", buf_z(out, o->ext ? o->ext : "null"));
    WRITE("summaryTrendStats", write_strs(out, &o->summary_trend_stats));
    WRITE("summaryTimeUnit", options_write_text(out, o->summary_time_unit));
    WRITE("systemTags", write_system_tags(out, &o->system_tags));
    WRITE("tags", options_write_pairs(out, &o->tags));
    WRITE("metricSamplesBufferSize", options_write_int(out, o->metric_samples_buffer_size));
    WRITE("noCookiesReset", write_bool(out, o->no_cookies_reset));
    WRITE("discardResponseBodies", write_bool(out, o->discard_response_bodies));
    WRITE("features", buf_z(out, "null"));
    buf_byte(out, '}');
}
