#include "base/err.h"
#include "codec/metricset.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_head(void *arg, struct str id, uint32_t period_s)
{
    (void)arg;
    (void)id;
    return period_s > 100000 ? -1 : 0;
}

static int on_metric(void *arg, struct str name, enum metricset_type type)
{
    (void)arg;
    (void)type;
    CHECK(name.len > 0 && str_is_utf8(name));
    return 0;
}

static int on_series(void *arg, const struct metricset_label *labels, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++)
        CHECK(str_is_utf8(labels[i].name) && str_is_utf8(labels[i].value));
    return 0;
}

static int on_value(void *arg, const struct metricset_value *v)
{
    (void)arg;
    CHECK(v->time_ns >= 0);
    if (v->type != METRICSET_TREND)
        return 0;
    CLEANUP(hdr_fini) struct hdr h = {0};
    int rc = hdr_merge_wire(&h, &v->trend);
    if (rc == 0)
        (void)hdr_quantile(&h, 0.95);
    return rc;
}

static int on_request(void *arg, const struct metricset_request *request)
{
    (void)arg;
    CHECK(request->time_ns >= 0 && isfinite(request->duration));
    return 0;
}

static int on_estimated(void *arg)
{
    (void)arg;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metricset_visitor visitor = {on_head, on_metric,  on_series,   on_value,
                                        NULL,    on_request, on_estimated};
    int rc = metricset_read(data, size, &visitor);
    CHECK(rc <= 0);
    return 0;
}
