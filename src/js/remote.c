#include "js/remote.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/http.h"
#include "net/dial.h"
#include "net/proxy.h"
#include "rt/co.h"

struct remote {
    struct dial_rules rules;
    struct dns_cache *dns;
    size_t files; /* fetched so far */
};

int remote_new(struct remote **ret)
{
    struct remote *r = mem_calloc(1, sizeof *r);
    if (!r)
        return err_set(-ENOMEM, "modules from the web");
    dial_rules_init(&r->rules);
    int rc = dns_cache_new(&r->dns);
    if (rc == 0)
        rc = proxies_from_process(&r->rules.proxies);
    if (rc < 0) {
        remote_free(r);
        return err_wrap(rc, "modules from the web");
    }
    *ret = r;
    return 0;
}

void remote_free(struct remote *r)
{
    if (!r)
        return;
    dns_cache_free(r->dns);
    dial_rules_fini(&r->rules);
    mem_free(r);
}

/* ---- one request ------------------------------------------------------------------------------
 */

struct fetch {
    struct http_client *client;
    const struct url *url;
    struct buf *out;
    int rc;
    struct err error; /* its message, for the thread that waits */
};

static int check_status(const struct http_response *res, struct str url)
{
    if (res->status == 200)
        return 0;
    if (res->status == 404)
        return err_set(E_NOT_FOUND, "not found: %.*s", STR_ARG(url));
    return err_set(E_REFUSED, "wrong status code (%d) for: %.*s", res->status, STR_ARG(url));
}

/* One hop: 0, or 1 with where to go next in *ret_next. */
static int fetch_hop(struct fetch *f, const struct url *url, struct url *ret_next)
{
    const struct http_request req = {
        .method = STR("GET"),
        .url = url,
        .timeout_ns = JS_REMOTE_TIMEOUT_NS,
        .body_max = JS_REMOTE_BYTES_MAX,
    };
    struct http_response res = {0};
    int rc = http_do(f->client, &req, &res);
    if (rc == 0 && res.redirect_refused) {
        rc = url_resolve(url, http_response_header(&res, "Location"), ret_next);
        if (rc == 0 && !str_eqz(ret_next->scheme, "https")) {
            rc = err_set(E_REFUSED, "redirected to %.*s, which isn't https",
                         STR_ARG(ret_next->clean));
            url_fini(ret_next);
        }
        rc = rc == 0 ? 1 : rc;
    } else if (rc == 0) {
        rc = check_status(&res, url->clean);
        if (rc == 0)
            buf_str(f->out, res.body);
    }
    http_response_fini(&res);
    return rc;
}

static int fetch_all(struct fetch *f)
{
    enum { HOPS_MAX = 10 };
    struct url next = {0};
    int rc = fetch_hop(f, f->url, &next);
    for (int hops = 1; rc == 1; hops++) {
        struct url url = next;
        next = (struct url){0};
        rc = hops < HOPS_MAX ? fetch_hop(f, &url, &next)
                             : err_set(E_REFUSED, "stopped after %d redirects", HOPS_MAX);
        url_fini(&url);
    }
    return rc < 0 ? rc : buf_finish(f->out);
}

static void fetch_run(void *arg)
{
    struct fetch *f = arg;
    f->rc = fetch_all(f);
    if (f->rc == -EMSGSIZE)
        f->rc = err_set(E_LIMIT, "more than %ld bytes", JS_REMOTE_BYTES_MAX);
    f->error = *err_get();
}

/* Runs the fetch on a loop that is made for it. */
static int fetch_on_loop(struct remote *r, struct fetch *f)
{
    struct loop *loop = NULL;
    struct dialer *dialer = NULL;
    int rc = loop_new(&loop);
    if (rc == 0)
        rc = dialer_new(&r->rules, r->dns, &dialer);
    if (rc == 0)
        rc = http_client_new(
            &(struct http_client_options){.dialer = dialer,
                                          .user_agent = "Spate/" SPATE_VERSION " (k6-compatible)"},
            &f->client);
    struct co *co;
    if (rc == 0)
        rc = co_spawn(loop, fetch_run, f, &co);
    if (rc == 0) {
        loop_run(loop);
        rc = f->rc;
        *err_get() = f->error;
    }
    http_client_free(f->client);
    dialer_free(dialer);
    if (loop)
        loop_free(loop);
    return rc;
}

static int fetch_once(struct remote *r, struct str text, struct buf *out)
{
    struct url url = {0};
    int rc = url_parse(text, &url);
    if (rc < 0)
        return rc;
    int64_t start_ns = clock_mono_ns();
    struct fetch f = {.url = &url, .out = out};
    rc = fetch_on_loop(r, &f);
    if (rc == 0)
        log_debug("fetched %.*s: %zu bytes in %lld ms", STR_ARG(url.clean), out->len,
                  (long long)((clock_mono_ns() - start_ns) / NS_PER_MS));
    url_fini(&url);
    return rc;
}

int remote_fetch(struct remote *r, struct str url, struct buf *out)
{
    if (++r->files > JS_REMOTE_FILES_MAX)
        return err_set(E_LIMIT, "more than %d modules from the web", JS_REMOTE_FILES_MAX);
    CLEANUP(buf_fini) struct buf marked;
    buf_init(&marked, JS_PATH_MAX + 8);
    buf_str(&marked, url);
    buf_z(&marked, str_find(url, '?') >= 0 ? "&_k6=1" : "?_k6=1");
    int rc = buf_finish(&marked);
    if (rc < 0)
        return err_set(rc, "URL of a module");
    rc = fetch_once(r, buf_view(&marked), out);
    if (rc < 0 && rc != -ENOMEM && rc != E_LIMIT) {
        buf_reset(out); /* some servers don't like arguments that they don't know */
        rc = fetch_once(r, url, out);
    }
    return rc;
}
