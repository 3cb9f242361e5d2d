#include "base/err.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct err thread_slot;
static _Thread_local struct err *current;

/* Out of line and opaque, so that no compiler keeps a thread-local address over a switch. */
__attribute__((noinline)) struct err *err_get(void)
{
    return current != NULL ? current : &thread_slot;
}

struct err *err_switch(struct err *slot)
{
    struct err *before = current;
    current = slot;
    return before;
}

const char *err_message(void)
{
    struct err *e = err_get();
    return e->code == 0 ? "no error" : e->message;
}

void err_clear(void)
{
    struct err *e = err_get();
    e->code = 0;
    e->exit_code = 0;
    e->message[0] = '\0';
    e->hint[0] = '\0';
}

/* In the small letters that k6's messages have, as it stands within one: "connection refused". */
static const char *errno_text(int code)
{
    static _Thread_local char text[128];
    (void)snprintf(text, sizeof text, "%s", strerror(code < 0 ? -code : code));
    if (islower((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

const char *err_code_text(int code)
{
    switch (code) {
    case E_EOF:
        return "unexpected end of data";
    case E_PROTOCOL:
        return "protocol violation";
    case E_LIMIT:
        return "limit exceeded";
    case E_CONFIG:
        return "invalid configuration";
    case E_SCRIPT:
        return "script exception";
    case E_NOT_FOUND:
        return "not found";
    case E_REFUSED:
        return "refused";
    case E_UNAVAILABLE:
        return "unavailable";
    case E_TLS:
        return "TLS failure";
    case E_DNS:
        return "name resolution failure";
    case E_CORRUPT:
        return "corrupt data";
    case E_UNSUPPORTED:
        return "not supported yet";
    case E_DAMAGED:
        return "stored data is damaged";
    default:
        return errno_text(code);
    }
}

/* A message that doesn't fit ends in an ellipsis, so that nobody takes it for whole. */
static void mark_truncation(char *s, size_t size, int wanted)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    if (wanted >= 0 && (size_t)wanted < size)
        return;
    size_t at = size - sizeof ellipsis;
    while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80)
        at--;
    memcpy(s + at, ellipsis, sizeof ellipsis);
}

int err_setv(int code, const char *fmt, va_list ap)
{
    char text[ERR_MESSAGE_MAX]; /* an argument may be the old message itself */
    mark_truncation(text, sizeof text, vsnprintf(text, sizeof text, fmt, ap));
    err_clear();
    struct err *e = err_get();
    e->code = code;
    memcpy(e->message, text, strlen(text) + 1);
    return code;
}

int err_set(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_setv(code, fmt, ap);
    va_end(ap);
    return code;
}

int err_set_errno(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_setv(code, fmt, ap);
    va_end(ap);
    struct err *e = err_get();
    size_t len = strlen(e->message);
    size_t room = sizeof e->message - len;
    mark_truncation(e->message, sizeof e->message,
                    (int)len + snprintf(e->message + len, room, ": %s", err_code_text(code)));
    return code;
}

int err_wrap(int code, const char *fmt, ...)
{
    struct err *e = err_get();
    if (e->code != code)
        err_set(code, "%s", err_code_text(code));
    char text[ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    mark_truncation(text, sizeof text, n);
    size_t len = strlen(text);
    if (len < sizeof text) {
        int m = snprintf(text + len, sizeof text - len, ": %s", e->message);
        mark_truncation(text, sizeof text, (int)len + m);
    }
    memcpy(e->message, text, strlen(text) + 1);
    return code;
}

int err_exit(int code, int exit_code)
{
    err_get()->exit_code = exit_code;
    return code;
}

int err_hint(int code, const char *fmt, ...)
{
    struct err *e = err_get();
    va_list ap;
    va_start(ap, fmt);
    mark_truncation(e->hint, sizeof e->hint, vsnprintf(e->hint, sizeof e->hint, fmt, ap));
    va_end(ap);
    return code;
}
