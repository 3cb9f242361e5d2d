#include "cmd/use_directive.h"

#include <ctype.h>

static void skip(struct use_reader *r, size_t n)
{
    n = n < r->rest.len ? n : r->rest.len;
    r->rest = str_new(r->rest.ptr + n, r->rest.len - n);
}

/* Behind the first `end`, or nothing at all. */
static void skip_to(struct use_reader *r, const char *end)
{
    const char *at = memmem(r->rest.ptr, r->rest.len, end, strlen(end));
    skip(r, at != NULL ? (size_t)(at - r->rest.ptr) + strlen(end) : r->rest.len);
}

void use_reader_init(struct use_reader *r, struct str text)
{
    r->rest = text;
    if (str_starts(text, STR("#!")))
        skip_to(r, "\n");
}

/* The next text in quotes that stands in front of the first statement. */
static bool next_text(struct use_reader *r, struct str *ret)
{
    while (r->rest.len > 0) {
        char c = r->rest.ptr[0];
        if (isspace((unsigned char)c) || c == ';') {
            skip(r, 1);
        } else if (str_starts(r->rest, STR("//"))) {
            skip_to(r, "\n");
        } else if (str_starts(r->rest, STR("/*"))) {
            skip(r, 2);
            skip_to(r, "*/");
        } else if (c == '"' || c == '\'') {
            skip(r, 1);
            ptrdiff_t end = str_find(r->rest, c);
            if (end < 0)
                return false;
            *ret = str_new(r->rest.ptr, (size_t)end);
            skip(r, (size_t)end + 1);
            return true;
        } else {
            return false;
        }
    }
    return false;
}

bool use_reader_next(struct use_reader *r, struct str *ret_name, struct str *ret_constraint)
{
    struct str text;
    while (next_text(r, &text)) {
        if (!str_starts(text, STR("use k6")))
            continue;
        text = str_trim(str_new(text.ptr + 6, text.len - 6));
        *ret_name = STR("k6");
        *ret_constraint = text;
        if (str_starts(text, STR("with k6/x/"))) {
            struct str rest;
            *ret_name = str_cut(str_new(text.ptr + 5, text.len - 5), ' ', &rest);
            *ret_constraint = str_trim(rest);
        }
        return true;
    }
    return false;
}
