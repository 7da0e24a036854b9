/* vrepl/workflow/verb_flags.c — the table: one row a flag, and what stands behind each. */
#include "vrepl/workflow/verb_flags.h"

#include "vrepl/diff/vdiff.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#define ANY      "movetables reshard materialize workflow"
#define MAKERS   "movetables reshard materialize"
#define MOVES    "movetables reshard"
#define SWITCHES "switchtraffic reversetraffic"
#define ENDS     "complete cancel delete"
#define CHANGES  "start stop update " SWITCHES " " ENDS
#define LOOKS    "show status progress list"
#define VDIFFS   "create show stop resume delete"
#define PLANS                                                                                      \
    "create start " SWITCHES " " ENDS " " LOOKS /* verbs that can say what they would do */
#define FIELD(f)     FLAG_FIELD(verb_options, f)

#define ON_DDL_WORDS "IGNORE|STOP|EXEC|EXEC_IGNORE"
#define PRIMARIES    "streams read the shards' primaries"
#define COMPARED     "primaries are compared, at one place of their logs"
#define ALL_SHARDS   "a workflow is one on all of its shards"
#define NO_SHARDS    "leave it out; the verb acts on every shard"

/* clang-format off */
const struct flag_def verb_flags[] = {
    /* create */
    {.name = "source-keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .commands = "movetables materialize", .verbs = "create",
     .doc = "the keyspace that has the tables", .field = FIELD(source_keyspace)},
    {.name = "tables", .type = FLAG_LIST, .commands = "movetables", .verbs = "create",
     .doc = "the tables to move", .field = FIELD(tables)},
    {.name = "all-tables", .type = FLAG_BOOL, .commands = "movetables", .verbs = "create", .fallback = "false",
     .doc = "move every table of the source keyspace", .field = FIELD(all_tables)},
    {.name = "exclude-tables", .type = FLAG_LIST, .commands = "movetables", .verbs = "create",
     .doc = "with --all-tables: but not these", .field = FIELD(exclude_tables)},
    {.name = "source-shards", .type = FLAG_LIST, .commands = "movetables", .verbs = "create",
     .doc = "all source shards, or none named: some only is not supported", .field = FIELD(source_shards)},
    {.name = "source-shards", .type = FLAG_LIST, .commands = "reshard", .verbs = "create",
     .doc = "the shards to split", .field = FIELD(source_shards)},
    {.name = "target-shards", .type = FLAG_LIST, .commands = "reshard", .verbs = "create",
     .doc = "the shards that take their place", .field = FIELD(target_shards)},
    {.name = "no-routing-rules", .type = FLAG_BOOL, .commands = "movetables", .verbs = "create", .fallback = "false",
     .doc = "do not publish routing rules at create", .field = FIELD(no_routing_rules)},
    {.name = "sharded-auto-increment-handling", .type = FLAG_TEXT, .arg = "LEAVE|REMOVE|REPLACE", .commands = "movetables",
     .verbs = "create", .fallback = "REMOVE", .doc = "what happens to AUTO_INCREMENT on a sharded target",
     .field = FIELD(sharded_auto_increment_handling)},
    {.name = "skip-schema-copy", .type = FLAG_BOOL, .commands = "reshard", .verbs = "create", .fallback = "false",
     .doc = "the tables exist on the target shards", .field = FIELD(skip_schema_copy)},
    {.name = "reference-tables", .letter = 'r', .type = FLAG_LIST, .commands = "materialize", .verbs = "create",
     .doc = "copy these tables, and every change, to all shards", .field = FIELD(reference_tables)},
    {.name = "table-settings", .type = FLAG_TEXT, .arg = "JSON", .commands = "materialize", .verbs = "create",
     .doc = "[{\"target_table\":…,\"source_expression\":\"select * from t\",\"create_ddl\":\"copy\"}]",
     .field = FIELD(table_settings)},
    {.name = "stop-after-copy", .type = FLAG_BOOL, .commands = MAKERS, .verbs = "create", .fallback = "false",
     .doc = "stop when the initial copy is complete", .field = FIELD(stop_after_copy)},
    {.name = "auto-start", .type = FLAG_BOOL, .commands = MAKERS, .verbs = "create", .fallback = "true",
     .doc = "start the streams at once", .field = FIELD(auto_start)},
    {.name = "defer-secondary-keys", .type = FLAG_BOOL, .commands = MAKERS, .verbs = "create", .fallback = "true",
     .doc = "add secondary keys when the copy is complete", .field = FIELD(defer_secondary_keys)},
    {.name = "collation-map", .type = FLAG_LIST, .arg = "FROM=TO", .commands = MAKERS, .verbs = "create",
     .doc = "collations of key columns that are taken for the same, though they differ", .field = FIELD(collation_map)},
    {.name = "on-ddl", .type = FLAG_TEXT, .arg = ON_DDL_WORDS, .commands = MAKERS, .verbs = "create", .fallback = "IGNORE",
     .doc = "what a DDL on a source table does", .field = FIELD(on_ddl)},
    {.name = "on-ddl", .type = FLAG_TEXT, .arg = ON_DDL_WORDS, .commands = ANY, .verbs = "update",
     .doc = "update: what a DDL on a source table does", .field = FIELD(on_ddl)},
    {.name = "wait", .type = FLAG_DURATION, .commands = MAKERS, .verbs = "create", .status = FLAG_LOCAL,
     .doc = "create: wait so long for the copy to complete"},
    {.name = "cells", .letter = 'c', .type = FLAG_LIST, .commands = ANY, .verbs = "create update", .status = FLAG_NO_EFFECT, .why = PRIMARIES},
    {.name = "all-cells", .letter = 'a', .type = FLAG_BOOL, .commands = MAKERS, .verbs = "create", .status = FLAG_NO_EFFECT, .why = PRIMARIES},
    {.name = "tablet-types", .type = FLAG_LIST, .commands = ANY, .verbs = "create update", .status = FLAG_NO_EFFECT, .why = PRIMARIES},
    {.name = "tablet-types-in-preference-order", .type = FLAG_BOOL, .commands = ANY, .verbs = "create update", .fallback = "true",
     .status = FLAG_NO_EFFECT, .why = PRIMARIES},
    {.name = "tablet-types-in-order", .type = FLAG_BOOL, .commands = ANY, .verbs = "update", .status = FLAG_NO_EFFECT, .why = PRIMARIES},
    {.name = "config-overrides", .type = FLAG_LIST, .commands = ANY, .verbs = "create update", .status = FLAG_REFUSED,
     .why = "a workflow has no settings of its own", .cure = "set limits in the configuration, for all of them"},
    {.name = "atomic-copy", .type = FLAG_BOOL, .commands = "movetables", .verbs = "create", .status = FLAG_REFUSED,
     .why = "foreign keys are not made on the target", .cure = "leave it out, and add foreign keys after complete"},
    {.name = "source-time-zone", .type = FLAG_TEXT, .arg = "ZONE", .commands = "movetables", .verbs = "create", .status = FLAG_REFUSED,
     .why = "DATETIME values are copied as they are", .cure = "leave it out, and convert them in the application"},
    {.name = "global-keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .commands = "movetables", .verbs = "create", .status = FLAG_REFUSED,
     .why = "there are no sequences to put there", .cure = "use --sharded-auto-increment-handling REMOVE or LEAVE"},
    {.name = "tenant-id", .type = FLAG_TEXT, .arg = "ID", .commands = "movetables", .verbs = "create", .status = FLAG_REFUSED,
     .why = "tables are moved whole", .cure = "leave it out"},
    {.name = "shards", .type = FLAG_LIST, .commands = ANY, .verbs = "create show status progress start stop update " SWITCHES " " ENDS,
     .status = FLAG_REFUSED, .why = ALL_SHARDS, .cure = NO_SHARDS},
    {.name = "add-reference-tables", .type = FLAG_LIST, .commands = "materialize", .verbs = "update", .status = FLAG_REFUSED,
     .why = "a workflow's tables are those of its create", .cure = "create a second workflow with --reference-tables"},
    /* switches */
    {.name = "timeout", .type = FLAG_DURATION, .commands = ANY, .verbs = CHANGES, .fallback = "30s",
     .doc = "switches: how long the target may take to catch up under the lock; others: how long to wait for another verb",
     .field = FIELD(timeout_ms)},
    {.name = "max-replication-lag-allowed", .type = FLAG_DURATION, .commands = ANY, .verbs = SWITCHES, .fallback = "30s",
     .doc = "refuse to switch above this lag", .field = FIELD(max_replication_lag_allowed_ms)},
    {.name = "enable-reverse-replication", .type = FLAG_BOOL, .commands = ANY, .verbs = SWITCHES, .fallback = "true",
     .doc = "keep the source up to date for a way back", .field = FIELD(enable_reverse_replication)},
    {.name = "tablet-types", .type = FLAG_LIST, .commands = ANY, .verbs = SWITCHES,
     .doc = "with primary among them, or none named: all are switched together", .field = FIELD(tablet_types)},
    {.name = "cells", .letter = 'c', .type = FLAG_LIST, .commands = ANY, .verbs = SWITCHES, .status = FLAG_NO_EFFECT,
     .why = "all cells are switched together"},
    {.name = "initialize-target-sequences", .type = FLAG_BOOL, .commands = ANY, .verbs = SWITCHES, .status = FLAG_REFUSED,
     .why = "the application allocates its ids", .cure = "set the sequence's next value before the switch"},
    {.name = "force", .type = FLAG_BOOL, .commands = ANY, .verbs = "create " CHANGES, .status = FLAG_REFUSED,
     .why = "a switch whose preconditions fail would lose rows or block writers", .cure = "cure what `status` and the error name"},
    /* the other verbs */
    {.name = "recopy", .type = FLAG_ALL_OR_LIST, .commands = ANY, .verbs = "start",
     .doc = "start: empty these target tables (alone: all) of the stopped workflow, copy anew", .field = FIELD(recopy)},
    {.name = "keep-data", .type = FLAG_BOOL, .commands = ANY, .verbs = ENDS, .fallback = "false",
     .doc = "leave the tables that are given up", .field = FIELD(keep_data)},
    {.name = "rename-tables", .type = FLAG_BOOL, .commands = ANY, .verbs = "complete", .fallback = "false",
     .doc = "complete: rename the source tables to _NAME_old instead of dropping them", .field = FIELD(rename_tables)},
    {.name = "keep-routing-rules", .type = FLAG_BOOL, .commands = ANY, .verbs = ENDS, .status = FLAG_REFUSED,
     .why = "the routing document is rebuilt from the journals on the servers",
     .cure = "leave the workflow as it is while the application needs the old rules"},
    {.name = "ignore-source-keyspace", .type = FLAG_BOOL, .commands = ANY, .verbs = ENDS, .status = FLAG_REFUSED,
     .why = "fences and rows of ours would stay on the source", .cure = "bring the source's servers back, and run it again"},
    {.name = "delete-batch-size", .type = FLAG_INT, .arg = "N", .commands = ANY, .verbs = "cancel delete", .status = FLAG_NO_EFFECT,
     .why = "tables are dropped or emptied whole"},
    {.name = "include-logs", .type = FLAG_BOOL, .commands = ANY, .verbs = "show", .fallback = "true",
     .doc = "show: with the workflow's history", .field = FIELD(include_logs)},
    {.name = "dry-run", .type = FLAG_BOOL, .commands = ANY, .verbs = PLANS, .fallback = "false",
     .doc = "say what would be done, do nothing", .field = FIELD(dry_run)},
    {.name = "percent", .type = FLAG_TEXT, .arg = "N", .commands = ANY, .verbs = "mirrortraffic", .status = FLAG_REFUSED,
     .why = "reads are not mirrored", .cure = "compare the tables with vdiff create"},
    {.name = "tablet-types", .type = FLAG_LIST, .commands = ANY, .verbs = "mirrortraffic", .status = FLAG_REFUSED,
     .why = "reads are not mirrored", .cure = "compare the tables with vdiff create"},
    /* comparisons */
    {.name = "uuid", .type = FLAG_TEXT, .arg = "UUID", .commands = "vdiff", .verbs = VDIFFS,
     .doc = "the comparison's id; show: also last and all, delete: also all", .field = FIELD(uuid)},
    {.name = "tables", .type = FLAG_LIST, .commands = "vdiff", .verbs = "create resume",
     .doc = "only these tables", .field = FIELD(tables)},
    {.name = "only-pks", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create resume", .fallback = "false",
     .doc = "compare and report keys only", .field = FIELD(only_pks)},
    {.name = "max-report-sample-rows", .type = FLAG_INT, .arg = "N", .commands = "vdiff", .verbs = "create resume", .fallback = "10",
     .min = 0, .max = VDIFF_SAMPLES_MAX, .doc = "differing rows of each kind shown for each table; 0: 10000, the most", .field = FIELD(max_report_sample_rows)},
    {.name = "filtered-replication-wait-time", .type = FLAG_DURATION, .commands = "vdiff", .verbs = "create resume", .fallback = "30s",
     .doc = "how long a common position may take", .field = FIELD(filtered_replication_wait_time_ms)},
    {.name = "wait", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create resume", .fallback = "false",
     .doc = "wait for the result, exit 6 if there are differences", .field = FIELD(wait)},
    {.name = "verbose", .type = FLAG_BOOL, .commands = "vdiff", .verbs = VDIFFS, .status = FLAG_REFUSED,
     .why = "the report of every shard is part of the JSON document", .cure = "use --format json"},
    {.name = "auto-start", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create", .fallback = "true", .status = FLAG_REFUSED,
     .why = "a comparison begins when it is created", .cure = "create it when it is to begin"},
    {.name = "auto-retry", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT,
     .why = "a comparison that ended with an error goes on with vdiff resume"},
    {.name = "debug-query", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create", .status = FLAG_REFUSED,
     .why = "a report has rows, not the statements that read them", .cure = "leave it out"},
    {.name = "limit", .type = FLAG_INT, .arg = "N", .commands = "vdiff", .verbs = "create", .status = FLAG_REFUSED,
     .why = "a comparison that ends early would call tables equal that are not", .cure = "name tables with --tables"},
    {.name = "max-diff-duration", .type = FLAG_DURATION, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT,
     .why = "tables are compared in chunks, no snapshot is held for long"},
    {.name = "max-extra-rows-to-compare", .type = FLAG_INT, .arg = "N", .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT,
     .why = "rows are compared by their keys, so none are put aside"},
    {.name = "row-diff-column-truncate-at", .type = FLAG_INT, .arg = "N", .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT,
     .why = "values of sample rows are shown as they are"},
    {.name = "source-cells", .type = FLAG_LIST, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT, .why = COMPARED},
    {.name = "target-cells", .type = FLAG_LIST, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT, .why = COMPARED},
    {.name = "tablet-types", .type = FLAG_LIST, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT, .why = COMPARED},
    {.name = "tablet-types-in-preference-order", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create", .fallback = "true",
     .status = FLAG_NO_EFFECT, .why = COMPARED},
    {.name = "update-table-stats", .type = FLAG_BOOL, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT,
     .why = "progress counts rows, no estimate of the server's is used"},
    {.name = "wait-update-interval", .type = FLAG_DURATION, .commands = "vdiff", .verbs = "create", .status = FLAG_NO_EFFECT,
     .why = "progress is shown as it comes"},
    {.name = "target-shards", .type = FLAG_LIST, .commands = "vdiff", .verbs = "stop resume delete", .status = FLAG_REFUSED,
     .why = ALL_SHARDS, .cure = NO_SHARDS},
    {.name = NULL},
};

