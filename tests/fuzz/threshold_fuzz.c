#include "base/err.h"
#include "metrics/threshold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First line the key, second the expression, as a script may write them.  What is taken must hold
 * together: its key gives the same sub-metric again, and an evaluation doesn't fail. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct registry *registry;
    struct metrics *metrics;
    struct snapshot *snapshot;
    struct thresholds thresholds;
    struct str expression, key = str_cut(str_new(data, size), '\n', &expression);
    if (registry_new(&registry) < 0)
        return 0;
    CHECK(metrics_new(registry, &metrics) == 0);
    thresholds_init(&thresholds, metrics);
    if (thresholds_add(&thresholds, key, expression, true, -1) == 0) {
        const struct threshold_group *g = &thresholds.groups[0];
        const struct metric *m;
        const struct submetric *sub;
        CHECK(metrics_submetric(metrics, str_of(g->key), &m, &sub) == 0);
        CHECK(m == g->metric && sub == g->sub);
        CHECK(snapshot_new(metrics, &snapshot) == 0);
        (void)thresholds_evaluate(&thresholds, snapshot, 1000, true);
        snapshot_free(snapshot);
    } else {
        CHECK(err_message()[0] != '\0');
    }
    thresholds_fini(&thresholds);
    metrics_free(metrics);
    registry_free(registry);
    return 0;
}
