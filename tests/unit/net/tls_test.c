#include "net_test.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- certificates, made here --- */

struct cert {
    EVP_PKEY *key;
    X509 *x509;
};

static struct cert ca, other_ca;
static char dir[64], ca_file[128], ca_dir[128];

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* Signed by itself without `issuer`; valid from an hour ago, for `seconds` from now. */
static struct cert make_cert(const char *name, const struct cert *issuer, const char *san,
                             long seconds)
{
    static long serial = 1;
    struct cert c = {EVP_EC_gen("P-256"), X509_new()};
    assert_non_null(c.key);
    X509_set_version(c.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), seconds);
    X509_set_pubkey(c.x509, c.key);
    X509_NAME *subject = X509_get_subject_name(c.x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509 *parent = issuer != NULL ? issuer->x509 : c.x509;
    X509_set_issuer_name(c.x509, X509_get_subject_name(parent));
    add_extension(c.x509, parent, NID_basic_constraints,
                  issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (san != NULL)
        add_extension(c.x509, parent, NID_subject_alt_name, san);
    assert_true(X509_sign(c.x509, issuer != NULL ? issuer->key : c.key, EVP_sha256()) > 0);
    return c;
}

static void free_cert(struct cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
}

static void write_pem(const char *path, X509 *x)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    /* The servers write with OpenSSL's own socket calls; the streams under test need no such thing.
     */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    ca = make_cert("Test CA", NULL, NULL, 3600);
    other_ca = make_cert("Other CA", NULL, NULL, 3600);
    snprintf(dir, sizeof dir, "/tmp/spate-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    snprintf(ca_dir, sizeof ca_dir, "%s/certs", dir);
    assert_int_equal(mkdir(ca_dir, 0700), 0);
    write_pem(ca_file, ca.x509);
    char path[192];
    snprintf(path, sizeof path, "%s/any-name", ca_dir);
    write_pem(path, ca.x509);
    unsetenv("SSL_CERT_DIR");
    setenv("SSL_CERT_FILE", ca_file, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[192];
    snprintf(path, sizeof path, "%s/any-name", ca_dir);
    unlink(path);
    unlink(ca_file);
    rmdir(ca_dir);
    rmdir(dir);
    free_cert(&ca);
    free_cert(&other_ca);
    return 0;
}

/* --- a TLS server on a thread --- */

struct tls_server {
    struct server server;
    SSL_CTX *ctx;
    struct cert cert;
    char sni[128];     /* what the last client asked for; "" without */
    bool close_rudely; /* without close_notify */
    atomic_int shakes; /* handshakes that succeeded */
};

static int pick_http1(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                      const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char known[] = "\x02h2\x08http/1.1"; /* h2 wherever it is offered */
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, known, sizeof known - 1,
                                 in, in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

static void serve_tls(int fd, void *arg)
{
    struct tls_server *t = arg;
    SSL *ssl = SSL_new(t->ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        atomic_fetch_add(&t->shakes, 1);
        const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(t->sni, sizeof t->sni, "%s", sni != NULL ? sni : "");
        char buf[2048];
        int n;
        while ((n = SSL_read(ssl, buf, sizeof buf)) > 0 && memcmp(buf, "quit", 4) != 0)
            if (SSL_write(ssl, buf, n) != n)
                break;
        if (!t->close_rudely)
            SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
}

static void tls_server_start(struct tls_server *t, const struct cert *issuer, const char *san,
                             long seconds)
{
    t->cert = make_cert("server", issuer, san, seconds);
    t->ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(t->ctx);
    assert_int_equal(SSL_CTX_use_certificate(t->ctx, t->cert.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(t->ctx, t->cert.key), 1);
    SSL_CTX_set_alpn_select_cb(t->ctx, pick_http1, NULL);
    server_start(&t->server, AF_INET, serve_tls, t);
}

static void tls_server_stop(struct tls_server *t)
{
    server_stop(&t->server);
    SSL_CTX_free(t->ctx);
    free_cert(&t->cert);
}

/* Every name leads to 127.0.0.1. */
static void bench_init_tls(struct bench *b)
{
    bench_init(b);
    char *target = mem_strdup("127.0.0.1");
    assert_non_null(target);
    assert_int_equal(map_put(&b->rules.hosts, STR("*.test"), target), 0);
}

static void echoes(struct stream *s, const char *text)
{
    char buf[64];
    size_t len = strlen(text), got = 0;
    assert_int_equal(stream_write_all(s, text, len, in_ms(5000)), 0);
    while (got < len) {
        ssize_t n = stream_read(s, buf + got, sizeof buf - got, in_ms(5000));
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(buf, text, len);
}

/* --- what is agreed on --- */

static void shakes_hands(void *arg)
{
    struct tls_server *t = arg;
    struct bench b;
    bench_init_tls(&b);
    assert_int_equal(bench_dial(&b, "shop.test", t->server.port, true), 0);
    assert_true(b.how.tls_ns > 0);
    assert_string_equal(stream_tls(b.s)->version, "tls1.3");
    assert_string_equal(stream_tls(b.s)->cipher, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(stream_tls(b.s)->alpn, "http/1.1");
    uint64_t in = stream_bytes_in(b.s), out = stream_bytes_out(b.s);
    assert_true(in > 500 && out > 200); /* the handshake counts */
    int64_t before_ns = clock_mono_ns();
    echoes(b.s, "hello");
    assert_true(stream_bytes_out(b.s) > out + 5 && stream_bytes_in(b.s) > in + 5);
    assert_true(stream_arrival_ns(b.s) >= before_ns - NS_PER_MS);
    assert_true(stream_is_idle_ok(b.s)); /* also with tickets in it */
    for (int i = 0; i < 20; i++)
        echoes(b.s, "more");
    assert_true(stream_is_idle_ok(b.s));
    bench_fini(&b);

    bench_init_tls(&b);
    b.rules.tls_max = "tls1.2";
    b.rules.offer_h2 = true;
    assert_int_equal(bench_dial(&b, "SHOP.test", t->server.port, true), 0);
    assert_string_equal(stream_tls(b.s)->version, "tls1.2");
    assert_true(str_starts(str_of(stream_tls(b.s)->cipher), STR("TLS_ECDHE_ECDSA_WITH_")));
    assert_string_equal(stream_tls(b.s)->alpn, "h2");
    echoes(b.s, "hello");
    bench_fini(&b);

    bench_init_tls(&b);
    assert_int_equal(bench_dial(&b, "127.0.0.1", t->server.port, true), 0);
    echoes(b.s, "by address");
    bench_fini(&b);
}

static void test_handshake(void **state)
{
    (void)state;
    struct tls_server t = {.server.connections = 3};
    tls_server_start(&t, &ca, "DNS:shop.test,IP:127.0.0.1", 3600);
    run_co(shakes_hands, &t);
    tls_server_stop(&t);
    assert_int_equal(atomic_load(&t.shakes), 3);
    assert_string_equal(t.sni, ""); /* the last one went to an address */
}

static void asks_for_a_name(void *arg)
{
    struct tls_server *t = arg;
    struct bench b;
    bench_init_tls(&b);
    assert_int_equal(bench_dial(&b, "shop.eu.test", t->server.port, true), 0);
    echoes(b.s, "x");
    bench_fini(&b);
}

static void test_sni(void **state)
{
    (void)state;
    struct tls_server t = {0};
    tls_server_start(&t, &ca, "DNS:*.eu.test", 3600);
    run_co(asks_for_a_name, &t);
    tls_server_stop(&t);
    assert_string_equal(t.sni, "shop.eu.test");
}

/* --- certificates that won't do --- */

#define FAILED "tls: failed to verify certificate: x509: "

struct bad_case {
    const struct cert *issuer;
    const char *san;
    long seconds;
    const char *host;
    enum dial_failure failure;
    const char *message;
};

struct bad_try {
    const struct bad_case *c;
    struct tls_server t;
};

static void is_refused(void *arg)
{
    struct bad_try *try = arg;
    const struct bad_case *c = try->c;
    struct bench b;
    bench_init_tls(&b);
    assert_int_equal(bench_dial(&b, c->host, try->t.server.port, true), E_TLS);
    assert_int_equal(b.how.failure, c->failure);
    assert_true(str_starts(str_of(err_message()), str_of(c->message)));
    bench_fini(&b);
    /* Whoever says that it doesn't matter gets a connection. */
    bench_init_tls(&b);
    b.rules.insecure_skip_tls_verify = true;
    assert_int_equal(bench_dial(&b, c->host, try->t.server.port, true), 0);
    echoes(b.s, "insecure");
    bench_fini(&b);
}

static void test_bad_certificates(void **state)
{
    (void)state;
    const struct bad_case cases[] = {
        {&other_ca, "DNS:shop.test", 3600, "shop.test", DIAL_TLS_UNKNOWN_CA,
         FAILED "certificate signed by unknown authority"},
        {NULL, "DNS:shop.test", 3600, "shop.test", DIAL_TLS_UNKNOWN_CA,
         FAILED "certificate signed by unknown authority"},
        {&ca, "DNS:shop.test,DNS:b.test", 3600, "other.test", DIAL_TLS_HOSTNAME,
         FAILED "certificate is valid for shop.test, b.test, not other.test"},
        {&other_ca, "DNS:shop.test", 3600, "other.test", DIAL_TLS_HOSTNAME,
         FAILED "certificate is valid for shop.test, not other.test"},
        {&ca, NULL, 3600, "server.test", DIAL_TLS_HOSTNAME,
         FAILED "certificate is not valid for any names, but wanted to match server.test"},
        {&ca, "DNS:shop.test", 3600, "127.0.0.1", DIAL_TLS_HOSTNAME,
         FAILED "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"},
        {&ca, "DNS:shop.test", -60, "shop.test", DIAL_TLS_GENERIC,
         FAILED "certificate has expired or is not yet valid: current time 2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct bad_case *c = &cases[i];
        struct bad_try try = {.c = c, .t.server.connections = 2};
        tls_server_start(&try.t, c->issuer, c->san, c->seconds);
        run_co(is_refused, &try);
        tls_server_stop(&try.t);
    }
}

/* --- servers that don't speak it --- */

static void answers_in_http(int fd, void *arg)
{
    (void)arg;
    static const char page[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    char buf[2048];
    ssize_t n = read(fd, buf, sizeof buf);
    n = send(fd, page, sizeof page - 1, MSG_NOSIGNAL);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        ;
    close(fd);
}

static void only_closes(int fd, void *arg)
{
    (void)arg;
    char buf[2048];
    ssize_t n = read(fd, buf, sizeof buf);
    (void)n;
    close(fd);
}

static void resets(int fd, void *arg)
{
    (void)arg;
    char c;
    ssize_t n = read(fd, &c, 1);
    (void)n;
    close(fd); /* with unread data: a reset */
}

static void says_nothing(int fd, void *arg)
{
    (void)arg;
    char buf[2048];
    while (read(fd, buf, sizeof buf) > 0)
        ;
    close(fd);
}

struct stranger {
    struct server server;
    int want_rc;
    enum dial_failure want;
    const char *message;
};

static void meets_a_stranger(void *arg)
{
    struct stranger *p = arg;
    struct bench b;
    bench_init_tls(&b);
    assert_int_equal(bench_dial(&b, "shop.test", p->server.port, true), p->want_rc);
    assert_int_equal(b.how.failure, p->want);
    assert_true(str_ends(str_of(err_message()), str_of(p->message)));
    bench_fini(&b);
}

static void test_no_tls_there(void **state)
{
    (void)state;
    static serve_fn *const serve[] = {answers_in_http, only_closes, resets};
    struct stranger cases[] = {
        {{0}, E_TLS, DIAL_TLS_RECORD, "http: server gave HTTP response to HTTPS client"},
        {{0}, E_EOF, DIAL_EOF, "EOF"},
        {{0}, -ECONNRESET, DIAL_RESET, "read: connection reset by peer"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        server_start(&cases[i].server, AF_INET, serve[i], NULL);
        run_co(meets_a_stranger, &cases[i]);
        server_stop(&cases[i].server);
    }
}

static void test_no_common_version(void **state)
{
    (void)state;
    struct tls_server t = {0};
    tls_server_start(&t, &ca, "DNS:shop.test", 3600);
    /* Set after the thread waits in accept(), before any client comes. */
    SSL_CTX_set_max_proto_version(t.ctx, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(t.ctx, "DEFAULT@SECLEVEL=0");
    struct stranger p = {.want_rc = E_TLS,
                         .want = DIAL_TLS_ALERT,
                         .message = "remote error: tls: protocol version not supported"};
    p.server.port = t.server.port;
    run_co(meets_a_stranger, &p);
    tls_server_stop(&t);
}

struct patience {
    struct bench b;
    uint16_t port;
    int result;
};

static void dials_silence(void *arg)
{
    struct patience *p = arg;
    p->result =
        dial(p->b.dialer, STR("shop.test"), p->port, true, NULL, in_ms(60000), &p->b.s, &p->b.how);
}

static void loses_patience(void *arg)
{
    struct patience *p = arg;
    bench_init_tls(&p->b);
    assert_int_equal(dialer_new(&p->b.rules, p->b.cache, &p->b.dialer), 0);
    assert_int_equal(
        dial(p->b.dialer, STR("shop.test"), p->port, true, NULL, in_ms(10), &p->b.s, &p->b.how),
        -ETIMEDOUT);
    assert_int_equal(p->b.how.failure, DIAL_DEADLINE);
    struct co *c = spawn(loop_current(), dials_silence, p);
    assert_int_equal(co_join(c, in_ms(10)), -ETIMEDOUT);
    co_cancel(c);
    assert_int_equal(co_join(c, in_ms(5000)), 0);
    assert_int_equal(p->result, -ECANCELED);
    assert_int_equal(p->b.how.failure, DIAL_CANCELLED);
    bench_fini(&p->b);
}

static void test_silence(void **state)
{
    (void)state;
    struct server server = {.connections = 2};
    server_start(&server, AF_INET, says_nothing, NULL);
    struct patience p = {.port = server.port};
    run_co(loses_patience, &p);
    server_stop(&server);
}

/* --- data and ends --- */

enum { MUCH = 1 << 20 };

static void writes_much(void *arg)
{
    struct stream *s = arg;
    char *data = mem_calloc(1, MUCH);
    assert_non_null(data);
    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7 % 251);
    assert_int_equal(stream_write_all(s, data, MUCH, in_ms(20000)), 0);
    mem_free(data);
}

static void reads_much(void *arg)
{
    struct tls_server *t = arg;
    struct bench b;
    bench_init_tls(&b);
    assert_int_equal(bench_dial(&b, "shop.test", t->server.port, true), 0);
    spawn(loop_current(), writes_much, b.s);
    for (size_t at = 0; at < MUCH;) {
        char buf[1500];
        ssize_t n = stream_read(b.s, buf, sizeof buf, in_ms(20000));
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++, at++)
            if (buf[i] != (char)(at * 7 % 251))
                fail_msg("byte %zu is wrong", at);
    }
    assert_int_equal(stream_write_all(b.s, "quit", 4, in_ms(5000)), 0);
    char c;
    assert_int_equal(stream_read(b.s, &c, 1, in_ms(5000)), 0);
    assert_int_equal(stream_read(b.s, &c, 1, in_ms(5000)), 0);
    assert_false(stream_is_idle_ok(b.s));
    bench_fini(&b);
}

static void test_much_data_and_the_end(void **state)
{
    (void)state;
    for (int rude = 0; rude < 2; rude++) {
        struct tls_server t = {.close_rudely = rude};
        tls_server_start(&t, &ca, "DNS:shop.test", 3600);
        run_co(reads_much, &t);
        tls_server_stop(&t);
    }
}

/* --- roots --- */

static void dials_once(void *arg)
{
    struct tls_server *t = arg;
    struct bench b;
    bench_init_tls(&b);
    int rc = bench_dial(&b, "shop.test", t->server.port, true);
    assert_int_equal(rc, getenv("SSL_CERT_DIR") != NULL ? 0 : E_TLS);
    if (rc < 0)
        assert_int_equal(b.how.failure, DIAL_TLS_UNKNOWN_CA);
    bench_fini(&b);
}

static void test_roots(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    struct dialer *d = NULL;
    char message[192];
    setenv("SSL_CERT_FILE", "/nowhere/ca.pem", 1);
    assert_int_equal(dialer_new(&b.rules, b.cache, &d), E_CONFIG);
    assert_true(str_starts(str_of(err_message()), STR("certificates of /nowhere/ca.pem: ")));
    unsetenv("SSL_CERT_FILE");
    setenv("SSL_CERT_DIR", "/nowhere", 1);
    assert_int_equal(dialer_new(&b.rules, b.cache, &d), E_CONFIG);
    assert_string_equal(err_message(), "certificates of /nowhere: no such file or directory");
    setenv("SSL_CERT_DIR", ca_dir, 1);
    b.rules.tls_min = "tls9";
    assert_int_equal(dialer_new(&b.rules, b.cache, &d), E_CONFIG);
    assert_string_equal(err_message(), "unknown TLS version: tls9");
    assert_null(d);
    bench_fini(&b);

    struct tls_server t = {.server.connections = 2};
    tls_server_start(&t, &ca, "DNS:shop.test", 3600);
    snprintf(message, sizeof message, ":%s", ca_dir);
    setenv("SSL_CERT_DIR", message, 1);
    run_co(dials_once, &t);
    unsetenv("SSL_CERT_DIR");
    run_co(dials_once, &t); /* the system's roots don't have it */
    setenv("SSL_CERT_FILE", ca_file, 1);
    tls_server_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_sni),
        cmocka_unit_test(test_bad_certificates),
        cmocka_unit_test(test_no_tls_there),
        cmocka_unit_test(test_no_common_version),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_much_data_and_the_end),
        cmocka_unit_test(test_roots),
    };
    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
