#include "codec/idna.h"

#include <idn2.h>

enum { LABEL_MAX = 63, NAME_MAX_BYTES = 1024 };

bool idna_is_needed(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if ((uint8_t)host.ptr[i] >= 0x80)
            return true;
    return false;
}

bool idna_append_lookup(struct buf *b, struct str host)
{
    char name[NAME_MAX_BYTES + 1], *out = NULL;
    if (host.len > NAME_MAX_BYTES)
        return false;
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    bool ok = idn2_to_ascii_8z(name, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK;
    if (ok)
        buf_z(b, out);
    idn2_free(out);
    /* Go takes signs that IDNA 2008 has excluded, such as snowmen. */
    return ok || idna_append_punycode(b, host);
}

/* ---- Punycode, RFC 3492 6.3 ----------------------------------------------------------------- */

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72, FIRST_CODE = 128 };

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
    uint32_t k = 0;
    delta = first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static void put_digit(struct buf *b, uint32_t digit)
{
    buf_byte(b, (uint8_t)(digit < 26 ? 'a' + digit : '0' + digit - 26));
}

static void put_number(struct buf *b, uint32_t n, uint32_t bias)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        if (n < t)
            break;
        put_digit(b, t + (n - t) % (BASE - t));
        n = (n - t) / (BASE - t);
    }
    put_digit(b, n);
}

/* The next code point of well-formed UTF-8. */
static uint32_t next_point(struct str s, size_t *at)
{
    uint8_t c = (uint8_t)s.ptr[(*at)++];
    if (c < 0x80)
        return c;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    uint32_t point = c & (0x3fu >> more);
    for (; more > 0; more--)
        point = point << 6 | ((uint8_t)s.ptr[(*at)++] & 0x3fu);
    return point;
}

/* The smallest one from `from` on; UINT32_MAX: none. */
static uint32_t smallest(const uint32_t *points, uint32_t len, uint32_t from)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < len; i++)
        if (points[i] >= from && points[i] < least)
            least = points[i];
    return least;
}

static void encode_points(struct buf *b, const uint32_t *points, uint32_t len)
{
    uint32_t code = FIRST_CODE, delta = 0, bias = FIRST_BIAS, basic = 0;
    for (uint32_t i = 0; i < len; i++)
        if (points[i] < FIRST_CODE) {
            buf_byte(b, (uint8_t)points[i]);
            basic++;
        }
    if (basic > 0)
        buf_byte(b, '-');
    for (uint32_t done = basic; done < len;) {
        uint32_t next = smallest(points, len, code);
        delta += (next - code) * (done + 1); /* 63 points: no overflow */
        code = next;
        for (uint32_t i = 0; i < len; i++) {
            delta += points[i] < code;
            if (points[i] != code)
                continue;
            put_number(b, delta, bias);
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        code++;
    }
}

static bool append_label(struct buf *b, struct str label)
{
    uint32_t points[LABEL_MAX], len = 0;
    if (!idna_is_needed(label)) {
        buf_str(b, label);
        return true;
    }
    for (size_t at = 0; at < label.len;) {
        if (len == LABEL_MAX)
            return false;
        points[len++] = next_point(label, &at);
    }
    buf_z(b, "xn--");
    encode_points(b, points, len);
    return true;
}

bool idna_append_punycode(struct buf *b, struct str host)
{
    size_t from = b->len;
    if (host.len > NAME_MAX_BYTES || !str_is_utf8(host))
        return false;
    for (struct str rest = host; rest.ptr != NULL;) {
        struct str label = str_cut(rest, '.', &rest);
        if (!append_label(b, label)) {
            b->len = from;
            return false;
        }
        if (rest.ptr != NULL)
            buf_byte(b, '.');
    }
    return true;
}
