#include "net/ocsp.h"

#include "base/clock.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <time.h>

static const int64_t no_time_s = -62135596800; /* Go's zero time */

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *t)
{
    struct tm tm;
    return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : no_time_s;
}

static const char *reason_text(int reason)
{
    switch (reason) {
    case -1: /* none is given, which Go reads as 0 */
    case OCSP_REVOKED_STATUS_UNSPECIFIED:
        return "unspecified";
    case OCSP_REVOKED_STATUS_KEYCOMPROMISE:
        return "key_compromise";
    case OCSP_REVOKED_STATUS_CACOMPROMISE:
        return "ca_compromise";
    case OCSP_REVOKED_STATUS_AFFILIATIONCHANGED:
        return "affiliation_changed";
    case OCSP_REVOKED_STATUS_SUPERSEDED:
        return "superseded";
    case OCSP_REVOKED_STATUS_CESSATIONOFOPERATION:
        return "cessation_of_operation";
    case OCSP_REVOKED_STATUS_CERTIFICATEHOLD:
        return "certificate_hold";
    case OCSP_REVOKED_STATUS_REMOVEFROMCRL:
        return "remove_from_crl";
    case OCSP_REVOKED_STATUS_PRIVILEGEWITHDRAWN:
        return "privilege_withdrawn";
    case OCSP_REVOKED_STATUS_AACOMPROMISE:
        return "aa_compromise";
    default: /* RFC 5280 has no others, but a server may */
        return "";
    }
}

static const char *status_text(int status)
{
    return status == V_OCSP_CERTSTATUS_GOOD      ? "good"
           : status == V_OCSP_CERTSTATUS_REVOKED ? "revoked"
                                                 : "unknown";
}

/* An answer that brings its signer's certificate must have been signed by it. */
static bool is_signed(OCSP_BASICRESP *basic)
{
    const STACK_OF(X509) *certs = OCSP_resp_get0_certs(basic);
    if (sk_X509_num(certs) <= 0)
        return true;
    return OCSP_basic_verify(basic, NULL, NULL, OCSP_NOVERIFY) == 1;
}

static bool read_basic(OCSP_BASICRESP *basic, struct ocsp *ret)
{
    if (OCSP_resp_count(basic) != 1 || !is_signed(basic))
        return false;
    int reason = -1;
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    int status = OCSP_single_get0_status(OCSP_resp_get0(basic, 0), &reason, &revoked, &this_update,
                                         &next_update);
    *ret = (struct ocsp){
        .status = status_text(status),
        .reason = reason_text(reason),
        .produced_s = seconds_of(OCSP_resp_get0_produced_at(basic)),
        .this_update_s = seconds_of(this_update),
        .next_update_s = seconds_of(next_update),
        .revoked_s = seconds_of(revoked),
    };
    return true;
}

bool ocsp_parse(const uint8_t *p, size_t n, struct ocsp *ret)
{
    *ret = (struct ocsp){0};
    OCSP_RESPONSE *answer = n <= LONG_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)n) : NULL;
    OCSP_BASICRESP *basic = NULL;
    bool ok = answer != NULL && OCSP_response_status(answer) == OCSP_RESPONSE_STATUS_SUCCESSFUL &&
              (basic = OCSP_response_get1_basic(answer)) != NULL && read_basic(basic, ret);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(answer);
    ERR_clear_error();
    return ok;
}
