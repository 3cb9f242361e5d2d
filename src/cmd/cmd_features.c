/*
 * features: what --features and K6_FEATURES turn on.  k6-surface 1.1, 1.3.
 */
#include "cmd/features.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/commands.h"
#include "cmd/screen.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *tag, *help;
} features[FEATURES_LEN] = {
    [FEATURE_FREEZE_ENV] = {"freeze-env", "k6_feature_freeze_env", "The script can't change __ENV"},
    [FEATURE_MERGE_RUN_TAGS] = {"merge-run-tags", "k6_feature_merge_run_tags",
                                "Tags of config file, script, variables and flags come together"},
    [FEATURE_NATIVE_HISTOGRAMS] = {"native-histograms", "k6_feature_native_histograms",
                                   "Trends are histograms; here they always are"},
};

const struct flag flags_json[] = {
    {.name = "json", .kind = FLAG_BOOL, .help = "as JSON"},
};
const size_t flags_json_len = ARRAY_LEN(flags_json);

unsigned features_parse(const char *const *names, size_t len)
{
    unsigned on = 0;
    for (size_t i = 0; i < len; i++) {
        struct str rest = str_of(names[i]);
        while (rest.ptr != NULL) {
            struct str name = str_trim(str_cut(rest, ',', &rest));
            size_t k = 0;
            while (k < FEATURES_LEN && !str_eqz(name, features[k].name))
                k++;
            if (k < FEATURES_LEN)
                on |= 1u << k;
            else if (name.len > 0)
                log_error("unknown feature '%.*s': `%s features` lists them", STR_ARG(name),
                          program_name());
        }
    }
    return on;
}

const char *feature_tag(enum feature f)
{
    return features[f].tag;
}

static void write_json(struct buf *out)
{
    buf_z(out, "[\n");
    for (size_t i = 0; i < FEATURES_LEN; i++) {
        buf_printf(out, "%s  {\n    \"feature\": \"%s\",\n", i > 0 ? ",\n" : "", features[i].name);
        buf_z(out, "    \"lifecycle\": \"Experimental\",\n    \"description\": ");
        buf_json_str(out, str_of(features[i].help));
        buf_z(out, "\n  }");
    }
    buf_z(out, "\n]\n");
}

static void write_table(struct buf *out)
{
    buf_printf(out, "%-19s %-14s %s\n", "FEATURE", "LIFECYCLE", "DESCRIPTION");
    for (size_t i = 0; i < FEATURES_LEN; i++)
        buf_printf(out, "%-19s %-14s %s\n", features[i].name, "Experimental", features[i].help);
}

int cmd_features(int argc, char **argv)
{
    CLEANUP(arena_fini) struct arena a;
    CLEANUP(buf_fini) struct buf out;
    struct flag_values v;
    arena_init(&a, CMD_HELP_BYTES);
    buf_init(&out, CMD_HELP_BYTES);
    int rc = command_parse("features", &v, &a, argc, argv);
    if (rc == 0)
        rc = command_check_args(&v, 0, 0);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (flag_values_bool(&v, "json"))
        write_json(&out);
    else
        write_table(&out);
    screen_write(stdout, out.data, out.len);
    return 0;
}
