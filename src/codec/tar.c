#include "codec/tar.h"

#include "base/err.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>

enum { BLOCK = 512, NAME_LEN = 100, LINK_LEN = 100, PREFIX_LEN = 155 };

/* POSIX.1-1988 header with the ustar extension. */
struct header {
    char name[NAME_LEN];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[LINK_LEN];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char dev_major[8];
    char dev_minor[8];
    char prefix[PREFIX_LEN];
    char pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

/* ---- writing ---- */

static void octal(char *field, size_t size, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%0*llo", (int)size - 1, (unsigned long long)v);
    memcpy(field, text, size);
}

static unsigned checksum(const struct header *h)
{
    const uint8_t *p = (const uint8_t *)h;
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        bool in_field = i >= offsetof(struct header, checksum) &&
                        i < offsetof(struct header, checksum) + sizeof h->checksum;
        sum += in_field ? ' ' : p[i];
    }
    return sum;
}

/* Puts the path into name, or into prefix and name at a slash; false when neither fits. */
static bool place_name(struct header *h, struct str path)
{
    if (path.len <= NAME_LEN) {
        memcpy(h->name, path.ptr, path.len);
        return true;
    }
    for (size_t i = MIN(path.len - 1, (size_t)PREFIX_LEN); i > 0; i--) {
        if (path.ptr[i] != '/' || path.len - i - 1 > NAME_LEN || path.len - i - 1 == 0)
            continue;
        memcpy(h->prefix, path.ptr, i);
        memcpy(h->name, path.ptr + i + 1, path.len - i - 1);
        return true;
    }
    return false;
}

static void pad_to_block(struct buf *out, size_t len)
{
    buf_fill(out, 0, (BLOCK - len % BLOCK) % BLOCK);
}

static void put_header(struct buf *out, struct header *h, char type, size_t size, int64_t mtime_s)
{
    octal(h->mode, sizeof h->mode, 0644);
    octal(h->uid, sizeof h->uid, 0);
    octal(h->gid, sizeof h->gid, 0);
    octal(h->size, sizeof h->size, size);
    octal(h->mtime, sizeof h->mtime, mtime_s > 0 ? (uint64_t)mtime_s : 0);
    h->type = type;
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    octal(h->checksum, 7, checksum(h));
    h->checksum[7] = ' ';
    buf_append(out, h, sizeof *h);
}

/* A pax record counts its own digits: "30 path=…\n". */
static void pax_record(struct buf *out, const char *key, struct str value)
{
    size_t rest = strlen(key) + value.len + 3;
    size_t len = rest + 1;
    char digits[24];
    while (rest + (size_t)snprintf(digits, sizeof digits, "%zu", len) != len)
        len++;
    buf_printf(out, "%zu %s=", len, key);
    buf_str(out, value);
    buf_byte(out, '\n');
}

static void put_pax(struct buf *out, struct str path, struct str target, int64_t mtime_s)
{
    CLEANUP(buf_fini) struct buf records;
    buf_init(&records, 2 * TAR_NAME_MAX + 100);
    if (path.len > 0)
        pax_record(&records, "path", path);
    if (target.len > 0)
        pax_record(&records, "linkpath", target);
    struct header h = {.name = "PaxHeaders.0/entry"};
    put_header(out, &h, 'x', records.len, mtime_s);
    buf_str(out, buf_view(&records));
    pad_to_block(out, records.len);
    if (buf_finish(&records) < 0 && out->err == 0)
        out->err = buf_finish(&records);
}

static void put_entry(struct buf *out, char type, struct str path, struct str target, size_t size,
                      int64_t mtime_s)
{
    struct header h = {0};
    bool name_fits = place_name(&h, path);
    bool target_fits = target.len <= LINK_LEN;
    if (!name_fits || !target_fits)
        put_pax(out, name_fits ? STR_EMPTY : path, target_fits ? STR_EMPTY : target, mtime_s);
    if (!name_fits)
        memcpy(h.name, path.ptr, NAME_LEN);
    memcpy(h.link, target.ptr ? target.ptr : "", MIN(target.len, (size_t)LINK_LEN));
    put_header(out, &h, type, size, mtime_s);
}

void tar_put_file(struct buf *out, struct str path, const void *data, size_t len, int64_t mtime_s)
{
    put_entry(out, '0', path, STR_EMPTY, len, mtime_s);
    buf_append(out, data, len);
    pad_to_block(out, len);
}

void tar_put_link(struct buf *out, struct str path, struct str target, int64_t mtime_s)
{
    put_entry(out, '1', path, target, 0, mtime_s);
}

void tar_finish(struct buf *out)
{
    buf_fill(out, 0, (size_t)BLOCK * 2);
}

/* ---- reading ---- */

void tar_reader_init(struct tar_reader *r, const void *data, size_t len)
{
    *r = (struct tar_reader){.data = data, .len = len};
    buf_init(&r->path, TAR_NAME_MAX);
    buf_init(&r->target, TAR_NAME_MAX);
}

void tar_reader_fini(struct tar_reader *r)
{
    buf_fini(&r->path);
    buf_fini(&r->target);
}

static struct str field(const char *p, size_t size)
{
    return str_new(p, strnlen(p, size));
}

