#include "server/deed.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/access.h"
#include "server/account.h"
#include "server/account_admin.h"
#include "server/provisioning.h"
#include "server/session.h"
#include "server/v1.h"
#include "server/v1_cloud.h"
#include "server/v1_login.h"
#include "server/v6.h"
#include "server/v6_labels.h"
#include "server/v6_load_tests.h"
#include "server/v6_projects.h"
#include "server/v6_runs.h"
#include "server/v6_schedules.h"
#include "store/audit.h"

/* What isn't here leaves no trace: reading, pushing, and what a run's own token does. */
static const struct {
    handler_fn *handler;
    const char *action;
} actions[] = {
    {session_open, "session.open"},
    {session_use_link, "session.open"},
    {session_close, "session.close"},
    {v1_login, "token.create"},
    {account_set_name, "user.change"},
    {account_set_password, "user.password"},
    {account_add_token, "token.create"},
    {account_remove_token, "token.revoke"},
    {account_add_user, "user.create"},
    {account_change_user, "user.change"},
    {account_remove_user, "user.remove"},
    {account_reset_password, "user.password_reset"},
    {account_put_user_roles, "user.roles"},
    {account_add_service, "service_token.create"},
    {account_put_service_roles, "service_token.roles"},
    {account_remove_service, "service_token.revoke"},
    {account_put_member, "project.member"},
    {account_remove_member, "project.member"},
    {v1_create_test, "test_run.start"},
    {v1_upload_archive, "test_run.start"},
    {v1_stop_test, "test_run.abort"},
    {provisioning_start, "test_run.start"},
    {v6_start_test, "test_run.start"},
    {v6_abort_run, "test_run.abort"},
    {v6_change_run, "test_run.note"},
    {v6_delete_run, "test_run.delete"},
    {v6_save_run, "test_run.save"},
    {v6_unsave_run, "test_run.unsave"},
    {v6_create_project, "project.create"},
    {v6_change_project, "project.change"},
    {v6_delete_project, "project.delete"},
    {v6_change_limits, "project.limits"},
    {v6_put_labels, "project.labels"},
    {v6_delete_label, "project.labels"},
    {v6_set_zones_of_project, "project.load_zones"},
    {v6_create_label_keys, "label.create"},
    {v6_change_label_key, "label.change"},
    {v6_delete_label_key, "label.delete"},
    {v6_create_test, "load_test.create"},
    {v6_change_test, "load_test.change"},
    {v6_delete_test, "load_test.delete"},
    {v6_move_test, "load_test.move"},
    {v6_put_test_script, "load_test.script"},
    {v6_put_test_schedule, "schedule.change"},
    {v6_delete_schedule, "schedule.delete"},
    {v6_activate_schedule, "schedule.activate"},
    {v6_deactivate_schedule, "schedule.deactivate"},
};

static const char *action_of(handler_fn *handler)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (actions[i].handler == handler)
            return actions[i].action;
    return NULL;
}

static void add(struct request *r, struct store_deed *deed)
{
    deed->at_ns = clock_wall_ns();
    deed->address = access_address(r);
    deed->detail = r->deed_detail;
    struct err before = *err_get();
    if (store_add_deed(r->server->store, deed) < 0)
        log_warning("list of deeds: %s", err_message());
    *err_get() = before;
}

void deed_note(struct request *r)
{
    const char *action = r->route ? action_of(r->route->handler) : NULL;
    if (!action || r->reply.status >= 400 || !identity_known(&r->who))
        return;
    struct store_deed deed = {
        .actor = r->who.email,
        .token = r->who.token_name,
        .action = str_of(action),
        .target = r->deed_target.ptr ? r->deed_target : r->params[0],
    };
    add(r, &deed);
}

void deed_refused(struct request *r, struct str email)
{
    struct store_deed deed = {.actor = email, .action = STR("session.refused")};
    add(r, &deed);
}
