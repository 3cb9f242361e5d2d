#include "net/tls.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/roots.h"
#include "net/rules.h"
#include "net/stream_int.h"
#include "net/tls_bio.h"
#include "net/tls_options.h"
#include "net/tls_words.h"
#include "rt/co.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *bio;      /* the socket as OpenSSL sees it */
    BIO_METHOD *bio_over; /* TLS to a proxy, likewise */
    struct roots *roots;  /* not ours */
    bool insecure;
    bool offer_h2;
    bool has_roots; /* ctx has them */
};

/* One handshake; found from the SSL by its application data while it lasts. */
struct handshake {
    char *host; /* without a final dot */
    bool is_ip;
    enum dial_failure failure; /* of the certificate check; DIAL_OK: none yet */
    char message[512];
};

/* --- certificates --- */

static const char verify_failed[] = "tls: failed to verify certificate: x509: ";

static bool name_fits(const struct handshake *h, X509 *cert)
{
    if (h->is_ip)
        return X509_check_ip_asc(cert, h->host, 0) == 1;
    return X509_check_host(cert, h->host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

/* The DNS names of a certificate, as "a, b"; in `out`. */
static void list_names(X509 *cert, char *out, size_t size)
{
    out[0] = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        int n = snprintf(out + len, size - len, "%s%.*s", len > 0 ? ", " : "",
                         ASN1_STRING_length(name->d.dNSName),
                         (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        if (n < 0 || (size_t)n >= size - len)
            break;
        len += (size_t)n;
    }
    GENERAL_NAMES_free(names);
}

static void note_wrong_name(struct handshake *h, X509 *cert)
{
    char names[256];
    list_names(cert, names, sizeof names);
    h->failure = DIAL_TLS_HOSTNAME;
    if (h->is_ip)
        snprintf(h->message, sizeof h->message,
                 "%scannot validate certificate for %s because it doesn't contain any IP SANs",
                 verify_failed, h->host);
    else if (names[0] == '\0')
        snprintf(h->message, sizeof h->message,
                 "%scertificate is not valid for any names, but wanted to match %s", verify_failed,
                 h->host);
    else
        snprintf(h->message, sizeof h->message, "%scertificate is valid for %s, not %s",
                 verify_failed, names, h->host);
}

static void put_time(char out[static 32], const struct tm *tm)
{
    if (strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", tm) == 0)
        out[0] = '\0';
}

static void note_bad_time(struct handshake *h, const char *side, const ASN1_TIME *limit)
{
    char now[32], then[32] = "";
    struct tm tm;
    time_t wall_s = (time_t)(clock_wall_ns() / NS_PER_S);
    gmtime_r(&wall_s, &tm);
    put_time(now, &tm);
    if (ASN1_TIME_to_tm(limit, &tm) == 1)
        put_time(then, &tm);
    snprintf(h->message, sizeof h->message,
             "%scertificate has expired or is not yet valid: current time %s is %s %s",
             verify_failed, now, side, then);
}

static void note_bad_chain(struct handshake *h, int error, X509 *cert)
{
    const char *text = X509_verify_cert_error_string(error);
    h->failure = DIAL_TLS_GENERIC;
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        h->failure = DIAL_TLS_UNKNOWN_CA;
        text = "certificate signed by unknown authority";
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        note_bad_time(h, "after", X509_get0_notAfter(cert));
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        note_bad_time(h, "before", X509_get0_notBefore(cert));
        return;
    default: /* OpenSSL's own words will do */
        break;
    }
    snprintf(h->message, sizeof h->message, "%s%s", verify_failed, text);
}

/* The first thing that is wrong counts, a wrong name before all others as in Go. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok)
        return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct handshake *h = SSL_get_app_data(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (h == NULL || h->failure != DIAL_OK)
        return 0;
    if (leaf != NULL && !name_fits(h, leaf))
        note_wrong_name(h, leaf);
    else
        note_bad_chain(h, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store));
    return 0;
}

/* --- context --- */

static int version_of(const char *name, int fallback)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {
        {"tls1.0", TLS1_VERSION},
        {"tls1.1", TLS1_1_VERSION},
        {"tls1.2", TLS1_2_VERSION},
        {"tls1.3", TLS1_3_VERSION},
    };
    if (name == NULL || name[0] == '\0')
        return fallback;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        if (strcmp(name, versions[i].name) == 0)
            return versions[i].version;
    return -1;
}

/* Those of TLS up to 1.2; the three of TLS 1.3 are always there. */
static int set_suites(SSL_CTX *ctx, const struct dial_rules *rules, int level, int max)
{
    char list[TLS_SUITES_MAX + 32];
    if (rules->suites_given && rules->suites.len == 0) {
        if (max < TLS1_3_VERSION)
            return err_set(E_CONFIG,
                           "none of the cipher suites asked for is there for this version");
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
        return 0;
    }
    struct str own = buf_view(&rules->suites);
    snprintf(list, sizeof list, "%.*s@SECLEVEL=%d", rules->suites_given ? (int)own.len : 7,
             rules->suites_given ? own.ptr : "DEFAULT", level);
    if (SSL_CTX_set_cipher_list(ctx, list) != 1)
        return tls_error(tls_take_error(), "cipher suites");
    return 0;
}

static int set_versions(SSL_CTX *ctx, const struct dial_rules *rules)
{
    int min = version_of(rules->tls_min, TLS1_2_VERSION);
    int max = version_of(rules->tls_max, TLS1_3_VERSION);
    if (min < 0 || max < 0)
        return err_set(E_CONFIG, "unknown TLS version: %s",
                       min < 0 ? rules->tls_min : rules->tls_max);
    if (rules->tls_min == NULL && max < min)
        min = max;
    SSL_CTX_set_min_proto_version(ctx, min);
    SSL_CTX_set_max_proto_version(ctx, max);
    /* The system's level may forbid keys that the servers under test have; the old versions need 0.
     */
    return set_suites(ctx, rules, min < TLS1_2_VERSION ? 0 : 1, max);
}

/* ---- what a script brings ---- */

static bool is_issued_by(X509 *cert, const STACK_OF(X509_NAME) * names)
{
    for (int i = 0; i < sk_X509_NAME_num(names); i++)
        if (X509_NAME_cmp(X509_get_issuer_name(cert), sk_X509_NAME_value(names, i)) == 0)
            return true;
    return false;
}

/* True when the server takes it: it named no authorities, or one of the chain's. */
static bool is_acceptable(const struct tls_auth *a, const STACK_OF(X509_NAME) * names)
{
    if (sk_X509_NAME_num(names) <= 0 || is_issued_by(a->leaf, names))
        return true;
    for (size_t i = 0; i < a->chain_len; i++)
        if (is_issued_by(a->chain[i], names))
            return true;
    return false;
}

/* The first one meant for the host that the server takes, else the first one that it takes: that is
 * what k6 sends, which passes over `domains`. */
static const struct tls_auth *choose_auth(const struct dial_rules *rules, SSL *ssl)
{
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl);
    const struct handshake *h = SSL_get_app_data(ssl);
    const struct tls_auth *any = NULL;
    for (size_t i = 0; i < rules->auth_len; i++) {
        const struct tls_auth *a = &rules->auth[i];
        if (!is_acceptable(a, names))
            continue;
        if (h != NULL && tls_auth_fits(a, str_of(h->host)))
            return a;
        any = any == NULL ? a : any;
    }
    return any;
}

/* The server asks for a certificate. */
static int on_certificate_wanted(SSL *ssl, void *arg)
{
    const struct tls_auth *a = choose_auth(arg, ssl);
    if (a == NULL)
        return 1; /* none is sent, and the server decides */
    if (SSL_use_certificate(ssl, a->leaf) != 1 || SSL_use_PrivateKey(ssl, a->key) != 1)
        return 0;
    for (size_t i = 0; i < a->chain_len; i++)
        if (SSL_add1_chain_cert(ssl, a->chain[i]) != 1)
            return 0;
    return 1;
}

/* One write() a line: workers share the file. */
static void on_key(const SSL *ssl, const char *line)
{
    const struct dial_rules *rules = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char text[512];
    int n = snprintf(text, sizeof text, "%s\n", line);
    if (n > 0 && (size_t)n < sizeof text)
        (void)!write(rules->key_log, text, (size_t)n);
}

static int set_context(struct tls_context *t, const struct dial_rules *rules)
{
    int rc = set_versions(t->ctx, rules);
    if (rc < 0)
        return rc;
    SSL_CTX_set_app_data(t->ctx, (void *)(uintptr_t)rules);
    if (rules->auth_len > 0)
        SSL_CTX_set_cert_cb(t->ctx, on_certificate_wanted, (void *)(uintptr_t)rules);
    if (rules->key_log >= 0)
        SSL_CTX_set_keylog_callback(t->ctx, on_key);
    SSL_CTX_set_tlsext_status_type(t->ctx, TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    /* As Go has it: a server may renegotiate, to ask for a certificate; no session is resumed then.
     */
    SSL_CTX_set_options(t->ctx,
                        SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(t->ctx, 1); /* a record's head and body in one call */
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    t->offer_h2 = rules->offer_h2;
    if (rules->insecure_skip_tls_verify) {
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
        return 0;
    }
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, on_verify);
    return roots_check();
}

int tls_context_new(const struct dial_rules *rules, struct roots *roots, struct tls_context **ret)
{
    struct tls_context *t = mem_calloc(1, sizeof *t);
    if (t == NULL)
        return err_set(-ENOMEM, "TLS");
    t->insecure = rules->insecure_skip_tls_verify;
    t->roots = roots;
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->bio = tls_bio_method();
    t->bio_over = tls_bio_method_over();
    bool made = t->ctx != NULL && t->bio != NULL && t->bio_over != NULL;
    int rc = made ? set_context(t, rules) : err_set(-ENOMEM, "TLS");
    if (rc < 0) {
        tls_context_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void tls_context_free(struct tls_context *t)
{
    if (t == NULL)
        return;
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->bio);
    BIO_meth_free(t->bio_over);
    mem_free(t);
}

/* --- the stream --- */

/* OpenSSL will not go on: 0 at the end of the stream, or an error that it has set. */
static int ended_or_failed(struct stream *s, int why, const char *op)
{
    if (why == SSL_ERROR_ZERO_RETURN) {
        s->ended = true;
        return 0;
    }
    s->broken = true;
    if (s->socket_error == 0) {
        unsigned long e = tls_take_error();
        return e == 0 && s->ended ? 0 : tls_error(e, "unexpected end");
    }
    ERR_clear_error();
    return tcp_error(s, op, s->socket_error);
}

/* After a call of OpenSSL that didn't succeed.  1: go on (it waited), 0: end of the stream, or an
 * error that it has set. */
static int wait_or_fail(struct stream *s, int result, const char *op, int64_t deadline_ns)
{
    int rc, why = SSL_get_error(s->ssl, result);
    if (why == SSL_ERROR_WANT_READ)
        rc = io_wait_readable(s->io, deadline_ns);
    else if (why == SSL_ERROR_WANT_WRITE)
        rc = io_wait_writable(s->io, deadline_ns);
    else
        return ended_or_failed(s, why, op);
    return rc < 0 ? tcp_error(s, op, rc) : 1;
}

/* What a single call has come to; its bytes are `n`. */
static ssize_t try_result(struct stream *s, int result, size_t n, const char *op)
{
    if (result == 1)
        return (ssize_t)n;
    int why = SSL_get_error(s->ssl, result);
    /* A read that wants to write (an answer to a key update) goes on with the next write. */
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    return ended_or_failed(s, why, op);
}

static ssize_t tls_try_read(struct stream *s, void *p, size_t n)
{
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(s->ssl, p, n, &got);
    return try_result(s, result, got, "read");
}

static ssize_t tls_try_write(struct stream *s, const void *p, size_t n)
{
    size_t sent = 0;
    ERR_clear_error();
    int result = SSL_write_ex(s->ssl, p, n, &sent);
    ssize_t rc = try_result(s, result, sent, "write");
    return rc == 0 ? tcp_error(s, "write", -EPIPE) : rc;
}

static ssize_t tls_read(struct stream *s, void *p, size_t n, int64_t deadline_ns)
{
    int slice = io_maybe_readable(s->io) || SSL_has_pending(s->ssl) ? co_check_slice() : 0;
    if (slice < 0)
        return tcp_error(s, "read", slice);
    for (;;) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(s->ssl, p, n, &got);
        if (result == 1)
            return (ssize_t)got;
        int rc = wait_or_fail(s, result, "read", deadline_ns);
        if (rc <= 0)
            return rc;
    }
}

static int tls_write_all(struct stream *s, const void *p, size_t n, int64_t deadline_ns)
{
    const char *at = p;
    while (n > 0) {
        size_t sent = 0;
        ERR_clear_error();
        int result = SSL_write_ex(s->ssl, at, n, &sent);
        if (result == 1) {
            at += sent;
            n -= sent;
            continue;
        }
        int rc = wait_or_fail(s, result, "write", deadline_ns);
        if (rc <= 0)
            return rc < 0 ? rc : tcp_error(s, "write", -EPIPE);
    }
    return 0;
}

static bool tls_maybe_readable(struct stream *s)
{
    return io_maybe_readable(s->io) || SSL_has_pending(s->ssl) ||
           (s->ssl_below != NULL && SSL_has_pending(s->ssl_below));
}

static bool tls_is_idle_ok(struct stream *s)
{
    if (s->ended || s->broken || s->socket_error != 0 || SSL_pending(s->ssl) > 0)
        return false;
    if (!io_maybe_readable(s->io) && !SSL_has_pending(s->ssl))
        return true;
    /* Session tickets come unasked, and they are read here. */
    char c;
    ERR_clear_error();
    int result = SSL_peek(s->ssl, &c, 1);
    bool ok = result <= 0 && SSL_get_error(s->ssl, result) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return ok;
}

static void tls_fini(struct stream *s)
{
    ERR_clear_error();
    if (!s->broken && s->socket_error == 0 && SSL_is_init_finished(s->ssl))
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
    SSL_free(s->ssl);
    SSL_free(s->ssl_below);
}

static const struct stream_ops tls_ops = {
    .read = tls_read,
    .write_all = tls_write_all,
    .try_read = tls_try_read,
    .try_write = tls_try_write,
    .maybe_readable = tls_maybe_readable,
    .is_idle_ok = tls_is_idle_ok,
    .fini = tls_fini,
};

/* --- handshake --- */

static void describe(struct stream *s)
{
    switch (SSL_version(s->ssl)) {
    case TLS1_VERSION:
        s->tls.version = "tls1.0";
        break;
    case TLS1_1_VERSION:
        s->tls.version = "tls1.1";
        break;
    case TLS1_2_VERSION:
        s->tls.version = "tls1.2";
        break;
    default: /* there is no later one */
        s->tls.version = "tls1.3";
        break;
    }
    s->tls.cipher = tls_suite_name(SSL_CIPHER_standard_name(SSL_get_current_cipher(s->ssl)));
    const unsigned char *stapled = NULL;
    long stapled_len = SSL_get_tlsext_status_ocsp_resp(s->ssl, &stapled);
    if (stapled_len > 0)
        (void)ocsp_parse(stapled, (size_t)stapled_len, &s->tls.ocsp);
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(s->ssl, &alpn, &len);
    if (len == 2 && memcmp(alpn, "h2", 2) == 0)
        s->tls.alpn = "h2";
    else if (len == 8 && memcmp(alpn, "http/1.1", 8) == 0)
        s->tls.alpn = "http/1.1";
}

/* The peer answered with something that isn't TLS. */
static bool is_record_error(unsigned long e)
{
    if (ERR_GET_LIB(e) != ERR_LIB_SSL)
        return false;
    switch (ERR_GET_REASON(e)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
        return true;
    default: /* OpenSSL has hundreds */
        return false;
    }
}

static int handshake_failed(struct stream *s, const struct handshake *h, enum dial_failure *why)
{
    unsigned long e = tls_take_error();
    s->broken = true;
    if (h->failure != DIAL_OK) {
        *why = h->failure;
        return err_set(E_TLS, "%s", h->message);
    }
    if (s->socket_error != 0) {
        *why = s->socket_error == -ECONNRESET ? DIAL_RESET : DIAL_TCP_OTHER;
        return tcp_error(s, "read", s->socket_error);
    }
    if (s->ended && !is_record_error(e)) {
        *why = DIAL_EOF;
        return err_set(E_EOF, "EOF");
    }
    *why = is_record_error(e) ? DIAL_TLS_RECORD
           : tls_is_alert(e)  ? DIAL_TLS_ALERT
                              : DIAL_TLS_GENERIC;
    if (*why != DIAL_TLS_RECORD)
        return tls_error(e, "handshake failed");
    return err_set(E_TLS, "%s",
                   s->says_http ? "http: server gave HTTP response to HTTPS client"
                                : "tls: first record does not look like a TLS handshake");
}

static int shake_hands(struct stream *s, const struct handshake *h, int64_t deadline_ns,
                       enum dial_failure *why)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(s->ssl);
        if (result == 1)
            return 0;
        int rc, want = SSL_get_error(s->ssl, result);
        if (want == SSL_ERROR_WANT_READ)
            rc = io_wait_readable(s->io, deadline_ns);
        else if (want == SSL_ERROR_WANT_WRITE)
            rc = io_wait_writable(s->io, deadline_ns);
        else
            return handshake_failed(s, h, why);
        if (rc < 0) {
            *why = rc == -ECANCELED ? DIAL_CANCELLED : DIAL_TLS_GENERIC;
            return rc == -ECANCELED ? err_set(rc, "operation was canceled")
                                    : err_set(rc, "net/http: TLS handshake timeout");
        }
    }
}

