#include "client.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char child[512];
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
            continue;
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        if (e->d_type == DT_DIR)
            remove_tree(child);
        else
            unlink(child);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

void world_restart(struct world *w)
{
    char data[96];
    snprintf(data, sizeof data, "%s/data", w->dir);
    struct server_config config = {.listen = "127.0.0.1:0",
                                   .data_dir = data,
                                   .token_file = w->token_file,
                                   .run_timeout_ns = w->run_timeout_ns,
                                   .patience_ns = w->patience_ns};
    if (server_start(&config, &w->server) < 0)
        fail_msg("%s", err_message());
    const char *port = strrchr(server_url(w->server), ':');
    assert_non_null(port);
    int64_t number = 0;
    assert_int_equal(str_to_i64(str_of(port + 1), &number), 0);
    w->port = (int)number;
    FILE *f = fopen(w->token_file, "r");
    assert_non_null(f);
    assert_non_null(fgets(w->token, sizeof w->token, f));
    w->token[strcspn(w->token, "\n")] = '\0';
    fclose(f);
}

void world_open(struct world *w, int64_t run_timeout_ns)
{
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/spate-server-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->token_file, sizeof w->token_file, "%s/token", w->dir);
    w->run_timeout_ns = run_timeout_ns;
    world_restart(w);
}

void world_stop(struct world *w)
{
    server_stop(w->server);
    w->server = NULL;
}

void world_close(struct world *w)
{
    world_stop(w);
    remove_tree(w->dir);
}

int dial(struct world *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)w->port)};
    struct timeval ten = {10, 0};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof ten);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* A server that has answered already may close on us: what it said is still read. */
void send_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

/* False at the end of the stream. */
static bool read_more(int fd, struct buf *in)
{
    uint8_t chunk[65536 / 32];
    ssize_t n = recv(fd, chunk, sizeof chunk, 0);
    if (n < 0 && errno == ECONNRESET)
        return false;
    if (n < 0)
        fail_msg("nothing came for ten seconds; so far: %s", buf_cstr(in));
    buf_append(in, chunk, (size_t)n);
    assert_int_equal(buf_finish(in), 0);
    return n > 0;
}

void read_until(int fd, struct buf *in, const char *what)
{
    while (!strstr(buf_cstr(in) ? buf_cstr(in) : "", what))
        if (!read_more(fd, in))
            fail_msg("the stream ended without \"%s\": %s", what, buf_cstr(in));
}

void reply_free(struct reply *r)
{
    buf_fini(&r->head);
    buf_fini(&r->body);
}

const char *reply_text(struct reply *r)
{
    const char *text = buf_cstr(&r->body);
    return text ? text : "";
}

void reply_header_value(struct reply *r, const char *name, char out[static 256])
{
    char start[64];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *p = strcasestr(buf_cstr(&r->head), start);
    size_t n = 0;
    for (p = p ? p + strlen(start) : ""; *p && *p != '\r' && n < 255; p++)
        out[n++] = *p;
    out[n] = '\0';
}

/* Requests ask for the connection's end, so that the end of the stream is that of the body. */
static void read_reply(int fd, struct reply *ret)
{
    CLEANUP(buf_fini) struct buf in;
    buf_init(&in, 1 << 28);
    while (read_more(fd, &in))
        continue;
    const char *end = in.len ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
    if (!end)
        fail_msg("no answer");
    size_t head = (size_t)(end - (const char *)in.data) + 2;
    buf_init(&ret->head, 1 << 20);
    buf_init(&ret->body, 1 << 28);
    buf_append(&ret->head, in.data, head);
    buf_append(&ret->body, in.data + head + 2, in.len - head - 2);
    int64_t status = 0;
    assert_int_equal(str_to_i64(str_new(in.data + 9, 3), &status), 0);
    ret->status = (int)status;
}

void call(struct world *w, const char *method, const char *path, const char *headers,
          const void *body, size_t len, struct reply *ret)
{
    CLEANUP(buf_fini) struct buf out;
    buf_init(&out, 1 << 28);
    const char *more = headers ? headers : "";
    buf_printf(&out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n", method, path,
               w->port);
    if (!strstr(more, "Authorization") && !strstr(more, "Cookie") && more[0] != '-')
        buf_printf(&out, "Authorization: Token %s\r\n", w->token);
    buf_z(&out, more[0] == '-' ? more + 1 : more);
    if (len > 0 && !strstr(more, "Transfer-Encoding"))
        buf_printf(&out, "Content-Length: %zu\r\n", len);
    buf_z(&out, "\r\n");
    buf_append(&out, body, len);
    assert_int_equal(buf_finish(&out), 0);
    int fd = dial(w);
    send_all(fd, out.data, out.len);
    read_reply(fd, ret);
    close(fd);
}

void call_json(struct world *w, const char *method, const char *path, const char *json, int want,
               struct reply *ret)
{
    reply_free(ret);
    call(w, method, path, json ? "Content-Type: application/json\r\n" : NULL, json,
         json ? strlen(json) : 0, ret);
    if (ret->status != want)
        fail_msg("%s %s: %d, not %d: %s", method, path, ret->status, want, reply_text(ret));
}

void get(struct world *w, const char *path, struct reply *ret)
{
    call_json(w, "GET", path, NULL, 200, ret);
}
