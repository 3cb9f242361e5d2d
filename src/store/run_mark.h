/*
 * run_mark - what users do to runs after the fact: notes, marks, and removing them.
 */
#ifndef STORE_RUN_MARK_H
#define STORE_RUN_MARK_H

#include "store/store.h"

enum store_mark { MARK_STARRED, MARK_SAVED };

/* E_NOT_FOUND. */
NODISCARD int store_set_note(struct store *s, int64_t run_id, struct str note);
NODISCARD int store_set_mark(struct store *s, int64_t run_id, enum store_mark mark, bool on);

/* With its measurements and its archive.  -EBUSY while it is open, E_NOT_FOUND. */
NODISCARD int store_delete_run(struct store *s, int64_t run_id);

/* A project's tests, or (test_id not 0) one of them, with their runs and scripts.  -EBUSY, and then
 * nothing is removed, while a run is open. */
NODISCARD int store_delete_tests(struct store *s, int64_t project_id, int64_t test_id);

#endif
