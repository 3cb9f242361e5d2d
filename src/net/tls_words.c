#include "net/tls_words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/attr.h"
#include "base/err.h"

enum { ALERT_REASONS = 1000 }; /* OpenSSL's reasons from here on are alerts that the peer sent */

unsigned long tls_take_error(void)
{
    unsigned long e = ERR_get_error();
    ERR_clear_error();
    return e;
}

static int reason_of(unsigned long e)
{
    return ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
}

bool tls_is_alert(unsigned long e)
{
    return reason_of(e) >= ALERT_REASONS;
}

static const char *alert_text(int alert)
{
    static const struct {
        int alert;
        const char *text;
    } alerts[] = {
        {0, "close notify"},
        {10, "unexpected message"},
        {20, "bad record MAC"},
        {21, "decryption failed"},
        {22, "record overflow"},
        {30, "decompression failure"},
        {40, "handshake failure"},
        {42, "bad certificate"},
        {43, "unsupported certificate"},
        {44, "revoked certificate"},
        {45, "expired certificate"},
        {46, "unknown certificate"},
        {47, "illegal parameter"},
        {48, "unknown certificate authority"},
        {49, "access denied"},
        {50, "error decoding message"},
        {51, "error decrypting message"},
        {60, "export restriction"},
        {70, "protocol version not supported"},
        {71, "insufficient security level"},
        {80, "internal error"},
        {86, "inappropriate fallback"},
        {90, "user canceled"},
        {100, "no renegotiation"},
        {109, "missing extension"},
        {110, "unsupported extension"},
        {111, "certificate unobtainable"},
        {112, "unrecognized name"},
        {113, "bad certificate status response"},
        {114, "bad certificate hash value"},
        {115, "unknown PSK identity"},
        {116, "certificate required"},
        {120, "no application protocol"},
    };
    for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
        if (alerts[i].alert == alert)
            return alerts[i].text;
    return NULL;
}

int tls_error(unsigned long e, const char *what)
{
    int reason = reason_of(e);
    if (reason >= ALERT_REASONS) {
        const char *text = alert_text(reason - ALERT_REASONS);
        return text != NULL
                   ? err_set(E_TLS, "remote error: tls: %s", text)
                   : err_set(E_TLS, "remote error: tls: alert(%d)", reason - ALERT_REASONS);
    }
    const char *text = ERR_reason_error_string(e);
    return err_set(E_TLS, "tls: %s", text != NULL ? text : what);
}
