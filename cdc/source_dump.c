/* cdc/source_dump.c — a live server's log as a cdc_source, opened at a place that was checked.
 */
#include "base/mem.h"
#include "cdc/reader_internal.h"

#include <stdlib.h>
#include <string.h>

struct dump_source {
    struct cdc_source base;
    struct my_dump *dump;
};

static enum cdc_next dump_next(struct cdc_source *s, const uint8_t **event, size_t *n,
                               struct err *e)
{
    struct my_dump *dump = ((struct dump_source *)s)->dump;
    switch (my_dump_next(dump, event, n, e)) {
    case MY_ROW:
        s->piece = my_dump_piece(dump);
        return CDC_NEXT_OK;
    case MY_END:
        return CDC_NEXT_END;
    case MY_FAIL:
        return CDC_NEXT_FAIL;
    }
    return CDC_NEXT_FAIL;
}

static void dump_interrupt(struct cdc_source *s)
{
    my_dump_interrupt(((struct dump_source *)s)->dump);
}

static void dump_close(struct cdc_source *s)
{
    my_dump_close(((struct dump_source *)s)->dump);
    free(s);
}

static bool dump_ready(struct cdc_source *s)
{
    return my_dump_ready(((struct dump_source *)s)->dump);
}

static const struct cdc_source_ops dump_ops = {
    .next = dump_next, .interrupt = dump_interrupt, .close = dump_close, .ready = dump_ready};

struct cdc_source *cdc_source_open_dump(const struct my_params *p, const struct my_dump_options *o,
                                        const struct position *start, struct err *e)
{
    struct my_dump *dump = my_dump_open(p, o, start, e);
    if (!dump)
        return NULL;
    struct dump_source *s = mem_alloc(sizeof *s);
    s->base.ops = &dump_ops;
    s->dump = dump;
    return &s->base;
}

const struct my_server *reader_source_server(const struct cdc_source *s)
{
    return s->ops == &dump_ops ? my_dump_server(((const struct dump_source *)s)->dump) : NULL;
}

/* ---- a reader's ---- */

/* A position that names no server is of the one that this reader began with; its GTIDs, if it has
 * any, are anybody's. */
static void name_server(struct feed *f, struct position *p)
{
    struct cdc_reader *r = f->reader;
    pthread_mutex_lock(&r->lock);
    if (!r->identity[0])
        memcpy(r->identity, f->identity, sizeof r->identity);
    if (!p->log.server[0] && p->file[0] && !position_is_by_gtid(p))
        memcpy(p->log.server, r->identity, sizeof p->log.server);
    pthread_mutex_unlock(&r->lock);
}

/* Two connections to one address may reach two servers. */
static struct cdc_source *open_checked(struct feed *f, const struct my_server *checked,
                                       const struct position *p, struct err *e)
{
    struct cdc_reader *r = f->reader;
    struct my_dump_options o = {.server_id = f->server_id,
                                .heartbeat_ms = r->o.heartbeat_ms,
                                .annotate = r->o.want_query,
                                .use_gtid = position_is_by_gtid(p)};
    struct cdc_source *source = cdc_source_open_dump(&r->shard->primary, &o, p, e);
    if (!source || reader_same_server(reader_source_server(source), checked))
        return source;
    source->ops->close(source);
    err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0,
                   "%s leads to another server than a moment ago",
                   r->shard->primary_address ? r->shard->primary_address : "the source");
    return NULL;
}

struct cdc_source *reader_open_live(struct feed *f, const struct position *start, struct err *e)
{
    struct cdc_reader *r = f->reader;
    struct cdc_source *source = NULL;
    CLEANUP(position_fini) struct position p = POSITION_INIT;
    struct my_conn *c = my_connect(&r->shard->primary, "reader", e);
    position_copy(&p, start);
    if (c) {
        my_server_name(my_conn_server(c), f->identity, sizeof f->identity);
        __atomic_store_n(&r->folds_names, my_conn_server(c)->folds_names, __ATOMIC_RELAXED);
        name_server(f, &p);
    }
    if (c && reader_check_place(c, &p, e))
        source = open_checked(f, my_conn_server(c), &p, e);
    my_close(c);
    if (!source)
        err_prepend(e, "%s/%s", r->shard->keyspace, r->shard->name);
    return source;
}