static int need_roots(struct tls_context *t)
{
    if (t->insecure || t->has_roots)
        return 0;
    X509_STORE *store = NULL;
    int rc = roots_get(t->roots, &store);
    if (rc == 0 && !t->has_roots) {
        SSL_CTX_set1_cert_store(t->ctx, store);
        t->has_roots = true;
    }
    return rc;
}

static void set_alpn(SSL *ssl, bool offer_h2)
{
    static const unsigned char h1[] = "\x08http/1.1", h2[] = "\x02h2\x08http/1.1";
    if (offer_h2)
        SSL_set_alpn_protos(ssl, h2, sizeof h2 - 1);
    else
        SSL_set_alpn_protos(ssl, h1, sizeof h1 - 1);
}

static int prepare(struct tls_context *t, struct stream *s, struct handshake *h, bool offer_h2)
{
    SSL *ssl = SSL_new(t->ctx);
    BIO *bio = BIO_new(s->ssl != NULL ? t->bio_over : t->bio);
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return err_set(-ENOMEM, "TLS connection");
    }
    BIO_set_data(bio, s);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, h);
    set_alpn(ssl, offer_h2 && t->offer_h2);
    s->ssl_below = s->ssl;
    s->ssl = ssl; /* from here on tls_fini() frees it */
    s->ops = &tls_ops;
    int ok = 1;
    if (!h->is_ip)
        ok = SSL_set_tlsext_host_name(ssl, h->host) == 1;
    if (ok && !t->insecure) {
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        ok = h->is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, h->host) == 1
                      : X509_VERIFY_PARAM_set1_host(param, h->host, 0) == 1;
    }
    return ok ? 0 : tls_error(tls_take_error(), "host name");
}

int tls_connect(struct tls_context *t, struct stream *s, struct str host, bool offer_h2,
                int64_t deadline_ns, enum dial_failure *ret_failure)
{
    char name[NET_HOST_MAX + 1];
    struct net_ip ip;
    struct handshake h = {.host = name, .is_ip = net_ip_parse(host, &ip)};
    *ret_failure = DIAL_TLS_GENERIC;
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len >= sizeof name)
        return err_set(E_TLS, "tls: host name too long");
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    int rc = need_roots(t);
    if (rc == 0)
        rc = prepare(t, s, &h, offer_h2);
    if (rc == 0)
        rc = shake_hands(s, &h, deadline_ns, ret_failure);
    if (s->ssl != NULL)
        SSL_set_app_data(s->ssl, NULL); /* `h` goes away */
    if (rc < 0)
        return rc;
    describe(s);
    *ret_failure = DIAL_OK;
    return 0;
}
