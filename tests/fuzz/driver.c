/*
 * Runs a fuzz target where there is no libFuzzer (gcc): first every file of the corpus, then
 * mutations of them, each at most LEN_MAX bytes.
 *
 *     x_fuzz [-runs=N] [-seed=N] [-max_total_time=SECONDS] [-keep=FILE] CORPUS...
 *
 * The mutations follow from the seed alone, so a failure comes back with the same arguments.
 * With -keep the input is written to FILE before it is run: after a crash, FILE holds it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LEN_MAX = 64 * 1024, FILES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t len;
};

static struct input inputs[FILES_MAX];
static size_t inputs_len;
static const char *keep_path;
static uint64_t random_state;

/* splitmix64: one state word, good enough to pick bytes to change. */
static uint64_t next_random(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return n ? (size_t)(next_random() % n) : 0;
}

static void die(const char *what, const char *path)
{
    fprintf(stderr, "fuzz driver: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static void add_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("open", path);
    uint8_t *data = malloc(LEN_MAX);
    if (!data)
        die("memory for", path);
    ssize_t n = read(fd, data, LEN_MAX);
    if (n < 0)
        die("read", path);
    close(fd);
    if (inputs_len < FILES_MAX)
        inputs[inputs_len++] = (struct input){data, (size_t)n};
    else
        free(data);
}

static void add_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        die("stat", path);
    if (!S_ISDIR(st.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        die("list", path);
    for (int i = 0; i < n; i++) {
        char *child = NULL;
        if (names[i]->d_name[0] != '.' && asprintf(&child, "%s/%s", path, names[i]->d_name) > 0) {
            add_path(child);
            free(child);
        }
        free(names[i]);
    }
    free(names);
}

/* The input goes to the target in a block of exactly its size, so that ASan sees an overrun. */
static void run_one(const uint8_t *data, size_t len)
{
    if (keep_path) {
        FILE *f = fopen(keep_path, "wb");
        if (!f)
            die("open", keep_path);
        fwrite(data, 1, len, f);
        fclose(f);
    }
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        die("memory for", "an input");
    memcpy(exact, data, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

/* Changes `data` in place by one small step and returns its new length. */
static size_t mutate(uint8_t *data, size_t len)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, ' ', '\n', '"', '{', '0'};
    size_t at = below(len);

    switch (below(6)) {
    case 0: /* flip a bit */
        if (len > 0)
            data[at] ^= (uint8_t)(1u << below(8));
        return len;
    case 1: /* set a byte to one that parsers care about */
        if (len > 0)
            data[at] = edges[below(sizeof edges)];
        return len;
    case 2: /* insert a byte */
        if (len == LEN_MAX)
            return len;
        memmove(data + at + 1, data + at, len - at);
        data[at] = (uint8_t)next_random();
        return len + 1;
    case 3: { /* cut a piece out */
        size_t cut = below(len - at < 16 ? len - at + 1 : 16);
        memmove(data + at, data + at + cut, len - at - cut);
        return len - cut;
    }
    case 4: { /* append a piece of another input */
        const struct input *other = &inputs[below(inputs_len)];
        size_t from = below(other->len);
        size_t n = below(other->len - from + 1);
        if (n > LEN_MAX - len)
            n = LEN_MAX - len;
        memcpy(data + len, other->data + from, n);
        return len + n;
    }
    default: /* shorten */
        return below(len + 1);
    }
}

static const char *option(const char *arg, const char *name)
{
    size_t n = strlen(name);
    return strncmp(arg, name, n) == 0 ? arg + n : NULL;
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || end == text || *end) {
        fprintf(stderr, "fuzz driver: not a number: %s\n", text);
        exit(2);
    }
    return v;
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
    uint64_t runs = 10000;
    uint64_t seed = 1;
    int64_t seconds = 0;

    for (int i = 1; i < argc; i++) {
        const char *v;
        if ((v = option(argv[i], "-runs=")))
            runs = number(v);
        else if ((v = option(argv[i], "-seed=")))
            seed = number(v);
        else if ((v = option(argv[i], "-max_total_time=")))
            seconds = (int64_t)number(v);
        else if ((v = option(argv[i], "-keep=")))
            keep_path = v;
        else if (argv[i][0] != '-')
            add_path(argv[i]);
    }

    size_t corpus = inputs_len;
    for (size_t i = 0; i < corpus; i++)
        run_one(inputs[i].data, inputs[i].len);
    if (inputs_len == 0)
        inputs[inputs_len++] = (struct input){calloc(1, 1), 0};

    random_state = seed;
    int64_t end = seconds > 0 ? now_ns() + seconds * 1000000000 : INT64_MAX;
    static uint8_t work[LEN_MAX];
    uint64_t done = 0;
    while (done < runs && now_ns() < end) {
        const struct input *from = &inputs[below(inputs_len)];
        size_t len = from->len;
        memcpy(work, from->data, len);
        for (size_t steps = 1 + below(8); steps > 0; steps--)
            len = mutate(work, len);
        run_one(work, len);
        done++;
    }
    printf("%zu inputs of the corpus and %llu mutations ran\n", corpus, (unsigned long long)done);
    for (size_t i = 0; i < inputs_len; i++)
        free(inputs[i].data);
    return 0;
}
