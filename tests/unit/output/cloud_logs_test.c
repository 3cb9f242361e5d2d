#include "output/cloud_logs.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

static const struct log_field console[] = {{"source", "console"}};

/* A queue that nobody sends. */
static struct cloud_logs *begin(struct cloud_logs_settings *s, size_t labels, uint32_t limit)
{
    struct cloud_logs *l;
    cloud_logs_settings_init(s);
    s->limit = limit;
    memcpy(s->labels[0], "level", sizeof "level");
    memcpy(s->labels[1], "source", sizeof "source");
    s->labels_len = labels;
    assert_int_equal(cloud_logs_new(&l), 0);
    return l;
}

static yyjson_doc *written(struct cloud_logs *l)
{
    struct buf out;
    buf_init(&out, 16u << 20);
    bool any = cloud_logs_write(l, &out);
    assert_int_equal(buf_finish(&out), 0);
    yyjson_doc *doc = any ? yyjson_read((const char *)out.data, out.len, 0) : NULL;
    assert_true(!any || doc != NULL);
    buf_fini(&out);
    return doc;
}

static yyjson_val *stream_at(yyjson_doc *doc, size_t i)
{
    return yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(doc), "streams"), i);
}

static const char *label(yyjson_doc *doc, size_t i, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(yyjson_obj_get(stream_at(doc, i), "stream"), name));
}

static const char *line_at(yyjson_doc *doc, size_t stream, size_t i)
{
    yyjson_val *values = yyjson_obj_get(stream_at(doc, stream), "values");
    return yyjson_get_str(yyjson_arr_get(yyjson_arr_get(values, i), 1));
}

static size_t lines(yyjson_doc *doc)
{
    size_t n = 0;
    for (size_t i = 0; stream_at(doc, i) != NULL; i++)
        n += yyjson_arr_size(yyjson_obj_get(stream_at(doc, i), "values"));
    return n;
}

static void test_streams_by_labels(void **state)
{
    (void)state;
    struct cloud_logs_settings s;
    struct cloud_logs *l = begin(&s, 2, 900);
    log_info("before");
    assert_int_equal(cloud_logs_start(l, NULL, &s, "secret-token", "12"), 0);
    log_fields(LOG_INFO, "a \"word\"", console, 1);
    log_warning("careful");
    log_debug("not wanted");
    log_fields(LOG_INFO, "again", console, 1);
    yyjson_doc *doc = written(l);
    assert_int_equal(lines(doc), 4);
    assert_string_equal(label(doc, 0, "level"), "info");
    assert_string_equal(label(doc, 0, "test_run_id"), "12");
    assert_string_equal(line_at(doc, 0, 0), "before");
    assert_string_equal(label(doc, 1, "source"), "console");
    assert_string_equal(line_at(doc, 1, 0), "a \"word\"");
    assert_string_equal(line_at(doc, 1, 1), "again");
    assert_string_equal(label(doc, 2, "level"), "warning");
    yyjson_doc_free(doc);
    assert_null(written(l));
    cloud_logs_free(l);
    cloud_logs_settings_fini(&s);
}

static void test_fields_that_are_no_labels(void **state)
{
    (void)state;
    struct cloud_logs_settings s;
    struct cloud_logs *l = begin(&s, 1, 900);
    assert_int_equal(cloud_logs_start(l, NULL, &s, "secret-token", "12"), 0);
    log_fields(LOG_INFO, "hello", console, 1);
    yyjson_doc *doc = written(l);
    assert_string_equal(line_at(doc, 0, 0), "hello source=console");
    assert_null(label(doc, 0, "source"));
    yyjson_doc_free(doc);
    cloud_logs_free(l);
    cloud_logs_settings_fini(&s);
}

static void test_secrets_and_length(void **state)
{
    (void)state;
    struct cloud_logs_settings s;
    struct cloud_logs *l = begin(&s, 1, 900);
    cloud_logs_hide(l, "users-token");
    cloud_logs_hide(l, "a"); /* too short to be told from words */
    s.message_max = 30;
    assert_int_equal(cloud_logs_start(l, NULL, &s, "runs-token", "12"), 0);
    log_info("x runs-token y users-token");
    log_info("12345678901234567890123456789\xc3\xa4"); /* the last character doesn't fit whole */
    s.message_max = 30;
    yyjson_doc *doc = written(l);
    assert_string_equal(line_at(doc, 0, 0), "x ***SECRET_REDACTED*** y ***S");
    assert_string_equal(line_at(doc, 0, 1), "12345678901234567890123456789");
    yyjson_doc_free(doc);
    cloud_logs_free(l);
    cloud_logs_settings_fini(&s);
}

/* A period's limit, the queue's limit, and the word about what was dropped. */
static void test_limits(void **state)
{
    (void)state;
    struct cloud_logs_settings s;
    struct cloud_logs *l = begin(&s, 1, 100);
    assert_int_equal(cloud_logs_start(l, NULL, &s, "runs-token", "12"), 0);
    for (int i = 0; i < 1500; i++)
        log_info("line %d", i);
    yyjson_doc *doc = written(l);
    assert_int_equal(lines(doc), 101);
    assert_string_equal(line_at(doc, 1, 0),
                        "500 log lines were dropped: more than the cloud's log takes");
    yyjson_doc_free(doc);
    size_t rest = 0;
    while ((doc = written(l)) != NULL) {
        rest += lines(doc);
        yyjson_doc_free(doc);
    }
    assert_int_equal(rest, 900);
    cloud_logs_free(l);
    cloud_logs_settings_fini(&s);
}

static void test_settings(void **state)
{
    (void)state;
    struct cloud_logs_settings s;
    cloud_logs_settings_init(&s);
    const char *text = "{\"push_url\":\"http://x/\",\"limit\":-5,\"push_period_seconds\":\"2\","
                       "\"level\":\"loud\",\"message_max_size\":77,\"allowed_labels\":[\"lz\",3]}";
    yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
    cloud_logs_settings_read(&s, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    assert_string_equal(s.push_url, "http://x/");
    assert_int_equal(s.limit, 900);
    assert_int_equal(s.period_ns, 2 * NS_PER_S);
    assert_int_equal(s.level, LOG_INFO);
    assert_int_equal(s.message_max, 77);
    assert_int_equal(s.labels_len, 1);
    cloud_logs_settings_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_by_labels),  cmocka_unit_test(test_fields_that_are_no_labels),
        cmocka_unit_test(test_secrets_and_length), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
