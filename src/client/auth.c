#include "client/auth.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "client/digest.h"
#include "client/ntlm.h"
#include "codec/base64.h"

void http_auth_init(struct auth *a)
{
    a->step = 0;
    a->basic = false;
    buf_init(&a->say, HTTP_REQUEST_HEAD_MAX);
}

void http_auth_fini(struct auth *a)
{
    buf_fini(&a->say);
}

void auth_reset(struct auth *a)
{
    a->step = 0;
    a->basic = false;
    buf_reset(&a->say);
}

/* User and password of a URL, decoded. */
struct credentials {
    struct buf text;
    struct str user, password;
};

static void append_decoded(struct buf *b, struct str raw)
{
    struct url part = {.userinfo = raw};
    url_append_userinfo(b, &part);
    if (str_find(raw, ':') < 0 && b->len > 0)
        b->len--; /* the colon that it puts behind a user without a password */
}

static int credentials_of(const struct url *u, struct credentials *ret)
{
    struct str raw = u->userinfo;
    ptrdiff_t colon = raw.ptr ? str_find(raw, ':') : -1;
    size_t user_len = colon < 0 ? raw.len : (size_t)colon;
    buf_init(&ret->text, URL_TEXT_MAX);
    if (user_len > 0)
        append_decoded(&ret->text, str_new(raw.ptr, user_len));
    size_t split = ret->text.len;
    if (colon >= 0)
        append_decoded(&ret->text, str_new(raw.ptr + colon + 1, raw.len - user_len - 1));
    if (ret->text.err)
        return err_set(ret->text.err, "credentials");
    const char *p = (const char *)ret->text.data;
    ret->user = p ? str_new(p, split) : STR_EMPTY;
    ret->password = p ? str_new(p + split, ret->text.len - split) : STR_EMPTY;
    return 0;
}

static int make_random(void *to, size_t len)
{
    return getrandom(to, len, 0) == (ssize_t)len ? 0 : err_set(-errno, "random numbers");
}

/* ---- digest --------------------------------------------------------------------------------- */

static int digest_next(struct auth *a, const struct auth_request *q, struct credentials *c,
                       const struct http_response *answer)
{
    if (a->step > 0)
        return 0;
    uint8_t random[16];
    char cnonce[2 * sizeof random + 1];
    int rc = make_random(random, sizeof random);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof random; i++) {
        cnonce[2 * i] = "0123456789abcdef"[random[i] >> 4];
        cnonce[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
    }
    struct digest_request d = {
        .method = q->method,
        .uri = q->url->target,
        .user = c->user,
        .password = c->password,
        .body = q->body,
        .cnonce = str_new(cnonce, 2 * sizeof random),
    };
    struct http_header h;
    size_t cursor = 0;
    for (rc = 0; rc == 0 && http_response_next(answer, &cursor, &h);)
        if (str_eqz(h.name, "Www-Authenticate"))
            rc = digest_answer(h.value, &d, &a->say);
    return rc;
}

/* ---- NTLM ----------------------------------------------------------------------------------- */

/* The offer to speak NTLM: its scheme, and the message in it (base64, may be empty). */
static bool find_offer(const struct http_response *answer, struct str *scheme, struct str *data)
{
    static const char *const schemes[] = {"NTLM", "Negotiate"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct http_header h;
        size_t cursor = 0;
        struct str wanted = str_of(schemes[i]);
        while (http_response_next(answer, &cursor, &h)) {
            if (!str_eqz(h.name, "Www-Authenticate") || h.value.len < wanted.len ||
                !str_ieq(str_new(h.value.ptr, wanted.len), wanted))
                continue;
            *scheme = wanted;
            *data = str_trim(str_new(h.value.ptr + wanted.len, h.value.len - wanted.len));
            return true;
        }
    }
    return false;
}

static int say(struct auth *a, struct str scheme, const struct buf *message)
{
    if (message->err)
        return err_set(message->err, "ntlm");
    buf_printf(&a->say, "%.*s ", STR_ARG(scheme));
    base64_encode(&a->say, BASE64_STD, buf_view(message));
    int rc = buf_finish(&a->say);
    return rc < 0 ? err_set(rc, "ntlm") : 1;
}

/* "DOMAIN\user" */
static void split_domain(struct credentials *c, struct ntlm_user *ret)
{
    ptrdiff_t slash = str_find(c->user, '\\');
    ret->name = c->user;
    ret->password = c->password;
    ret->ask_domain = str_find(c->user, '@') < 0;
    if (slash < 0)
        return;
    ret->domain = str_new(c->user.ptr, (size_t)slash);
    ret->name = str_new(c->user.ptr + slash + 1, c->user.len - (size_t)slash - 1);
}

static int answer_challenge(struct auth *a, struct credentials *c, struct str scheme,
                            struct str data)
{
    CLEANUP(buf_fini) struct buf challenge;
    CLEANUP(buf_fini) struct buf message;
    buf_init(&challenge, HTTP_REQUEST_HEAD_MAX);
    buf_init(&message, HTTP_REQUEST_HEAD_MAX);
    struct ntlm_user u = {0};
    split_domain(c, &u);
    size_t at;
    /* 11644473600 s lie between 1601 and 1970. */
    u.time = (uint64_t)(clock_wall_ns() / 100) + 116444736000000000;
    int rc = make_random(u.challenge, sizeof u.challenge);
    if (rc == 0)
        rc = base64_decode(&challenge, BASE64_STD, data, &at);
    if (rc == 0)
        rc = ntlm_authenticate(buf_view(&challenge), &u, &message);
    return rc < 0 ? rc : say(a, scheme, &message);
}

static int say_basic(struct auth *a, const struct url *u)
{
    CLEANUP(buf_fini) struct buf plain;
    buf_init(&plain, URL_TEXT_MAX);
    url_append_userinfo(&plain, u);
    a->basic = true;
    return say(a, STR("Basic"), &plain);
}

/* Nothing is said at first; then the two messages, or Basic to a server that doesn't offer NTLM. */
static int ntlm_next(struct auth *a, const struct auth_request *q, struct credentials *c,
                     const struct http_response *answer)
{
    struct str scheme, data;
    bool offered = find_offer(answer, &scheme, &data);
    unsigned said = a->step - (a->basic ? 1 : 0); /* of the two messages */
    buf_reset(&a->say);
    if (!q->url->userinfo.ptr || said == 2)
        return 0;
    if (!offered)
        return a->step == 0 ? say_basic(a, q->url) : 0;
    if (said == 1)
        return data.len > 0 ? answer_challenge(a, c, scheme, data) : 0;
    CLEANUP(buf_fini) struct buf message;
    buf_init(&message, HTTP_REQUEST_HEAD_MAX);
    struct ntlm_user u = {0};
    split_domain(c, &u);
    ntlm_negotiate(&message, u.domain);
    return say(a, scheme, &message);
}

int auth_next(struct auth *a, const struct auth_request *q, const struct http_response *answer)
{
    if (answer->status != 401 || q->how == HTTP_AUTH_BASIC)
        return 0;
    struct credentials c;
    int rc = credentials_of(q->url, &c);
    if (rc == 0 && q->how == HTTP_AUTH_DIGEST)
        rc = digest_next(a, q, &c, answer);
    else if (rc == 0)
        rc = ntlm_next(a, q, &c, answer);
    buf_fini(&c.text);
    if (rc == 1)
        a->step++;
    return rc;
}
