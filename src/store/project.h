/*
 * project - making, changing and removing projects, and their limits.
 */
#ifndef STORE_PROJECT_H
#define STORE_PROJECT_H

#include "store/store.h"

/* -EEXIST when the name is taken; E_LIMIT when there are STORE_PROJECTS_MAX. */
NODISCARD int store_create_project(struct store *s, struct str name, int64_t now_ns,
                                   int64_t *ret_id);
/* -EEXIST, E_NOT_FOUND. */
NODISCARD int store_rename_project(struct store *s, int64_t id, struct str name, int64_t now_ns);
/* With its tests and their runs.  -EBUSY while one of them is open, E_REFUSED for the default
 * project, E_NOT_FOUND. */
NODISCARD int store_delete_project(struct store *s, int64_t id);

/* 0: no limit. */
struct store_limits {
    int64_t project_id;
    int64_t vuh_max;         /* VUH a calendar month (UTC) */
    int64_t vus_max;         /* of a test */
    int64_t browser_vus_max; /* of a test */
    int64_t duration_max;    /* s, of a test */
};

/* All zero for a project without. */
NODISCARD int store_get_limits(struct store *s, int64_t project_id, struct store_limits *ret);
NODISCARD int store_set_limits(struct store *s, const struct store_limits *limits);
/* Of `ids`, or of all projects when `ids_len` is 0; by project. */
NODISCARD int store_list_limits(struct store *s, const int64_t *ids, size_t ids_len,
                                const struct store_page *page, struct arena *a,
                                struct store_limits **ret, size_t *ret_len, int64_t *ret_total);

/* How long a run of the project may be silent before it is timed out, s; 0: as the server has it.
 */
NODISCARD int store_get_run_timeout(struct store *s, int64_t project_id, int64_t *ret_s);
NODISCARD int store_set_run_timeout(struct store *s, int64_t project_id, int64_t seconds);

#endif
