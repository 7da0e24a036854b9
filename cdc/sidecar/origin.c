/* cdc/sidecar/origin.c — whose a table or a transaction of the log is. */
#include "cdc/sidecar/origin.h"

#include <stdio.h>
#include <string.h>

bool sidecar_is_database(const char *db)
{
    return strcmp(db, SLUICE_SIDECAR_DB) == 0;
}

bool cdc_is_sidecar(const struct schema_table *t)
{
    return sidecar_is_database(t->db);
}

static const struct cdc_value *origin_value(const struct cdc_rows *rows, const struct cdc_row *row)
{
    int i = schema_table_column(rows->table, "workflow");
    if (i < 0 && !rows->table->full_metadata)
        i = 0; /* the log has no names: it is the first column */
    return i >= 0 && (size_t)i < row->n_columns ? &row->values[i] : NULL;
}

bool cdc_rows_origin(const struct cdc_rows *rows, char *out, size_t out_len)
{
    if (rows->op != CDC_OP_UPDATE || !cdc_is_sidecar(rows->table) ||
        strcmp(rows->table->name, "position") != 0)
        return false;
    struct cdc_row *before = cdc_row_new(rows->n_columns);
    struct cdc_rows_iter it;
    struct err ignored = ERR_INIT;
    bool found = false;
    cdc_rows_begin(&it, rows);
    if (cdc_rows_next(&it, before, NULL, &ignored) == CDC_ROWS_ROW) {
        const struct cdc_value *v = origin_value(rows, before);
        found = v && !v->absent && !v->null && v->n < out_len;
        if (found)
            snprintf(out, out_len, "%.*s", (int)v->n, (const char *)v->p);
    }
    cdc_row_free(before);
    return found;
}
