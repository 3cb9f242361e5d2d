/* stats, status, pause, resume, scale: what a run that goes is asked through its REST API, and
 * shown as YAML; with k6's own as well. */

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "client/http.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/rest_json.h"
#include "cmd/screen.h"
#include "cmd/yaml.h"
#include "net/dial.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

static const char default_address[] = "localhost:6565";
static const int64_t timeout_ns = 60 * NS_PER_S; /* a change may wait for iterations to end */

const struct flag flags_scale[] = {
    {.name = "vus",
     .letter = 'u',
     .kind = FLAG_INT,
     .value_name = "n",
     .help = "virtual users that work"},
    {.name = "max",
     .letter = 'm',
     .kind = FLAG_INT,
     .value_name = "n",
     .help = "virtual users that are ready"},
};
const size_t flags_scale_len = ARRAY_LEN(flags_scale);

struct ask {
    struct arena arena;
    struct flag_values flags;
    const char *address, *path;
    struct str method;
    struct buf body;  /* what is sent */
    struct buf reply; /* what came */
    int rc;
    struct err err; /* of the loop's coroutine */
};

/* ---- asking ---------------------------------------------------------------------------------- */

/* {"errors":[{"title","detail"}]}: "title: detail". */
static int refusal(struct ask *a, int status)
{
    yyjson_doc *doc = yyjson_read((const char *)a->reply.data, a->reply.len, 0);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "errors");
    yyjson_val *first = yyjson_arr_get_first(list);
    const char *title = yyjson_get_str(yyjson_obj_get(first, "title"));
    const char *detail = yyjson_get_str(yyjson_obj_get(first, "detail"));
    int rc = E_REFUSED;
    if (title != NULL && detail != NULL)
        (void)err_set(rc, "%s: %s", title, detail);
    else
        (void)err_set(rc, "the REST API at %s answered with status %d", a->address, status);
    yyjson_doc_free(doc);
    return rc;
}

static int exchange(struct ask *a, struct http_client *client)
{
    CLEANUP(url_fini) struct url url = {0};
    char *text = arena_printf(&a->arena, "http://%s%s", a->address, a->path);
    if (text == NULL)
        return -ENOMEM;
    int rc = url_parse(str_of(text), &url);
    if (rc < 0)
        return err_wrap(rc, "address %s", a->address);
    struct http_request q = {.method = a->method,
                             .url = &url,
                             .body = buf_view(&a->body),
                             .timeout_ns = timeout_ns,
                             .body_max = LOAD_JSON_BYTES};
    struct http_response r = {0};
    rc = http_do(client, &q, &r);
    if (rc == 0) {
        buf_str(&a->reply, r.body);
        rc = buf_finish(&a->reply);
    }
    if (rc == 0 && r.status >= 400)
        rc = refusal(a, r.status);
    http_response_fini(&r);
    return rc;
}

static int exchange_alone(struct ask *a)
{
    struct dial_rules rules;
    struct dns_cache *dns = NULL;
    struct dialer *dialer = NULL;
    struct http_client *client = NULL;
    dial_rules_init(&rules);
    int rc = dns_cache_new(&dns);
    if (rc == 0)
        rc = dialer_new(&rules, dns, &dialer);
    if (rc == 0)
        rc = http_client_new(&(struct http_client_options){.dialer = dialer}, &client);
    if (rc == 0)
        rc = exchange(a, client);
    http_client_free(client);
    dialer_free(dialer);
    dns_cache_free(dns);
    dial_rules_fini(&rules);
    return rc;
}

static void ask_main(void *arg)
{
    struct ask *a = arg;
    a->rc = exchange_alone(a);
    if (a->rc < 0 && err_get()->code != a->rc)
        (void)err_set(a->rc, "%s", err_code_text(a->rc));
    a->err = *err_get();
}

static int ask(struct ask *a, const char *method, const char *path)
{
    struct loop *loop;
    struct co *co;
    a->method = str_of(method);
    a->path = path;
    int rc = loop_new(&loop);
    if (rc < 0)
        return rc;
    rc = co_spawn(loop, ask_main, a, &co);
    if (rc == 0) {
        loop_run(loop);
        rc = a->rc;
        *err_get() = a->err;
    }
    loop_free(loop);
    return rc;
}

/* ---- showing --------------------------------------------------------------------------------- */

/* k6's optional values are texts in its YAML: "2", "true", "" for none. */
static void write_optional(struct buf *out, const char *key, yyjson_val *v)
{
    buf_printf(out, "%s: \"", key);
    if (yyjson_is_bool(v))
        buf_z(out, yyjson_get_bool(v) ? "true" : "false");
    else if (yyjson_is_int(v))
        buf_printf(out, "%lld", (long long)yyjson_get_sint(v));
    buf_z(out, "\"\n");
}

static void write_truth(struct buf *out, const char *key, yyjson_val *v)
{
    buf_printf(out, "%s: %s\n", key, yyjson_get_bool(v) ? "true" : "false");
}

static void write_status(struct buf *out, yyjson_val *data)
{
    yyjson_val *a = yyjson_obj_get(data, "attributes");
    buf_printf(out, "status: %lld\n", (long long)yyjson_get_sint(yyjson_obj_get(a, "status")));
    write_optional(out, "paused", yyjson_obj_get(a, "paused"));
    write_optional(out, "vus", yyjson_obj_get(a, "vus"));
    write_optional(out, "vus-max", yyjson_obj_get(a, "vus-max"));
    write_truth(out, "stopped", yyjson_obj_get(a, "stopped"));
    write_truth(out, "running", yyjson_obj_get(a, "running"));
    write_truth(out, "tainted", yyjson_obj_get(a, "tainted"));
}

