/* What the command line is made of besides its flags: suggestions, completion, templates, JSON. */
#include "cmd/command.h"

#include "base/err.h"
#include "cmd/completion.h"
#include "cmd/json_pretty.h"
#include "cmd/suggest.h"
#include "cmd/templates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_suggestions(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance(STR("run"), STR("run")), 0);
    assert_int_equal(suggest_distance(STR("rn"), STR("run")), 1);
    assert_int_equal(suggest_distance(STR("RUNN"), STR("run")), 1);
    assert_int_equal(suggest_distance(STR("insp"), STR("inspect")), 1); /* its beginning */
    assert_int_equal(suggest_distance(STR("abc"), STR("xyz")), 3);
    assert_int_equal(suggest_distance(STR(""), STR("run")), 3);
}

/* Every command is one that help and completion can speak of. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_table_len; i++) {
        const struct command *c = &command_table[i];
        assert_non_null(c->summary);
        assert_ptr_equal(command_find(c->path), c);
        assert_true(c->summary[strlen(c->summary) - 1] != '.');
        for (size_t t = 0; t < COMMAND_TABLES_MAX && c->flags[t].flags != NULL; t++)
            for (size_t k = 0; k < *c->flags[t].len; k++) {
                const struct flag *f = &c->flags[t].flags[k];
                assert_true(f->missing || f->help != NULL);
                assert_ptr_equal(flag_find(c->flags, COMMAND_TABLES_MAX, str_of(f->name), 0), f);
            }
    }
}

static void expect_lines(const char *const *words, size_t n, const char *expected)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    completion_write(&out, words, n, false);
    assert_string_equal(buf_cstr(&out) ? buf_cstr(&out) : "", expected);
}

#define LINES(expected, ...)                                                                       \
    do {                                                                                           \
        const char *words[] = {__VA_ARGS__};                                                       \
        expect_lines(words, ARRAY_LEN(words), expected);                                           \
    } while (0)

static void test_completion(void **state)
{
    (void)state;
    LINES("archive\n", "arc");
    LINES("run\n", "-q", "-c", "x.json", "ru");
    LINES("--duration\n", "run", "--dur");
    LINES("--duration\n", "run", "-u", "5", "--dur");
    LINES("js\narchive\n", "run", "--type", "");
    LINES("js\narchive\n", "run", "-t", "");
    LINES("archive\n", "run", "-qt", "a");
    LINES("--type=archive\n", "run", "--type=a");
    LINES(":files\n", "run", "-c", "x");
    LINES(":files\n", "run", "x");
    LINES("login\n", "cloud", "log");
    LINES("--show\n", "cloud", "login", "--sh");
    LINES("bash\nzsh\nfish\npowershell\n", "completion", "");
    LINES("", "completion", "bash", "");
    LINES("inspect\n", "help", "insp");
    LINES("file=\n:nospace\n", "run", "--log-output", "fi");
    LINES("", "bogus", "--du");
}

static void test_scripts(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish", "powershell"};
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        CLEANUP(buf_fini) struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(completion_script(&out, shells[i], "prog", true), 0);
        assert_non_null(strstr(buf_cstr(&out), "prog"));
        assert_null(strstr(buf_cstr(&out), "{}"));
        assert_null(strstr(buf_cstr(&out), "{n}"));
    }
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(completion_script(&out, "tcsh", "prog", true), E_CONFIG);
}

static void test_templates(void **state)
{
    (void)state;
    static const struct {
        const char *text, *project, *expected, *message;
    } cases[] = {
        {"a {{ .ScriptName }}|{{.ProjectID}}", "7", "a s.js|7", NULL},
        {"{{ if .ProjectID }}p{{ else }}none{{ end }}", "", "none", NULL},
        {"{{ if .ProjectID }}p{{ else }}none{{ end }}", "7", "p", NULL},
        {"a\n {{- if .ProjectID -}}\n x {{- end }}\nb", "7", "ax\nb", NULL},
        {"{{ if .ProjectID }}{{ if .ScriptName }}x{{ end }}{{ end }}y", "", "y", NULL},
        {"x\n{{ .Foo }}", "", NULL,
         "line 2: '{{ .Foo }}' is neither .ScriptName, .ProjectID, if, else nor end"},
        {"{{ end }}", "", NULL, "line 1: {{ end }} without {{ if }}"},
        {"{{ if .X }}", "", NULL, "line 1: unknown value '.X'"},
        {"{{ if .ProjectID }}", "", NULL, "{{ if }} without {{ end }}"},
        {"{{ .ScriptName", "", NULL, "line 1: '{{' without '}}'"},
        {"{{-}}", "", NULL,
         "line 1: '{{  }}' is neither .ScriptName, .ProjectID, if, else nor end"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_fini) struct buf out;
        const struct template_values v = {"s.js", cases[i].project};
        buf_init(&out, 1 << 20);
        int rc = template_write(str_of(cases[i].text), &v, &out);
        if (cases[i].expected != NULL) {
            assert_int_equal(rc, 0);
            assert_string_equal(buf_cstr(&out), cases[i].expected);
        } else {
            assert_int_equal(rc, E_CONFIG);
            assert_string_equal(err_message(), cases[i].message);
        }
    }
}

static void test_json(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 20);
    json_pretty(&out, STR("{\"a\":[1,\"x\\\"{,:\"],\"b\":{},\"c\":[],\"d\":{\"e\":null}}"));
    assert_string_equal(buf_cstr(&out),
                        "{\n  \"a\": [\n    1,\n    \"x\\\"{,:\"\n  ],\n  \"b\": {},\n"
                        "  \"c\": [],\n  \"d\": {\n    \"e\": null\n  }\n}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggestions), cmocka_unit_test(test_table),
        cmocka_unit_test(test_completion),  cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_templates),   cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
