#include "codec/multipart.h"

void multipart_init(struct multipart *m, struct buf *out,
                    const uint8_t random[static MULTIPART_RANDOM_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    m->out = out;
    m->begun = false;
    for (size_t i = 0; i < MULTIPART_RANDOM_BYTES; i++) {
        m->boundary[2 * i] = digits[random[i] >> 4];
        m->boundary[2 * i + 1] = digits[random[i] & 15];
    }
    m->boundary[MULTIPART_BOUNDARY_LEN] = '\0';
}

/* Quotes and backslashes get a backslash; a line end would be one of the header's own. */
static void append_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\r' || c == '\n') {
            buf_z(out, c == '\r' ? "%0D" : "%0A");
            continue;
        }
        if (c == '"' || c == '\\')
            buf_byte(out, '\\');
        buf_byte(out, (uint8_t)c);
    }
}

static void begin_part(struct multipart *m, struct str name)
{
    buf_printf(m->out, "%s--%s\r\n", m->begun ? "\r\n" : "", m->boundary);
    m->begun = true;
    buf_z(m->out, "Content-Disposition: form-data; name=\"");
    append_escaped(m->out, name);
    buf_byte(m->out, '"');
}

void multipart_field(struct multipart *m, struct str name, struct str value)
{
    begin_part(m, name);
    buf_z(m->out, "\r\n\r\n");
    buf_str(m->out, value);
}

void multipart_file(struct multipart *m, struct str name, struct str filename,
                    struct str content_type, struct str data)
{
    begin_part(m, name);
    buf_z(m->out, "; filename=\"");
    append_escaped(m->out, filename);
    buf_z(m->out, "\"\r\nContent-Type: ");
    append_escaped(m->out, content_type);
    buf_z(m->out, "\r\n\r\n");
    buf_str(m->out, data);
}

void multipart_end(struct multipart *m)
{
    buf_printf(m->out, "%s--%s--\r\n", m->begun ? "\r\n" : "", m->boundary);
}
