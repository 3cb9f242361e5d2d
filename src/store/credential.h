/*
 * credential - secrets that are good for one run and one thing: its pushes, or its archive.
 *
 * Only hashes are kept.  They go with the run; while it exists a client may still be told that it
 * has ended.
 */
#ifndef STORE_CREDENTIAL_H
#define STORE_CREDENTIAL_H

#include "store/store.h"

enum store_purpose {
    CREDENTIAL_PUSH = 1,   /* measurements, logs, the end of the run */
    CREDENTIAL_UPLOAD = 2, /* the run's archive, of exactly `bytes` */
};

struct store_credential {
    int64_t run_id;
    enum store_purpose purpose;
    int64_t bytes; /* of what may be uploaded; 0: nothing */
};

NODISCARD int store_add_credential(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                                   const struct store_credential *credential);
/* E_NOT_FOUND when there is none of that purpose. */
NODISCARD int store_find_credential(struct store *s, const uint8_t hash[STORE_HASH_LEN],
                                    enum store_purpose purpose, struct store_credential *ret);

#endif
