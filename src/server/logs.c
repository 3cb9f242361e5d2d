#include "server/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/gzip.h"
#include "server/body.h"
#include "server/rights.h"
#include "server/run_json.h"
#include "server/tail.h"
#include "server/window_arg.h"
#include "store/logs.h"
#include "store/selector.h"

/* What comes after a run's end is its last words, for so long. */
static const int64_t late_ns = 120 * NS_PER_S;

/* ---- taking lines ---- */

static struct str text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

static struct str level_of(struct str text)
{
    static const struct {
        const char *said;
        const char *level;
    } table[] = {
        {"trace", "trace"}, {"debug", "debug"},     {"info", "info"},   {"warn", "warning"},
        {"err", "error"},   {"warning", "warning"}, {"error", "error"}, {"fatal", "fatal"},
        {"panic", "panic"}, {"critical", "fatal"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_ieq(text, str_of(table[i].said)))
            return str_of(table[i].level);
    return STR("info");
}

/* Those that a line may have besides its level. */
static int put_labels(struct request *r, yyjson_val *stream, struct str *ret)
{
    static const char *const allowed[] = {"instance_id", "lz", "source"};
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, SERVER_REQUEST_BYTES);
    buf_byte(&out, '{');
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        struct str value = text_of(yyjson_obj_get(stream, allowed[i]));
        if (value.len > 0 && value.len <= METRICSET_NAME_MAX)
            json_str(&out, allowed[i], value);
    }
    buf_byte(&out, '}');
    int rc = buf_finish(&out);
    char *copy = rc == 0 ? arena_dup(&r->arena, buf_view(&out)) : NULL;
    if (!copy)
        return rc < 0 ? rc : -ENOMEM;
    *ret = str_new(copy, out.len);
    return 0;
}

/* Without the newline that some clients end it with, and cut between characters. */
static int take_line(struct request *r, struct str text, struct str *ret)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    if (text.len <= SERVER_LOG_LINE_MAX) {
        *ret = str_new(arena_dup(&r->arena, text), text.len);
        return ret->ptr ? 0 : -ENOMEM;
    }
    text.len = SERVER_LOG_LINE_MAX;
    while (text.len > 0 && ((uint8_t)text.ptr[text.len] & 0xc0) == 0x80)
        text.len--;
    const char *cut = arena_printf(&r->arena, "%.*s…", STR_ARG(text));
    *ret = str_of(cut);
    return cut ? 0 : -ENOMEM;
}

static int read_stream(struct request *r, yyjson_val *entry, struct str run, struct store_log *out,
                       size_t *len)
{
    yyjson_val *stream = yyjson_obj_get(entry, "stream");
    yyjson_val *values = yyjson_obj_get(entry, "values");
    struct str of_run = text_of(yyjson_obj_get(stream, "test_run_id"));
    struct str labels = STR_EMPTY;
    size_t i, n;
    yyjson_val *value;
    if (!yyjson_is_obj(stream) || !yyjson_is_arr(values))
        return err_set(E_CORRUPT, "a stream lacks its labels or values");
    if (of_run.len > 0 && !str_eq(of_run, run))
        return err_set(E_CORRUPT, "a stream is of another test run");
    int rc = put_labels(r, stream, &labels);
    if (rc < 0)
        return rc;
    yyjson_arr_foreach(values, i, n, value)
    {
        struct store_log *l = &out[*len];
        struct str time = text_of(yyjson_arr_get(value, 0));
        yyjson_val *line = yyjson_arr_get(value, 1);
        if (str_to_i64(time, &l->time_ns) < 0 || l->time_ns < 0 || !yyjson_is_str(line))
            return err_set(E_CORRUPT, "a value is not a time in nanoseconds and a line");
        l->level = level_of(text_of(yyjson_obj_get(stream, "level")));
        l->labels = labels;
        rc = take_line(r, text_of(line), &l->line);
        if (rc < 0)
            return rc;
        (*len)++;
    }
    return 0;
}

