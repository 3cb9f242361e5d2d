/*
 * TZif, RFC 8536: a header, a block with 32-bit times, and from version 2 on a second header and a
 * block with 64-bit times.  The rule behind it for times beyond the table isn't read: the
 * database's tables reach to 2037.
 */
#include "server/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { NAME_MAX_BYTES = 128, FILE_MAX = 64 * 1024, HEADER = 44 };

static const char folder[] = "/usr/share/zoneinfo/";

struct reader {
    const uint8_t *data;
    size_t len;
};

static int64_t big_endian(const uint8_t *p, size_t len)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < len; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

struct counts {
    size_t utc, standard, leaps, times, types, chars;
};

static bool read_header(struct reader in, struct counts *c)
{
    if (in.len < HEADER || memcmp(in.data, "TZif", 4) != 0)
        return false;
    size_t *fields[] = {&c->utc, &c->standard, &c->leaps, &c->times, &c->types, &c->chars};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        int64_t v = big_endian(in.data + 20 + 4 * i, 4);
        if (v < 0 || v > FILE_MAX)
            return false;
        *fields[i] = (size_t)v;
    }
    return c->types > 0;
}

static size_t block_len(const struct counts *c, size_t time_len)
{
    return c->times * time_len + c->times + c->types * 6 + c->chars + c->leaps * (time_len + 4) +
           c->standard + c->utc;
}

static int bad_file(struct str name)
{
    return err_set(E_CONFIG, "time_zone: %.*s can't be read", STR_ARG(name));
}

static int read_block(struct reader in, const struct counts *c, struct str name, struct zone *ret)
{
    if (in.len < block_len(c, 8))
        return bad_file(name);
    const uint8_t *indexes = in.data + c->times * 8;
    const uint8_t *types = indexes + c->times;
    struct zone_change *changes = mem_calloc(c->times + 1, sizeof *changes);
    if (!changes)
        return -ENOMEM;
    for (size_t i = 0; i < c->times; i++) {
        size_t type = MIN((size_t)indexes[i], c->types - 1);
        changes[i].at_s = big_endian(in.data + 8 * i, 8);
        changes[i].offset_s = (int32_t)big_endian(types + 6 * type, 4);
    }
    ret->changes = changes;
    ret->len = c->times;
    ret->first_offset_s = (int32_t)big_endian(types, 4);
    return 0;
}

static int parse(struct reader in, struct str name, struct zone *ret)
{
    struct counts c;
    if (!read_header(in, &c) || in.data[4] < '2')
        return bad_file(name);
    size_t skip = HEADER + block_len(&c, 4);
    if (in.len < skip)
        return bad_file(name);
    in = (struct reader){in.data + skip, in.len - skip};
    if (!read_header(in, &c))
        return bad_file(name);
    return read_block((struct reader){in.data + HEADER, in.len - HEADER}, &c, name, ret);
}

/* No way out of the folder, and nothing odd. */
static bool is_name(struct str name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] == '/' || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            !strchr("/_+-", c))
            return false;
    }
    return true;
}

static int load(struct str name, const char *path, struct zone *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *data = fd >= 0 ? mem_alloc(FILE_MAX) : NULL;
    int rc = -ENOMEM;
    if (fd < 0)
        return err_set(E_CONFIG, "time_zone: there is no zone %.*s", STR_ARG(name));
    if (data) {
        ssize_t n = read(fd, data, FILE_MAX);
        rc = n > 0 ? parse((struct reader){data, (size_t)n}, name, ret) : bad_file(name);
    }
    close(fd);
    mem_free(data);
    return rc;
}

int zone_load(struct str name, struct zone *ret)
{
    char path[sizeof folder + NAME_MAX_BYTES];
    *ret = (struct zone){0};
    if (str_eq(name, STR("UTC")) || str_eq(name, STR("GMT")) || str_eq(name, STR("Etc/UTC")))
        return 0;
    if (!is_name(name))
        return err_set(E_CONFIG, "time_zone: a name as in Europe/Berlin is needed");
    snprintf(path, sizeof path, "%s%.*s", folder, STR_ARG(name));
    return load(name, path, ret);
}

void zone_fini(struct zone *z)
{
    mem_free(z->changes);
    *z = (struct zone){0};
}

int32_t zone_offset(const struct zone *z, int64_t s)
{
    size_t low = 0;
    size_t high = z->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (z->changes[mid].at_s <= s)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 ? z->changes[low - 1].offset_s : z->first_offset_s;
}

bool zone_to_utc(const struct zone *z, int64_t local_s, int64_t *ret_s)
{
    /* Offsets change by hours and not within a day of each other: one of these two holds. */
    int64_t early = local_s - zone_offset(z, local_s - 86400);
    int64_t late = local_s - zone_offset(z, local_s + 86400);
    int64_t first = MIN(early, late);
    int64_t second = MAX(early, late);
    if (first + zone_offset(z, first) == local_s)
        *ret_s = first;
    else if (second + zone_offset(z, second) == local_s)
        *ret_s = second;
    else
        return false;
    return true;
}
