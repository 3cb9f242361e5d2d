/*
 * api_x509 - k6/crypto/x509: parse, getAltNames, getIssuer, getSubject.  k6-surface 2.3.
 *
 * Certificates are read by OpenSSL; what a script sees of them has k6's names and forms, which are
 * those of Go's crypto/x509.
 */
#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "js/input.h"

/* ---- reading -----------------------------------------------------------------------------------
 */

static void x509_freep(X509 **x)
{
    X509_free(*x);
}

/* The first block of PEM in the text, whatever it calls itself.  NULL with an exception pending. */
static X509 *certificate(JSContext *ctx, JSValueConst v)
{
    CLEANUP(js_input_fini) struct js_input in = {0};
    if (!js_is_nullish(v) && js_input_of(ctx, v, &in) < 0)
        return NULL;
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len = 0;
    BIO *bio = BIO_new_mem_buf(in.bytes.ptr ? in.bytes.ptr : "",
                               (int)MIN(in.bytes.len, (size_t)JS_CERTIFICATE_BYTES));
    bool is_pem = bio && PEM_read_bio(bio, &name, &header, &data, &len) == 1;
    const unsigned char *at = data;
    X509 *x = is_pem ? d2i_X509(NULL, &at, len) : NULL;
    if (!is_pem)
        js_throw(ctx, "failed to decode certificate PEM file");
    else if (!x)
        js_throw(ctx, "failed to parse certificate: x509: malformed certificate");
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    ERR_clear_error();
    return x;
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* Sets a property to `v` (taken over): 0 or -1. */
static int put(JSContext *ctx, JSValueConst object, const char *name, JSValue v)
{
    if (JS_IsException(v))
        return -1;
    return JS_DefinePropertyValueStr(ctx, object, name, v, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

static int push(JSContext *ctx, JSValueConst array, JSValue v)
{
    uint32_t len = 0;
    JSValue length = JS_IsException(v) ? v : JS_GetPropertyStr(ctx, array, "length");
    if (JS_IsException(length) || JS_ToUint32(ctx, &len, length) < 0) {
        JS_FreeValue(ctx, v);
        return -1;
    }
    return JS_DefinePropertyValueUint32(ctx, array, len, v, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

/* `object` when rc is 0, or it is freed. */
static JSValue finish(JSContext *ctx, JSValue object, int rc)
{
    if (rc == 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

static JSValue asn1_text(JSContext *ctx, const ASN1_STRING *s)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, s);
    if (len < 0) {
        ERR_clear_error();
        return js_new_str(ctx, str_new(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)));
    }
    JSValue v = js_new_str(ctx, str_new(utf8, (size_t)len));
    OPENSSL_free(utf8);
    return v;
}

/* BigInt("0x…"). */
static JSValue big(JSContext *ctx, const BIGNUM *n)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, JS_CERTIFICATE_BYTES);
    char *hex = n ? BN_bn2hex(n) : NULL;
    if (!hex)
        return JS_ThrowOutOfMemory(ctx);
    buf_printf(&text, "0x%s", hex);
    OPENSSL_free(hex);
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue fn = JS_GetPropertyStr(ctx, global, "BigInt");
    JSValue arg = js_new_str(ctx, buf_view(&text));
    JSValue v = JS_Call(ctx, fn, JS_UNDEFINED, 1, &arg);
    JS_FreeValue(ctx, arg);
    JS_FreeValue(ctx, fn);
    JS_FreeValue(ctx, global);
    return v;
}

/* ---- names -------------------------------------------------------------------------------------
 */

/* The name's value of that kind: the first, or the last where Go takes that; "" for none. */
static JSValue name_part(JSContext *ctx, const X509_NAME *name, int nid, bool last)
{
    int found = -1;
    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;) {
        found = i;
        if (!last)
            break;
    }
    return found < 0 ? JS_NewString(ctx, "")
                     : asn1_text(ctx, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, found)));
}

static JSValue name_units(JSContext *ctx, const X509_NAME *name)
{
    JSValue list = JS_NewArray(ctx);
    int rc = JS_IsException(list) ? -1 : 0;
    for (int i = -1;
         rc == 0 && (i = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, i)) >= 0;)
        rc =
            push(ctx, list, asn1_text(ctx, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i))));
    return finish(ctx, list, rc);
}

