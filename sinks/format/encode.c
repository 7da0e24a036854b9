/* sinks/format/encode.c — the table of record formats. */
#include "sinks/format/encode.h"

#include <assert.h>
#include <string.h>

extern const struct encoder_ops encode_ndjson_ops, encode_debezium_ops;

static const struct encoder_ops *const formats[] = {&encode_ndjson_ops, &encode_debezium_ops};

const struct encoder_ops *encoder_find(const char *name)
{
    if (!name || !name[0])
        return formats[0];
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    }
    return NULL;
}

void encoder_names(struct buf *out)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        buf_printf(out, "%s%s", i ? ", " : "", formats[i]->name);
}

bool encode_too_large(struct err *e)
{
    err_set(e, ERR_SINK_RECORD, "a record is larger than %zu MiB", BUF_DEFAULT_MAX >> 20);
    return err_cure(e, "leave the table out, or set on_record_error: dead_letter");
}

enum encode_op encode_op_of(const struct cdc_change *change, const struct encode_context *c)
{
    if (change->kind == CDC_COPY_ROWS || c->snapshot != ENCODE_SNAPSHOT_NONE)
        return ENCODE_COPY;
    switch (change->rows.op) {
    case CDC_OP_INSERT:
        return ENCODE_INSERT;
    case CDC_OP_UPDATE:
        return ENCODE_UPDATE;
    case CDC_OP_DELETE:
        break;
    }
    return ENCODE_DELETE;
}

bool encode_row_by_row(struct encoder *enc, struct encode_rows *rows, struct err *e)
{
    const struct schema_table *t = rows->change->rows.table;
    struct encode_row row;
    enum cdc_rows_result r;
    assert(enc->ops->row != NULL);
    while ((r = rows->next(rows->source, &row, e)) == CDC_ROWS_ROW) {
        if (enc->ops->row(enc, &row, rows->emit, rows->ctx, e))
            continue;
        if (e->class_ != ERR_CLASS_SKIP_ROW || rows->refused == NULL ||
            !rows->refused(rows->source, &row, e))
            return err_prepend(e, "%s.%s", t->db, t->name);
    }
    return r == CDC_ROWS_END;
}
