#include "metrics/tags.h"

#include "base/limits.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct tag_table *table;

static int set_up(void **state)
{
    (void)state;
    return tag_table_new(NULL, &table);
}

static int tear_down(void **state)
{
    (void)state;
    tag_table_free(table);
    return 0;
}

static struct tag tag(const char *key, const char *value)
{
    return (struct tag){str_of(key), str_of(value)};
}

/* "a=1,b=2" */
static const char *text(const struct tagset *s)
{
    static char out[512];
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < s->len; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%.*s=%.*s", i ? "," : "",
                               STR_ARG(s->tags[i].key), STR_ARG(s->tags[i].value));
    return out;
}

static void test_sorted_and_one_pointer(void **state)
{
    (void)state;
    struct tagset *e = tags_empty(table);
    assert_int_equal(e->id, 0);
    struct tag ab[] = {tag("b", "2"), tag("a", "1")};
    struct tag ba[] = {tag("a", "1"), tag("b", "2")};
    struct tagset *s = tags_with(table, e, ab, 2);
    assert_string_equal(text(s), "a=1,b=2");
    assert_ptr_equal(tags_with(table, e, ba, 2), s);
    assert_ptr_equal(tags_with(table, e, ab, 2), s);
    /* The same content on another way. */
    struct tagset *a = tags_with(table, e, &ba[0], 1);
    assert_ptr_equal(tags_with(table, a, &ba[1], 1), s);
    assert_int_equal(tag_table_len(table), 3);
}

static void test_replace_and_remove(void **state)
{
    (void)state;
    struct tag first[] = {tag("a", "1"), tag("b", "2"), tag("c", "3")};
    struct tagset *s = tags_with(table, tags_empty(table), first, 3);
    struct tag change[] = {tag("b", "x"), tag("a", NULL), tag("d", ""), tag("zz", NULL)};
    struct tagset *changed = tags_with(table, s, change, 4);
    assert_string_equal(text(changed), "b=x,c=3,d=");
    assert_ptr_equal(tags_with(table, s, change, 4), changed);
    assert_string_equal(text(s), "a=1,b=2,c=3");
    /* An empty value is not a removal. */
    struct tag empty = tag("b", "");
    struct tag gone = tag("b", NULL);
    assert_string_equal(text(tags_with(table, s, &empty, 1)), "a=1,b=,c=3");
    assert_string_equal(text(tags_with(table, s, &gone, 1)), "a=1,c=3");
    /* A key twice: the last one. */
    struct tag twice[] = {tag("k", "1"), tag("k", "2")};
    assert_string_equal(text(tags_with(table, tags_empty(table), twice, 2)), "k=2");
    assert_ptr_equal(tags_with(table, s, NULL, 0), s);
}

static void test_values_are_copied(void **state)
{
    (void)state;
    char key[] = "key", value[] = "value of more than sixteen bytes";
    struct tag t = {str_of(key), str_of(value)};
    struct tagset *s = tags_with(table, tags_empty(table), &t, 1);
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    assert_string_equal(text(s), "key=value of more than sixteen bytes");
    assert_non_null(tags_find(s, STR("key")));
    assert_null(tags_find(s, STR("xxx")));
}

static void test_every_length_is_told_apart(void **state)
{
    (void)state;
    char value[80];
    memset(value, 'a', sizeof value);
    struct tagset *sets[80 * 2];
    for (size_t len = 0; len < 80; len++) {
        struct tag t = {STR("v"), str_new(value, len)};
        sets[2 * len] = tags_with(table, tags_empty(table), &t, 1);
        if (len > 0)
            value[len / 2] = 'b';
        t = (struct tag){STR("w"), str_new(value, len)};
        sets[2 * len + 1] = tags_with(table, tags_empty(table), &t, 1);
        value[len / 2] = 'a';
    }
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (size_t k = 0; k < i; k++)
            assert_ptr_not_equal(sets[i], sets[k]);
    }
}

