/* What parses prints as something that parses to the same; references resolve to what parses. */
#include <stddef.h>
#include <stdint.h>

#include "codec/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url u, again, base;
    struct str text = str_new(data, size);
    if (url_parse(STR("http://u:p@h:1/a/b/../c;d?e#f"), &base) < 0)
        return 0;
    if (url_parse(text, &u) == 0) {
        if (url_parse(u.text, &again) == 0) {
            CHECK(str_eq(u.text, again.text));
            CHECK(!u.has_authority || str_eq(u.target, again.target));
            CHECK(!u.has_authority || str_eq(u.host, again.host));
            CHECK(u.port == again.port);
            url_fini(&again);
        }
        struct buf b;
        buf_init(&b, 1 << 20);
        url_append_userinfo(&b, &u);
        url_append_query_escaped(&b, u.text);
        buf_fini(&b);
        url_fini(&u);
    }
    if (url_resolve(&base, text, &u) == 0)
        url_fini(&u);
    url_fini(&base);
    return 0;
}