static void write_kind(struct buf *out, const char *key, yyjson_val *v)
{
    buf_printf(out, "  %s:\n    type: ", key);
    yaml_text(out, str_of(yyjson_is_str(v) ? yyjson_get_str(v) : ""));
    buf_printf(out, "\n    valid: %s\n", yyjson_is_str(v) ? "true" : "false");
}

static void write_metric(struct buf *out, yyjson_val *metric)
{
    yyjson_val *a = yyjson_obj_get(metric, "attributes");
    const char *name = yyjson_get_str(yyjson_obj_get(metric, "id"));
    buf_z(out, "- name: ");
    yaml_text(out, str_of(name != NULL ? name : ""));
    buf_byte(out, '\n');
    write_kind(out, "type", yyjson_obj_get(a, "type"));
    write_kind(out, "contains", yyjson_obj_get(a, "contains"));
    buf_z(out, "  ");
    write_optional(out, "tainted", yyjson_obj_get(a, "tainted"));
    yyjson_val *sample = yyjson_obj_get(a, "sample");
    buf_z(out, yyjson_obj_size(sample) > 0 ? "  sample:\n" : "  sample: {}\n");
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(sample, i, n, key, value)
    {
        buf_z(out, "    ");
        yaml_text(out, str_of(yyjson_get_str(key)));
        buf_z(out, ": ");
        yaml_number(out, yyjson_get_num(value));
        buf_byte(out, '\n');
    }
}

static void write_metrics(struct buf *out, yyjson_val *data)
{
    size_t i, n;
    yyjson_val *metric;
    if (yyjson_arr_size(data) == 0)
        buf_z(out, "[]\n");
    yyjson_arr_foreach(data, i, n, metric) write_metric(out, metric);
}

static int show(const struct ask *a, void (*write)(struct buf *out, yyjson_val *data))
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, LOAD_JSON_BYTES);
    yyjson_doc *doc = yyjson_read((const char *)a->reply.data, a->reply.len, 0);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
    if (data == NULL) {
        yyjson_doc_free(doc);
        return err_set(E_PROTOCOL, "%s: that is no answer of a REST API", a->address);
    }
    write(&out, data);
    yyjson_doc_free(doc);
    int rc = buf_finish(&out);
    if (rc == 0)
        screen_write(stdout, out.data, out.len);
    return rc;
}

/* ---- the commands ---------------------------------------------------------------------------- */

static void set_address(struct ask *a)
{
    const char *env = getenv("K6_ADDRESS");
    a->address = flag_values_get(&a->flags, "address");
    if (a->address == NULL || a->address[0] == '\0')
        a->address = env != NULL && env[0] != '\0' ? env : default_address;
    if (a->address[0] == ':') /* as a run takes it */
        a->address = arena_printf(&a->arena, "127.0.0.1%s", a->address);
}

static int begin(struct ask *a, int argc, char **argv)
{
    *a = (struct ask){0};
    arena_init(&a->arena, LOAD_OPTIONS_BYTES);
    buf_init(&a->body, LOAD_JSON_BYTES);
    buf_init(&a->reply, LOAD_JSON_BYTES);
    int rc = command_parse(argv[0], &a->flags, &a->arena, argc, argv);
    if (rc == 0)
        rc = command_check_args(&a->flags, 0, 0);
    if (rc != 0)
        return rc;
    set_address(a);
    return a->address != NULL ? 0 : err_set_errno(-ENOMEM, "address");
}

static void end(struct ask *a)
{
    a->err = *err_get(); /* freeing may use the slot */
    buf_fini(&a->body);
    buf_fini(&a->reply);
    arena_fini(&a->arena);
    *err_get() = a->err;
}

static int patch(struct ask *a, const struct rest_patch *p)
{
    rest_json_write_patch(&a->body, p);
    int rc = ask(a, "PATCH", "/v1/status");
    return rc == 0 ? show(a, write_status) : rc;
}

static int get_status(struct ask *a)
{
    int rc = ask(a, "GET", "/v1/status");
    return rc == 0 ? show(a, write_status) : rc;
}

static int get_stats(struct ask *a)
{
    int rc = ask(a, "GET", "/v1/metrics");
    return rc == 0 ? show(a, write_metrics) : rc;
}

static int pause_run(struct ask *a)
{
    return patch(a, &(struct rest_patch){.has_paused = true, .paused = true});
}

static int resume_run(struct ask *a)
{
    return patch(a, &(struct rest_patch){.has_paused = true});
}

static int scale_run(struct ask *a)
{
    const char *vus = flag_values_get(&a->flags, "vus");
    const char *most = flag_values_get(&a->flags, "max");
    struct rest_patch p = {.has_vus = vus != NULL, .has_vus_max = most != NULL};
    if (vus == NULL && most == NULL)
        return err_set(E_CONFIG, "Specify either -u/--vus or -m/--max");
    int rc = vus != NULL ? str_to_i64(str_of(vus), &p.vus) : 0;
    if (rc == 0 && most != NULL)
        rc = str_to_i64(str_of(most), &p.vus_max);
    return rc < 0 ? rc : patch(a, &p);
}

static int command(int argc, char **argv, int (*fn)(struct ask *a))
{
    struct ask a;
    int rc = begin(&a, argc, argv);
    if (rc == 0)
        rc = fn(&a);
    end(&a);
    return rc < 0 ? rc : 0;
}

int cmd_stats(int argc, char **argv)
{
    return command(argc, argv, get_stats);
}

int cmd_status(int argc, char **argv)
{
    return command(argc, argv, get_status);
}

int cmd_pause(int argc, char **argv)
{
    return command(argc, argv, pause_run);
}

int cmd_resume(int argc, char **argv)
{
    return command(argc, argv, resume_run);
}

int cmd_scale(int argc, char **argv)
{
    return command(argc, argv, scale_run);
}
