/* What makes a test impossible, and what of k6's options isn't there yet. */

#include "base/err.h"
#include "load/options_int.h"
#include "load/scenario.h"

static void problem(struct buf *out, const char *text)
{
    buf_z(out, "\n\t- ");
    buf_z(out, text);
}

static void check_scenarios(const struct options *o, struct buf *out)
{
    struct buf one;
    buf_init(&one, ERR_MESSAGE_MAX);
    for (size_t i = 0; i < o->scenarios.len; i++) {
        const struct scenario *s = &o->scenarios.items[i];
        buf_reset(&one);
        scenario_validate(s, &one);
        if (one.len > 0)
            buf_printf(out, "\n\t- scenario %s has configuration errors: %.*s", s->name,
                       STR_ARG(buf_view(&one)));
    }
    buf_fini(&one);
}

static void check_exports(const struct options *o, options_has_export_fn *has_export, void *arg,
                          struct buf *out)
{
    for (size_t i = 0; i < o->scenarios.len; i++) {
        const struct scenario *s = &o->scenarios.items[i];
        if (!has_export(arg, scenario_exec(s)))
            buf_printf(out, "\n\t- executor %s: function '%s' not found in exports", s->name,
                       scenario_exec(s));
    }
}

static void check_times(const struct options *o, struct buf *out)
{
    if (o->setup_timeout.set && o->setup_timeout.ns <= 0)
        problem(out, "setupTimeout must be positive");
    if (o->teardown_timeout.set && o->teardown_timeout.ns <= 0)
        problem(out, "teardownTimeout must be positive");
    if (o->min_iteration_duration.set && o->min_iteration_duration.ns < 0)
        problem(out, "minIterationDuration can't be negative");
}

int options_validate(const struct options *derived, options_has_export_fn *has_export, void *arg)
{
    CLEANUP(buf_fini) struct buf problems;
    buf_init(&problems, ERR_MESSAGE_MAX);
    check_scenarios(derived, &problems);
    check_times(derived, &problems);
    if (problems.len == 0 && has_export != NULL)
        check_exports(derived, has_export, arg, &problems);
    if (problems.len > 0)
        return options_bad(
            err_set(E_CONFIG, "There were problems with the specified script configuration:%.*s",
                    STR_ARG(buf_view(&problems))));
    return 0;
}
