/* sinks/sink_tx.c — encodes committed transactions, change by change.
 */
#include "sinks/sink_tx.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "cdc/sidecar/origin.h"
#include "schemas/names.h"
#include "schemas/sqltoken.h"
#include "sinks/format/typed.h"
#include "sinks/snapshot_mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_TABLES_MAX 4096 /* definitions of this many tables are kept */

struct sink_tx {
    struct sink_tx_options o;
    struct encode_context c;
    struct sink_tx_stats stats;
    /* the transaction that is being encoded; its BEGIN is c.begin */
    bool begun;                          /* its BEGIN record was emitted */
    bool emitted;                        /* anything of the part */
    uint32_t n_records;                  /* of the transaction */
    const struct vstream_copied *copied; /* of a part of a copy; else NULL */
    struct cdc_row *before, *after;
    struct typed_rows *typed;              /* without an encoder */
    const struct schema_table *last_table; /* reference; last_wanted is about it */
    bool last_wanted;
    struct map *known; /* by the address of the log's table: struct known_table */
    bool folds_names;
};

/* What is known of a table of the log: two references. known NULL: nothing is proven. */
struct known_table {
    const struct schema_table *of, *known;
};

static void free_known(void *p)
{
    struct known_table *k = p;
    schema_table_unref(k->of);
    schema_table_unref(k->known);
    free(k);
}

struct sink_tx *sink_tx_new(const struct sink_tx_options *o)
{
    struct sink_tx *t = mem_alloc(sizeof *t);
    t->o = *o;
    t->c = o->context;
    if (!o->encoder)
        t->typed = typed_rows_new();
    t->known = map_new(free_known);
    return t;
}

void sink_tx_free(struct sink_tx *t)
{
    if (!t)
        return;
    cdc_row_free(t->before);
    cdc_row_free(t->after);
    typed_rows_free(t->typed);
    map_free(t->known);
    schema_table_unref(t->last_table);
    free(t);
}

const struct sink_tx_stats *sink_tx_stats(const struct sink_tx *t)
{
    return &t->stats;
}

/* ---- which tables ---- */

void sink_tx_fold_names(struct sink_tx *t, bool folds)
{
    if (t->folds_names == folds)
        return;
    t->folds_names = folds;
    schema_table_unref(t->last_table);
    t->last_table = NULL;
}

static bool listed(const struct sink_tx *t, const char *name)
{
    for (size_t i = 0; i < t->o.n_tables; i++) {
        if (schema_name_is(t->folds_names, t->o.tables[i], name))
            return true;
    }
    return t->o.n_tables == 0;
}

bool sink_tx_wants(const struct sink_tx *t, const struct schema_table *table)
{
    bool here = !t->o.database || strcmp(t->o.database, table->db) == 0;
    return here && !cdc_is_sidecar(table) && listed(t, table->name);
}

static bool wants_cached(struct sink_tx *t, const struct schema_table *table)
{
    if (t->last_table == table)
        return t->last_wanted;
    schema_table_unref(t->last_table);
    t->last_table = schema_table_ref(table);
    t->last_wanted = sink_tx_wants(t, table);
    return t->last_wanted;
}

static bool same_database(const struct sink_tx *t, const char *db)
{
    return schema_name_may_be(t->folds_names, db, "", t->o.database, "");
}

/* A statement names tables as somebody wrote them. */
static bool wants_ddl_table(const struct sink_tx *t, const struct cdc_change *c,
                            const struct sqlstmt_table *table)
{
    const char *db = table->db[0] ? table->db : c->ddl.db ? c->ddl.db : "";
    bool wanted =
        t->o.n_tables == 0 && (t->o.database ? same_database(t, db) : !sidecar_is_database(db));
    for (size_t i = 0; i < t->o.n_tables && !wanted; i++)
        wanted = schema_name_may_be(t->folds_names, db, table->name,
                                    t->o.database ? t->o.database : db, t->o.tables[i]);
    return wanted && (t->o.database || !sidecar_is_database(db));
}

static bool wants_ddl(const struct sink_tx *t, const struct cdc_change *c)
{
    struct sqlstmt *s = mem_alloc(sizeof *s);
    bool wanted = false;
    sqlstmt_classify(c->ddl.sql, c->ddl.n, c->ddl.lex, s);
    for (size_t i = 0; i < s->n_tables && !wanted; i++)
        wanted = wants_ddl_table(t, c, &s->tables[i]);
    if (s->n_tables == 0 && t->o.n_tables == 0)
        wanted = !t->o.database || (c->ddl.db && same_database(t, c->ddl.db));
    free(s);
    return wanted;
}

