#include "server/archive.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"
#include "codec/tar.h"

static struct str text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

static int put_threshold(struct arena *a, struct str metric, struct str expression,
                         struct store_threshold *ret)
{
    ret->metric = str_new(arena_dup(a, metric), metric.len);
    ret->expression = str_new(arena_dup(a, expression), expression.len);
    return ret->metric.ptr && ret->expression.ptr ? 0 : -ENOMEM;
}

int archive_thresholds(struct arena *a, yyjson_val *all, struct store_new_run *run)
{
    size_t max = 0;
    size_t i, count, j, inner;
    yyjson_val *metric, *list, *one;
    yyjson_obj_foreach(all, i, count, metric, list) max += yyjson_arr_size(list);
    if (max > STORE_THRESHOLDS_MAX)
        return err_set(E_LIMIT, "%zu thresholds, at most %d are taken", max, STORE_THRESHOLDS_MAX);
    struct store_threshold *out = arena_calloc(a, max + 1, sizeof *out);
    size_t len = 0;
    if (!out)
        return -ENOMEM;
    yyjson_obj_foreach(all, i, count, metric, list)
    {
        yyjson_arr_foreach(list, j, inner, one)
        {
            struct str text = text_of(yyjson_is_obj(one) ? yyjson_obj_get(one, "threshold") : one);
            if (!text.ptr)
                continue;
            int rc = put_threshold(a, text_of(metric), text, &out[len]);
            if (rc < 0)
                return rc;
            len++;
        }
    }
    run->thresholds = out;
    run->thresholds_len = len;
    return 0;
}

static int read_metadata(struct arena *a, struct str text, struct store_new_run *run)
{
    /* The flags promise not to write into the text. */
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
    yyjson_val *options = yyjson_obj_get(yyjson_doc_get_root(doc), "options");
    int rc = 0;
    if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
        rc = err_set(E_CORRUPT, "metadata.json is not a JSON object");
    } else if (yyjson_is_obj(options)) {
        size_t len = 0;
        char *json = yyjson_val_write(options, YYJSON_WRITE_NOFLAG, &len);
        run->options = json ? str_new(arena_dup(a, str_new(json, len)), len) : STR_EMPTY;
        /* yyjson allocates by the C library itself. */
        free(json); /* allowed: memory of yyjson */
        rc = run->options.ptr ? archive_thresholds(a, yyjson_obj_get(options, "thresholds"), run)
                              : -ENOMEM;
    }
    yyjson_doc_free(doc);
    return rc;
}

/* The first file of that path; NULL ptr in *ret: none. */
static int find_file(struct str archive, const char *path, struct str *ret)
{
    struct tar_reader tar;
    struct tar_entry entry;
    int rc = 0;
    *ret = STR_EMPTY;
    tar_reader_init(&tar, archive.ptr, archive.len);
    while (!ret->ptr && (rc = tar_next(&tar, &entry)) > 0)
        if (entry.type == TAR_FILE && str_eqz(entry.path, path))
            *ret = entry.data.ptr ? entry.data : STR("");
    tar_reader_fini(&tar);
    return rc < 0 ? rc : 0;
}

/* Shorter ones may well be words of the script, and no server gives such tokens. */
enum { SECRET_LEN_MIN = 16 };

/* A text of the metadata, wherever it stands in it, by as many asterisks. */
static void blot_out(struct str metadata, yyjson_val *secret)
{
    struct str text = text_of(secret);
    struct str rest = metadata;
    char *at;
    if (text.len < SECRET_LEN_MIN)
        return;
    while ((at = memmem(rest.ptr, rest.len, text.ptr, text.len)) != NULL) {
        memset(at, '*', text.len);
        rest = str_new(at + text.len, (size_t)(rest.ptr + rest.len - at) - text.len);
    }
}

/* k6 puts the token that it uploads with among the options, for everyone who may read them. */
static void blot_out_token(struct str metadata)
{
    yyjson_doc *doc = yyjson_read(metadata.ptr, metadata.len, YYJSON_READ_NOFLAG);
    yyjson_val *options = yyjson_obj_get(yyjson_doc_get_root(doc), "options");
    yyjson_val *ext = yyjson_obj_get(options, "ext");
    blot_out(metadata, yyjson_obj_get(yyjson_obj_get(ext, "loadimpact"), "token"));
    blot_out(metadata, yyjson_obj_get(yyjson_obj_get(options, "cloud"), "token"));
    yyjson_doc_free(doc);
}

int archive_read(struct arena *a, struct store_new_run *run)
{
    struct str metadata;
    int rc = find_file(run->archive, "metadata.json", &metadata);
    if (rc == 0 && !metadata.ptr)
        rc = err_set(E_CORRUPT, "no metadata.json in it");
    if (rc == 0)
        blot_out_token(metadata);
    if (rc == 0)
        rc = read_metadata(a, metadata, run);
    return rc < 0 ? err_wrap(rc, "archive") : 0;
}

int archive_main_script(struct str archive, struct buf *out)
{
    struct str script;
    int rc = find_file(archive, "data", &script);
    if (rc < 0)
        return rc;
    if (!script.ptr)
        return err_set(E_NOT_FOUND, "the archive has no main script");
    buf_str(out, script);
    return 0;
}

bool archive_is_tar(struct str bytes)
{
    return bytes.len >= 512 && memcmp(bytes.ptr + 257, "ustar", 5) == 0;
}

int archive_of_script(struct str script, int64_t now_s, struct buf *out)
{
    static const char metadata[] =
        "{\"type\":\"js\",\"options\":{},\"filename\":\"file:///script.js\",\"pwd\":\"file:///\","
        "\"env\":{},\"compatibilityMode\":\"extended\",\"k6version\":\"\",\"goos\":\"\"}";
    tar_put_file(out, STR("metadata.json"), metadata, sizeof metadata - 1, now_s);
    tar_put_file(out, STR("data"), script.ptr, script.len, now_s);
    tar_put_link(out, STR("file/script.js"), STR("data"), now_s);
    tar_finish(out);
    return buf_finish(out);
}
