/* cdc/log/decode_history.c — the current rows of MariaDB's tables WITH SYSTEM VERSIONING.
 *
 * Where a table's validity columns are hidden (schemas/inspect_log.c), its rows are those that
 * SELECT shows: whose row_end is the end of time. The log has all that is stored: a deleted row is
 * an UPDATE of its row_end, and what an UPDATE leaves behind is inserted as a further row. ▶
 * Published as they stand, an old row came after the new one of its key, and no row was ever
 * deleted. A copy shows current rows; so does the log. Columns that the table declares itself are
 * shown by SQL and are part of its key: such a table's rows are published as they stand.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"

#include <string.h>

enum fate { FATE_SAME, FATE_DELETED, FATE_HISTORY, FATE_UNKNOWN };

/* 2106-02-07 06:28:15.999999 UTC, or 2038-01-19 03:14:07.999999 before 11.5. */
static bool is_end_of_time(const struct cdc_value *v)
{
    static const uint8_t ends[2][7] = {{0xff, 0xff, 0xff, 0xff, 0x0f, 0x42, 0x3f},
                                       {0x7f, 0xff, 0xff, 0xff, 0x0f, 0x42, 0x3f}};
    return !v->null && v->n == 7 && (!memcmp(v->p, ends[0], 7) || !memcmp(v->p, ends[1], 7));
}

static enum fate fate_of(enum cdc_op op, const struct cdc_value *before,
                         const struct cdc_value *after)
{
    if ((op != CDC_OP_INSERT && before->absent) || (op == CDC_OP_INSERT && after->absent))
        return FATE_UNKNOWN;
    bool was = op != CDC_OP_INSERT && is_end_of_time(before);
    bool is = op != CDC_OP_DELETE && (after->absent ? was : is_end_of_time(after));
    if (op == CDC_OP_UPDATE && was != is)
        return was ? FATE_DELETED : FATE_UNKNOWN;
    return was || is ? FATE_SAME : FATE_HISTORY;
}

struct run { /* rows that follow each other and have one fate */
    struct cdc_rows rows;
    enum fate fate;
    struct buf before; /* of deleted ones: their images */
};

static bool end_run(struct cdc_decoder *d, const struct event *ev, const struct table_entry *entry,
                    const struct rows_head *h, struct run *run, struct err *e)
{
    struct rows_head head = *h;
    struct cdc_rows rows = run->rows;
    if (run->fate == FATE_HISTORY)
        d->stats.skipped_history_rows += rows.n_rows;
    if (run->fate == FATE_HISTORY || rows.n_rows == 0)
        return true;
    if (run->fate == FATE_DELETED) {
        rows.op = CDC_OP_DELETE;
        rows.partial_json = false;
        rows.present_after = NULL;
        rows.images = run->before.data;
        rows.images_len = run->before.len;
        head.bitmaps_len = (rows.n_columns + 7) / 8;
        head.unpacked = true;
    }
    return decode_publish_rows(d, ev, entry, &head, &rows, e);
}

static void begin_run(struct run *run, const struct cdc_rows *all, uint32_t row, enum fate fate,
                      const uint8_t *at)
{
    run->fate = fate;
    run->rows = *all;
    run->rows.images = at;
    run->rows.images_len = 0;
    run->rows.n_rows = 0;
    run->rows.first_seq += row;
    run->rows.first_row += row;
    buf_reset(&run->before);
}

static bool publish_row(struct cdc_decoder *d, const struct event *ev,
                        const struct table_entry *entry, const struct rows_head *h,
                        struct cdc_rows_iter *it, enum fate fate, const uint8_t *at,
                        struct run *run, struct err *e)
{
    if (fate == FATE_UNKNOWN) {
        err_set(e, ERR_LOG_UNSUPPORTED,
                "%s.%s is system-versioned, and a row does not tell whether it is a current one",
                entry->table->db, entry->table->name);
        return err_cure(e, "set binlog_row_image=FULL, or ALTER TABLE … DROP SYSTEM VERSIONING, "
                           "then copy that table again");
    }
    if (fate != run->fate) {
        if (!end_run(d, ev, entry, h, run, e))
            return false;
        begin_run(run, it->rows, it->row, fate, at);
    }
    run->rows.n_rows++;
    run->rows.images_len += (size_t)(it->at - at);
    if (fate == FATE_DELETED)
        buf_put(&run->before, at, (size_t)(it->after_at - at));
    return true;
}

bool decode_publish_current(struct cdc_decoder *d, const struct event *ev,
                            const struct table_entry *entry, const struct rows_head *h,
                            struct cdc_rows *rows, struct err *e)
{
    struct cdc_rows_iter it;
    struct cdc_row *before = cdc_row_new(rows->n_columns), *after = cdc_row_new(rows->n_columns);
    struct run run = {.fate = FATE_SAME, .before = BUF_INIT};
    size_t row_end = entry->table->n_columns + 1;
    bool ok = true;
    begin_run(&run, rows, 0, FATE_SAME, rows->images);
    cdc_rows_begin(&it, rows);
    for (const uint8_t *at = it.at; ok && cdc_rows_next(&it, before, after, e) == CDC_ROWS_ROW;
         at = it.at)
        ok = publish_row(d, ev, entry, h, &it,
                         fate_of(rows->op, &before->values[row_end], &after->values[row_end]), at,
                         &run, e);
    ok = ok && end_run(d, ev, entry, h, &run, e);
    cdc_row_free(before);
    cdc_row_free(after);
    buf_fini(&run.before);
    return ok;
}
