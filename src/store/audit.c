#include "store/audit.h"

#include <errno.h>

#include "base/err.h"
#include "base/limits.h"
#include "store/store_int.h"

/* At most STORE_AUDIT_TEXT_MAX bytes, no character cut in two. */
static struct str shortened(struct str s)
{
    if (s.len <= STORE_AUDIT_TEXT_MAX)
        return s.ptr ? s : STR("");
    s.len = STORE_AUDIT_TEXT_MAX;
    while (s.len > 0 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
        s.len--;
    return s;
}

int store_add_deed(struct store *s, const struct store_deed *d)
{
    STORE_LOCKED(s);
    int rc = store_begin(s->db);
    if (rc < 0)
        return rc;
    rc = db_run(s->db,
                "INSERT INTO audit (at_ns, actor, token, address, action, target, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                "issssss", d->at_ns, shortened(d->actor),
                d->token.ptr ? shortened(d->token) : d->token, shortened(d->address),
                shortened(d->action), shortened(d->target), shortened(d->detail));
    if (rc == 0)
        rc = db_run(s->db, "DELETE FROM audit WHERE id<=(SELECT max(id) FROM audit)-?", "i",
                    (int64_t)STORE_AUDIT_MAX);
    return store_end(s->db, rc);
}

#define DEED_FILTER                                                                                \
    " FROM audit WHERE (?1 IS NULL OR actor=?1 COLLATE NOCASE)"                                    \
    " AND (?2 IS NULL OR action=?2 OR substr(action, 1, length(?2)+1)=?2||'.')"

static void fill(sqlite3_stmt *q, struct arena *a, struct store_deed *ret)
{
    *ret = (struct store_deed){
        .id = sqlite3_column_int64(q, 0),
        .at_ns = sqlite3_column_int64(q, 1),
        .actor = db_text_dup(q, 2, a),
        .token = db_text_dup(q, 3, a),
        .address = db_text_dup(q, 4, a),
        .action = db_text_dup(q, 5, a),
        .target = db_text_dup(q, 6, a),
        .detail = db_text_dup(q, 7, a),
    };
}

int store_list_deeds(struct store *s, const struct store_deed_filter *f,
                     const struct store_page *page, struct arena *a, struct store_deed **ret,
                     size_t *ret_len, int64_t *ret_total)
{
    STORE_LOCKED(s);
    int rc =
        db_number(s->db, ret_total, 0, "SELECT count(*)" DEED_FILTER, "ss", f->actor, f->action);
    if (rc < 0)
        return rc;
    size_t max = (size_t)MIN(page->top, *ret_total);
    struct store_deed *list = arena_calloc(a, max + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    CLEANUP(db_donep) sqlite3_stmt *q = NULL;
    rc = db_query(s->db, &q,
                  "SELECT id, at_ns, actor, token, address, action, target, detail" DEED_FILTER
                  " ORDER BY id DESC LIMIT ? OFFSET ?",
                  "ssii", f->actor, f->action, page->top, page->skip);
    size_t len = 0;
    while (rc == 0 && len < max && (rc = db_step(q)) > 0) {
        fill(q, a, &list[len++]);
        rc = 0;
    }
    if (rc < 0)
        return rc;
    *ret = list;
    *ret_len = len;
    return 0;
}
