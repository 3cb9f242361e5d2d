#include "output/cloud_archive.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "codec/archive_path.h"
#include "codec/tar.h"

#include <stdbool.h>

static bool is_remote(const char *path)
{
    return str_starts(str_of(path), STR("https://"));
}

/* A file's URL as a JSON string. */
static void put_url(struct buf *b, const char *path)
{
    struct buf url, spelled;
    buf_init(&url, 4 * TAR_NAME_MAX);
    buf_init(&spelled, TAR_NAME_MAX);
    if (is_remote(path)) {
        buf_z(&url, path);
    } else {
        archive_path_write(&spelled, str_of(path));
        buf_z(&url, "file://");
        archive_path_escape(&url, buf_view(&spelled));
    }
    buf_json_str(b, buf_view(&url));
    int rc = buf_finish(&spelled) < 0 ? buf_finish(&spelled) : buf_finish(&url);
    if (rc < 0 && b->err == 0)
        b->err = rc;
    buf_fini(&url);
    buf_fini(&spelled);
}

/* The main file's path.  A script of standard input ("/-") goes into the folder that its names
 * start from: k6 looks beside the main file for them. */
static const char *main_path(const struct output_run_info *info, struct buf *b)
{
    const char *path = info->files[0].path;
    if (strcmp(path, "/-") != 0 || is_remote(info->pwd))
        return path;
    buf_printf(b, "%s/-", info->pwd);
    return buf_cstr(b) != NULL ? buf_cstr(b) : path;
}

static void write_metadata(const struct output_run_info *info, const char *path, struct buf *b)
{
    buf_z(b, "{\"type\":\"js\",\"options\":");
    buf_str(b, info->options_json);
    buf_z(b, ",\"filename\":");
    put_url(b, path);
    buf_z(b, ",\"pwd\":");
    put_url(b, info->pwd);
    buf_z(b, ",\"env\":{");
    for (size_t i = 0; i < info->env_len; i++) {
        buf_z(b, i ? "," : "");
        buf_json_str(b, info->env[i].key);
        buf_byte(b, ':');
        buf_json_str(b, info->env[i].value);
    }
    buf_z(b, "},\"compatibilityMode\":\"extended\",\"k6version\":\"2.2.0\",\"goos\":\"linux\"}");
}

/* "/home/x/a.js" → "file/home/nobody/a.js", "https://h/a.js" → "https/h/a.js"; valid until the next
 * call with the same buf. */
static struct str entry_path(struct buf *b, const char *path)
{
    buf_reset(b);
    if (is_remote(path)) {
        buf_z(b, "https/");
        archive_path_unescape(b, str_of(path + strlen("https://")));
    } else {
        buf_z(b, "file");
        archive_path_write(b, str_of(path));
    }
    return buf_view(b);
}

int cloud_archive_write(const struct output_run_info *info, struct buf *out)
{
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    CLEANUP(buf_fini) struct buf path, metadata, main_buf;
    buf_init(&main_buf, TAR_NAME_MAX);
    const char *main = main_path(info, &main_buf);
    buf_init(&path, TAR_NAME_MAX);
    buf_init(&metadata, 16u << 20);
    write_metadata(info, main, &metadata);
    if (buf_finish(&metadata) < 0)
        return err_set_errno(buf_finish(&metadata), "archive: metadata");

    tar_put_file(out, STR("metadata.json"), metadata.data, metadata.len, now_s);
    tar_put_file(out, STR("data"), info->files[0].data, info->files[0].len, now_s);
    tar_put_link(out, entry_path(&path, main), STR("data"), now_s);
    for (size_t i = 1; i < info->files_len; i++)
        tar_put_file(out, entry_path(&path, info->files[i].path), info->files[i].data,
                     info->files[i].len, now_s);
    tar_finish(out);
    if (buf_finish(&path) < 0)
        return err_set_errno(buf_finish(&path), "archive of %s: a path", info->name);
    if (buf_finish(out) < 0)
        return err_set_errno(buf_finish(out), "archive of %s", info->name);
    return 0;
}
