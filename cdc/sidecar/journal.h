/* cdc/sidecar/journal.h — the document of a journal: where a keyspace's streams go on after a
 * switch.
 *
 * The rows that hold such documents are cdc/sidecar/journal_row.h's.
 */
#ifndef SLUICE_CDC_SIDECAR_JOURNAL_H
#define SLUICE_CDC_SIDECAR_JOURNAL_H

#include "base/buf.h"

/* The JSON document of a journal row, with the field names of Vitess' journal: */
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
