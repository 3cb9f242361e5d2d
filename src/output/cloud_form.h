/*
 * cloud_form - multipart/form-data bodies, as the cloud takes names and archives.
 *
 * Appends to the caller's buf; failures are in its buf_finish().
 */
#ifndef OUTPUT_CLOUD_FORM_H
#define OUTPUT_CLOUD_FORM_H

#include "base/attr.h"
#include "base/buf.h"

struct cloud_form {
    struct buf *out;
    char boundary[49];
    char content_type[100]; /* what the request says */
};

void cloud_form_begin(struct cloud_form *f, struct buf *out);
void cloud_form_text(struct cloud_form *f, const char *name, const char *value);
void cloud_form_number(struct cloud_form *f, const char *name, int64_t value);
void cloud_form_file(struct cloud_form *f, const char *name, const char *filename, struct str data);
void cloud_form_end(struct cloud_form *f);

#endif
