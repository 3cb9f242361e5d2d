#include "js/source_map.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_places(void **state)
{
    (void)state;
    /* Line 1: column 1 is a.ts:1:1, column 5 is a.ts:3:3, column 7 of no source; line 3: b.ts:5:1.
     */
    const struct str json =
        STR("{\"version\":3,\"sourceRoot\":\"src\",\"sources\":[\"a.ts\",\"b.ts\"],"
            "\"mappings\":\"AAAA,IAEE,E;;ACEF\"}");
    struct source_map *m;
    assert_int_equal(source_map_parse(json, &m), 0);
    static const struct {
        uint32_t line, column;
        const char *source; /* NULL: nothing is known */
        uint32_t from_line, from_column;
    } cases[] = {
        {1, 1, "src/a.ts", 1, 1}, {1, 4, "src/a.ts", 1, 1}, {1, 5, "src/a.ts", 3, 3},
        {1, 7, NULL, 0, 0},       {2, 1, NULL, 0, 0},       {3, 9, "src/b.ts", 5, 1},
        {4, 1, NULL, 0, 0},       {0, 1, NULL, 0, 0},       {1, 0, NULL, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct source_place p = {0};
        bool found = source_map_find(m, cases[i].line, cases[i].column, &p);
        assert_int_equal(found, cases[i].source != NULL);
        if (!found)
            continue;
        assert_true(str_eqz(p.source, cases[i].source));
        assert_int_equal(p.line, cases[i].from_line);
        assert_int_equal(p.column, cases[i].from_column);
    }
    source_map_free(m);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "[]",
        "{}",
        "{\"mappings\":3}",
        "{\"sources\":[\"a\"],\"mappings\":\"AA\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"AAAAAA\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"A!\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"AAA\\n\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"ACAA\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"DAAA\"}",
        "{\"sources\":[],\"mappings\":\"AAAA\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"ggggggggggA\"}",
        "{\"sources\":[\"a\"],\"mappings\":\"EAAA,DAAA\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct source_map *m = NULL;
        assert_int_equal(source_map_parse(str_of(cases[i]), &m), E_CORRUPT);
        assert_true(str_starts(str_of(err_message()), STR("source map: ")));
        assert_null(m);
    }
}

static void test_comment(void **state)
{
    (void)state;
    assert_null(source_map_url(STR("let a = 1;\n")).ptr);
    assert_true(str_eqz(source_map_url(STR("a();\n//# sourceMappingURL=a.js.map")), "a.js.map"));
    assert_true(
        str_eqz(source_map_url(STR("//# sourceMappingURL=b\n//# sourceMappingURL=c \r\n/")), "c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_comment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