/* [{ type: "2.5.4.3", value: "x" }, …] */
static JSValue name_all(JSContext *ctx, const X509_NAME *name)
{
    JSValue list = JS_NewArray(ctx);
    int rc = JS_IsException(list) ? -1 : 0;
    for (int i = 0; rc == 0 && i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
        char oid[128];
        (void)OBJ_obj2txt(oid, sizeof oid, X509_NAME_ENTRY_get_object(e), 1);
        JSValue part = JS_NewObject(ctx);
        rc = JS_IsException(part) ? -1 : put(ctx, part, "type", JS_NewString(ctx, oid));
        if (rc == 0)
            rc = put(ctx, part, "value", asn1_text(ctx, X509_NAME_ENTRY_get_data(e)));
        part = finish(ctx, part, rc);
        rc = push(ctx, list, part);
    }
    return finish(ctx, list, rc);
}

static JSValue name_object(JSContext *ctx, const X509_NAME *name, bool subject)
{
    static const struct {
        const char *key;
        int nid;
        bool subject_only, last;
    } parts[] = {
        {"commonName", NID_commonName, false, true},
        {"country", NID_countryName, false, false},
        {"postalCode", NID_postalCode, true, false},
        {"stateOrProvinceName", NID_stateOrProvinceName, false, false},
        {"localityName", NID_localityName, false, false},
        {"streetAddress", NID_streetAddress, true, false},
        {"organizationName", NID_organizationName, false, false},
    };
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
        if (subject || !parts[i].subject_only)
            rc = put(ctx, object, parts[i].key, name_part(ctx, name, parts[i].nid, parts[i].last));
    if (rc == 0 && subject)
        rc = put(ctx, object, "organizationalUnitName", name_units(ctx, name));
    if (rc == 0)
        rc = put(ctx, object, "names", name_all(ctx, name));
    return finish(ctx, object, rc);
}

/* ---- alternative names -------------------------------------------------------------------------
 */

static JSValue address_text(JSContext *ctx, const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN] = "";
    int len = ASN1_STRING_length(ip);
    (void)inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof text);
    return JS_NewString(ctx, text);
}

static int push_names(JSContext *ctx, JSValueConst list, const GENERAL_NAMES *names, int type)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < sk_GENERAL_NAME_num(names); i++) {
        int found;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &found);
        if (found != type)
            continue;
        if (type != GEN_IPADD)
            rc = push(ctx, list, asn1_text(ctx, s));
        else if (ASN1_STRING_length(s) == 4 || ASN1_STRING_length(s) == 16)
            rc = push(ctx, list, address_text(ctx, s));
    }
    return rc;
}

static JSValue alt_names(JSContext *ctx, const X509 *x)
{
    static const int order[] = {GEN_DNS, GEN_EMAIL, GEN_IPADD, GEN_URI};
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    JSValue list = JS_NewArray(ctx);
    int rc = JS_IsException(list) ? -1 : 0;
    for (size_t i = 0; rc == 0 && names && i < ARRAY_LEN(order); i++)
        rc = push_names(ctx, list, names, order[i]);
    GENERAL_NAMES_free(names);
    return finish(ctx, list, rc);
}

/* ---- the rest of a certificate ------------------------------------------------------------------
 */

static JSValue time_text(JSContext *ctx, const ASN1_TIME *t)
{
    struct tm tm = {0};
    char text[64] = "";
    if (ASN1_TIME_to_tm(t, &tm) == 1)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return JS_NewString(ctx, text);
}

/* RSA-PSS says in its parameters which hash it is of. */
static const char *pss_name(const X509 *x)
{
    int hash = NID_undef;
    (void)X509_get_signature_info((X509 *)(uintptr_t)x, &hash, NULL, NULL, NULL);
    return hash == NID_sha256   ? "SHA256-RSAPSS"
           : hash == NID_sha384 ? "SHA384-RSAPSS"
           : hash == NID_sha512 ? "SHA512-RSAPSS"
                                : "UnknownSignatureAlgorithm";
}

