#include "js/shared.h"

#include <errno.h>
#include <pthread.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "js/pack.h"

struct shared_arrays {
    pthread_mutex_t lock; /* of all below */
    struct map by_name;   /* struct shared_array */
    const void *builder;  /* NULL: nobody builds */
    uint32_t depth;       /* arrays that he is building, one within the other */
    uint32_t last_id;
};

int shared_arrays_new(struct shared_arrays **ret)
{
    struct shared_arrays *s = mem_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int rc = -pthread_mutex_init(&s->lock, NULL);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    map_init(&s->by_name, JS_SHARED_ARRAYS_MAX);
    *ret = s;
    return 0;
}

void shared_arrays_free(struct shared_arrays *s)
{
    if (!s)
        return;
    CHECK(s->builder == NULL);
    for (size_t i = 0; i < map_len(&s->by_name); i++)
        shared_array_free(map_value_at(&s->by_name, i));
    map_fini(&s->by_name);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

int shared_arrays_begin(struct shared_arrays *s, struct str name, const void *builder,
                        const struct shared_array **ret)
{
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    const struct shared_array *a = map_get(&s->by_name, name);
    if (a) {
        *ret = a;
    } else if (s->builder && s->builder != builder) {
        rc = -EAGAIN;
    } else {
        s->builder = builder;
        s->depth++;
        rc = 1;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int shared_arrays_end(struct shared_arrays *s, struct str name, struct shared_array *built)
{
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    if (--s->depth == 0)
        s->builder = NULL;
    if (built) {
        built->id = ++s->last_id;
        rc = map_find(&s->by_name, name, &(void *){NULL}) ? -EEXIST
                                                          : map_put(&s->by_name, name, built);
    }
    pthread_mutex_unlock(&s->lock);
    if (rc == 0)
        return 0;
    shared_array_free(built);
    if (rc == -EEXIST)
        return err_set(E_LIMIT, "SharedArray \"%.*s\" is made inside of itself", STR_ARG(name));
    return rc == -E2BIG ? err_set(E_LIMIT, "more than %d SharedArrays", JS_SHARED_ARRAYS_MAX) : rc;
}

int shared_array_new(struct pack *pack, struct shared_array **ret)
{
    struct shared_array *a = mem_calloc(1, sizeof *a);
    if (!a) {
        pack_free(pack);
        return -ENOMEM;
    }
    a->pack = pack;
    *ret = a;
    return 0;
}

void shared_array_free(struct shared_array *a)
{
    if (!a)
        return;
    pack_free(a->pack);
    mem_free(a);
}
