/*
 * cmd_cloud - `cloud run`, `cloud upload`; `cloud login` is in cmd_login.c.
 * k6-surface 1.1.
 */
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cloud_cmd.h"
#include "cmd/cloud_login.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/run_cmd.h"
#include "output/cloud.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cloud_cmd_env(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

int cloud_cmd_settings(const char *config_path, struct cloud_config *ret)
{
    CLEANUP(buf_fini) struct buf text, section;
    buf_init(&text, CONFIG_FILE_MAX);
    buf_init(&section, CONFIG_FILE_MAX);
    int rc = cloud_config_init(ret);
    if (rc == 0)
        rc = cloud_login_read(config_path, &text);
    if (rc == 0)
        rc = cloud_login_section(buf_view(&text), config_path, &section);
    if (rc == 0)
        rc = cloud_config_apply_json(ret, buf_view(&section), config_path);
    return rc;
}

int cloud_cmd_conclude(struct cloud_config *config, uint32_t api_version)
{
    int rc = cloud_config_apply_env(config, cloud_cmd_env, NULL);
    if (api_version != CLOUD_API_ANY)
        config->api_version = api_version;
    if (rc == 0)
        cloud_config_choose(config);
    if (rc == 0)
        rc = cloud_config_check(config);
    if (rc < 0 || (config->token != NULL && config->token[0] != '\0'))
        return rc;
    (void)err_set(E_CONFIG, "not logged in to the cloud at %s", config->host);
    (void)err_hint(E_CONFIG, "run `%s cloud login --token TOKEN` first, or set K6_CLOUD_TOKEN",
                   program_name());
    return err_exit(E_CONFIG, 255);
}

int cloud_output_new(const struct run_cmd *c, struct output *ret)
{
    CLEANUP(cloud_config_fini) struct cloud_config config = {0};
    int rc = cloud_cmd_settings(c->config_path, &config);
    if (rc == 0) {
        config.no_archive_upload = c->no_archive_upload;
        config.no_logs = c->no_cloud_logs;
        config.prefers_v6 = c->cloud_run;
        config.api_version_flag = c->cloud_api_version;
        rc = cloud_new(&config, cloud_cmd_env, NULL, ret);
    }
    return rc;
}

/* ---- cloud run ---- */

#define API_VERSION_FLAG                                                                           \
    {                                                                                              \
        .name = "cloud-api-version", .kind = FLAG_INT, .value_name = "n",                          \
        .help =                                                                                    \
            "1: older API, stream version 1; 2: older API, stream version 2; 6: API v6 (what the " \
            "cloud offers)"                                                                        \
    }

const struct flag flags_cloud_run[] = {
    {.name = "local-execution",
     .kind = FLAG_BOOL,
     .help = "run the test on this machine and stream its results to the cloud"},
    {.name = "no-cloud-logs", .kind = FLAG_BOOL, .help = "don't send log lines to the cloud"},
    API_VERSION_FLAG,
    {.name = "no-cloud-secrets", .kind = FLAG_BOOL, .help = "don't ask the cloud for secrets"},
    {.name = "exit-on-running", .kind = FLAG_BOOL, .help = "leave once the test runs in the cloud"},
    {.name = "show-logs",
     .kind = FLAG_BOOL,
     .help = "show the log lines of a test that runs in the cloud (true)"},
    {.name = "upload-only", .kind = FLAG_BOOL, .help = "older name of `cloud upload`"},
};

const size_t flags_cloud_run_len = ARRAY_LEN(flags_cloud_run);

const struct flag flags_cloud_upload[] = {
    API_VERSION_FLAG,
};
const size_t flags_cloud_upload_len = ARRAY_LEN(flags_cloud_upload);

/* --cloud-api-version; other numbers are told of where the variable's are, too. */
static int read_api_version(struct run_cmd *c)
{
    const char *text = flag_values_get(&c->flags, "cloud-api-version");
    int64_t n;
    if (text == NULL)
        return 0;
    if (str_to_i64(str_of(text), &n) < 0 ||
        (n != CLOUD_API_1 && n != CLOUD_API_2 && n != CLOUD_API_6))
        return err_exit(
            err_set(E_CONFIG, "--cloud-api-version has to be 1, 2 or 6, not '%s'", text), 104);
    c->cloud_api_version = (uint32_t)n;
    return 0;
}

static int misplaced(const char *flag, bool local)
{
    return err_exit(err_set(E_CONFIG,
                            local ? "the flag --local-execution is not compatible with --%s"
                                  : "the flag --%s can only be used with --local-execution",
                            flag),
                    EXIT_CONFIG);
}

/* Some flags are of tests that run here, some of those that run there. */
static int check_place(const struct run_cmd *c, bool local)
{
    static const char *const here[] = {"linger", "no-cloud-secrets", "no-cloud-logs"};
    static const char *const there[] = {"exit-on-running", "show-logs", "upload-only"};
    for (size_t i = 0; !local && i < ARRAY_LEN(here); i++)
        if (flag_values_bool(&c->flags, here[i]))
            return misplaced(here[i], false);
    for (size_t i = 0; local && i < ARRAY_LEN(there); i++)
        if (flag_values_get(&c->flags, there[i]) != NULL)
            return misplaced(there[i], true);
    return 0;
}

static int cloud_run_here(struct run_cmd *c)
{
    struct output cloud = {0};
    c->cloud_run = true;
    c->no_cloud_logs = flag_values_bool(&c->flags, "no-cloud-logs");
    int rc = cloud_output_new(c, &cloud);
    return rc == 0 ? run_cmd_execute(c, &cloud, 1) : rc;
}

static int cloud_run(int argc, char **argv)
{
    struct run_cmd c = {0};
    int rc = run_cmd_parse(&c, argc, argv, flags_cloud_run, flags_cloud_run_len);
    bool local = flag_values_bool(&c.flags, "local-execution");
    if (rc == 0)
        rc = check_place(&c, local);
    if (rc == 0)
        rc = read_api_version(&c);
    if (rc == 0)
        rc = local ? cloud_run_here(&c)
                   : cloud_remote(&c, flag_values_bool(&c.flags, "upload-only"));
    run_cmd_fini(&c);
    return rc < 0 ? rc : 0;
}

static int cloud_upload(int argc, char **argv)
{
    struct run_cmd c = {0};
    int rc = run_cmd_parse_script(&c, "cloud upload", argc, argv);
    if (rc == 0)
        rc = read_api_version(&c);
    if (rc == 0)
        rc = cloud_remote(&c, true);
    run_cmd_fini(&c);
    return rc < 0 ? rc : 0;
}

/* ---- cloud ---- */

int cmd_cloud(int argc, char **argv)
{
    static const char *const lists[] = {"project", "test", "load-zone"};
    const char *name = argc >= 2 ? argv[1] : NULL;
    if (name == NULL || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        strcmp(name, "help") == 0) {
        command_help("cloud");
        return 0;
    }
    if (strcmp(name, "run") == 0)
        return cloud_run(argc - 1, argv + 1);
    if (strcmp(name, "login") == 0)
        return cmd_cloud_login(argc - 1, argv + 1);
    if (strcmp(name, "upload") == 0)
        return cloud_upload(argc - 1, argv + 1);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (strcmp(name, lists[i]) == 0)
            return cloud_list(argc - 1, argv + 1);
    return cloud_run(argc, argv); /* the older `cloud SCRIPT` */
}