static const char *signature_name(const X509 *x)
{
    static const struct {
        int nid;
        const char *name;
    } names[] = {
        {NID_md5WithRSAEncryption, "MD5-RSA"},       {NID_sha1WithRSAEncryption, "SHA1-RSA"},
        {NID_sha256WithRSAEncryption, "SHA256-RSA"}, {NID_sha384WithRSAEncryption, "SHA384-RSA"},
        {NID_sha512WithRSAEncryption, "SHA512-RSA"}, {NID_dsaWithSHA1, "DSA-SHA1"},
        {NID_dsa_with_SHA256, "DSA-SHA256"},         {NID_ecdsa_with_SHA1, "ECDSA-SHA1"},
        {NID_ecdsa_with_SHA256, "ECDSA-SHA256"},     {NID_ecdsa_with_SHA384, "ECDSA-SHA384"},
        {NID_ecdsa_with_SHA512, "ECDSA-SHA512"},     {NID_ED25519, "Ed25519"},
    };
    int nid = X509_get_signature_nid(x);
    if (nid == NID_rsassaPss)
        return pss_name(x);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].nid == nid)
            return names[i].name;
    return "UnknownSignatureAlgorithm";
}

static JSValue fingerprint(JSContext *ctx, const X509 *x)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    JSValue list = JS_NewArray(ctx);
    int rc = JS_IsException(list) || X509_digest(x, EVP_sha1(), sum, &len) != 1 ? -1 : 0;
    for (unsigned int i = 0; rc == 0 && i < len; i++)
        rc = push(ctx, list, JS_NewUint32(ctx, sum[i]));
    return finish(ctx, list, rc);
}

/* ---- public keys --------------------------------------------------------------------------------
 */

static int put_big(JSContext *ctx, JSValueConst object, const char *name, const EVP_PKEY *key,
                   const char *param)
{
    BIGNUM *n = NULL;
    if (EVP_PKEY_get_bn_param(key, param, &n) != 1) {
        ERR_clear_error();
        js_throw(ctx, "unsupported public key algorithm");
        return -1;
    }
    int rc = put(ctx, object, name, big(ctx, n));
    BN_free(n);
    return rc;
}

static int put_exponent(JSContext *ctx, JSValueConst object, const EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        return -1;
    int rc = put(ctx, object, "e", JS_NewFloat64(ctx, (double)BN_get_word(e)));
    BN_free(e);
    return rc;
}

/* `curve.params()`: how Go's type, and so k6, says which curve it is. */
static JSValue curve_params(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                            int magic, JSValue *data)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    (void)magic;
    JSValue v = JS_NewObject(ctx);
    int rc = JS_IsException(v) ? -1 : put(ctx, v, "name", JS_DupValue(ctx, data[0]));
    if (rc == 0)
        rc = put(ctx, v, "bitSize", JS_DupValue(ctx, data[1]));
    return finish(ctx, v, rc);
}

static int put_curve(JSContext *ctx, JSValueConst object, const EVP_PKEY *key)
{
    char group[64] = "";
    size_t len;
    (void)EVP_PKEY_get_group_name(key, group, sizeof group, &len);
    const char *name = EC_curve_nid2nist(OBJ_sn2nid(group));
    JSValue data[] = {JS_NewString(ctx, name ? name : group),
                      JS_NewInt32(ctx, EVP_PKEY_get_bits(key))};
    JSValue params = JS_NewCFunctionData(ctx, curve_params, 0, 0, 2, data);
    JS_FreeValue(ctx, data[0]);
    JSValue curve = JS_NewObject(ctx);
    int rc = JS_IsException(curve) ? -1 : 0;
    if (rc < 0)
        JS_FreeValue(ctx, params);
    else
        rc = put(ctx, curve, "params", params);
    return put(ctx, object, "curve", finish(ctx, curve, rc));
}

static int put_dsa(JSContext *ctx, JSValueConst object, const EVP_PKEY *key)
{
    static const char *const names[][2] = {
        {"p", OSSL_PKEY_PARAM_FFC_P}, {"q", OSSL_PKEY_PARAM_FFC_Q}, {"g", OSSL_PKEY_PARAM_FFC_G}};
    JSValue parameters = JS_NewObject(ctx);
    int rc = JS_IsException(parameters) ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
        rc = put_big(ctx, parameters, names[i][0], key, names[i][1]);
        if (rc == 0)
            rc = put_big(ctx, object, names[i][0], key, names[i][1]);
    }
    rc = put(ctx, object, "parameters", finish(ctx, parameters, rc));
    return rc < 0 ? rc : put_big(ctx, object, "y", key, OSSL_PKEY_PARAM_PUB_KEY);
}