static int read_streams(struct request *r, struct str text, struct str run, struct store_log **ret,
                        size_t *ret_len)
{
    yyjson_read_err e;
    CLEANUP(body_docp) yyjson_doc *doc = NULL;
    size_t i, n, max = 0;
    yyjson_val *entry;
    /* The flags promise not to write into the text. */
    if (text.len > 0)
        doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, NULL, &e);
    yyjson_val *streams = yyjson_obj_get(yyjson_doc_get_root(doc), "streams");
    if (!yyjson_is_arr(streams))
        return err_set(E_CORRUPT, "the body is not a JSON object with streams");
    yyjson_arr_foreach(streams, i, n, entry)
    {
        max += yyjson_arr_size(yyjson_obj_get(entry, "values"));
    }
    struct store_log *list = arena_calloc(&r->arena, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    *ret_len = 0;
    yyjson_arr_foreach(streams, i, n, entry)
    {
        int rc = read_stream(r, entry, run, list, ret_len);
        if (rc < 0)
            return rc;
    }
    *ret = list;
    return 0;
}

/* The run that lines may be added to. */
static int check_run(struct request *r, int64_t *ret_id)
{
    struct store_run run;
    int rc = request_id(r, 0, ret_id);
    if (rc == 0)
        rc = store_get_run(r->server->store, *ret_id, &r->arena, &run);
    if (rc < 0 || !store_run_ended(run.code) || clock_wall_ns() - run.ended_ns < late_ns)
        return rc;
    return err_set(E_REFUSED, "test run %lld has ended and takes no more lines",
                   (long long)*ret_id);
}

int logs_push(struct request *r)
{
    int64_t id = 0;
    struct store_log *lines = NULL;
    size_t len = 0;
    size_t kept = 0;
    struct str coding = request_header(r, "Content-Encoding");
    bool packed = str_ieq(coding, STR("gzip"));
    if (!packed && coding.len > 0 && !str_ieq(coding, STR("identity")))
        return reply_error(r, 415, 2, "unsupported_media_type",
                           "Content-Encoding has to be gzip or none");
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, SERVER_JSON_BODY_MAX + 128 * 1024);
    int rc = check_run(r, &id);
    if (rc == 0 && packed)
        rc = gzip_unpack(r->body.data, r->body.len, SERVER_JSON_BODY_MAX, &text);
    if (rc == 0)
        rc = read_streams(r, buf_view(packed ? &text : &r->body), r->params[0], &lines, &len);
    if (rc == 0)
        rc = store_add_logs(r->server->store, id, lines, len, &kept);
    if (rc < 0)
        return rc;
    if (kept > 0)
        tails_publish(r->server->tails, id);
    return reply_empty(r, 204);
}

void logs_tell(struct server *s, int64_t run_id, const char *text)
{
    size_t kept = 0;
    struct store_log line = {
        .time_ns = clock_wall_ns(),
        .level = STR("warning"),
        .line = str_of(text),
        .labels = STR("{\"source\":\"server\"}"),
    };
    log_warning("test run %lld: %s", (long long)run_id, text);
    if (store_add_logs(s->store, run_id, &line, 1, &kept) < 0)
        log_warning("log of test run %lld: %s", (long long)run_id, err_message());
    else if (kept > 0)
        tails_publish(s->tails, run_id);
}

/* ---- searching ---- */

/* ",warning,error," of "warn,error". */
static int read_levels(struct request *r, struct str *ret)
{
    struct str rest = request_arg(r, "level");
    if (rest.len == 0)
        return 0;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, QUERY_TEXT_MAX);
    while (rest.len > 0) {
        struct str one = str_trim(str_cut(rest, ',', &rest));
        struct str level = level_of(one);
        if (str_eq(level, STR("info")) && !str_ieq(one, STR("info")))
            return err_set(E_CONFIG, "level: there is no level \"%.*s\"", STR_ARG(one));
        buf_byte(&out, ',');
        buf_str(&out, level);
    }
    buf_byte(&out, ',');
    int rc = buf_finish(&out);
    if (rc < 0)
        return err_set(E_CONFIG, "level: too long");
    *ret = str_new(arena_dup(&r->arena, buf_view(&out)), out.len);
    return ret->ptr ? 0 : -ENOMEM;
}