/* Octal with spaces or NULs around it, or GNU's base-256 for sizes that don't fit. */
static int parse_number(const char *p, size_t size, uint64_t *ret)
{
    uint64_t v = 0;
    if ((uint8_t)p[0] & 0x80) {
        v = (uint8_t)p[0] & 0x7f;
        for (size_t i = 1; i < size; i++) {
            if (v >> 55 != 0)
                return E_CORRUPT;
            v = v << 8 | (uint8_t)p[i];
        }
        *ret = v;
        return 0;
    }
    size_t i = 0;
    while (i < size && p[i] == ' ')
        i++;
    for (; i < size && p[i] != ' ' && p[i] != '\0'; i++) {
        if (p[i] < '0' || p[i] > '7')
            return E_CORRUPT;
        v = v << 3 | (uint64_t)(p[i] - '0');
    }
    *ret = v;
    return 0;
}

static int take_name(struct buf *into, struct str name)
{
    buf_reset(into);
    buf_str(into, name);
    int rc = buf_finish(into);
    if (rc == -EMSGSIZE)
        return err_set(E_LIMIT, "archive: a path is longer than %d bytes", TAR_NAME_MAX);
    return rc;
}

static int read_pax(struct tar_reader *r, struct str records)
{
    while (records.len > 0) {
        struct str rest;
        uint64_t len;
        struct str digits = str_cut(records, ' ', &rest);
        if (str_to_u64(digits, &len) < 0 || len <= digits.len + 1 || len > records.len)
            return err_set(E_CORRUPT, "archive: bad pax record");
        struct str value;
        struct str record = str_new(rest.ptr, (size_t)len - digits.len - 2); /* without newline */
        struct str key = str_cut(record, '=', &value);
        int rc = 0;
        if (str_eqz(key, "path")) {
            rc = take_name(&r->path, value);
            r->path_set = true;
        } else if (str_eqz(key, "linkpath")) {
            rc = take_name(&r->target, value);
            r->target_set = true;
        }
        if (rc < 0)
            return rc;
        records = str_new(records.ptr + len, records.len - (size_t)len);
    }
    return 0;
}

static int name_entry(struct tar_reader *r, const struct header *h)
{
    int rc = 0;
    if (!r->path_set) {
        struct str prefix = field(h->prefix, PREFIX_LEN);
        bool ustar = memcmp(h->magic, "ustar", 6) == 0;
        rc = take_name(&r->path, ustar ? prefix : STR_EMPTY);
        if (rc == 0 && r->path.len > 0)
            buf_byte(&r->path, '/');
        buf_str(&r->path, field(h->name, NAME_LEN));
    }
    if (rc == 0 && !r->target_set)
        rc = take_name(&r->target, field(h->link, LINK_LEN));
    return rc < 0 ? rc : buf_finish(&r->path);
}

/* Reads the header at r->at; 1 with it and its data, 0 at the end. */
static int next_header(struct tar_reader *r, const struct header **ret, struct str *ret_data)
{
    static const struct header zero;
    if (r->at == r->len)
        return 0; /* some writers leave the trailer out */
    if (r->len - r->at < BLOCK)
        return err_set(E_CORRUPT, "archive: cut short at byte %zu", r->at);
    const struct header *h = (const struct header *)(const void *)(r->data + r->at);
    if (memcmp(h, &zero, sizeof zero) == 0)
        return 0;
    uint64_t size, sum;
    if (parse_number(h->checksum, sizeof h->checksum, &sum) < 0 || sum != checksum(h))
        return err_set(E_CORRUPT, "archive: bad header checksum at byte %zu", r->at);
    if (parse_number(h->size, sizeof h->size, &size) < 0)
        return err_set(E_CORRUPT, "archive: bad size at byte %zu", r->at);
    size_t left = r->len - r->at - BLOCK;
    if (size > left)
        return err_set(E_CORRUPT, "archive: cut short in the entry at byte %zu", r->at);
    if (++r->entries > TAR_ENTRIES_MAX)
        return err_set(E_LIMIT, "archive: more than %d entries", TAR_ENTRIES_MAX);
    *ret = h;
    *ret_data = str_new(r->data + r->at + BLOCK, (size_t)size);
    size_t padded = ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
    r->at += BLOCK + MIN(padded, left);
    return 1;
}

bool tar_is_header(const uint8_t *block)
{
    const struct header *h = (const struct header *)(const void *)block;
    uint64_t sum;
    return h->name[0] != '\0' && parse_number(h->checksum, sizeof h->checksum, &sum) == 0 &&
           sum == checksum(h);
}

int tar_next(struct tar_reader *r, struct tar_entry *ret)
{
    r->path_set = r->target_set = false;
    for (;;) {
        const struct header *h = NULL;
        struct str data = STR_EMPTY;
        int rc = next_header(r, &h, &data);
        if (rc <= 0 || h == NULL)
            return rc;
        switch (h->type) {
        case 'x':
            rc = read_pax(r, data);
            break;
        case 'L': /* GNU: the next entry's long name, with a NUL */
            rc = take_name(&r->path, field(data.ptr, data.len));
            r->path_set = true;
            break;
        case 'K':
            rc = take_name(&r->target, field(data.ptr, data.len));
            r->target_set = true;
            break;
        case '0':
        case '\0':
        case '1':
            rc = name_entry(r, h);
            if (rc < 0)
                return rc;
            *ret = (struct tar_entry){h->type == '1' ? TAR_LINK : TAR_FILE, buf_view(&r->path),
                                      buf_view(&r->target), data};
            return 1;
        default: /* folders, devices, global headers: nothing for us */
            r->path_set = r->target_set = false;
            break;
        }
        if (rc < 0)
            return rc;
    }
}
