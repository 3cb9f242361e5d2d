#include "output/cloud_spool.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rt/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void cloud_spool_init(struct cloud_spool *s)
{
    *s = (struct cloud_spool){.fd = -1, .memory_max = CLOUD_SPOOL_MEMORY_MAX};
    s->last = &s->first;
}

void cloud_spool_fini(struct cloud_spool *s)
{
    while (s->first != NULL) {
        struct cloud_batch *b = s->first;
        s->first = b->next;
        mem_free(b->data);
        mem_free(b);
    }
    if (s->fd >= 0)
        close(s->fd);
    cloud_spool_init(s);
}

/* ---- the file ---- */

struct file_job {
    struct cloud_spool *spool;
    const uint8_t *from; /* to write */
    uint8_t *to;         /* to read into */
    size_t len;
    off_t at;
};

static int open_file(void)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir && dir[0] ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? err_set_errno(-errno, "spool file in %s", dir && dir[0] ? dir : "/tmp") : fd;
}

static int write_job(void *arg)
{
    struct file_job *job = arg;
    if (job->spool->fd < 0) {
        int fd = open_file();
        if (fd < 0)
            return fd;
        job->spool->fd = fd;
    }
    for (size_t done = 0; done < job->len;) {
        ssize_t n =
            pwrite(job->spool->fd, job->from + done, job->len - done, job->at + (off_t)done);
        if (n < 0 && errno != EINTR)
            return err_set_errno(-errno, "write to the spool file");
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int read_job(void *arg)
{
    struct file_job *job = arg;
    for (size_t done = 0; done < job->len;) {
        ssize_t n = pread(job->spool->fd, job->to + done, job->len - done, job->at + (off_t)done);
        if (n == 0)
            return err_set(E_CORRUPT, "the spool file is cut short");
        if (n < 0 && errno != EINTR)
            return err_set_errno(-errno, "read from the spool file");
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int put_in_file(struct cloud_spool *s, struct cloud_batch *b, struct str data)
{
    if (data.len > (size_t)(CLOUD_SPOOL_FILE_MAX - s->file_end))
        return err_set(E_LIMIT, "the spool file is full");
    b->at = s->file_end;
    s->file_end += (off_t)data.len; /* before the wait: nobody else may take the place */
    s->in_file++;
    struct file_job job = {
        .spool = s, .from = (const uint8_t *)data.ptr, .len = data.len, .at = b->at};
    int rc = offload_run(write_job, &job);
    if (rc < 0)
        s->in_file--;
    return rc;
}

static int put_in_memory(struct cloud_spool *s, struct cloud_batch *b, struct str data)
{
    b->data = mem_alloc(data.len);
    if (b->data == NULL)
        return -ENOMEM;
    memcpy(b->data, data.ptr, data.len);
    s->memory += data.len;
    return 0;
}

/* ---- the queue ---- */

int cloud_spool_put(struct cloud_spool *s, struct str data, uint32_t series)
{
    struct cloud_batch *b = mem_calloc(1, sizeof *b);
    if (b == NULL)
        return err_set_errno(-ENOMEM, "spool");
    cloud_api_make_key(b->key);
    b->series = series;
    b->len = data.len;
    bool fits = data.len <= s->memory_max && s->memory <= s->memory_max - data.len;
    int rc = fits && s->in_file == 0 ? put_in_memory(s, b, data) : put_in_file(s, b, data);
    if (rc < 0) {
        mem_free(b);
        return err_wrap(rc, "spool");
    }
    *s->last = b;
    s->last = &b->next;
    s->waiting++;
    return 0;
}

static int load(struct cloud_spool *s, struct cloud_batch *b)
{
    uint8_t *data = mem_alloc(b->len);
    if (data == NULL)
        return err_set_errno(-ENOMEM, "spool");
    struct file_job job = {.spool = s, .to = data, .len = b->len, .at = b->at};
    int rc = offload_run(read_job, &job);
    if (rc < 0) {
        mem_free(data);
        return rc;
    }
    b->data = data;
    s->memory += b->len;
    if (--s->in_file == 0)
        s->file_end = 0;
    return 0;
}

int cloud_spool_take(struct cloud_spool *s, struct cloud_batch **ret)
{
    struct cloud_batch *b = s->first;
    if (b == NULL)
        return -ENOENT;
    /* Out of the queue first: while it is read another coroutine may want the next. */
    s->first = b->next;
    if (s->first == NULL)
        s->last = &s->first;
    s->waiting--;
    int rc = b->data == NULL ? load(s, b) : 0;
    if (rc < 0) {
        b->next = s->first;
        s->first = b;
        if (b->next == NULL)
            s->last = &b->next;
        s->waiting++;
        return rc;
    }
    *ret = b;
    return 0;
}

void cloud_batch_free(struct cloud_spool *s, struct cloud_batch *b)
{
    s->memory -= b->len;
    mem_free(b->data);
    mem_free(b);
}
