/*
 * run_json - runs, tests and projects in the form of the cloud API v6.
 */
#ifndef SERVER_RUN_JSON_H
#define SERVER_RUN_JSON_H

#include "base/buf.h"
#include "store/label.h"
#include "store/store.h"

struct server;

void run_json_put(struct buf *out, const struct store_run *run);
/* With the URL of its page, as the start of a run is answered. */
void run_json_put_started(struct buf *out, const struct store_run *run, struct str page_url);
void test_json_put(struct buf *out, const struct store_test *test);
void project_json_put(struct buf *out, const struct store_project *project,
                      const struct store_label *labels, size_t labels_len);

/* Tells the live streams how a run is now; a failure to read it is logged. */
void run_json_publish(struct server *s, int64_t id);

/* "running", "completed": v6's word. */
const char *run_status_word(int code);
/* "Aborted by User": for people. */
const char *run_state_text(int code);

/* A member with its name and a comma in front unless it is the first of its object. */
void json_key(struct buf *out, const char *name);
void json_str(struct buf *out, const char *name, struct str value); /* NULL ptr: null */
void run_json_int(struct buf *out, const char *name, int64_t value);
void run_json_bool(struct buf *out, const char *name, bool value);
void json_null(struct buf *out, const char *name);
void json_time(struct buf *out, const char *name, int64_t wall_ns); /* 0: null */

#endif
