/* What was encoded decodes to itself; what decodes is what its own encoding decodes to. */
#include <stddef.h>
#include <stdint.h>

#include "codec/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(enum base64_form form, struct str in)
{
    struct buf text, bytes, again;
    size_t at = 0;
    buf_init(&text, 1 << 20);
    buf_init(&bytes, 1 << 20);
    buf_init(&again, 1 << 20);
    base64_encode(&text, form, in);
    CHECK(text.len == base64_encoded_len(form, in.len));
    CHECK(base64_decode(&bytes, form, buf_view(&text), &at) == 0);
    CHECK(str_eq(buf_view(&bytes), in));
    buf_reset(&text);
    buf_reset(&bytes);
    if (base64_decode(&bytes, form, in, &at) < 0) {
        CHECK(at <= in.len);
    } else {
        base64_encode(&text, form, buf_view(&bytes));
        CHECK(base64_decode(&again, form, buf_view(&text), &at) == 0);
        CHECK(str_eq(buf_view(&again), buf_view(&bytes)));
    }
    buf_fini(&text);
    buf_fini(&bytes);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_new(data, size);
    check_form(BASE64_STD, in);
    check_form(BASE64_RAW_STD, in);
    check_form(BASE64_URL, in);
    check_form(BASE64_RAW_URL, in);
    return 0;
}
