/*
 * The web page, from the program itself.  A path that is no file of it is a page of the single-page
 * app, so it gets index.html; names below /assets/ carry a hash and never change.
 */
#include <errno.h>

#include "server/assets.h"
#include "server/server_int.h"

static const char policy[] =
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'";

static const struct asset *find(struct str path)
{
    for (size_t i = 0; i < assets_len; i++)
        if (str_eqz(path, assets[i].path))
            return &assets[i];
    return NULL;
}

static bool has_etag(struct str header, const char *etag)
{
    while (header.len > 0) {
        struct str one = str_trim(str_cut(header, ',', &header));
        if (str_starts(one, STR("W/")))
            one = str_new(one.ptr + 2, one.len - 2);
        if (str_eqz(one, etag) || str_eq(one, STR("*")))
            return true;
    }
    return false;
}

int page_serve(struct request *r)
{
    struct str path = percent_decode(&r->arena, r->path, false);
    bool immutable = str_starts(path, STR("/assets/"));
    const struct asset *a = str_eq(path, STR("/")) ? NULL : find(path);
    if (!a && !immutable)
        a = find(STR("/index.html"));
    if (!a)
        return reply_error(r, 404, 3, "not_found", "no such page: %.*s", STR_ARG(r->path));

    reply_header(r, "ETag", a->etag);
    reply_header(r, "Cache-Control",
                 immutable ? "public, max-age=31536000, immutable" : "no-cache");
    reply_header(r, "Content-Security-Policy", policy);
    reply_header(r, "Referrer-Policy", "same-origin");
    if (has_etag(request_header(r, "If-None-Match"), a->etag))
        return reply_empty(r, 304);
    /* The library wants to know that it may write there; with this mode it doesn't. */
    r->reply.made =
        MHD_create_response_from_buffer(a->len, (void *)(uintptr_t)a->data, MHD_RESPMEM_PERSISTENT);
    if (!r->reply.made)
        return -ENOMEM;
    r->reply.status = 200;
    r->reply.content_type = a->content_type;
    return 0;
}
