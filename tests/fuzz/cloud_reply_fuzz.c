/* What a cloud may answer: settings, lists, a followed log; what a script may say of its stream.
 * The first byte chooses. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "output/cloud_config.h"
#include "output/cloud_filter.h"
#include "output/cloud_list.h"
#include "output/cloud_logs.h"
#include "output/cloud_tail.h"

#include <yyjson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_settings(struct str text)
{
    struct cloud_config c;
    if (cloud_config_init(&c) == 0 && cloud_config_apply_json(&c, text, "fuzz") == 0) {
        cloud_config_choose(&c);
        if (cloud_config_check(&c) == 0)
            CHECK(c.aggregation_period_ns >= 0 && c.push_concurrency <= 32);
    }
    cloud_config_fini(&c);
}

static void read_filter(struct str text)
{
    struct cloud_filter *f;
    if (cloud_filter_new(text, &f) < 0)
        return;
    CHECK(!cloud_filter_drops(f, STR("http_reqs")));
    CHECK(cloud_filter_keeps_tag(f, STR("http_req_duration"), STR("name")));
    (void)cloud_filter_keeps_tag(f, STR("m"), STR("t"));
    cloud_filter_free(f);
}

static void read_list(struct str text, enum cloud_list_of of)
{
    struct cloud_config c;
    struct buf out;
    buf_init(&out, 16u << 20);
    if (cloud_config_init(&c) == 0 && cloud_list_table(&c, of, text, &out) == 0)
        for (size_t i = 0; i < out.len; i++)
            CHECK(out.data[i] >= 0x20 || out.data[i] == '\n');
    buf_fini(&out);
    cloud_config_fini(&c);
}

static void read_logs(struct str text)
{
    struct cloud_logs_settings s;
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);
    cloud_logs_settings_init(&s);
    cloud_logs_settings_read(&s, yyjson_doc_get_root(doc));
    CHECK(s.limit > 0 && s.period_ns > 0 && s.message_max > 0);
    CHECK(s.labels_len <= CLOUD_LOG_LABELS_MAX);
    cloud_logs_settings_fini(&s);
    yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t last_ns = 0;
    if (size == 0)
        return 0;
    struct str text = str_new(data + 1, size - 1);
    switch (data[0] % 6) {
    case 0:
        read_settings(text);
        break;
    case 1:
        read_filter(text);
        break;
    case 2:
        read_list(text, CLOUD_LIST_TESTS);
        break;
    case 3:
        read_list(text, CLOUD_LIST_ZONES);
        break;
    case 4:
        read_logs(text);
        break;
    default:
        if (cloud_tail_message(text, &last_ns) == 0)
            CHECK(last_ns >= 0 && last_ns < INT64_MAX); /* one more is asked for */
    }
    err_clear();
    return 0;
}
