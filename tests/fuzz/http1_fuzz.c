/*
 * A response in two pieces, where the first byte says how they are cut: the quick scan of plain
 * heads must see what llhttp sees, and so must any cut.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "client/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int rc;
    bool keep_alive;
    struct http_response res;
};

static void read_one(const uint8_t *data, size_t size, size_t cut, bool head, bool no_scan,
                     struct outcome *ret)
{
    struct http1_reader r;
    http1_reader_init(&r, head, false, 1 << 16);
    r.no_scan = no_scan;
    *ret = (struct outcome){.rc = http1_reader_feed(&r, data, cut)};
    size_t len = 0;
    uint8_t *room = ret->rc == HTTP1_MORE ? http1_reader_room(&r, &len) : NULL;
    if (room && cut < size) {
        len = len < size - cut ? len : size - cut;
        memcpy(room, data + cut, len);
        ret->rc = http1_reader_claim(&r, len);
        cut += len;
    }
    if (ret->rc == HTTP1_MORE && cut < size)
        ret->rc = http1_reader_feed(&r, data + cut, size - cut);
    if (ret->rc == HTTP1_MORE)
        ret->rc = http1_reader_eof(&r);
    ret->keep_alive = ret->rc == HTTP1_DONE && r.keep_alive;
    if (ret->rc == HTTP1_DONE)
        http1_reader_take(&r, &ret->res);
    http1_reader_fini(&r);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    CHECK(a->rc == b->rc);
    if (a->rc != HTTP1_DONE)
        return;
    CHECK(a->res.status == b->res.status);
    CHECK(str_eq(a->res.status_text, b->res.status_text));
    CHECK(str_eq(a->res.body, b->res.body));
    size_t at = 0, bt = 0;
    struct http_header x, y;
    bool more;
    do {
        more = http_response_next(&a->res, &at, &x);
        CHECK(more == http_response_next(&b->res, &bt, &y));
        CHECK(!more || (str_eq(x.name, y.name) && str_eq(x.value, y.value)));
    } while (more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = data[0] % size;
    bool head = data[1] & 1;
    data += 2;
    size -= 2;
    cut = cut < size ? cut : size;
    struct outcome whole, plain, pieces;
    read_one(data, size, size, head, false, &whole);
    read_one(data, size, size, head, true, &plain);
    read_one(data, size, cut, head, false, &pieces);
    check_same(&whole, &plain);
    CHECK(whole.keep_alive == plain.keep_alive);
    /* Bytes behind the end are seen when they come with it, else they stay in the socket. */
    check_same(&whole, &pieces);
    http_response_fini(&whole.res);
    http_response_fini(&plain.res);
    http_response_fini(&pieces.res);
    return 0;
}
