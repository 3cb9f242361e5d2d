/*
 * audit - who did what: a list of deeds, the newest STORE_AUDIT_MAX of them.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/store.h"

struct store_deed {
    int64_t id;
    int64_t at_ns;
    struct str actor;   /* e-mail of the user or of the service */
    struct str token;   /* name of the token used; NULL ptr: none */
    struct str address; /* where from; empty: from the server's own machine, without HTTP */
    struct str action;  /* "user.create" */
    struct str target;  /* what it was done to: an id, an e-mail; may be empty */
    struct str detail;  /* may be empty */
};

/* Texts are cut to STORE_AUDIT_TEXT_MAX bytes. */
NODISCARD int store_add_deed(struct store *s, const struct store_deed *deed);

/* NULL ptr: any.  `action` may be the part before the dot alone. */
struct store_deed_filter {
    struct str actor;
    struct str action;
};

/* Newest first. */
NODISCARD int store_list_deeds(struct store *s, const struct store_deed_filter *filter,
                               const struct store_page *page, struct arena *a,
                               struct store_deed **ret, size_t *ret_len, int64_t *ret_total);

#endif
