#include "net/tls_options.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

/* ---- certificates -------------------------------------------------------------------------- */

static void auth_fini(struct tls_auth *a)
{
    X509_free(a->leaf);
    for (size_t i = 0; i < a->chain_len; i++)
        X509_free(a->chain[i]);
    mem_free(a->chain);
    EVP_PKEY_free(a->key);
    for (size_t i = 0; i < a->domains_len; i++)
        mem_free(a->domains[i]);
    mem_free(a->domains);
}

static int read_certificates(struct tls_auth *a, BIO *in)
{
    a->leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);
    if (a->leaf == NULL)
        return err_set(E_CONFIG, "tls: failed to find any PEM data in certificate input");
    X509 *more;
    while ((more = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        int rc = mem_grow(&a->chain, &a->chain_cap, a->chain_len + 1, TLS_CHAIN_MAX, sizeof more);
        if (rc < 0) {
            X509_free(more);
            return rc == -E2BIG ? err_set(E_CONFIG, "tls: more than %d certificates", TLS_CHAIN_MAX)
                                : rc;
        }
        a->chain[a->chain_len++] = more;
    }
    return 0;
}

/* OpenSSL asks for the password of an encrypted key. */
static int give_password(char *out, int size, int writing, void *arg)
{
    (void)writing;
    const struct str *password = arg;
    if (password->ptr == NULL || password->len > (size_t)size)
        return -1;
    memcpy(out, password->ptr, password->len);
    return (int)password->len;
}

static int read_key(struct tls_auth *a, BIO *in, bool is_pem, struct str password)
{
    a->key = PEM_read_bio_PrivateKey(in, NULL, give_password, &password);
    if (a->key != NULL)
        return 0;
    if (!is_pem)
        return err_set(E_CONFIG, "tls: failed to find any PEM data in key input");
    return err_set(E_CONFIG, password.ptr != NULL ? "x509: decryption password incorrect"
                                                  : "tls: failed to parse private key");
}

static bool is_pem(struct str text)
{
    return text.len > 0 && memmem(text.ptr, text.len, "-----BEGIN ", 11) != NULL;
}

static int read_pair(struct tls_auth *a, const struct tls_auth_text *text)
{
    if (text->cert.len > TLS_PEM_MAX || text->key.len > TLS_PEM_MAX)
        return err_set(E_CONFIG, "tls: certificate or key is larger than %d bytes", TLS_PEM_MAX);
    BIO *cert = BIO_new_mem_buf(text->cert.len > 0 ? text->cert.ptr : "", (int)text->cert.len);
    BIO *key = BIO_new_mem_buf(text->key.len > 0 ? text->key.ptr : "", (int)text->key.len);
    int rc = cert == NULL || key == NULL ? -ENOMEM : read_certificates(a, cert);
    if (rc == 0)
        rc = read_key(a, key, is_pem(text->key), text->password);
    if (rc == 0 && X509_check_private_key(a->leaf, a->key) != 1)
        rc = err_set(E_CONFIG, "tls: private key does not match public key");
    BIO_free(cert);
    BIO_free(key);
    ERR_clear_error();
    return rc;
}

int tls_auth_add(struct dial_rules *r, const struct tls_auth_text *text)
{
    int rc = mem_grow(&r->auth, &r->auth_cap, r->auth_len + 1, TLS_AUTH_MAX, sizeof *r->auth);
    if (rc < 0)
        return rc == -E2BIG ? err_set(E_CONFIG, "more than %d certificates", TLS_AUTH_MAX) : rc;
    struct tls_auth *a = &r->auth[r->auth_len];
    *a = (struct tls_auth){0};
    rc = read_pair(a, text);
    if (rc < 0)
        auth_fini(a);
    else
        r->auth_len++;
    return rc;
}

int tls_auth_add_domain(struct dial_rules *r, struct str domain)
{
    struct tls_auth *a = &r->auth[r->auth_len - 1];
    char *copy = str_dup(domain);
    int rc = copy == NULL ? -ENOMEM
                          : mem_grow(&a->domains, &a->domains_cap, a->domains_len + 1, TLS_AUTH_MAX,
                                     sizeof copy);
    if (rc < 0) {
        mem_free(copy);
        return err_set(rc, "domains of a certificate");
    }
    a->domains[a->domains_len++] = copy;
    return 0;
}

bool tls_auth_fits(const struct tls_auth *a, struct str host)
{
    for (size_t i = 0; i < a->domains_len; i++) {
        struct str domain = str_of(a->domains[i]);
        if (str_ieq(domain, host))
            return true;
        if (domain.len < 2 || domain.ptr[0] != '*' || domain.ptr[1] != '.')
            continue;
        struct str below = str_new(domain.ptr + 1, domain.len - 1);
        if (host.len > below.len &&
            str_ieq(str_new(host.ptr + host.len - below.len, below.len), below))
            return true;
    }
    return a->domains_len == 0;
}

/* ---- cipher suites ------------------------------------------------------------------------- */

/* Where Go's names aren't the standard's. */
static const struct {
    const char *name, *standard;
} renamed[] = {
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
};

static const char *const suites[] = {
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
};

const char *tls_suite_name(const char *standard)
{
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++)
        if (strcmp(standard, renamed[i].standard) == 0)
            return renamed[i].name;
    return standard;
}

/* OpenSSL's own name of a suite up to TLS 1.2, or "(NONE)". */
static const char *own_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(renamed); i++)
        if (strcmp(name, renamed[i].name) == 0)
            return OPENSSL_cipher_name(renamed[i].standard);
    return OPENSSL_cipher_name(name);
}

int tls_suites_add(struct dial_rules *r, struct str name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(suites) && !str_eqz(name, suites[i]))
        i++;
    if (i == ARRAY_LEN(suites))
        return err_set(E_CONFIG, "unknown cipher suite '%.*s'", STR_ARG(name));
    r->suites_given = true;
    const char *own = own_name(suites[i]);
    bool has_own = strcmp(own, "(NONE)") != 0;
    if (!has_own || strncmp(suites[i], "TLS_AES_", 8) == 0 ||
        strcmp(suites[i], "TLS_CHACHA20_POLY1305_SHA256") == 0)
        return 0; /* TLS 1.3 always has all of its own, as in Go; RC4 and 3DES are gone */
    buf_printf(&r->suites, "%s%s", r->suites.len > 0 ? ":" : "", own);
    return r->suites.err == 0 ? 0 : err_set(r->suites.err, "cipher suites");
}

/* ---- the rest ------------------------------------------------------------------------------ */

int tls_key_log_open(struct dial_rules *r, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(E_CONFIG, "SSLKEYLOGFILE: %s: %s", path, err_code_text(-errno));
    r->key_log = fd;
    return 0;
}

void tls_options_fini(struct dial_rules *r)
{
    for (size_t i = 0; i < r->auth_len; i++)
        auth_fini(&r->auth[i]);
    mem_free(r->auth);
    buf_fini(&r->suites);
    if (r->key_log > STDIN_FILENO) /* 0 in rules that were never made */
        close(r->key_log);
}
