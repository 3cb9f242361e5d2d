#include "store/reading.h"

#include <errno.h>
#include <yyjson.h>

#include "base/err.h"
#include "store/run_file.h"

int reading_open(struct store *s, int64_t run_id, struct reading *ret)
{
    *ret = (struct reading){.store = s};
    struct run_file *f = NULL;
    int rc = run_file_take(s, run_id, false, &f);
    if (rc < 0)
        return rc == E_NOT_FOUND ? 0 : rc;
    pthread_mutex_lock(&f->read_lock);
    ret->file = f;
    rc = run_file_open_reader(s, f);
    return rc < 0 ? rc : db_exec(f->r, "BEGIN");
}

void reading_close(struct reading *r)
{
    if (!r->file)
        return;
    if (r->file->r)
        (void)sqlite3_exec(r->file->r, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&r->file->read_lock);
    run_file_give(r->store, r->file);
    r->file = NULL;
}

int reading_labels(struct arena *a, struct str json, struct metricset_label **ret, size_t *ret_len)
{
    yyjson_doc *doc = yyjson_read(json.ptr, json.len, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t count = yyjson_obj_size(root);
    struct metricset_label *labels = doc ? arena_calloc(a, count + 1, sizeof *labels) : NULL;
    int rc = labels ? 0 : doc ? -ENOMEM : err_set(E_DAMAGED, "stored labels are not JSON");
    size_t i, n;
    yyjson_val *key, *value;
    if (rc == 0) {
        yyjson_obj_foreach(root, i, n, key, value)
        {
            struct str name = str_new(yyjson_get_str(key), yyjson_get_len(key));
            struct str text = str_new(yyjson_get_str(value), yyjson_get_len(value));
            labels[i].name = str_new(arena_dup(a, name), name.len);
            labels[i].value = str_new(arena_dup(a, text), text.len);
            if (!labels[i].name.ptr || !labels[i].value.ptr)
                rc = -ENOMEM;
        }
    }
    yyjson_doc_free(doc);
    *ret = labels;
    *ret_len = count;
    return rc;
}
