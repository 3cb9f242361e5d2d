#include "server/logs.h"
#include "server/server_int.h"
#include "server/session.h"
#include "server/v1.h"
#include "server/v1_cloud.h"
#include "server/v1_metrics.h"
#include "server/v5.h"
#include "server/v6.h"

enum {
    SMALL = 64 * 1024,
    JSON = SERVER_JSON_BODY_MAX,
    PUSH = SERVER_PUSH_BODY_MAX,
    ARCHIVE = SERVER_ARCHIVE_MAX + 64 * 1024, /* the form around it */
};

/* The first match counts: fixed names before {}. */
const struct route routes[] = {
    {METHOD_POST, "/v1/tests", v1_create_test, ACCESS_TOKEN, FORM_V1, BODY_JSON_OR_FORM, ARCHIVE},
    {METHOD_POST, "/v1/tests/{}", v1_finish_test, ACCESS_TOKEN, FORM_V1, BODY_JSON, JSON},
    {METHOD_POST, "/v1/tests/{}/stop", v1_stop_test, ACCESS_TOKEN, FORM_V1, BODY_NONE, SMALL},
    {METHOD_POST, "/v1/metrics/{}", v1_push, ACCESS_RUN, FORM_V1, BODY_JSON, PUSH},
    {METHOD_POST, "/v2/metrics/{}", v2_push, ACCESS_RUN, FORM_V1, BODY_PROTOBUF, PUSH},
    {METHOD_POST, "/v1/validate-token", v1_validate_token, ACCESS_ANYONE, FORM_V1, BODY_JSON,
     SMALL},
    {METHOD_POST, "/v1/login", v1_login, ACCESS_ANYONE, FORM_V1, BODY_JSON, SMALL},
    {METHOD_POST, "/v1/validate-options", v1_validate_options, ACCESS_TOKEN, FORM_V1, BODY_JSON,
     JSON},
    {METHOD_POST, "/v1/archive-upload", v1_upload_archive, ACCESS_TOKEN, FORM_V1, BODY_FORM,
     ARCHIVE},
    {METHOD_GET, "/v1/test-progress/{}", v1_test_progress, ACCESS_TOKEN, FORM_V1, BODY_NONE, SMALL},

    {METHOD_POST, "/provisioning/v1/test_runs/{}/logs", logs_push, ACCESS_RUN, FORM_V6, BODY_JSON,
     JSON},
    {METHOD_GET, "/api/v1/tail", logs_tail, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},

    {METHOD_POST, "/session", session_open, ACCESS_ANYONE, FORM_V6, BODY_JSON, SMALL},
    {METHOD_GET, "/session", session_show, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_DELETE, "/session", session_close, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_POST, "/session/link", session_make_link, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/session/link/{}", session_use_link, ACCESS_ANYONE, FORM_V6, BODY_NONE, SMALL},

    {METHOD_GET, "/cloud/v6/auth", v6_auth, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/projects", v6_list_projects, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/projects/{}", v6_get_project, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/projects/{}/load_tests", v6_list_project_tests, ACCESS_TOKEN, FORM_V6,
     BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/load_tests", v6_list_tests, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/load_tests/{}", v6_get_test, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/load_tests/{}/test_runs", v6_list_test_runs, ACCESS_TOKEN, FORM_V6,
     BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/test_runs", v6_list_runs, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/test_runs/{}", v6_get_run, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v6/test_runs/{}/script", v6_get_script, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},
    {METHOD_POST, "/cloud/v6/test_runs/{}/abort", v6_abort_run, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},

    {METHOD_GET, "/cloud/v5/test_runs/events", v5_all_events, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/logs", logs_list, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/outliers", v1_list_outliers, ACCESS_TOKEN, FORM_V6,
     BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/events", v5_run_events, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/thresholds", v5_thresholds, ACCESS_TOKEN, FORM_V6,
     BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/metrics", v5_metrics, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/series", v5_series, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/labels", v5_labels, ACCESS_TOKEN, FORM_V6, BODY_NONE,
     SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/label/{}/values", v5_label_values, ACCESS_TOKEN, FORM_V6,
     BODY_NONE, SMALL},
    {METHOD_GET, "/cloud/v5/test_runs/{}/{*}", v5_query, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},

    /* What k6's API has besides; the page and the clients of this version do without it. */
    {METHOD_POST, "/cloud/v6/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, ARCHIVE},
    {METHOD_PUT, "/cloud/v6/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, ARCHIVE},
    {METHOD_PATCH, "/cloud/v6/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, JSON},
    {METHOD_DELETE, "/cloud/v6/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, JSON},
    {METHOD_GET, "/cloud/v5/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
    {METHOD_POST, "/provisioning/v1/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, JSON},
    {METHOD_GET, "/provisioning/v1/{*}", v6_not_here, ACCESS_TOKEN, FORM_V6, BODY_NONE, SMALL},
};
const size_t routes_len = ARRAY_LEN(routes);