/* ---- encoding ---- */

static bool emit_record(void *ctx, const struct encode_record *r, struct err *e)
{
    struct sink_tx *t = ctx;
    struct encode_record numbered = *r;
    numbered.tx_index = t->n_records;
    t->n_records += t->c.begin != NULL;
    return t->o.emit(t->o.ctx, &numbered, e);
}

static void find_topic(struct sink_tx *t, const struct schema_table *table)
{
    t->c.topic = t->o.topic ? t->o.topic(t->o.ctx, table) : NULL;
}

static bool emit_other(struct sink_tx *t, const struct cdc_change *c, struct err *e)
{
    if (!t->o.encoder)
        return true;
    t->emitted = true;
    find_topic(t, NULL);
    return t->o.encoder->ops->other(t->o.encoder, &t->c, c, emit_record, t, e);
}

static bool ensure_begin(struct sink_tx *t, struct err *e)
{
    if (t->begun)
        return true;
    t->begun = true;
    t->stats.transactions++;
    return !t->o.transactions || emit_other(t, t->c.begin, e);
}

static void fit_rows(struct sink_tx *t, size_t n_columns)
{
    if (t->before && t->before->n_columns == n_columns)
        return;
    cdc_row_free(t->before);
    cdc_row_free(t->after);
    t->before = cdc_row_new(n_columns);
    t->after = cdc_row_new(n_columns);
}

static bool has_more_to_know(const struct schema_table *table)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (table->columns[i].nullable || table->columns[i].type == SCHEMA_TYPE_FLOAT)
            return true;
    }
    return false;
}

/* The answer holds until a DDL. To ask may cost a scan of the log, so each table is asked for once,
 * in whatever order rows of several tables come. */
static bool ask_once(struct sink_tx *t, const struct schema_table *table,
                     const struct schema_table **known, struct err *e)
{
    struct known_table *k = map_get(t->known, &table, sizeof table);
    *known = NULL;
    if (!k) {
        if (!t->o.define(t->o.ctx, t->c.begin, table, known, e))
            return false;
        if (map_count(t->known) >= KNOWN_TABLES_MAX)
            map_clear(t->known);
        k = mem_alloc(sizeof *k);
        k->of = schema_table_ref(table);
        k->known = *known;
        map_put(t->known, &table, sizeof table, k);
    }
    *known = k->known;
    return true;
}

/* Rows of a copy come with the definition that they were read by. */
static bool learn(struct sink_tx *t, const struct cdc_change *c, struct err *e)
{
    const struct schema_table *table = c->rows.table;
    bool asks = t->o.encoder && t->o.encoder->ops->wants_known;
    t->c.known = c->kind == CDC_COPY_ROWS ? table : NULL;
    if (!asks || !t->o.define || c->kind == CDC_COPY_ROWS || !has_more_to_know(table))
        return true;
    return ask_once(t, table, &t->c.known, e);
}

/* The rows of one change, walked. */
struct walk {
    struct sink_tx *t;
    const struct cdc_change *change;
    struct cdc_rows_iter it;
};

static enum cdc_rows_result next_row(void *source, struct encode_row *row, struct err *e)
{
    struct walk *w = source;
    struct sink_tx *t = w->t;
    const struct cdc_rows *rows = &w->change->rows;
    enum cdc_rows_result r = cdc_rows_next(&w->it, t->before, t->after, e);
    if (r != CDC_ROWS_ROW)
        return r;
    t->stats.rows++;
    t->emitted = true;
    if (t->copied)
        t->c.snapshot =
            sink_snapshot_mark(t->copied, w->it.row == 0, w->it.row + 1 == rows->n_rows);
    *row = (struct encode_row){&t->c, w->change, t->before, t->after, rows->first_seq + w->it.row};
    return r;
}

static bool refused_row(void *source, const struct encode_row *row, struct err *e)
{
    struct sink_tx *t = ((struct walk *)source)->t;
    return t->o.refused && t->o.refused(t->o.ctx, row, e);
}

