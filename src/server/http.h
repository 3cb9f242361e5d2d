/*
 * http - the callbacks of libmicrohttpd, and what handlers ask of the connection.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <microhttpd.h>
#include <stdint.h>

struct server;

void http_on_connection(void *arg, struct MHD_Connection *conn, void **context,
                        enum MHD_ConnectionNotificationCode what);
void *http_begin(void *arg, const char *uri, struct MHD_Connection *conn);
enum MHD_Result http_handle(void *arg, struct MHD_Connection *conn, const char *url,
                            const char *method, const char *version, const char *data,
                            size_t *data_len, void **state);
void http_end(void *arg, struct MHD_Connection *conn, void **state,
              enum MHD_RequestTerminationCode why);

/* Ends connections whose request, or whose taking of the answer, has lasted too long. */
void http_tick(struct server *s, int64_t mono_ns);

/* Waits for what is under way, then ends every connection; each at most `timeout_ns`.  New ones
 * must not come any more. */
void http_drain(struct server *s, int64_t timeout_ns);

#endif
