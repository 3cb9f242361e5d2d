/* What can be asked of a response; the head is read here, line by line, when somebody asks. */
#include <string.h>

#include "base/mem.h"
#include "client/http.h"

void http_response_fini(struct http_response *r)
{
    mem_free(r->head);
    mem_free(r->body_block);
    mem_free(r->text_block);
    mem_free(r->url_block);
    *r = (struct http_response){0};
}

/* The next line from *at, without its line end; false at the empty line or the end. */
static bool next_line(const struct http_response *r, size_t *at, struct str *ret)
{
    if (*at >= r->headers_end)
        return false;
    char *from = r->head + *at;
    char *end = memchr(from, '\n', r->headers_end - *at);
    size_t len = end ? (size_t)(end - from) : r->headers_end - *at;
    *at += len + 1;
    if (len > 0 && from[len - 1] == '\r')
        len--;
    *ret = str_new(from, len);
    return len > 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes folded lines into the header's own: the text moves up behind one space, and what it leaves
 * becomes spaces at the end of the line.  The head is the response's own memory. */
static void unfold(const struct http_response *r, size_t *at, struct str *line)
{
    while (*at < r->headers_end && is_space(r->head[*at])) {
        struct str more;
        if (!next_line(r, at, &more))
            return;
        while (line->len > 0 && is_space(line->ptr[line->len - 1]))
            line->len--;
        char *to = r->head + (line->ptr - r->head) + line->len;
        char *end = r->head + (more.ptr - r->head) + more.len;
        struct str text = str_trim(more);
        *to++ = ' ';
        memmove(to, text.ptr, text.len);
        to += text.len;
        memset(to, ' ', (size_t)(end - to));
        *line = str_new(line->ptr, (size_t)(end - line->ptr));
    }
}

bool http_response_next(const struct http_response *r, size_t *cursor, struct http_header *ret)
{
    size_t at = r->headers_at + *cursor;
    struct str line;
    while (r->head && next_line(r, &at, &line)) {
        unfold(r, &at, &line);
        *cursor = at - r->headers_at;
        ptrdiff_t colon = str_find(line, ':');
        if (colon <= 0)
            continue;
        /* The head is the response's own, and canonical names stay canonical. */
        char *name = r->head + (line.ptr - r->head);
        http_canonical_name(name, (size_t)colon);
        ret->name = str_new(name, (size_t)colon);
        ret->value = str_trim(str_new(line.ptr + colon + 1, line.len - (size_t)colon - 1));
        return true;
    }
    return false;
}

struct str http_response_header(const struct http_response *r, const char *name)
{
    struct str wanted = str_of(name);
    struct http_header h;
    size_t cursor = 0;
    while (http_response_next(r, &cursor, &h))
        if (str_ieq(h.name, wanted))
            return h.value;
    return STR_EMPTY;
}
