/* sinks/driver_emit.c — one encoded record on its way from the encoder to the sink: topic, waiting,
 * dead letters. */
#include "base/mem.h"
#include "sinks/driver_internal.h"
#include "sinks/topic.h"

#include <string.h>

#define RETRY_PAUSE_MS 100
#define MAX_HELD_BYTES ((uint64_t)4 * 1024 * 1024)

const char *lane_topic(void *ctx, const struct schema_table *table)
{
    struct lane *l = ctx;
    const struct sink_spec *spec = l->driver->spec;
    const struct sink_topic t = {.template = spec->topic,
                                 .prefix = spec->prefix,
                                 .keyspace = l->shard->keyspace,
                                 .shard = l->shard->name};
    if (table && l->topic_table == table)
        return buf_str(&l->topic);
    buf_reset(&l->topic);
    if (table)
        sink_topic_of(&t, table->db, table->name, &l->topic);
    else
        sink_topic_make_valid(spec->prefix, &l->topic);
    schema_table_unref(l->topic_table);
    l->topic_table = table ? schema_table_ref(table) : NULL;
    return buf_str(&l->topic);
}

/* e: why; false: it could not be kept. */
static bool keep_dead_letter(struct lane *l, const void *record, size_t n, struct err *e)
{
    struct sink_driver *d = l->driver;
    CLEANUP(mem_free_ptr) char *pos = position_text(&l->acked);
    struct err why = *e;
    err_clear(e);
    if (!store_dead_letter(d->store, d->spec->name, pos, why.text, record, record ? n : 0, e))
        return false;
    metric_add(l->m_dead, 1);
    pthread_mutex_lock(&d->lock);
    l->dead_letters++;
    pthread_mutex_unlock(&d->lock);
    return true;
}

/* e: why the destination does not take the record; true when it is kept instead. Until the record
 * is kept, nothing behind it is acknowledged. */
static bool refused(struct lane *l, const struct sink_record *r, struct err *e)
{
    return l->driver->dead_letters && keep_dead_letter(l, r->value, r->value_len, e);
}

bool lane_take_refused(struct lane *l, struct err *e)
{
    struct sink_record r;
    while (l->sink->ops->refused && l->sink->ops->refused(l->sink, &r, e)) {
        if (!refused(l, &r, e))
            return false;
    }
    return true;
}

static bool write_record(struct lane *l, const struct sink_record *r, struct err *e)
{
    for (;;) {
        if (l->sink->ops->write(l->sink, r, e))
            return true;
        if (e->class_ == ERR_CLASS_SKIP_ROW)
            return refused(l, r, e);
        if (e->class_ != ERR_CLASS_RETRY)
            return false;
        l->away = true;
        metric_add(l->m_retries, 1);
        lane_set_state(l, LANE_WAITING, e);
        if (!driver_pause(l->driver, RETRY_PAUSE_MS))
            return err_set(e, ERR_SHUTDOWN, "sink %s was asked to stop", l->driver->spec->name);
    }
}

bool lane_emit(void *ctx, const struct encode_record *record, struct err *e)
{
    struct lane *l = ctx;
    struct sink_record r = {.topic = record->context->topic,
                            .op = record->op,
                            .tx = record->context->begin,
                            .tx_index = record->tx_index,
                            .key = record->key,
                            .key_len = record->key_len,
                            .value = record->value,
                            .value_len = record->value_len};
    if (!write_record(l, &r, e))
        return false;
    l->dirty_records++;
    l->dirty_bytes += r.key_len + r.value_len;
    /* Inside a large transaction: nothing is acknowledged, but the sink need not hold it all. */
    return l->dirty_bytes < MAX_HELD_BYTES || lane_flush(l, false, "", e);
}

bool lane_committed(void *ctx, const struct cdc_change *begin, uint32_t n_records, struct err *e)
{
    struct lane *l = ctx;
    return !l->sink->ops->commit || l->sink->ops->commit(l->sink, begin, n_records, e);
}

static bool add_record(void *ctx, const struct encode_record *r, struct err *e)
{
    (void)e;
    buf_put(ctx, r->value, r->value_len);
    return true;
}

/* The native format has a form for every value; only a row beyond its size has no record. */
static void put_native(const struct encode_row *row, struct buf *out)
{
    struct err ignored = ERR_INIT;
    const struct encoder_ops *ops = encoder_find(NULL);
    struct encoder *native = ops->open("", &ignored);
    if (native && !ops->row(native, row, add_record, out, &ignored))
        buf_reset(out);
    if (native)
        ops->close(native);
}

bool lane_row_refused(void *ctx, const struct encode_row *row, struct err *e)
{
    struct lane *l = ctx;
    struct buf record CLEANUP(buf_fini) = BUF_INIT;
    if (!l->driver->dead_letters)
        return false;
    const struct schema_table *t = row->change->rows.table;
    err_prepend(e, "%s.%s", t->db, t->name);
    put_native(row, &record);
    return keep_dead_letter(l, record.len && !record.failed ? record.data : NULL, record.len, e);
}

static bool concerns(const struct lane *l, const struct cdc_journal *j)
{
    for (size_t i = 0; i < j->n_participants; i++) {
        if (strcmp(j->participants[i].keyspace, l->shard->keyspace) == 0 &&
            strcmp(j->participants[i].shard, l->shard->name) == 0)
            return true;
    }
    return false;
}

bool lane_journal(void *ctx, const char *json, const struct position *before, bool *ends,
                  struct err *e)
{
    struct lane *l = ctx;
    struct cdc_journal j;
    (void)before;
    if (!cdc_journal_parse(json, &j, e))
        return false;
    if (!j.shards || l->journal_seen || !concerns(l, &j)) {
        cdc_journal_fini(&j);
        return true;
    }
    l->journal = j;
    l->journal_seen = *ends = true;
    return true;
}
