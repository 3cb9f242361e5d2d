/* Lists of what the cloud has, as tables or JSON.  k6-surface 1.1. */

#include "output/cloud_list.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cloud_cmd.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/config_path.h"
#include "cmd/json_pretty.h"
#include "cmd/screen.h"
#include "rt/co.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct flag flags_cloud_list[] = {
    {.name = "json", .kind = FLAG_BOOL, .help = "as JSON"},
};
const size_t flags_cloud_list_len = ARRAY_LEN(flags_cloud_list);

const struct flag flags_cloud_test_list[] = {
    {.name = "project-id",
     .kind = FLAG_INT,
     .value_name = "n",
     .help = "whose tests (of K6_CLOUD_PROJECT_ID, else of the default project)"},
};
const size_t flags_cloud_test_list_len = ARRAY_LEN(flags_cloud_test_list);

struct list {
    struct arena arena;
    struct flag_values flags;
    struct cloud_config config;
    enum cloud_list_of of;
    struct buf json; /* what came */
    int rc;
    struct err err;
};

static void fetch(void *arg)
{
    struct list *l = arg;
    struct cloud_api *api = NULL;
    l->rc = cloud_api_new(&l->config, &api);
    if (l->rc == 0)
        l->rc = cloud_list_fetch(api, &l->config, l->of, &l->json);
    cloud_api_free(api);
    l->err = *err_get();
}

static int fetch_on_loop(struct list *l)
{
    struct loop *loop;
    struct co *co;
    int rc = loop_new(&loop);
    if (rc < 0)
        return err_set_errno(rc, "cloud");
    rc = co_spawn(loop, fetch, l, &co);
    if (rc == 0) {
        loop_run(loop);
        rc = l->rc;
        *err_get() = l->err;
    } else {
        rc = err_set_errno(rc, "cloud");
    }
    loop_free(loop);
    return rc;
}

/* The project of --project-id goes over all settings. */
static int choose_project(struct list *l)
{
    int64_t id;
    const char *text = flag_values_get(&l->flags, "project-id");
    if (text == NULL)
        return 0;
    if (str_to_i64(str_of(text), &id) < 0 || id <= 0)
        return err_exit(
            err_set(E_CONFIG, "--project-id must be a project's number, not '%s'", text), 255);
    l->config.project_id = id;
    return 0;
}

static int configure(struct list *l)
{
    CLEANUP(buf_fini) struct buf path;
    buf_init(&path, 8192);
    config_path_choose(flag_values_get(&l->flags, "config"), &path);
    if (buf_cstr(&path) == NULL)
        return err_set_errno(buf_finish(&path), "config file");
    int rc = cloud_cmd_settings(buf_cstr(&path), &l->config);
    if (rc == 0)
        rc = cloud_cmd_conclude(&l->config, CLOUD_API_ANY);
    return rc == 0 ? choose_project(l) : rc;
}

static int print(const struct list *l)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, CLOUD_LIST_BYTES);
    if (flag_values_bool(&l->flags, "json")) {
        json_pretty(&out, buf_view(&l->json));
        buf_byte(&out, '\n');
    } else {
        int rc = cloud_list_table(&l->config, l->of, buf_view(&l->json), &out);
        if (rc < 0)
            return rc;
    }
    if (buf_finish(&out) < 0)
        return err_set_errno(buf_finish(&out), "list");
    screen_write(stdout, out.data, out.len);
    return 0;
}

static int list_with(struct list *l, const char *path, int argc, char **argv)
{
    int rc = command_parse(path, &l->flags, &l->arena, argc, argv);
    if (rc != 0)
        return MIN(rc, 0);
    if (l->flags.args_len != 1 || strcmp(l->flags.args[0], "list") != 0)
        return err_exit(err_set(E_CONFIG, "say what to do: `%s %s list`", program_name(), path),
                        255);
    rc = configure(l);
    if (rc == 0)
        rc = fetch_on_loop(l);
    return rc == 0 ? print(l) : rc;
}

int cloud_list(int argc, char **argv)
{
    static const struct {
        const char *name, *path;
        enum cloud_list_of of;
    } lists[] = {{"project", "cloud project", CLOUD_LIST_PROJECTS},
                 {"test", "cloud test", CLOUD_LIST_TESTS},
                 {"load-zone", "cloud load-zone", CLOUD_LIST_ZONES}};
    struct list *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return err_set_errno(-ENOMEM, "cloud");
    arena_init(&l->arena, 1 << 20);
    buf_init(&l->json, CLOUD_LIST_BYTES);
    size_t at = 0;
    while (strcmp(lists[at].name, argv[0]) != 0 && at + 1 < ARRAY_LEN(lists))
        at++;
    l->of = lists[at].of;
    int rc = list_with(l, lists[at].path, argc, argv);
    if (rc < 0 && err_get()->exit_code == 0)
        (void)err_exit(rc, 255);
    cloud_config_fini(&l->config);
    arena_fini(&l->arena);
    buf_fini(&l->json);
    mem_free(l);
    return rc;
}
