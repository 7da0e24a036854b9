/* app/cli/decode_whole.c — holds a transaction back until its end is known. */
#include "app/cli/decode_whole.h"

#include "base/mem.h"
#include "base/spill.h"
#include "cdc/log/spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct decode_whole {
    bool holds, in_tx;
    decode_whole_fn give;
    void *ctx;
    char *spill_dir;
    struct cdc_spool *spool;
    struct cdc_change begin; /* of the transaction that is given from the spool */
    struct buf begin_query;
    size_t n_lost;
    /* the open transaction */
    char file[POSITION_FILE_MAX];
    uint64_t pos, rows;
};

struct decode_whole *decode_whole_new(bool holds, decode_whole_fn give, void *ctx)
{
    struct decode_whole *w = mem_alloc(sizeof *w);
    w->holds = holds;
    w->give = give;
    w->ctx = ctx;
    w->spill_dir = spill_temporary_dir();
    w->spool = cdc_spool_new(w->spill_dir, 0, 0);
    return w;
}

void decode_whole_free(struct decode_whole *w)
{
    if (!w)
        return;
    cdc_spool_free(w->spool);
    free(w->spill_dir);
    buf_fini(&w->begin_query);
    free(w);
}

static void say_lost(struct decode_whole *w)
{
    w->n_lost++;
    fprintf(stderr, "%s:%llu: a transaction without an end is left out (%llu rows)\n",
            w->file[0] ? w->file : "log", (unsigned long long)w->pos, (unsigned long long)w->rows);
}

static void note(struct decode_whole *w, const struct cdc_change *c)
{
    if (c->kind == CDC_ROWS) {
        w->rows += c->rows.n_rows;
    } else if (c->kind == CDC_BEGIN) {
        const char *file = c->file ? c->file : "";
        if (strcmp(w->file, file) != 0)
            snprintf(w->file, sizeof w->file, "%s", file);
        w->pos = c->log_pos;
        w->rows = 0;
        w->in_tx = true;
    } else if (c->kind == CDC_COMMIT || c->kind == CDC_ROLLBACK) {
        if (c->kind == CDC_ROLLBACK && c->end.cut_off)
            say_lost(w);
        w->in_tx = false;
    }
}

/* A change from the spool does not stay, but its transaction's BEGIN is looked at to the end. */
static const struct cdc_change *keep_begin(struct decode_whole *w, const struct cdc_change *c)
{
    w->begin = *c;
    w->begin.file = w->file[0] ? w->file : NULL;
    buf_reset(&w->begin_query);
    if (c->begin.query) {
        buf_put_str(&w->begin_query, c->begin.query);
        w->begin.begin.query = buf_str(&w->begin_query);
    }
    return &w->begin;
}

static bool give_spool(struct decode_whole *w, struct err *e)
{
    const struct cdc_change *c;
    cdc_spool_rewind(w->spool);
    for (;;) {
        if (!cdc_spool_next(w->spool, &c, e))
            return false;
        if (!c)
            break;
        if (!w->give(w->ctx, c->kind == CDC_BEGIN ? keep_begin(w, c) : c, e))
            return false;
    }
    cdc_spool_clear(w->spool);
    return true;
}

/* Changes from … to − 1. */
static bool give_all(struct decode_whole *w, const struct cdc_batch *b, size_t from, size_t to,
                     struct err *e)
{
    for (size_t i = from; i < to; i++)
        if (!w->give(w->ctx, &b->changes[i], e))
            return false;
    return true;
}

/* Changes from … to − 1 are of one transaction, the last of them its end if it is no longer open.
 */
static bool take_slice(struct decode_whole *w, struct cdc_batch *b, size_t from, size_t to,
                       struct err *e)
{
    if (!w->holds)
        return give_all(w, b, from, to, e);
    if (!w->in_tx && b->changes[to - 1].kind == CDC_ROLLBACK) {
        cdc_spool_clear(w->spool);
        return give_all(w, b, to - 1, to, e);
    }
    if (!w->in_tx && cdc_spool_is_empty(w->spool))
        return give_all(w, b, from, to, e);
    return cdc_spool_add(w->spool, b, from, to - from, e) && (w->in_tx || give_spool(w, e));
}

bool decode_whole_batch(struct decode_whole *w, struct cdc_batch *b, struct err *e)
{
    for (size_t from = 0, to; from < b->n_changes; from = to) {
        to = from;
        do {
            note(w, &b->changes[to++]);
        } while (w->in_tx && to < b->n_changes);
        if (!take_slice(w, b, from, to, e))
            return false;
    }
    return true;
}

size_t decode_whole_end(struct decode_whole *w)
{
    if (w->in_tx)
        say_lost(w);
    w->in_tx = false;
    cdc_spool_clear(w->spool);
    return w->n_lost;
}