static void put_log(struct buf *out, const struct store_log *l)
{
    char time[40];
    clock_format_utc(l->time_ns, 9, time);
    buf_byte(out, '{');
    json_str(out, "time", str_of(time));
    json_str(out, "level", l->level);
    json_str(out, "message", l->line);
    json_key(out, "labels");
    buf_str(out, l->labels);
    buf_byte(out, '}');
}

int logs_list(struct request *r)
{
    static const struct list_order orders[] = {{"time", "t_ns"}, {NULL, NULL}};
    int64_t id = 0;
    int64_t total = 0;
    int64_t dropped = 0;
    struct store_run run;
    struct window window;
    struct store_log_filter f = {.text = request_arg(r, "text")};
    struct store_log *list = NULL;
    size_t len = 0;
    int rc = request_id(r, 0, &id);
    if (rc == 0)
        rc = store_get_run(r->server->store, id, &r->arena, &run);
    if (rc == 0)
        rc = window_arg(r, orders, &window);
    if (rc == 0)
        rc = read_levels(r, &f.levels);
    if (rc < 0)
        return rc;
    f.start_ns = window.start_ns;
    f.end_ns = window.end_ns;
    rc = store_list_logs(r->server->store, id, &f, &window.page, &r->arena, &list, &len, &total,
                         &dropped);
    if (rc < 0)
        return rc;
    struct buf *out = &r->reply.body;
    buf_z(out, "{\"value\":[");
    for (size_t i = 0; i < len; i++) {
        if (i > 0)
            buf_byte(out, ',');
        put_log(out, &list[i]);
    }
    buf_byte(out, ']');
    run_json_int(out, "@count", total);
    run_json_int(out, "dropped", dropped);
    buf_byte(out, '}');
    return reply_json(r, 200);
}

/* ---- following ---- */

/* The run is in the header, or in the query: {test_run_id="12"}.  1; 0: mustn't be seen. */
static int find_run(struct request *r, struct tail_question *q)
{
    struct str text = request_arg(r, "query");
    struct str named = request_header(r, "X-K6TestRun-Id");
    if (text.len > 0) {
        struct selector s;
        int rc = selector_parse(&r->arena, text, &s);
        if (rc < 0)
            return err_wrap(rc, "query");
        for (size_t i = 0; i < s.len; i++) {
            if (str_eq(s.matchers[i].label, STR("test_run_id")) && s.matchers[i].op == MATCHER_EQ)
                named = str_new(arena_dup(&r->arena, s.matchers[i].value), s.matchers[i].value.len);
        }
        selector_fini(&s);
        q->selector = text;
    }
    if (str_to_i64(named, &q->run_id) < 0 || q->run_id <= 0)
        return err_set(E_CONFIG, "query: {test_run_id=\"…\"} is needed");
    int64_t project_id = 0;
    int rc = store_project_of_run(r->server->store, q->run_id, &project_id);
    return rc < 0 ? rc : rights_need(r, project_id, ROLE_VIEWER);
}

int logs_tail(struct request *r)
{
    struct tail_question q = {.reader = auth_reader_of(&r->server->auth, &r->who)};
    struct str start = request_arg(r, "start");
    int rc = find_run(r, &q);
    if (rc <= 0)
        return rc;
    rc = 0;
    if (start.len > 0 && (str_to_i64(start, &q.start_ns) < 0 || q.start_ns < 0))
        rc = err_set(E_CONFIG, "start: a time in nanoseconds is needed");
    return rc < 0 ? rc : tails_open(r, &q);
}
