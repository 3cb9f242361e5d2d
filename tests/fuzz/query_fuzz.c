#include "base/err.h"
#include "store/query_parse.h"
#include "store/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A query, a newline, a selector, which is tried on a series. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str selector_text;
    struct str query_text = str_cut(str_new(data, size), '\n', &selector_text);
    static struct query_tree tree; /* large for a stack */
    enum query_method method;
    for (int type = METRICSET_COUNTER; type <= METRICSET_TREND; type++)
        if (query_parse(query_text, &tree) == 0)
            CHECK(query_find_method(&tree, (enum metricset_type)type, STR("m"), &method) <= 0);

    CLEANUP(arena_fini) struct arena a;
    struct selector selector;
    static const struct metricset_label labels[] = {
        {{"name", 4}, {"http://shop.example/item/12", 27}},
        {{"status", 6}, {"200", 3}},
    };
    arena_init(&a, 1 << 20);
    if (selector_parse(&a, selector_text, &selector) < 0)
        return 0;
    CHECK(selector_match(&selector, STR("m"), labels, ARRAY_LEN(labels)) <= 1);
    selector_fini(&selector);
    return 0;
}