/* A command with why is vtctldclient's and not offered. */
static const struct {
    const char *name, *verbs, *why, *cure;
} commands[] = {
    {"movetables",  "create " CHANGES " " LOOKS, NULL, NULL},
    {"reshard",     "create " CHANGES " " LOOKS, NULL, NULL},
    {"materialize", "create " CHANGES " " LOOKS, NULL, NULL},
    {"workflow",    CHANGES " " LOOKS,           NULL, NULL},
    {"vdiff",       VDIFFS,                      NULL, NULL},
    {"lookupvindex", NULL, "lookup vindexes are not filled by a workflow yet", "use a functional vindex, or fill the lookup table in the application"},
    {"migrate",      NULL, "there is no second topology to migrate from", "name the other servers under keyspaces in the configuration, and use movetables"},
    {"mount",        NULL, "there is no second topology to mount", "name the other servers under keyspaces in the configuration"},
};
/* clang-format on */
#define N_COMMANDS (sizeof commands / sizeof *commands)

bool verb_flags_refused_command(const char *name, struct err *e)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (commands[i].why == NULL || strcasecmp(commands[i].name, name) != 0)
            continue;
        err_set(e, ERR_USAGE, "%s is not offered: %s", commands[i].name, commands[i].why);
        err_cure(e, "%s", commands[i].cure);
        return true;
    }
    return false;
}

