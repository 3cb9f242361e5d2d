#include "cmd/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

/* ---- numbers --------------------------------------------------------------------------------- */

/* "d.ddde[+-]dd" with as few digits as read back the same. */
static void shortest(double v, char text[static 32])
{
    for (int digits = 0; digits < 17; digits++) {
        double back;
        int len = snprintf(text, 32, "%.*e", digits, v);
        if (str_to_double(str_new(text, (size_t)len), &back) == 0 && back == v)
            return;
    }
}

void yaml_number(struct buf *out, double v)
{
    char text[32];
    if (isnan(v) || isinf(v)) {
        buf_z(out, isnan(v) ? ".nan" : v > 0 ? ".inf" : "-.inf");
        return;
    }
    shortest(v, text);
    struct str exponent;
    struct str mantissa = str_cut(str_of(text), 'e', &exponent);
    int64_t e = 0;
    if (exponent.len > 0 && exponent.ptr[0] == '+')
        exponent = str_new(exponent.ptr + 1, exponent.len - 1);
    int rc = str_to_i64(exponent, &e);
    (void)rc; /* it is printf's */
    size_t digits = mantissa.len - (mantissa.ptr[0] == '-') - (mantissa.len > 2 ? 1 : 0);
    if (e < -4 || e >= 6)
        buf_str(out, str_of(text));
    else
        buf_printf(out, "%.*f", (int)MAX((int64_t)digits - 1 - e, (int64_t)0), v);
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool reads_as_other(struct str s)
{
    static const char *const words[] = {"true", "false", "yes",  "no", "on",   "off",
                                        "y",    "n",     "null", "~",  ".inf", ".nan"};
    double number;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_ieq(s, str_of(words[i])))
            return true;
    return str_to_double(s, &number) == 0;
}

static bool is_plain(struct str s)
{
    if (s.len == 0 || reads_as_other(s))
        return false;
    if (!isalnum((unsigned char)s.ptr[0]) && s.ptr[0] != '_' && s.ptr[0] != '/' &&
        (unsigned char)s.ptr[0] < 0x80)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool last = i + 1 == s.len;
        if (c < ' ' || c == 0x7f || (c == ' ' && (last || s.ptr[i + 1] == '#')) ||
            (c == ':' && (last || s.ptr[i + 1] == ' ')))
            return false;
    }
    return true;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

void yaml_text(struct buf *out, struct str s)
{
    if (is_plain(s)) {
        buf_str(out, s);
    } else if (s.len == 0 || has_control(s) || reads_as_other(s)) {
        buf_json_str(out, s); /* JSON's text is YAML's, too */
    } else {
        buf_byte(out, '\'');
        for (size_t i = 0; i < s.len; i++) {
            if (s.ptr[i] == '\'')
                buf_byte(out, '\'');
            buf_byte(out, (uint8_t)s.ptr[i]);
        }
        buf_byte(out, '\'');
    }
}
