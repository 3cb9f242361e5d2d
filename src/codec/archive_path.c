#include "codec/archive_path.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

bool archive_path_is_windows(struct str path)
{
    if (path.len >= 3 && is_letter(path.ptr[0]) && path.ptr[1] == ':' && is_slash(path.ptr[2]))
        return true;
    return path.len > 2 && path.ptr[0] == '\\' && path.ptr[1] == '\\';
}

/* The drive of "/C:/x" or "C:\x", written as a folder; the rest of the path. */
static struct str put_volume(struct buf *out, struct str path)
{
    if (path.len > 2 && path.ptr[0] == '\\' && path.ptr[1] == '\\') {
        size_t end = 2; /* a shared folder: its machine's name is left out */
        while (end < path.len && path.ptr[end] != '\\')
            end++;
        buf_z(out, "/nobody");
        return str_new(path.ptr + end, path.len - end);
    }
    size_t at = path.len > 0 && is_slash(path.ptr[0]) ? 1 : 0;
    if (path.len < at + 2 || !is_letter(path.ptr[at]))
        return path;
    if (path.ptr[at + 1] != ':')
        return path;
    buf_byte(out, '/');
    buf_byte(out, (uint8_t)path.ptr[at]);
    return str_new(path.ptr + at + 2, path.len - at - 2);
}

static void drop_segment(struct buf *out, size_t from)
{
    while (out->err == 0 && out->len > from && out->data[--out->len] != '/')
        ;
}

static void put_segments(struct buf *out, size_t from, struct str path)
{
    size_t i = 0;
    while (i < path.len) {
        size_t start = i;
        while (i < path.len && !is_slash(path.ptr[i]))
            i++;
        struct str segment = str_new(path.ptr + start, i - start);
        i++;
        if (segment.len == 0 || str_eqz(segment, "."))
            continue;
        if (str_eqz(segment, "..")) {
            drop_segment(out, from);
            continue;
        }
        buf_byte(out, '/');
        buf_str(out, segment);
    }
}

static bool is_homes(struct str name)
{
    return str_ieq(name, STR("Users")) || str_ieq(name, STR("home")) ||
           str_ieq(name, STR("Documents and Settings"));
}

/* The segment behind the first `at` bytes of `path`, which stand before its slash. */
static struct str segment_at(struct str path, size_t at)
{
    if (at >= path.len || path.ptr[at] != '/')
        return STR_EMPTY;
    size_t end = at + 1;
    while (end < path.len && path.ptr[end] != '/')
        end++;
    return str_new(path.ptr + at + 1, end - at - 1);
}

/* Puts "nobody" in place of the user in "/home/kim/…" and "/C/Users/kim/…". */
static void hide_user(struct buf *out, size_t from)
{
    struct str path = str_new(out->data + from, out->len - from);
    struct str first = segment_at(path, 0);
    size_t at = first.len == 1 && is_letter(first.ptr[0]) ? 2 : 0;
    struct str homes = segment_at(path, at);
    if (at != 0 && !is_homes(homes)) {
        at = 0;
        homes = first;
    }
    struct str user = segment_at(path, at + 1 + homes.len);
    if (!is_homes(homes) || user.len == 0)
        return;
    struct buf rest;
    buf_init(&rest, out->max);
    buf_append(&rest, user.ptr + user.len, path.len - (size_t)(user.ptr - path.ptr) - user.len);
    out->len = from + (size_t)(user.ptr - path.ptr);
    buf_z(out, "nobody");
    buf_str(out, buf_view(&rest));
    if (rest.err != 0 && out->err == 0)
        out->err = rest.err;
    buf_fini(&rest);
}

void archive_path_write(struct buf *out, struct str path)
{
    size_t from = out->len;
    struct str rest = put_volume(out, path);
    put_segments(out, from, rest);
    if (out->len == from)
        buf_byte(out, '/');
    if (out->err == 0)
        hide_user(out, from);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void archive_path_unescape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = s.ptr[i] == '%' && i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(s.ptr[i + 2]) : -1;
        buf_byte(out, low >= 0 ? (uint8_t)(high * 16 + low) : (uint8_t)s.ptr[i]);
        if (low >= 0)
            i += 2;
    }
}

void archive_path_escape(struct buf *out, struct str path)
{
    static const char plain[] = "-_.~$&+,/:;=@";
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        bool keep = is_letter(c) || (c >= '0' && c <= '9') ||
                    (c != '\0' && memchr(plain, c, sizeof plain - 1) != NULL);
        if (keep)
            buf_byte(out, (uint8_t)c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}
