/*
 * user - who may use the server: users with e-mail and password, and what each may do in which
 * project.
 *
 * Any process may write here while another serves the folder; see store_changed_outside().
 */
#ifndef STORE_USER_H
#define STORE_USER_H

#include "store/store.h"

struct store_user {
    int64_t id;
    struct str email; /* unique, whatever the case of its letters */
    struct str name;
    struct str password; /* as argon2 encodes it; NULL ptr: none, so no sign-in by password */
    bool owner;          /* may do everything, also with users */
    bool must_change;    /* the password is good for choosing another one only */
    bool disabled;       /* can't sign in, its tokens are worth nothing */
    int64_t created_ns;
    int64_t signed_in_ns; /* the last time, by password; 0: never */
};

/* Fills in the id.  -EEXIST when the e-mail is taken; E_LIMIT when there are STORE_USERS_MAX. */
NODISCARD int store_add_user(struct store *s, struct store_user *user);
NODISCARD int store_get_user(struct store *s, int64_t id, struct arena *a, struct store_user *ret);
/* E_NOT_FOUND. */
NODISCARD int store_find_user(struct store *s, struct str email, struct arena *a,
                              struct store_user *ret);
/* By id. */
NODISCARD int store_list_users(struct store *s, struct arena *a, struct store_user **ret,
                               size_t *ret_len);

/* What is NULL or unset stays. */
struct store_user_change {
    struct str email;
    struct str name;
    bool set_owner, owner;
    bool set_disabled, disabled;
};

/* -EEXIST as above; E_NOT_FOUND; E_REFUSED when no owner would be left who can sign in. */
NODISCARD int store_change_user(struct store *s, int64_t id,
                                const struct store_user_change *change);
/* With its tokens, sessions and roles.  E_NOT_FOUND, E_REFUSED as above. */
NODISCARD int store_remove_user(struct store *s, int64_t id);

/* Ends the user's sessions, except for the one with the hash `keep` (NULL: none); the first
 * password only those that no token has opened. */
NODISCARD int store_set_password(struct store *s, int64_t id, struct str encoded, bool must_change,
                                 const uint8_t *keep);
NODISCARD int store_note_sign_in(struct store *s, int64_t id, int64_t now_ns);

/* ---- roles ---- */

enum store_role { ROLE_NONE, ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN };

/* What a user or a service token (the other id is 0) may do. */
struct store_grant {
    int64_t user_id;
    int64_t token_id;
    int64_t project_id; /* 0: in all projects, also in those to come */
    enum store_role role;
};

/* All grants, by user, then by token. */
NODISCARD int store_list_grants(struct store *s, struct arena *a, struct store_grant **ret,
                                size_t *ret_len);
/* In place of all that the user (or, with user_id 0, the token) has.  E_NOT_FOUND: no such user,
 * token or project; E_LIMIT; -EEXIST when a project comes twice. */
NODISCARD int store_set_grants(struct store *s, int64_t user_id, int64_t token_id,
                               const struct store_grant *grants, size_t len);
/* One project's; ROLE_NONE takes it away. */
NODISCARD int store_set_grant(struct store *s, const struct store_grant *grant);

/* The project that something belongs to; E_NOT_FOUND when it isn't there. */
NODISCARD int store_project_of_test(struct store *s, int64_t test_id, int64_t *ret);
NODISCARD int store_project_of_run(struct store *s, int64_t run_id, int64_t *ret);
NODISCARD int store_project_of_schedule(struct store *s, int64_t schedule_id, int64_t *ret);

/* True when another process has written into spate.db since the last call. */
NODISCARD int store_changed_outside(struct store *s, bool *ret);

/*
 * Only users, roles, tokens and their list of deeds, beside a server that may be running.  The
 * folder has to exist (E_NOT_FOUND) and, while somebody serves it, to have the present format
 * (E_CONFIG).
 */
NODISCARD int store_open_accounts(const char *dir, struct store **ret);

#endif