static bool unknown_verb(const char *type, const char *verb, const char *verbs, struct err *e)
{
    if (flags_refused_verb(verb_flags, type, verb, e))
        return false;
    err_set(e, ERR_USAGE, "%s has no verb %.100s", type, verb);
    return err_cure(e, "its verbs are: %s", verbs);
}

static bool check_verb(const char *type, const char *verb, struct err *e)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (commands[i].why == NULL && strcmp(commands[i].name, type) == 0)
            return flags_word(commands[i].verbs, verb) ||
                   unknown_verb(type, verb, commands[i].verbs, e);
    }
    return !verb_flags_refused_command(type, e) &&
           err_set(e, ERR_USAGE, "there are no workflows of type '%.100s'", type);
}

bool verb_flags_check(const char *type, const char *verb, const char *json, struct err *e)
{
    return check_verb(type, verb, e) && flags_check(verb_flags, type, verb, json, e);
}

bool verb_options_fill(const char *type, const char *verb, const char *json, struct verb_options *o,
                       struct err *e)
{
    return check_verb(type, verb, e) && flags_fill(verb_flags, type, verb, json, o, e);
}

void verb_options_fini(struct verb_options *o)
{
    flags_clear(verb_flags, o);
}

void verb_flags_notes(const char *type, const char *verb, const char *json, struct buf *out)
{
    const char *name;
    json_t *f = json_loads(json, 0, NULL), *v;
    json_object_foreach(f, name, v)
    {
        const struct flag_def *d = flags_find(verb_flags, type, verb, name);
        if (d != NULL && d->status == FLAG_NO_EFFECT)
            buf_printf(out, "--%s has no effect: %s\n", d->name, d->why);
    }
    json_decref(f);
}

static void reference_verb(const char *command, const char *verb, struct buf *out)
{
    buf_printf(out, "\n### %s %s\n\n", command, verb);
    buf_put_str(out, "| member | type | default | meaning |\n| --- | --- | --- | --- |\n");
    flags_reference(verb_flags, command, verb, out);
}

void verb_flags_reference(struct buf *out)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        for (const char *p = commands[i].verbs; p != NULL && *p != '\0'; p += strspn(p, " ")) {
            char verb[32];
            size_t n = strcspn(p, " ");
            memcpy(verb, p, n);
            verb[n] = '\0';
            reference_verb(commands[i].name, verb, out);
            p += n;
        }
    }
}
