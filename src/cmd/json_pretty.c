#include "cmd/json_pretty.h"

#include <stdbool.h>

static void new_line(struct buf *out, size_t depth)
{
    buf_byte(out, '\n');
    buf_fill(out, ' ', 2 * depth);
}

/* The string at json[i], with its quotes; the index behind it. */
static size_t put_string(struct buf *out, struct str json, size_t i)
{
    size_t end = i + 1;
    while (end < json.len && json.ptr[end] != '"')
        end += json.ptr[end] == '\\' ? 2 : 1;
    end = end < json.len ? end + 1 : json.len;
    buf_append(out, json.ptr + i, end - i);
    return end;
}

void json_pretty(struct buf *out, struct str json)
{
    size_t depth = 0, i = 0;
    while (i < json.len) {
        char c = json.ptr[i];
        if (c == '"') {
            i = put_string(out, json, i);
            continue;
        }
        bool empty = i + 1 < json.len && (json.ptr[i + 1] == '}' || json.ptr[i + 1] == ']');
        i++;
        if ((c == '{' || c == '[') && empty) {
            buf_byte(out, (uint8_t)c);
            buf_byte(out, (uint8_t)json.ptr[i++]);
        } else if (c == '{' || c == '[') {
            buf_byte(out, (uint8_t)c);
            new_line(out, ++depth);
        } else if (c == '}' || c == ']') {
            new_line(out, depth > 0 ? --depth : 0);
            buf_byte(out, (uint8_t)c);
        } else if (c == ',') {
            buf_byte(out, ',');
            new_line(out, depth);
        } else if (c == ':') {
            buf_z(out, ": ");
        } else {
            buf_byte(out, (uint8_t)c);
        }
    }
}
