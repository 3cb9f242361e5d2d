#include "cmd/cloud_login.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

int cloud_login_read(const char *path, struct buf *ret_text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_set_errno(E_CONFIG, "config file %s", path);
    ssize_t n = 1;
    while (n > 0) {
        uint8_t *to = buf_reserve(ret_text, 4096);
        n = to == NULL ? -1 : read(fd, to, 4096);
        if (n > 0)
            buf_claim(ret_text, (size_t)n);
    }
    close(fd);
    if (n < 0)
        return err_set(E_CONFIG, "config file %s: can't be read or is larger than %zu bytes", path,
                       ret_text->max);
    return 0;
}

static yyjson_doc *parse(struct str text, const char *path)
{
    yyjson_read_err e;
    char *data = (char *)(uintptr_t)text.ptr; /* not changed without the in-situ flag */
    yyjson_doc *doc = yyjson_read_opts(data, text.len, 0, NULL, &e);
    if (doc == NULL)
        (void)err_exit(err_set(E_CONFIG, "config file %s: %s at byte %zu", path, e.msg, e.pos),
                       104);
    return doc;
}

int cloud_login_section(struct str text, const char *path, struct buf *ret_json)
{
    if (str_trim(text).len == 0) {
        buf_z(ret_json, "{}");
        return buf_finish(ret_json);
    }
    yyjson_doc *doc = parse(text, path);
    if (doc == NULL)
        return E_CONFIG;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *cloud = yyjson_obj_get(yyjson_obj_get(root, "collectors"), "cloud");
    char *json = yyjson_is_obj(cloud) ? yyjson_val_write(cloud, 0, NULL) : NULL;
    buf_z(ret_json, json != NULL ? json : "{}");
    mem_free(json);
    yyjson_doc_free(doc);
    return buf_finish(ret_json);
}

/* ---- writing ---- */

static yyjson_mut_val *object_in(yyjson_mut_doc *doc, yyjson_mut_val *parent, const char *key)
{
    yyjson_mut_val *v = yyjson_mut_obj_get(parent, key);
    if (yyjson_mut_is_obj(v))
        return v;
    (void)yyjson_mut_obj_remove_key(parent, key);
    v = yyjson_mut_obj(doc);
    (void)yyjson_mut_obj_add_val(doc, parent, key, v);
    return v;
}

static void put_key(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *value)
{
    (void)yyjson_mut_obj_remove_key(object, key);
    if (value != NULL)
        (void)yyjson_mut_obj_add_strcpy(doc, object, key, value);
}

static void put_id(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t value)
{
    (void)yyjson_mut_obj_remove_key(object, key);
    if (value != 0)
        (void)yyjson_mut_obj_add_sint(doc, object, key, value);
}

static int edit(struct str text, const char *path, const struct cloud_login *login, char **ret_json)
{
    yyjson_doc *old = str_trim(text).len > 0 ? parse(text, path) : NULL;
    if (old == NULL && str_trim(text).len > 0)
        return E_CONFIG;
    yyjson_mut_doc *doc = old != NULL ? yyjson_doc_mut_copy(old, NULL) : yyjson_mut_doc_new(NULL);
    yyjson_doc_free(old);
    if (doc == NULL)
        return err_set_errno(-ENOMEM, "config file");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    if (!yyjson_mut_is_obj(root)) {
        root = yyjson_mut_obj(doc);
        yyjson_mut_doc_set_root(doc, root);
    }
    yyjson_mut_val *cloud = object_in(doc, object_in(doc, root, "collectors"), "cloud");
    put_key(doc, cloud, "token", login->token);
    put_key(doc, cloud, "host", login->host);
    put_key(doc, cloud, "stackURL", login->stack_url);
    put_id(doc, cloud, "stackID", login->stack_id);
    put_id(doc, cloud, "defaultProjectID", login->default_project_id);
    *ret_json = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, NULL);
    yyjson_mut_doc_free(doc);
    return *ret_json == NULL ? err_set_errno(-ENOMEM, "config file") : 0;
}

static int make_folders(const char *path)
{
    char *copy = mem_strdup(path);
    if (copy == NULL)
        return err_set_errno(-ENOMEM, "config file");
    int rc = 0;
    for (char *p = copy + 1; rc == 0 && *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            rc = err_set_errno(-errno, "make folder %s", copy);
        *p = '/';
    }
    mem_free(copy);
    return rc;
}

static int write_file(const char *temporary, const char *path, struct str text)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(-errno, "write %s", temporary);
    bool ok = fchmod(fd, 0600) == 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len;
    int e = ok ? 0 : errno;
    if (close(fd) < 0 && ok)
        e = errno;
    if (e == 0 && rename(temporary, path) < 0)
        e = errno;
    if (e != 0)
        (void)unlink(temporary);
    return e != 0 ? err_set_errno(-e, "write %s", path) : 0;
}

int cloud_login_write(const char *path, const struct cloud_login *login)
{
    CLEANUP(buf_fini) struct buf text, temporary;
    buf_init(&text, CONFIG_FILE_MAX);
    buf_init(&temporary, 8192);
    int rc = cloud_login_read(path, &text);
    char *json = NULL;
    if (rc == 0)
        rc = edit(buf_view(&text), path, login, &json);
    if (rc == 0)
        rc = make_folders(path);
    buf_printf(&temporary, "%s.%ld.tmp", path, (long)getpid());
    if (rc == 0 && buf_cstr(&temporary) == NULL)
        rc = err_set_errno(-ENOMEM, "config file");
    if (rc == 0)
        rc = write_file(buf_cstr(&temporary), path, str_of(json));
    mem_free(json);
    return rc;
}

void cloud_login_mask(const char *token, struct buf *ret)
{
    enum { SHOWN = 4 };
    size_t len = strlen(token);
    if (len < (size_t)3 * SHOWN) {
        buf_fill(ret, '*', len);
        return;
    }
    buf_append(ret, token, SHOWN);
    buf_fill(ret, '*', len - (size_t)2 * SHOWN);
    buf_append(ret, token + len - SHOWN, SHOWN);
}