static int put_key(JSContext *ctx, JSValueConst object, const EVP_PKEY *key, const char **ret_name)
{
    int rc;
    switch (key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
    case EVP_PKEY_RSA:
        *ret_name = "RSA";
        rc = put_big(ctx, object, "n", key, OSSL_PKEY_PARAM_RSA_N);
        return rc < 0 ? rc : put_exponent(ctx, object, key);
    case EVP_PKEY_EC:
        *ret_name = "ECDSA";
        rc = put_curve(ctx, object, key);
        if (rc == 0)
            rc = put_big(ctx, object, "x", key, OSSL_PKEY_PARAM_EC_PUB_X);
        return rc < 0 ? rc : put_big(ctx, object, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y);
    case EVP_PKEY_DSA:
        *ret_name = "DSA";
        return put_dsa(ctx, object, key);
    default:
        js_throw(ctx, "unsupported public key algorithm");
        return -1;
    }
}

static JSValue public_key(JSContext *ctx, const X509 *x)
{
    const char *name = "";
    JSValue object = JS_NewObject(ctx), key = JS_NewObject(ctx);
    int rc = JS_IsException(object) || JS_IsException(key) ? -1 : 0;
    if (rc == 0)
        rc = put_key(ctx, key, X509_get0_pubkey(x), &name);
    if (rc == 0)
        rc = put(ctx, object, "algorithm", JS_NewString(ctx, name));
    key = finish(ctx, key, rc);
    if (rc == 0)
        rc = put(ctx, object, "key", key);
    return finish(ctx, object, rc);
}

/* ---- what scripts call
 * --------------------------------------------------------------------------- */

static JSValue certificate_object(JSContext *ctx, const X509 *x)
{
    JSValue object = JS_NewObject(ctx);
    int rc = JS_IsException(object) ? -1 : 0;
    if (rc == 0)
        rc = put(ctx, object, "subject", name_object(ctx, X509_get_subject_name(x), true));
    if (rc == 0)
        rc = put(ctx, object, "issuer", name_object(ctx, X509_get_issuer_name(x), false));
    if (rc == 0)
        rc = put(ctx, object, "notBefore", time_text(ctx, X509_get0_notBefore(x)));
    if (rc == 0)
        rc = put(ctx, object, "notAfter", time_text(ctx, X509_get0_notAfter(x)));
    if (rc == 0)
        rc = put(ctx, object, "altNames", alt_names(ctx, x));
    if (rc == 0)
        rc = put(ctx, object, "signatureAlgorithm", JS_NewString(ctx, signature_name(x)));
    if (rc == 0)
        rc = put(ctx, object, "fingerPrint", fingerprint(ctx, x));
    if (rc == 0)
        rc = put(ctx, object, "publicKey", public_key(ctx, x));
    return finish(ctx, object, rc);
}

enum { PARSE, ALT_NAMES, ISSUER, SUBJECT };

static JSValue read_certificate(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                                int magic)
{
    (void)this_val;
    CLEANUP(x509_freep) X509 *x = certificate(ctx, js_arg(argc, argv, 0));
    if (!x)
        return JS_EXCEPTION;
    switch (magic) {
    case PARSE:
        return certificate_object(ctx, x);
    case ALT_NAMES:
        return alt_names(ctx, x);
    case ISSUER:
        return name_object(ctx, X509_get_issuer_name(x), false);
    default:
        return name_object(ctx, X509_get_subject_name(x), true);
    }
}

static const JSCFunctionListEntry functions[] = {
    JS_API_MAGIC_FUNC("getAltNames", 1, read_certificate, ALT_NAMES),
    JS_API_MAGIC_FUNC("getIssuer", 1, read_certificate, ISSUER),
    JS_API_MAGIC_FUNC("getSubject", 1, read_certificate, SUBJECT),
    JS_API_MAGIC_FUNC("parse", 1, read_certificate, PARSE),
};

const struct js_api_module js_api_x509 = {
    .id = JS_API_X509,
    .name = "k6/crypto/x509",
    .list = functions,
    .list_len = ARRAY_LEN(functions),
};
