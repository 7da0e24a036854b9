/* cdc/sidecar/journal.h — the sidecar tables' names, the origin of a transaction, and journal
 * documents.
 *
 * A transaction that sluice wrote is recognised by its first row event: an UPDATE of
 * _sluice.position, whose primary key begins with the workflow's key "<keyspace>/<workflow>".
 */
#ifndef SLUICE_CDC_SIDECAR_JOURNAL_H
#define SLUICE_CDC_SIDECAR_JOURNAL_H

#include "cdc/log/value.h"

#define SLUICE_SIDECAR_DB "_sluice"

/* True when table belongs to the sidecar database. */
bool cdc_is_sidecar(const struct schema_table *t);
/* The origin of the transaction that these rows begin: the workflow column's value of
 * _sluice.position
 * ("customer/split"), into out; false when the change is no such marker. */
bool cdc_rows_origin(const struct cdc_rows *rows, char *out, size_t out_len);

/* JSON document of a journal row (as Vitess' journal, field names alike): */
struct cdc_journal_shard {
    char *keyspace, *shard, *gtid; /* gtid: position text */
};
struct cdc_journal {
    int64_t id;
    bool shards;    /* migration_type SHARDS, else TABLES */
    char *workflow; /* "<keyspace>/<workflow>" */
    char **tables;
    size_t n_tables;
    char *local_position;
    struct cdc_journal_shard *shard_gtids; /* where to go on */
    size_t n_shard_gtids;
    struct cdc_journal_shard *participants; /* gtid NULL */
    size_t n_participants;
};
bool cdc_journal_parse(const char *json, struct cdc_journal *out, struct err *e) WARN_UNUSED;
void cdc_journal_print(const struct cdc_journal *j, struct buf *out);
void cdc_journal_fini(struct cdc_journal *j);

#endif
