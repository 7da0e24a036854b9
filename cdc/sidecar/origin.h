/* cdc/sidecar/origin.h — how our own tables and transactions are recognised in a log.
 *
 * A transaction that sluice wrote begins with an UPDATE of _sluice.position, whose primary key
 * begins with the workflow's key "<keyspace>/<workflow>".
 */
#ifndef SLUICE_CDC_SIDECAR_ORIGIN_H
#define SLUICE_CDC_SIDECAR_ORIGIN_H

#include "cdc/log/value.h"

/* tools/check_sidecar lists the few files of lower rooms that cannot see this definition. */
#define SLUICE_SIDECAR_DB "_sluice"

/* True for the name of the database that holds our tables. */
bool sidecar_is_database(const char *db);
/* True when the table belongs to that database. */
bool cdc_is_sidecar(const struct schema_table *t);
/* The origin of the transaction that these rows begin: the workflow column's value of
 * _sluice.position ("customer/split"), into out; false when the change is no such marker. */
bool cdc_rows_origin(const struct cdc_rows *rows, char *out, size_t out_len);

#endif
