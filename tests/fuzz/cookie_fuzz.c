/* Set-Cookie lines, one a line, into a jar; then what a few URLs get of it. */
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "client/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int append(void *arg, struct str name, struct str value)
{
    cookie_append_pair(arg, name, value);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"http://www.example.com/a/b", "https://example.com/",
                                        "http://127.0.0.1/a"};
    struct cookie_jar *jar;
    if (cookie_jar_new(&jar) < 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct url u;
        if (url_parse(str_of(texts[i]), &u) < 0)
            continue;
        struct str rest = str_new(data, size);
        while (rest.ptr) {
            struct http_cookie c;
            if (cookie_parse(str_cut(rest, '\n', &rest), &c))
                (void)cookie_jar_set(jar, &u, &c, 1000000);
        }
        struct buf b;
        buf_init(&b, 1 << 20);
        (void)cookie_jar_each(jar, &u, 1000001, append, &b);
        buf_fini(&b);
        if (i == 1)
            cookie_jar_remove(jar, &u, STR_EMPTY);
        url_fini(&u);
    }
    cookie_jar_free(jar);
    return 0;
}
