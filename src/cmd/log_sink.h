/*
 * log_sink - where log lines go and how they look: text, coloured text, JSON, raw.
 */
#ifndef CMD_LOG_SINK_H
#define CMD_LOG_SINK_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/log.h"

#include <stdbool.h>

enum log_form { LOG_FORM_TEXT, LOG_FORM_COLOR, LOG_FORM_JSON, LOG_FORM_RAW };

/* Plain text on standard error, for what goes wrong before the settings are known. */
void log_sink_init(void);

/*
 * As --log-output, --log-format and -v say; NULL: as variables say, or the defaults. E_CONFIG, exit
 * code 255.
 */
NODISCARD int log_sink_configure(const char *output, const char *format, bool verbose,
                                 bool no_color);

/* What the program ends with: a line, and one on standard error too when lines go elsewhere by the
 * network. */
void log_sink_failure(const char *message, const struct log_field *fields, int fields_len);

/* The script's console lines go to this file (appended) and nowhere else. E_CONFIG with exit 255.
 */
NODISCARD int log_sink_console(const char *path);

void log_sink_fini(void); /* closes files */

/* One line with its end; color: seconds since `start_ns` instead of the time. Pure. */
void log_line_format(struct buf *out, const struct log_line *l, enum log_form form,
                     int64_t start_ns);

#endif
