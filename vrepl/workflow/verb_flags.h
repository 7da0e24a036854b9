/* vrepl/workflow/verb_flags.h — the one table of flags that the verbs of workflows and comparisons
 * take, with every flag that vtctldclient has. Pure.
 *
 * The command line, its environment names, its help, the API and docs/reference/ come from it; what
 * a verb reads is a struct verb_options.
 */
#ifndef SLUICE_VREPL_WORKFLOW_VERB_FLAGS_H
#define SLUICE_VREPL_WORKFLOW_VERB_FLAGS_H

#include "base/flags.h"

/* What a verb was told; fields of flags that it does not take are zero. */
struct verb_options {
    /* create */
    char *source_keyspace, *on_ddl, *sharded_auto_increment_handling, *table_settings;
    struct flag_list tables; /* also of a comparison */
    struct flag_list exclude_tables, source_shards, target_shards, reference_tables, collation_map;
    bool all_tables, no_routing_rules, skip_schema_copy;
    bool stop_after_copy, auto_start, defer_secondary_keys;
    /* switchtraffic, reversetraffic */
    int64_t timeout_ms; /* also how long other verbs wait for one another */
    int64_t max_replication_lag_allowed_ms;
    bool enable_reverse_replication;
    struct flag_list tablet_types;
    /* the other verbs */
    struct flag_choice recopy;
    bool keep_data, rename_tables, include_logs, dry_run;
    /* comparisons */
    char *uuid;
    bool only_pks, wait;
    int64_t max_report_sample_rows, filtered_replication_wait_time_ms;
};

extern const struct flag_def verb_flags[];

/* json: as in flags_fill. ERR_USAGE: the command has no such verb, or the verb takes no such flag.
 * type "workflow" stands for workflows of any type. o: all zero; for verb_options_fini in any case. */
bool verb_options_fill(const char *type, const char *verb, const char *json, struct verb_options *o,
                       struct err *e) WARN_UNUSED;
void verb_options_fini(struct verb_options *o);
/* The check alone. */
bool verb_flags_check(const char *type, const char *verb, const char *json,
                      struct err *e) WARN_UNUSED;

/* One of vtctldclient's commands that is not offered: true, and an error that says what to do. */
bool verb_flags_refused_command(const char *name, struct err *e);
/* A line for each given flag that nothing follows from: "--cells has no effect: …". */
void verb_flags_notes(const char *type, const char *verb, const char *json, struct buf *out);
/* Markdown: the JSON members of every verb of every command. */
void verb_flags_reference(struct buf *out);

#endif
