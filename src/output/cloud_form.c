#include "output/cloud_form.h"

#include "output/cloud_api.h"

#include <stdio.h>
#include <string.h>

void cloud_form_begin(struct cloud_form *f, struct buf *out)
{
    char part[CLOUD_KEY_LEN + 1];
    *f = (struct cloud_form){.out = out};
    for (size_t i = 0; i + CLOUD_KEY_LEN < sizeof f->boundary; i += CLOUD_KEY_LEN) {
        cloud_api_make_key(part);
        memcpy(f->boundary + i, part, sizeof part);
    }
    (void)snprintf(f->content_type, sizeof f->content_type, "multipart/form-data; boundary=%s",
                   f->boundary);
}

void cloud_form_text(struct cloud_form *f, const char *name, const char *value)
{
    buf_printf(f->out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", f->boundary,
               name);
    buf_z(f->out, value);
    buf_z(f->out, "\r\n");
}

void cloud_form_number(struct cloud_form *f, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    cloud_form_text(f, name, text);
}

void cloud_form_file(struct cloud_form *f, const char *name, const char *filename, struct str data)
{
    buf_printf(f->out,
               "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n"
               "Content-Type: application/octet-stream\r\n\r\n",
               f->boundary, name, filename);
    buf_str(f->out, data);
    buf_z(f->out, "\r\n");
}

void cloud_form_end(struct cloud_form *f)
{
    buf_printf(f->out, "--%s--\r\n", f->boundary);
}