static void test_equal_content_equal_hash_in_other_tables(void **state)
{
    (void)state;
    struct tag_table *other;
    assert_int_equal(tag_table_new(NULL, &other), 0);
    struct tag more[] = {tag("x", "1"), tag("y", "2")};
    struct tagset *b = tags_with(other, tags_with(other, tags_empty(other), &more[1], 1), more, 1);
    struct tagset *a = tags_with(table, tags_empty(table), more, 2);
    assert_true(a->hash == b->hash);
    tag_table_free(other);
}

static void test_limit_folds(void **state)
{
    (void)state;
    struct tagset *base;
    struct tag method = tag("method", "GET");
    base = tags_with(table, tags_empty(table), &method, 1);
    struct tagset *last = NULL;
    for (int i = 0; i < TAG_SETS_MAX + 5000; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "http://host/%d", i);
        struct tag t[] = {tag("url", url), tag("name", url), tag("status", "200")};
        last = tags_with(table, base, t, 3);
    }
    assert_string_equal(text(last), "method=GET,status=200");
    assert_true(tag_table_len(table) <= TAG_SETS_MAX + 2 * TAG_SETS_FOLDED_MAX);
    /* Names that the script gave stay, as long as they are few. */
    struct tag named[] = {tag("url", "login"), tag("name", "login"), tag("status", "200")};
    assert_string_equal(text(tags_with(table, base, named, 3)),
                        "method=GET,name=login,status=200,url=login");
    for (int i = 0; i < TAG_SETS_FOLDED_MAX + 1; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "item %d", i);
        named[0].value = named[1].value = str_of(name);
        last = tags_with(table, base, named, 3);
    }
    assert_string_equal(text(last), "method=GET,status=200");
    /* Old ones are still found. */
    struct tag t[] = {tag("url", "http://host/7"), tag("name", "http://host/7"),
                      tag("status", "200")};
    assert_string_equal(text(tags_with(table, base, t, 3)),
                        "method=GET,name=http://host/7,status=200,url=http://host/7");
}

static void test_too_many_tags(void **state)
{
    (void)state;
    struct tagset *s = tags_empty(table);
    for (int i = 0; i < TAGS_PER_SET_MAX + 10; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        struct tag t = tag(key, "v");
        s = tags_with(table, s, &t, 1);
    }
    assert_int_equal(s->len, TAGS_PER_SET_MAX);
}

static void test_no_memory_gives_base(void **state)
{
    (void)state;
    for (int n = 0; n < 40; n++) {
        struct tag_table *t;
        assert_int_equal(tag_table_new(NULL, &t), 0);
        struct tag first[] = {tag("a", "1"), tag("b", "2")};
        struct tag second[] = {tag("c", "3"), tag("a", NULL)};
        mem_fail_countdown = n;
        struct tagset *s = tags_with(t, tags_empty(t), first, 2);
        struct tagset *s2 = tags_with(t, s, second, 2);
        mem_fail_countdown = -1;
        assert_true(s == tags_empty(t) || s->len == 2);
        assert_true(s2 == s || s2->len == s->len || s2->len == 1);
        /* Afterwards it works. */
        assert_string_equal(text(tags_with(t, tags_empty(t), first, 2)), "a=1,b=2");
        tag_table_free(t);
    }
}

static void test_system_tags(void **state)
{
    (void)state;
    assert_string_equal(system_tag_name(TAG_EXPECTED_RESPONSE), "expected_response");
    for (uint32_t i = 0; i < TAG_SYSTEM_LEN; i++)
        assert_int_equal(system_tags_parse(str_of(system_tag_name((enum system_tag)i))),
                         TAG_BIT(i));
    assert_int_equal(system_tags_parse(STR("nope")), 0);
    assert_true(TAGS_DEFAULT_BITS & TAG_BIT(TAG_EXPECTED_RESPONSE));
    assert_false(TAGS_DEFAULT_BITS & TAG_BIT(TAG_VU));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sorted_and_one_pointer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replace_and_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_values_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_length_is_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_equal_content_equal_hash_in_other_tables, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_limit_folds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_tags, set_up, tear_down),
        cmocka_unit_test(test_no_memory_gives_base),
        cmocka_unit_test(test_system_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