/* Without an encoder. */
static bool type_rows(struct sink_tx *t, struct walk *w, struct err *e)
{
    const struct cdc_rows *rows = &w->change->rows;
    enum cdc_rows_result r;
    typed_rows_table(t->typed, rows->table);
    while ((r = cdc_rows_next(&w->it, t->before, t->after, e)) == CDC_ROWS_ROW) {
        t->stats.rows++;
        if ((rows->op != CDC_OP_INSERT && !typed_rows_row(t->typed, t->before, e)) ||
            (rows->op != CDC_OP_DELETE && !typed_rows_row(t->typed, t->after, e)))
            return err_prepend(e, "%s.%s", rows->table->db, rows->table->name);
    }
    return r == CDC_ROWS_END;
}

static bool give_rows(struct sink_tx *t, const struct cdc_change *c, struct err *e)
{
    struct walk w = {.t = t, .change = c};
    struct encode_rows rows = {.change = c,
                               .next = next_row,
                               .refused = refused_row,
                               .source = &w,
                               .emit = emit_record,
                               .ctx = t};
    fit_rows(t, c->rows.n_columns);
    if (!learn(t, c, e))
        return false;
    t->stats.bytes += c->rows.images_len;
    cdc_rows_begin(&w.it, &c->rows);
    if (t->typed)
        return type_rows(t, &w, e);
    find_topic(t, c->rows.table);
    return t->o.encoder->ops->rows(t->o.encoder, &rows, e);
}

static void set_times(struct sink_tx *t)
{
    t->c.now_us = clock_wall_us();
    t->c.now_ms = t->c.now_us / 1000;
    t->c.now_ns = t->c.now_us * 1000;
}

static void begin(struct sink_tx *t, const struct cdc_change *c)
{
    if (c->begin.gtid.flavor != GTID_FLAVOR_NONE)
        t->c.mariadb = c->begin.gtid.flavor == GTID_FLAVOR_MARIADB;
    t->begun = false;
    t->n_records = 0;
    set_times(t);
}

static bool give_commit(struct sink_tx *t, const struct cdc_change *c, struct err *e)
{
    if (t->begun && t->o.transactions && !emit_other(t, c, e))
        return false;
    return t->n_records == 0 || !t->o.committed ||
           t->o.committed(t->o.ctx, t->c.begin, t->n_records, e);
}

/* A row of a copy belongs to the position of its snapshot. */
static bool give_copied(struct sink_tx *t, const struct cdc_change *c, struct err *e)
{
    struct cdc_change own = *c;
    own.file = t->copied->at->file;
    own.log_pos = t->copied->at->pos;
    return give_rows(t, &own, e);
}

static bool give_change(struct sink_tx *t, const struct cdc_change *c, struct err *e)
{
    switch (c->kind) {
    case CDC_BEGIN:
        begin(t, c);
        return true;
    case CDC_ROWS:
        return !wants_cached(t, c->rows.table) || (ensure_begin(t, e) && give_rows(t, c, e));
    case CDC_DDL:
        map_clear(t->known);
        return !wants_ddl(t, c) || (ensure_begin(t, e) && emit_other(t, c, e));
    case CDC_COMMIT:
        return give_commit(t, c, e);
    case CDC_GAP:
        return err_set(e, ERR_LOG_UNSUPPORTED, "event of type %u: %s", c->gap.event_type,
                       c->gap.why ? c->gap.why : "cannot be read");
    case CDC_COPY_ROWS:
        return give_copied(t, c, e);
    case CDC_ROLLBACK:
    case CDC_JOURNAL:
    case CDC_HEARTBEAT:
        return true;
    }
    return true;
}

static void begin_part(struct sink_tx *t, const struct committed_part *part,
                       const struct position *pos)
{
    t->emitted = false;
    t->copied = part->copied;
    t->c.pos = part->copied ? part->copied->at : pos;
    t->c.begin = part->begin;
    t->c.snapshot = ENCODE_SNAPSHOT_NONE;
    if (!part->copied)
        return;
    t->c.mariadb = part->copied->mariadb;
    set_times(t);
}

bool sink_tx_part(struct sink_tx *t, const struct committed_part *part, const struct position *pos,
                  bool *clean, struct err *e)
{
    begin_part(t, part, pos);
    *clean = true;
    for (size_t i = 0; i < part->n; i++) {
        if (!give_change(t, &part->changes[i], e)) {
            *clean = !t->emitted;
            return false;
        }
    }
    if (part->ends)
        t->c.begin = NULL;
    return true;
}
