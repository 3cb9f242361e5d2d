#include "load/settings_tls.h"

#include <errno.h>
#include <string.h>
#include <yyjson.h>

#include "base/err.h"
#include "net/tls_options.h"

static int tls_version(const char *text, const char **ret)
{
    static const char *const names[] = {"tls1.0", "tls1.1", "tls1.2", "tls1.3"};
    if (text == NULL || text[0] == '\0')
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = names[i];
            return 0;
        }
    return err_set(E_CONFIG, "unknown TLS version '%s'", text);
}

/* A member that is text; NULL ptr: not there, or null. */
static int text_of(yyjson_val *entry, const char *name, struct str *ret)
{
    yyjson_val *v = yyjson_obj_get(entry, name);
    *ret = STR_EMPTY;
    if (v == NULL || yyjson_is_null(v))
        return 0;
    if (!yyjson_is_str(v))
        return err_set(E_CONFIG, "%s isn't a string", name);
    *ret = str_new(yyjson_get_str(v), yyjson_get_len(v));
    return 0;
}

static int add_domains(yyjson_val *entry, struct dial_rules *r)
{
    yyjson_val *list = yyjson_obj_get(entry, "domains"), *v;
    if (list == NULL || yyjson_is_null(list))
        return 0;
    if (!yyjson_is_arr(list))
        return err_set(E_CONFIG, "domains isn't a list");
    size_t i, len;
    int rc = 0;
    yyjson_arr_foreach(list, i, len, v)
    {
        if (rc == 0 && !yyjson_is_str(v))
            rc = err_set(E_CONFIG, "domains holds what is no string");
        if (rc == 0)
            rc = tls_auth_add_domain(r, str_new(yyjson_get_str(v), yyjson_get_len(v)));
    }
    return rc;
}

static int add_auth(yyjson_val *entry, struct dial_rules *r)
{
    if (!yyjson_is_obj(entry))
        return err_set(E_CONFIG, "it isn't an object");
    struct tls_auth_text text;
    int rc = text_of(entry, "cert", &text.cert);
    if (rc == 0)
        rc = text_of(entry, "key", &text.key);
    if (rc == 0)
        rc = text_of(entry, "password", &text.password);
    if (rc == 0)
        rc = tls_auth_add(r, &text);
    return rc < 0 ? rc : add_domains(entry, r);
}

static int set_auth(const char *json, struct dial_rules *r)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    yyjson_val *list = yyjson_doc_get_root(doc), *entry;
    int rc = 0;
    if (!yyjson_is_arr(list))
        rc = yyjson_is_null(list) ? 0 : err_set(E_CONFIG, "tlsAuth isn't a list");
    size_t i, len;
    yyjson_arr_foreach(list, i, len, entry)
    {
        if (rc == 0 && (rc = add_auth(entry, r)) < 0)
            rc = err_wrap(rc, "tlsAuth[%zu]", i);
    }
    yyjson_doc_free(doc);
    return rc;
}

int settings_tls(const struct options *o, struct dial_rules *r)
{
    int rc = tls_version(o->tls_min, &r->tls_min);
    if (rc == 0)
        rc = tls_version(o->tls_max, &r->tls_max);
    for (size_t i = 0; i < o->tls_cipher_suites.len && rc == 0; i++)
        rc = tls_suites_add(r, str_of(o->tls_cipher_suites.items[i]));
    return rc == 0 && o->tls_auth != NULL ? set_auth(o->tls_auth, r) : rc;
}
