/*
 * assets - the web page's files, compiled into the program.
 *
 * The table is generated from web/dist by tools/embed.py. It is sorted by path (strcmp order)
 * and everything in it lives as long as the program.
 */
#ifndef SERVER_ASSETS_H
#define SERVER_ASSETS_H

#include <stddef.h>
#include <stdint.h>

struct asset {
    const char *path;         /* as in a URL, from "/": "/index.html" */
    const char *content_type; /* value of the header of that name */
    const uint8_t *data;
    size_t len;       /* bytes in data */
    const char *etag; /* with its quotes; made of the content */
};

extern const struct asset assets[];
extern const size_t assets_len;

#endif
