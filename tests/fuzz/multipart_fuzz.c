#include "base/err.h"
#include "codec/multipart_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_view(struct str view, const char *from, const char *to)
{
    CHECK(view.len == 0 || (view.ptr >= from && view.ptr + view.len <= to));
}

/* A Content-Type, a newline, a body: parts lie within the body, one behind the other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body;
    struct str boundary = multipart_boundary(str_cut(str_new(data, size), '\n', &body));
    struct multipart_reader r;
    struct multipart_part p;
    if (!boundary.ptr || !body.ptr)
        return 0;
    const char *from = body.ptr;
    multipart_reader_init(&r, body, boundary);
    while (multipart_next(&r, &p) > 0) {
        CHECK(p.name.ptr);
        check_view(p.name, from, body.ptr + body.len);
        check_view(p.filename, from, body.ptr + body.len);
        check_view(p.data, from, body.ptr + body.len);
        if (p.data.len > 0)
            from = p.data.ptr + p.data.len;
    }
    return 0;
}
