#include "base/err.h"
#include "codec/gzip.h"
#include "codec/v1samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_head(void *arg, struct str id, uint32_t period_s)
{
    (void)arg;
    (void)id;
    CHECK(period_s == 3);
    return 0;
}

static int on_metric(void *arg, struct str name, enum metricset_type type)
{
    (void)arg;
    (void)name;
    (void)type;
    return 0;
}

static int on_series(void *arg, const struct metricset_label *labels, size_t len)
{
    (void)arg;
    for (size_t i = 1; i < len; i++)
        CHECK(str_cmp(labels[i - 1].name, labels[i].name) <= 0);
    return 0;
}

/* What the store would refuse must not be made. */
static int on_value(void *arg, const struct metricset_value *v)
{
    (void)arg;
    if (v->type == METRICSET_RATE)
        CHECK(v->rate.nonzero <= v->rate.total);
    if (v->type != METRICSET_TREND)
        return 0;
    CLEANUP(hdr_fini) struct hdr h = {0};
    CHECK(hdr_merge_wire(&h, &v->trend) == 0);
    CHECK(h.count > 0 && h.min <= h.max);
    return 0;
}

/* Whatever can be merged is a MetricSet that can be read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_fini) struct buf text;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&text, 1 << 21);
    buf_init(&out, 1 << 26);
    bool packed = size > 1 && data[0] == 0x1f && gzip_unpack(data, size, 1 << 20, &text) == 0;
    int rc = v1samples_merge(packed ? text.data : data, packed ? text.len : size, 3, &out);
    CHECK(rc <= 0);
    if (rc < 0)
        return 0;
    struct metricset_visitor visitor = {on_head, on_metric, on_series, on_value, NULL, NULL, NULL};
    rc = metricset_read(out.data, out.len, &visitor);
    CHECK(rc == 0 || rc == E_CORRUPT || rc == E_LIMIT);
    return 0;
}
