#include "output/cloud_filter.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <yyjson.h>

/* The lists stay where they were read: in the document. */
struct cloud_filter {
    yyjson_doc *doc;
    yyjson_val *drop_metrics; /* array or NULL */
    yyjson_val *drop_tags;    /* object of arrays or NULL; "*": of all metrics */
    yyjson_val *keep_tags;    /* likewise */
};

static int bad(const char *key, const char *wanted)
{
    return err_exit(err_set(E_CONFIG, "options.cloud.%s has to be %s", key, wanted), 104);
}

static bool is_list(yyjson_val *v)
{
    size_t i, max;
    yyjson_val *item;
    if (!yyjson_is_arr(v))
        return false;
    yyjson_arr_foreach(v, i, max, item) if (!yyjson_is_str(item)) return false;
    return true;
}

static int check_lists(yyjson_val *v, const char *name)
{
    size_t i, max;
    yyjson_val *key, *list;
    if (v == NULL)
        return 0;
    if (!yyjson_is_obj(v))
        return bad(name, "an object of lists of tags");
    yyjson_obj_foreach(v, i, max, key, list)
    {
        if (!is_list(list))
            return bad(name, "an object of lists of tags");
    }
    return 0;
}

static yyjson_val *given(yyjson_val *cloud, const char *key)
{
    yyjson_val *v = yyjson_obj_get(cloud, key);
    return yyjson_is_null(v) ? NULL : v;
}

static bool has(yyjson_val *list, struct str text)
{
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, max, item)
    {
        if (yyjson_equals_strn(item, text.ptr, text.len))
            return true;
    }
    return false;
}

static bool is_needed(struct str metric)
{
    return str_eqz(metric, "http_reqs") || str_eqz(metric, "http_req_duration");
}

static int check(struct cloud_filter *f)
{
    if (f->drop_metrics != NULL && !is_list(f->drop_metrics))
        return bad("drop_metrics", "a list of metrics");
    int rc = check_lists(f->drop_tags, "drop_tags");
    if (rc == 0)
        rc = check_lists(f->keep_tags, "keep_tags");
    if (rc == 0 &&
        (has(f->drop_metrics, STR("http_reqs")) || has(f->drop_metrics, STR("http_req_duration"))))
        log_warning("options.cloud.drop_metrics: http_reqs and http_req_duration are sent anyway");
    return rc;
}

int cloud_filter_new(struct str options_json, struct cloud_filter **ret)
{
    *ret = NULL;
    struct cloud_filter *f = mem_calloc(1, sizeof *f);
    if (f == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    f->doc = yyjson_read(options_json.ptr, options_json.len, 0);
    yyjson_val *root = yyjson_doc_get_root(f->doc);
    yyjson_val *cloud = yyjson_obj_get(root, "cloud");
    if (!yyjson_is_obj(cloud))
        cloud = yyjson_obj_get(yyjson_obj_get(root, "ext"), "loadimpact");
    f->drop_metrics = given(cloud, "drop_metrics");
    f->drop_tags = given(cloud, "drop_tags");
    f->keep_tags = given(cloud, "keep_tags");
    int rc = check(f);
    bool any = f->drop_metrics != NULL || f->drop_tags != NULL || f->keep_tags != NULL;
    if (rc < 0 || !any)
        cloud_filter_free(f);
    else
        *ret = f;
    return rc;
}

void cloud_filter_free(struct cloud_filter *f)
{
    if (f == NULL)
        return;
    yyjson_doc_free(f->doc);
    mem_free(f);
}

bool cloud_filter_drops(const struct cloud_filter *f, struct str metric)
{
    return f != NULL && has(f->drop_metrics, metric) && !is_needed(metric);
}

bool cloud_filter_keeps_tag(const struct cloud_filter *f, struct str metric, struct str tag)
{
    if (f == NULL)
        return true;
    if (str_eqz(metric, "http_req_duration") && (str_eqz(tag, "name") || str_eqz(tag, "method")))
        return true;
    yyjson_val *kept = yyjson_obj_getn(f->keep_tags, metric.ptr, metric.len);
    if (kept == NULL)
        kept = yyjson_obj_get(f->keep_tags, "*");
    if (kept != NULL)
        return has(kept, tag);
    return !has(yyjson_obj_getn(f->drop_tags, metric.ptr, metric.len), tag) &&
           !has(yyjson_obj_get(f->drop_tags, "*"), tag);
}
