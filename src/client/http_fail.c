/* k6's codes and words for what goes wrong. */
#include "client/http_int.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

/* Notes k6's code and short text; the long one is the error's message, with Go's prefix while the
 * head is still to come.  Returns `rc`. */
/* The URL without its password, as Go shows it. */
static int wrap_url(int rc, const char *method, const struct url *u)
{
    struct str password, user = str_cut(u->userinfo, ':', &password);
    if (!password.ptr)
        return err_wrap(rc, "%s \"%.*s\"", method, STR_ARG(u->text));
    const char *rest = u->userinfo.ptr + u->userinfo.len;
    return err_wrap(rc, "%s \"%.*s://%.*s:***%.*s\"", method, STR_ARG(u->scheme), STR_ARG(user),
                    (int)(u->text.ptr + u->text.len - rest), rest);
}

int http_fail(struct http_call *k, int rc, int code, const char *short_text)
{
    struct http_response *ret = k->ret;
    ret->error_code = code;
    mem_free(ret->text_block);
    ret->text_block = mem_strdup(short_text);
    ret->error = ret->text_block ? ret->text_block : "out of memory";
    if (k->in_body)
        return rc;
    char method[16];
    size_t len = MIN(k->method.len, sizeof method - 1);
    memcpy(method, k->method.ptr, len);
    method[len] = '\0';
    for (size_t i = 1; i < len; i++)
        if (method[i] >= 'A' && method[i] <= 'Z')
            method[i] = (char)(method[i] + ('a' - 'A'));
    return wrap_url(rc, method, k->url);
}

int http_fail_plain(struct http_call *k, int rc, int code)
{
    char text[512];
    snprintf(text, sizeof text, "%s", err_message());
    return http_fail(k, rc, code, text);
}

int http_fail_timeout(struct http_call *k)
{
    (void)err_set(-ETIMEDOUT, "request timeout");
    return http_fail(k, -ETIMEDOUT, HTTP_ERROR_TIMEOUT, "request timeout");
}

/* `prefix` and what is behind it, when the message has it: Go's inner errors lose the outer words.
 */
static const char *after_prefix(const char *message, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(message, prefix, len) == 0 ? message + len : message;
}

int http_fail_dial(struct http_call *k, int rc, const struct dial_result *how)
{
    char text[512];
    snprintf(text, sizeof text, "%s", after_prefix(err_message(), "dial tcp: "));
    switch (how->failure) {
    case DIAL_OK:
        break;
    case DIAL_DNS_NO_HOST:
        return http_fail(k, rc, HTTP_ERROR_DNS_NO_HOST, "lookup: no such host");
    case DIAL_DNS_OTHER:
        return http_fail(k, rc, HTTP_ERROR_DNS, text);
    case DIAL_BLACKLISTED:
        return http_fail(k, rc, HTTP_ERROR_BLACKLISTED, "ip is blacklisted");
    case DIAL_BLOCKED_HOSTNAME:
        return http_fail(k, rc, HTTP_ERROR_BLOCKED_HOSTNAME, "hostname is blocked");
    case DIAL_TCP_TIMEOUT:
        (void)err_set(rc, "dial: i/o timeout");
        return http_fail(k, rc, HTTP_ERROR_DIAL_TIMEOUT, "dial: i/o timeout");
    case DIAL_TCP_REFUSED:
        return http_fail(k, rc, HTTP_ERROR_DIAL_REFUSED, "dial: connection refused");
    case DIAL_TCP_ERRNO:
        snprintf(text, sizeof text, "dial: unknown errno %d error with msg `%s`", how->sys_errno,
                 err_code_text(-how->sys_errno));
        return http_fail(k, rc, HTTP_ERROR_DIAL_UNKNOWN_ERRNO, text);
    case DIAL_TCP_OTHER:
        return http_fail(k, rc, HTTP_ERROR_DIAL, text);
    case DIAL_RESET:
        return http_fail(k, rc, HTTP_ERROR_RESET, "read: connection reset by peer");
    case DIAL_TLS_GENERIC:
        return http_fail(k, rc, HTTP_ERROR_DEFAULT,
                         after_prefix(text, "tls: failed to verify certificate: "));
    case DIAL_TLS_ALERT:
        return http_fail(k, rc, HTTP_ERROR_NON_TCP, text);
    case DIAL_TLS_RECORD:
        return http_fail(k, rc, HTTP_ERROR_TLS_RECORD,
                         "tls: first record does not look like a TLS handshake");
    case DIAL_TLS_UNKNOWN_CA:
        return http_fail(k, rc, HTTP_ERROR_X509_UNKNOWN_AUTHORITY, "x509: unknown authority");
    case DIAL_TLS_HOSTNAME:
        return http_fail(k, rc, HTTP_ERROR_X509_HOSTNAME,
                         "x509: certificate doesn't match hostname");
    case DIAL_DEADLINE:
        return http_fail_timeout(k);
    case DIAL_CANCELLED:
        return -ECANCELED;
    case DIAL_PROXY:
        return http_fail(k, rc, HTTP_ERROR_TCP, text);
    case DIAL_EOF:
    case DIAL_OTHER:
        break;
    }
    return http_fail(k, rc, HTTP_ERROR_DEFAULT, text);
}

/* A read or a write on the connection failed; `op` is "read" or "write". */
int http_fail_io(struct http_call *k, int rc, const char *op)
{
    char text[512];
    if (rc == -ECANCELED)
        return rc;
    if (rc == -ETIMEDOUT)
        return http_fail_timeout(k);
    if (rc == E_EOF)
        return http_fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    if (rc <= E_EOF) {
        snprintf(text, sizeof text, "%s", err_message());
        return http_fail(k, rc, HTTP_ERROR_NON_TCP, text);
    }
    if (rc == -ECONNRESET || rc == -EPIPE) {
        snprintf(text, sizeof text, "%s: %s", op,
                 rc == -EPIPE ? "broken pipe" : "connection reset by peer");
        return http_fail(k, rc, rc == -EPIPE ? HTTP_ERROR_BROKEN_PIPE : HTTP_ERROR_RESET, text);
    }
    snprintf(text, sizeof text, "%s: unknown errno `%d` on linux with message `%s`", op, -rc,
             err_code_text(rc));
    return http_fail(k, rc, HTTP_ERROR_TCP_UNKNOWN_ERRNO, text);
}

/* What the reader refused: Go's words are the message already. */
int http_fail_read(struct http_call *k, int rc)
{
    if (rc == E_PROTOCOL && !k->in_body) {
        char text[512];
        snprintf(text, sizeof text, "%s", err_message());
        (void)err_wrap(rc, "net/http: HTTP/1.x transport connection broken");
        return http_fail(k, rc, HTTP_ERROR_DEFAULT, text);
    }
    if (rc == E_PROTOCOL || rc == E_LIMIT || rc == -ENOMEM || rc == -EINVAL)
        return http_fail_plain(k, rc, HTTP_ERROR_DEFAULT);
    return http_fail_io(k, rc, "read");
}
