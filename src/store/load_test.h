/*
 * load_test - making and changing tests, and the scripts that they keep.
 */
#ifndef STORE_LOAD_TEST_H
#define STORE_LOAD_TEST_H

#include "store/store.h"

struct store_new_test {
    int64_t project_id;
    struct str name;
    int64_t k6_version; /* 0: none */
    struct str script;  /* an archive; NULL ptr: none */
    int64_t now_ns;
};

/* -EEXIST when the project has a test of that name; E_NOT_FOUND: no such project. */
NODISCARD int store_create_test(struct store *s, const struct store_new_test *new_test,
                                int64_t *ret_id);

struct store_test_change {
    struct str name;      /* NULL ptr: stays */
    bool set_baseline;    /* else it stays */
    int64_t baseline_run; /* 0: none */
    bool set_k6_version;
    int64_t k6_version;
    int64_t project_id; /* 0: stays */
    int64_t now_ns;
};

/* -EEXIST as above; E_NOT_FOUND for the test; E_CONFIG when the baseline is no run of it. */
NODISCARD int store_change_test(struct store *s, int64_t id,
                                const struct store_test_change *change);

/* In place of the one that it has; E_NOT_FOUND. */
NODISCARD int store_write_script(struct store *s, int64_t test_id, struct str archive,
                                 int64_t now_ns);
/* E_NOT_FOUND when there is none. */
NODISCARD int store_read_script(struct store *s, int64_t test_id, struct buf *out);

#endif
