#include "output/cloud_signin.h"

#include <string.h>
#include <yyjson.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

enum { SIGNIN_BODY_MAX = 16 * 1024 };

int cloud_sign_in(struct cloud_api *api, const struct cloud_config *config, const char *email,
                  const char *password, char **ret_token)
{
    CLEANUP(buf_fini) struct buf body;
    CLEANUP(cloud_reply_fini) struct cloud_reply reply = {0};
    char key[CLOUD_KEY_LEN + 1];
    buf_init(&body, SIGNIN_BODY_MAX);
    buf_z(&body, "{\"email\":");
    buf_json_str(&body, str_of(email));
    buf_z(&body, ",\"password\":");
    buf_json_str(&body, str_of(password));
    buf_byte(&body, '}');
    if (buf_finish(&body) < 0)
        return err_set(E_CONFIG, "e-mail or password is too long");
    cloud_api_make_key(key);
    struct cloud_call call = {
        .method = "POST",
        .path = "/v1/login",
        .content_type = STR("application/json"),
        .body = buf_view(&body),
        .key = key,
        .auth = CLOUD_AUTH_NONE,
        .timeout_ns = config->timeout_ns,
    };
    int rc = cloud_api_call(api, &call, &reply);
    explicit_bzero(body.data, body.len);
    if (rc < 0)
        return err_wrap(rc, "could not sign in as %s", email);
    yyjson_doc *doc = yyjson_read((const char *)reply.body.data, reply.body.len, 0);
    const char *token = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "token"));
    *ret_token = token != NULL && strlen(token) < CLOUD_TOKEN_MAX ? mem_strdup(token) : NULL;
    yyjson_doc_free(doc);
    explicit_bzero(reply.body.data, reply.body.len);
    if (*ret_token == NULL)
        return err_set(E_CORRUPT, "the cloud at %s gave no token", config->host);
    return 0;
}
