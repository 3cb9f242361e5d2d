#include "codec/multipart_read.h"

#include "base/err.h"
#include "base/limits.h"

/* RFC 2046 allows no longer one. */
enum { BOUNDARY_MAX = 70 };

static struct str skip(struct str s, size_t n)
{
    return str_new(s.ptr + n, s.len - n);
}

static int corrupt(const char *what)
{
    return err_set(E_CORRUPT, "the form is malformed: %s", what);
}

/* ---- parameters of headers ---- */

/* Up to the next `;`, that isn't within quotes; *rest begins behind it. */
static struct str cut_parameter(struct str s, struct str *rest)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < s.len && (quoted || s.ptr[i] != ';'); i++) {
        if (s.ptr[i] == '"')
            quoted = !quoted;
        else if (s.ptr[i] == '\\' && quoted && i + 1 < s.len)
            i++;
    }
    i = MIN(i, s.len);
    *rest = i < s.len ? skip(s, i + 1) : STR_EMPTY;
    return str_trim(str_new(s.ptr, i));
}

static struct str unquote(struct str s)
{
    bool quoted = s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"';
    return quoted ? str_new(s.ptr + 1, s.len - 2) : s;
}

/* The value of `name=`; NULL ptr: it isn't there. */
static struct str parameter(struct str header, const char *name)
{
    (void)cut_parameter(header, &header);
    while (header.len > 0) {
        struct str value;
        struct str key = str_trim(str_cut(cut_parameter(header, &header), '=', &value));
        if (value.ptr && str_ieq(key, str_of(name)))
            return unquote(str_trim(value));
    }
    return STR_EMPTY;
}

struct str multipart_boundary(struct str content_type)
{
    struct str rest;
    if (!str_ieq(cut_parameter(content_type, &rest), STR("multipart/form-data")))
        return STR_EMPTY;
    struct str boundary = parameter(content_type, "boundary");
    return boundary.len >= 1 && boundary.len <= BOUNDARY_MAX ? boundary : STR_EMPTY;
}

/* ---- parts ---- */

void multipart_reader_init(struct multipart_reader *r, struct str body, struct str boundary)
{
    *r = (struct multipart_reader){.rest = body, .boundary = boundary};
}

/* What stands behind a boundary in its line: 1: a part begins behind *ret; 0: it is the last one;
 * -1: it is no boundary but data that begins like one. */
static int end_of_delimiter(struct str rest, struct str *ret)
{
    if (str_starts(rest, STR("--")))
        return 0;
    while (rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t'))
        rest = skip(rest, 1);
    if (!str_starts(rest, STR("\r\n")))
        return -1;
    *ret = skip(rest, 2);
    return 1;
}

/* Finds the next "--boundary" at the begin of a line.  1: a part begins behind it; 0: it is the
 * last one; -1: there is none.  *ret_at: where it begins; r->rest goes behind it. */
static int find_delimiter(struct multipart_reader *r, size_t *ret_at)
{
    char text[BOUNDARY_MAX + 4] = "\r\n--";
    size_t len = r->boundary.len + 4;
    struct str rest = r->rest;
    memcpy(text + 4, r->boundary.ptr, r->boundary.len);
    /* The first one needs no line before it. */
    if (!r->begun && rest.len >= len - 2 && memcmp(rest.ptr, text + 2, len - 2) == 0) {
        int kind = end_of_delimiter(skip(rest, len - 2), &r->rest);
        if (kind >= 0)
            return kind;
    }
    for (const char *at; rest.len > 0 && (at = memmem(rest.ptr, rest.len, text, len)) != NULL;) {
        *ret_at = (size_t)(at - r->rest.ptr);
        rest = skip(rest, (size_t)(at - rest.ptr) + len);
        struct str behind = STR_EMPTY;
        int kind = end_of_delimiter(rest, &behind);
        if (kind < 0)
            continue;
        r->rest = behind;
        return kind;
    }
    return -1;
}

static int take_header(struct str line, struct multipart_part *p)
{
    struct str value;
    struct str name = str_trim(str_cut(line, ':', &value));
    struct str rest;
    if (!value.ptr)
        return corrupt("a header without a colon");
    if (!str_ieq(name, STR("Content-Disposition")))
        return 0;
    if (!str_ieq(cut_parameter(value, &rest), STR("form-data")))
        return corrupt("a part that is no form-data");
    p->name = parameter(value, "name");
    p->filename = parameter(value, "filename");
    return 0;
}

static int take_headers(struct multipart_reader *r, struct multipart_part *p)
{
    size_t left = MULTIPART_HEAD_MAX;
    for (;;) {
        const char *end = r->rest.len > 0 ? memmem(r->rest.ptr, r->rest.len, "\r\n", 2) : NULL;
        if (!end)
            return corrupt("it ends within a part's headers");
        struct str line = str_new(r->rest.ptr, (size_t)(end - r->rest.ptr));
        r->rest = skip(r->rest, line.len + 2);
        if (line.len + 2 > left)
            return err_set(E_LIMIT, "the form has a part with more than %d bytes of headers",
                           MULTIPART_HEAD_MAX);
        left -= line.len + 2;
        if (line.len == 0)
            return p->name.ptr ? 0 : corrupt("a part without a name");
        int rc = take_header(line, p);
        if (rc < 0)
            return rc;
    }
}

int multipart_next(struct multipart_reader *r, struct multipart_part *ret)
{
    struct multipart_part p = {0};
    size_t at = 0;
    int kind = r->begun ? !r->ended : find_delimiter(r, &at);
    if (kind < 0)
        return corrupt("its boundary is nowhere");
    if (kind == 0)
        return 0;
    r->begun = true;
    if (++r->parts > MULTIPART_PARTS_MAX)
        return err_set(E_LIMIT, "the form has more than %d parts", MULTIPART_PARTS_MAX);
    int rc = take_headers(r, &p);
    if (rc < 0)
        return rc;
    /* The line end before a boundary is the boundary's, also when it is that of the headers. */
    struct str from = str_new(r->rest.ptr - 2, r->rest.len + 2);
    r->rest = from;
    kind = find_delimiter(r, &at);
    if (kind < 0)
        return corrupt("the last boundary is missing");
    r->ended = kind == 0;
    p.data = at >= 2 ? str_new(from.ptr + 2, at - 2) : STR("");
    *ret = p;
    return 1;
}
