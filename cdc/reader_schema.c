/* cdc/reader_schema.c — what table maps do not say (MariaDB's UUID and INET columns), from the live
 * server.
 *
 * Only asked where the server writes FULL metadata, so that the answer adds types to columns whose
 * names the log itself gives: names are never taken from a definition of another time. The decoder
 * uses a definition only if its column types are the log's. One connection a reader, made when it
 * is first needed.
 */
#include "base/log.h"
#include "cdc/reader_internal.h"
#include "schemas/inspect.h"

#include <stdlib.h>
#include <string.h>

static bool connect_schema(struct cdc_reader *r, struct err *e)
{
    char *metadata = NULL;
    if (r->schema_conn)
        return true;
    r->schema_conn = my_connect(&r->shard->primary, "schema", e);
    if (!r->schema_conn ||
        !my_query_text(r->schema_conn, "SELECT @@global.binlog_row_metadata", &metadata, e))
        return false;
    r->schema_usable = metadata && strcasecmp(metadata, "FULL") == 0;
    free(metadata);
    return true;
}

const struct schema_table *reader_live_schema(void *ctx, const char *db, const char *table,
                                              size_t n_columns)
{
    struct cdc_reader *r = ctx;
    struct err e = ERR_INIT;
    struct schema_table *t = NULL;
    pthread_mutex_lock(&r->schema_lock);
    if (connect_schema(r, &e) && r->schema_usable)
        t = schema_inspect(r->schema_conn, db, table, &e);
    if (e.code != ERR_NONE && e.code != ERR_SCHEMA_UNKNOWN) {
        log_debug("reader", "definition of %s.%s: %s", db, table, e.text);
        my_close(r->schema_conn);
        r->schema_conn = NULL;
    }
    pthread_mutex_unlock(&r->schema_lock);
    if (t && t->n_columns != n_columns) {
        schema_table_unref(t);
        t = NULL;
    }
    return t;
}
