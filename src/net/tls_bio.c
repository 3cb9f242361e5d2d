#include "net/tls_bio.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/attr.h"
#include "net/stream_int.h"

static int bio_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    struct stream *s = BIO_get_data(b);
    bool first = s->bytes_in == 0;
    ssize_t got = tcp_receive(s, p, n);
    if (first && got >= 5 && memcmp(p, "HTTP/", 5) == 0)
        s->says_http = true;
    BIO_clear_retry_flags(b);
    if (got == -EAGAIN)
        BIO_set_retry_read(b);
    *ret_n = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    ssize_t sent = tcp_send(BIO_get_data(b), p, n);
    BIO_clear_retry_flags(b);
    if (sent == -EAGAIN)
        BIO_set_retry_write(b);
    *ret_n = sent > 0 ? (size_t)sent : 0;
    return sent > 0;
}

static int over_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    const struct stream *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *ret_n = 0;
    int result = SSL_read_ex(s->ssl_below, p, n, ret_n);
    int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl_below, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        BIO_set_retry_read(b);
    return result == 1;
}

static int over_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    const struct stream *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *ret_n = 0;
    int result = SSL_write_ex(s->ssl_below, p, n, ret_n);
    int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl_below, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        BIO_set_retry_write(b);
    return result == 1;
}

static long bio_ctrl(BIO *b, int command, long num, void *p)
{
    (void)num, (void)p;
    const struct stream *s = BIO_get_data(b);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return s->ended;
    default: /* the many that only other BIOs know */
        return 0;
    }
}

static int bio_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

typedef int bio_read_fn(BIO *b, char *p, size_t n, size_t *ret_n);
typedef int bio_write_fn(BIO *b, const char *p, size_t n, size_t *ret_n);

static BIO_METHOD *method_new(bio_read_fn *read_fn, bio_write_fn *write_fn)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "spate stream");
    if (m == NULL)
        return NULL;
    BIO_meth_set_read_ex(m, read_fn);
    BIO_meth_set_write_ex(m, write_fn);
    BIO_meth_set_ctrl(m, bio_ctrl);
    BIO_meth_set_create(m, bio_create);
    return m;
}

BIO_METHOD *tls_bio_method(void)
{
    return method_new(bio_read, bio_write);
}

BIO_METHOD *tls_bio_method_over(void)
{
    return method_new(over_read, over_write);
}
