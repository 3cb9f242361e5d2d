/* The option httpDebug: what goes over the wire, in the log. */
#include <stdio.h>
#include <sys/random.h>

#include "base/limits.h"
#include "base/log.h"
#include "js/api_http.h"

/* A random UUID, version 4. */
static void new_id(char id[static HTTP_DEBUG_ID_BYTES])
{
    uint8_t b[16] = {0};
    (void)!getrandom(b, sizeof b, 0); /* ids that are all the same do no harm */
    b[6] = (uint8_t)((b[6] & 15) | 0x40);
    b[8] = (uint8_t)((b[8] & 63) | 0x80);
    snprintf(id, HTTP_DEBUG_ID_BYTES,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* Line ends as the log has them, in bodies, too: that's how k6 shows them. */
static void drop_carriage_returns(struct buf *b)
{
    size_t to = 0;
    for (size_t i = 0; i < b->len; i++)
        if (!(b->data[i] == '\r' && i + 1 < b->len && b->data[i + 1] == '\n'))
            b->data[to++] = b->data[i];
    b->len = to;
}

void http_debug_wire(void *arg, const struct http_wire *w)
{
    struct ask *k = arg;
    const struct js_host *host = k->state->host;
    if (!w->response)
        new_id(k->debug_id);
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, HTTP_BODY_MAX + HTTP_HEAD_MAX);
    buf_z(&text, w->response ? "Response:\n" : "Request:\n");
    buf_str(&text, w->head);
    if (host->run->http_debug == HTTP_DEBUG_FULL)
        buf_str(&text, w->body);
    buf_byte(&text, '\n');
    drop_carriage_returns(&text);
    char vu[12], iteration[24], group[512], scenario[128];
    const struct tag *t = tags_find(k->base, STR("scenario"));
    snprintf(vu, sizeof vu, "%u", host->vu_id);
    snprintf(iteration, sizeof iteration, "%llu", (unsigned long long)host->iteration);
    snprintf(group, sizeof group, "%.*s", STR_ARG(host->group));
    snprintf(scenario, sizeof scenario, "%.*s", STR_ARG(t ? t->value : STR_EMPTY));
    struct log_field fields[] = {
        {"group", group},       {"iter", iteration},      {"request_id", k->debug_id},
        {"scenario", scenario}, {"source", "http-debug"}, {"vu", vu}};
    const char *z = buf_cstr(&text);
    if (z)
        log_fields(LOG_INFO, z, fields, (int)ARRAY_LEN(fields));
}
