/* vrepl/move/stream_spec.c — deep copy of what a caller said. */
#include "base/mem.h"
#include "vrepl/move/stream_internal.h"

#include <stdlib.h>
#include <string.h>

static void *copy_array(const void *p, size_t n, size_t size)
{
    void *out = mem_calloc(n + 1, size);
    if (n > 0)
        memcpy(out, p, n * size);
    return out;
}

static void copy_table(struct vrepl_table_spec *t)
{
    t->source_table = mem_strdup(t->source_table);
    t->target_table = mem_strdup(t->target_table);
    t->deferred_keys = mem_strdup(t->deferred_keys);
    char **columns = mem_calloc(t->n_vindex_columns + 1, sizeof *columns);
    for (size_t i = 0; i < t->n_vindex_columns; i++)
        columns[i] = mem_strdup(t->vindex_columns[i]);
    t->vindex_columns = (const char *const *)columns;
}

void stream_spec_copy(struct vrepl_stream_spec *dst, const struct vrepl_stream_spec *src)
{
    *dst = *src;
    dst->workflow_key = mem_strdup(src->workflow_key);
    dst->skip_origin = mem_strdup(src->skip_origin);
    dst->fence_pass = mem_strdup(src->fence_pass);
    char **map = mem_calloc(src->n_collation_map + 1, sizeof *map);
    for (size_t i = 0; i < src->n_collation_map; i++)
        map[i] = mem_strdup(src->collation_map[i]);
    dst->collation_map = (const char *const *)map;
    dst->targets = copy_array(src->targets, src->n_targets, sizeof *src->targets);
    struct vrepl_table_spec *tables = copy_array(src->tables, src->n_tables, sizeof *tables);
    for (size_t i = 0; i < src->n_tables; i++)
        copy_table(&tables[i]);
    dst->tables = tables;
    dst->start = NULL;
    if (src->start) {
        struct position *start = mem_alloc(sizeof *start);
        position_copy(start, src->start);
        dst->start = start;
    }
}

static void free_const(const void *p)
{
    union {
        const void *c;
        void *p;
    } u = {.c = p};
    free(u.p);
}

void stream_spec_fini(struct vrepl_stream_spec *s)
{
    for (size_t i = 0; i < s->n_tables; i++) {
        const struct vrepl_table_spec *t = &s->tables[i];
        for (size_t k = 0; k < t->n_vindex_columns; k++)
            free_const(t->vindex_columns[k]);
        free_const(t->vindex_columns);
        free_const(t->source_table);
        free_const(t->target_table);
        free_const(t->deferred_keys);
    }
    free_const(s->tables);
    free_const(s->targets);
    free_const(s->workflow_key);
    free_const(s->skip_origin);
    free_const(s->fence_pass);
    for (size_t i = 0; i < s->n_collation_map; i++)
        free_const(s->collation_map[i]);
    free_const(s->collation_map);
    if (s->start) {
        struct position start = *s->start;
        position_fini(&start);
        free_const(s->start);
    }
    *s = (struct vrepl_stream_spec){.n_tables = 0};
}
