#include "server/password.h"

#include "base/err.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_hash(void **state)
{
    (void)state;
    char one[PASSWORD_ENCODED_MAX], two[PASSWORD_ENCODED_MAX];
    assert_int_equal(password_hash(STR("correct horse"), one), 0);
    assert_int_equal(password_hash(STR("correct horse"), two), 0);
    assert_string_not_equal(one, two); /* salted */
    assert_memory_equal(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_true(password_verify(STR("correct horse"), str_of(one)));
    assert_false(password_verify(STR("correct horsf"), str_of(one)));
    assert_false(password_verify(STR(""), str_of(one)));
    assert_false(password_verify(STR("correct horse"), STR_EMPTY));
    assert_false(password_verify(STR_EMPTY, STR_EMPTY));
    assert_false(password_verify(STR("correct horse"), STR("$argon2id$nonsense")));
}

static void test_check(void **state)
{
    (void)state;
    static char many[SERVER_PASSWORD_MAX + 2];
    memset(many, 'x', sizeof many - 1);
    assert_int_equal(password_check(STR("12345678")), 0);
    assert_int_equal(password_check(STR("1234567")), E_CONFIG);
    assert_int_equal(password_check(str_new(many, SERVER_PASSWORD_MAX)), 0);
    assert_int_equal(password_check(str_of(many)), E_CONFIG);
    assert_true(str_eq(password_trim(STR("a b\r\n")), STR("a b")));
    assert_true(str_eq(password_trim(STR("\n")), STR("")));
}

static void test_once(void **state)
{
    (void)state;
    char one[PASSWORD_ONCE_LEN + 1], two[PASSWORD_ONCE_LEN + 1];
    char encoded[PASSWORD_ENCODED_MAX];
    assert_int_equal(password_make_once(one, encoded), 0);
    assert_true(password_verify(str_of(one), str_of(encoded)));
    assert_int_equal(password_make_once(two, encoded), 0);
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(two), PASSWORD_ONCE_LEN);
    assert_int_equal(strspn(two, "0123456789abcdefghjkmnpqrstvwxyz"), PASSWORD_ONCE_LEN);
    assert_false(password_verify(str_of(one), str_of(encoded)));
}

/* Nanoseconds of this thread that a wrong password takes. */
static int64_t cost_of_wrong(struct str encoded)
{
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    assert_false(password_verify(STR("a guess"), encoded));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
}

/* The time doesn't tell who there is, or who hasn't been here yet. */
static void test_time(void **state)
{
    (void)state;
    char once[PASSWORD_ONCE_LEN + 1];
    char encoded[PASSWORD_ENCODED_MAX];
    assert_int_equal(password_make_once(once, encoded), 0);
    int64_t unknown = cost_of_wrong(STR_EMPTY);
    assert_true(cost_of_wrong(str_of(encoded)) > unknown / 10);
    assert_int_equal(password_hash(STR("chosen by oneself"), encoded), 0);
    int64_t chosen = cost_of_wrong(str_of(encoded));
    assert_true(chosen > unknown / 10 && unknown > chosen / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
