/* A server's WWW-Authenticate, as a Digest challenge and as NTLM's second message. */
#include <stddef.h>
#include <stdint.h>

#include "client/digest.h"
#include "client/ntlm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct digest_request q = {
        .method = STR("GET"),
        .uri = STR("/a?b"),
        .user = STR("us\"er"),
        .password = STR("pass"),
        .cnonce = STR("c"),
    };
    struct buf out;
    buf_init(&out, 1 << 20);
    int rc = digest_answer(str_new(data, size), &q, &out);
    CHECK(rc < 0 || (rc == 1) == (out.len > 0));
    buf_fini(&out);

    /* The input's beginning is user and password, too: they are text of the script's. */
    size_t half = MIN(size, (size_t)16) / 2;
    const struct ntlm_user u = {
        .name = str_new(data, half),
        .password = str_new(data + half, half),
        .ask_domain = true,
    };
    buf_init(&out, 1 << 20);
    rc = ntlm_authenticate(str_new(data, size), &u, &out);
    CHECK(rc < 0 || out.len >= 96);
    buf_fini(&out);
    return 0;
}
