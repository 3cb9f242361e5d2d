#include "rt/offload.h"

#include "base/err.h"
#include "rt/loop_int.h"

/* On the stack of the coroutine that waits, which doesn't go on before the job is done. */
struct job {
    uv_work_t work; /* data: this */
    offload_fn *fn;
    void *arg;
    struct co *co;
    int result;
    bool done;
};

/* In a pool thread.  The coroutine is suspended, so its error slot is free to be written here. */
static void work(uv_work_t *w)
{
    struct job *job = w->data;
    struct err *before = err_switch(co_err(job->co));
    job->result = job->fn(job->arg);
    err_switch(before);
}

static void finished(uv_work_t *w, int status)
{
    struct job *job = w->data;
    (void)status; /* nobody cancels it */
    job->done = true;
    co_unpark(job->co);
}

int offload_run(offload_fn *fn, void *arg)
{
    struct co *c = co_self();
    if (c == NULL)
        return fn(arg); /* no loop that could be held up */
    struct job job = {.fn = fn, .arg = arg, .co = c};
    job.work.data = &job;
    struct loop *l = co_loop(c);
    int rc = uv_queue_work(loop_uv(l), &job.work, work, finished);
    if (rc < 0)
        return err_set_errno(rc, "hand work to a thread");
    loop_touch_uv(l);
    while (!job.done)
        co_park_hard();
    return job.result;
}
