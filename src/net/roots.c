#include "net/roots.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "rt/offload.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILES_MAX = 65536, PATHS_MAX = 64 };

struct roots {
    pthread_mutex_t lock; /* held while they are parsed; only in pool threads */
    X509_STORE *store;    /* NULL: not yet */
};

/* Directories are full of links to the same file. */
struct seen {
    struct {
        dev_t device;
        ino_t inode;
    } * files;
    size_t len, cap;
};

int roots_new(struct roots **ret)
{
    struct roots *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return err_set(-ENOMEM, "certificates");
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return 0;
}

void roots_free(struct roots *r)
{
    if (r == NULL)
        return;
    X509_STORE_free(r->store);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* What the environment says, or NULL. */
static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Calls fn for each of "a:b:c" until one fails. */
typedef int directory_fn(const char *path, void *arg);

static int each_directory(const char *list, directory_fn *fn, void *arg)
{
    int rc = 0, n = 0;
    for (struct str rest = str_of(list); rest.len > 0 && rc == 0 && n < PATHS_MAX; n++) {
        struct str path = str_cut(rest, ':', &rest);
        if (path.len == 0)
            continue;
        CLEANUP(mem_freep) char *z = str_dup(path);
        rc = z == NULL ? err_set(-ENOMEM, "certificates") : fn(z, arg);
    }
    return rc;
}

/* --- checking --- */

static int cannot_read(const char *path, const char *why)
{
    return err_set(E_CONFIG, "certificates of %s: %s", path, why);
}

static int check_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return cannot_read(path, err_code_text(-errno));
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof line, f) != NULL)
        found = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "CERTIFICATE") != NULL;
    int why = ferror(f) ? errno : 0;
    fclose(f);
    return found ? 0 : cannot_read(path, why != 0 ? err_code_text(-why) : "no certificate in it");
}

static int check_directory(const char *path, void *arg)
{
    (void)arg;
    DIR *d = opendir(path);
    if (d == NULL)
        return cannot_read(path, err_code_text(-errno));
    closedir(d);
    return 0;
}

int roots_check(void)
{
    const char *file = setting("SSL_CERT_FILE"), *dirs = setting("SSL_CERT_DIR");
    int rc = file != NULL ? check_file(file) : 0;
    if (rc == 0 && dirs != NULL)
        rc = each_directory(dirs, check_directory, NULL);
    return rc;
}

/* --- loading, in a pool thread --- */

struct loading {
    X509_STORE *store;
    struct seen seen;
};

/* True for the first of several names of one file. */
static bool is_new(struct seen *s, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    for (size_t i = 0; i < s->len; i++)
        if (s->files[i].device == st.st_dev && s->files[i].inode == st.st_ino)
            return false;
    if (mem_grow(&s->files, &s->cap, s->len + 1, FILES_MAX, sizeof *s->files) < 0)
        return true; /* loading it twice is harmless */
    s->files[s->len].device = st.st_dev;
    s->files[s->len++].inode = st.st_ino;
    return true;
}

static int load_file(struct loading *l, const char *path)
{
    if (!is_new(&l->seen, path) || X509_STORE_load_file(l->store, path) == 1)
        return 0;
    const char *why = ERR_reason_error_string(ERR_peek_error());
    int rc = cannot_read(path, why != NULL ? why : "no certificate in it");
    ERR_clear_error();
    return rc;
}

/* Every file, named by hash or not; what isn't a certificate is passed over. */
static int load_directory(const char *path, void *arg)
{
    struct loading *l = arg;
    DIR *d = opendir(path);
    if (d == NULL)
        return cannot_read(path, err_code_text(-errno));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char file[PATH_MAX / 2];
        int n = snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (n > 0 && (size_t)n < sizeof file)
            (void)load_file(l, file);
    }
    closedir(d);
    return 0;
}

static int load_all(struct loading *l)
{
    const char *file = setting("SSL_CERT_FILE"), *dirs = setting("SSL_CERT_DIR");
    int rc = file != NULL ? load_file(l, file) : 0;
    if (rc == 0 && dirs != NULL)
        rc = each_directory(dirs, load_directory, l);
    /* The system's own are looked up by hash when they are needed. */
    if (dirs == NULL && file == NULL)
        (void)X509_STORE_set_default_paths(l->store);
    else if (dirs == NULL)
        (void)X509_STORE_load_path(l->store, X509_get_default_cert_dir());
    ERR_clear_error();
    return rc;
}

static int load(void *arg)
{
    struct roots *r = arg;
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    if (r->store == NULL) {
        struct loading l = {.store = X509_STORE_new()};
        rc = l.store == NULL ? err_set(-ENOMEM, "certificates") : load_all(&l);
        mem_free(l.seen.files);
        if (rc == 0)
            r->store = l.store;
        else
            X509_STORE_free(l.store);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

int roots_get(struct roots *r, struct x509_store_st **ret)
{
    int rc = offload_run(load, r);
    if (rc == 0)
        *ret = r->store; /* written once, before offload_run() returned */
    return rc;
}
