/* app/cli/commands.c — the table of commands, verbs and options. */
#include "app/cli/commands.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, 0, OPT_FLAG, NULL, NULL, NULL, 0, 0                                                  \
    }
#define FLAG(name, doc)                                                                            \
    {                                                                                              \
        name, 0, OPT_FLAG, NULL, NULL, doc, 0, 0                                                   \
    }
#define TEXT(name, arg, doc)                                                                       \
    {                                                                                              \
        name, 0, OPT_STRING, NULL, arg, doc, 0, 0                                                  \
    }
#define LIST(name, doc)                                                                            \
    {                                                                                              \
        name, 0, OPT_LIST, NULL, NULL, doc, 0, 0                                                   \
    }
#define TIME(name, def, doc)                                                                       \
    {                                                                                              \
        name, 0, OPT_DURATION, def, NULL, doc, 0, 0                                                \
    }

#define CREATE_OPTIONS                                                                             \
    FLAG("stop-after-copy", "stop when the initial copy is complete"),                             \
        {"auto-start", 0, OPT_FLAG, "true", NULL, "start the streams at once", 0, 0},              \
        {"defer-secondary-keys",                                                                   \
         0,                                                                                        \
         OPT_FLAG,                                                                                 \
         "true",                                                                                   \
         NULL,                                                                                     \
         "add secondary keys when the copy is complete",                                           \
         0,                                                                                        \
         0},                                                                                       \
        {"collation-map",                                                                          \
         0,                                                                                        \
         OPT_LIST,                                                                                 \
         NULL,                                                                                     \
         "FROM=TO",                                                                                \
         "collations of key columns that are taken for the same, though they differ",              \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "on-ddl", 0, OPT_STRING, "IGNORE", "IGNORE|STOP|EXEC|EXEC_IGNORE",                         \
            "what a DDL on a source table does", 0, 0                                              \
    }

#define SWITCH_OPTIONS                                                                             \
    TIME("timeout", "30s", "how long the target may take to catch up under the lock"),             \
        TIME("max-replication-lag-allowed", "30s", "refuse to switch above this lag"),             \
        {"enable-reverse-replication",                                                             \
         0,                                                                                        \
         OPT_FLAG,                                                                                 \
         "true",                                                                                   \
         NULL,                                                                                     \
         "keep the source up to date for a way back",                                              \
         0,                                                                                        \
         0},                                                                                       \
        FLAG("initialize-target-sequences", "refused: the application allocates its ids"),         \
        LIST("tablet-types", "accepted for vtctldclient's scripts; all are switched together"),    \
        LIST("cells", "accepted for vtctldclient's scripts; all are switched together"),           \
        FLAG("force",                                                                              \
             "refused: a switch whose preconditions fail would lose rows or block writers")

#define RECOPY_OPTION                                                                              \
    {                                                                                              \
        "recopy", 0, OPT_ALL_OR_LIST, NULL, NULL,                                                  \
            "start: empty these target tables (alone: all) of the stopped workflow, copy anew", 0, \
            0                                                                                      \
    }

#define END_OPTIONS                                                                                \
    FLAG("keep-data", "leave the tables that are given up"),                                       \
        FLAG("keep-routing-rules",                                                                 \
             "refused: routing is rebuilt from the journals on the servers"),                      \
        FLAG("rename-tables",                                                                      \
             "complete: rename the source tables to _NAME_old instead of dropping them"),          \
        FLAG("dry-run", "say what would be done, do nothing"),                                     \
        FLAG("include-logs", "show: with the workflow's history"),                                 \
        TIME("wait", NULL, "create: wait so long for the copy to complete")

static const struct opt_def serve_options[] = {
    TEXT("pid-file", "FILE", "write the process id there"), END};
static const struct opt_def stream_options[] = {
    TEXT("keyspace", "KEYSPACE", "whose changes"),
    LIST("tables", "only these tables"),
    {"from", 0, OPT_STRING, "current", "POSITION",
     "where to start: current, beginning, a time (2026-01-02T03:04:05Z) or a VGTID", 0, 0},
    FLAG("copy", "print the rows that exist first"),
    LIST("shards", "only these shards (default: the serving ones)"),
    TIME("until-idle", NULL, "end when nothing came for so long"),
    TEXT("until", "POSITION",
         "end when this VGTID is reached, or before the first transaction at this time"),
    {"on-statement", 0, OPT_STRING, "skip-unrelated", "stop|skip-unrelated|warn",
     "at a statement in the log instead of rows: stop, unless it is proven to change only other "
     "databases, or never",
     0, 0},
    FLAG("tx", "print begin and commit records too"),
    FLAG("stats",
         "print rows, bytes and rates to stderr at the end; with --format raw what decode does"),
    TEXT("prefix", "NAME", "Debezium's topic.prefix (default: the installation's name)"),
    END};
static const struct opt_def decode_options[] = {
    LIST("tables", "rows of these tables only (db.table); DDL is shown of all"),
    TEXT("start-position", "N", "offset in the first file"),
    TEXT("stop-position", "N", "offset in the last file"),
    TEXT("start-time", "TIME", "leave out transactions before it (2026-01-02T03:04:05Z)"),
    TEXT("stop-time", "TIME", "end before the first transaction at or after it"),
    TEXT("start-gtid", "SET", "leave out the transactions of this set"),
    TEXT("stop-gtid", "SET", "end before the first transaction that this set lacks"),
    {"verify-checksum", 0, OPT_STRING, "yes", "yes|no", "check each event's CRC32", 0, 0},
    FLAG("stats", "events and bytes by type, rows by table, largest transactions, to stderr"),
    FLAG("tx", "print begin and commit records too"),
    {"on-statement", 0, OPT_STRING, "stop", "stop|warn",
     "at a statement in the log instead of rows", 0, 0},
    TEXT("prefix", "NAME", "Debezium's topic.prefix"),
    END};
static const struct opt_def movetables_options[] = {
    TEXT("source-keyspace", "KEYSPACE", "the keyspace that has the tables"),
    LIST("tables", "the tables to move"),
    FLAG("all-tables", "move every table of the source keyspace"),
    LIST("exclude-tables", "with --all-tables: but not these"),
    LIST("source-shards", "only these source shards"),
    FLAG("no-routing-rules", "do not publish routing rules at create"),
    {"sharded-auto-increment-handling", 0, OPT_STRING, "REMOVE", "LEAVE|REMOVE|REPLACE",
     "what happens to AUTO_INCREMENT on a sharded target", 0, 0},
    CREATE_OPTIONS,
    SWITCH_OPTIONS,
    END_OPTIONS,
    RECOPY_OPTION,
    END};
static const struct opt_def reshard_options[] = {
    LIST("source-shards", "the shards to split or merge"),
    LIST("target-shards", "the shards that take their place"),
    FLAG("skip-schema-copy", "the tables exist on the target shards"),
    CREATE_OPTIONS,
    SWITCH_OPTIONS,
    END_OPTIONS,
    RECOPY_OPTION,
    END};
static const struct opt_def materialize_options[] = {
    TEXT("source-keyspace", "KEYSPACE", "the keyspace that has the tables"),
    {"reference-tables", 'r', OPT_LIST, NULL, NULL,
     "copy these tables, and every change, to all shards", 0, 0},
    TEXT(
        "table-settings", "JSON",
        "[{\"target_table\":…,\"source_expression\":\"select * from t\",\"create_ddl\":\"copy\"}]"),
    CREATE_OPTIONS,
    END_OPTIONS,
    RECOPY_OPTION,
    END};
static const struct opt_def vdiff_options[] = {
    LIST("tables", "only these tables"),
    FLAG("only-pks", "compare and report keys only"),
    {"max-report-sample-rows", 0, OPT_INT, "10", "N", "differing rows shown for each table", 0,
     10000},
    TIME("filtered-replication-wait-time", "30s", "how long a common position may take"),
    FLAG("wait", "create: wait for the result, exit 6 if there are differences"),
    FLAG("verbose", "refused: --format json has every shard's report"),
    END};
static const struct opt_def workflow_only_options[] = {
    {"keyspace", 'k', OPT_STRING, NULL, "KEYSPACE", "the workflow's target keyspace", 0, 0},
    {"workflow", 'w', OPT_STRING, NULL, "NAME", "the workflow's name", 0, 0},
    {"on-ddl", 0, OPT_STRING, NULL, "IGNORE|STOP|EXEC|EXEC_IGNORE",
     "update: what a DDL on a source table does", 0, 0},
    RECOPY_OPTION,
    FLAG("dry-run", "say what would be done, do nothing"),
    FLAG("keep-data", "delete: leave the target tables"),
    FLAG("include-logs", "show: with the workflow's history"),
    END};
static const struct opt_def sink_options[] = {
    TEXT("keyspace", "KEYSPACE", "whose changes"),
    LIST("tables", "only these tables"),
    TEXT("to", "URL", "kafka://HOST:PORT[,…], file:PATH or stdout"),
    TEXT("prefix", "NAME", "Debezium's topic.prefix (default: the installation's name)"),
    {"topic", 0, OPT_STRING, "{prefix}.{db}.{table}", "TEMPLATE", "topic of a record", 0, 0},
    {"from", 0, OPT_STRING, "current", "POSITION", "current, beginning, a time or a VGTID", 0, 0},
    FLAG("copy", "publish the rows that exist first"),
    {"on-statement", 0, OPT_STRING, "skip-unrelated", "stop|skip-unrelated|warn",
     "at a statement in the log instead of rows: stop, unless it is proven to change only other "
     "databases, or never",
     0, 0},
    LIST("kafka", "librdkafka properties: name=value,…"),
    END};
static const struct opt_def recover_options[] = {
    TEXT("from", "URL", "where the sinks publish: kafka://HOST:PORT[,…] or file:PATH"),
    TEXT("prefix", "NAME", "the sinks' prefix (default: the installation's name)"),
    LIST("kafka", "librdkafka properties, also for the sinks: name=value,…"),
    FLAG("dry-run", "only show what is found"), END};
static const struct opt_def vschema_options[] = {
    TEXT("keyspace", "KEYSPACE", "whose vschema"),
    TEXT("vschema-file", "FILE", "apply: the new vschema"), FLAG("dry-run", "check only"), END};
static const struct opt_def route_options[] = {
    TEXT("key", "VALUE", "value of the primary vindex's column"), END};
static const struct opt_def vindex_options[] = {
    TEXT("params", "JSON", "the vindex's parameters"),
    {"type", 0, OPT_STRING, "INT64", "INT64|UINT64|VARCHAR|VARBINARY|CHAR|BINARY|TEXT|INT32|UINT32",
     "type of the values", 0, 0},
    FLAG("stdin", "read lines `type TAB params TAB input types TAB inputs`"),
    END};
static const struct opt_def doctor_options[] = {
    {"platform", 0, OPT_STRING, "auto", "auto|rds|aurora|self", "whose cures to print", 0, 0},
    {"role", 0, OPT_STRING, "all", "source|target|stream|sink|all",
     "what the servers are to be fit for", 0, 0},
    FLAG("grants", "print the statements for a new account, also where nobody can log in yet"),
    FLAG("fix-script", "print the cures as SQL; what is no statement stands as a comment"),
    END};
static const struct opt_def no_options[] = {END};

#define WORKFLOW_VERBS                                                                             \
    "create show status progress start stop switchtraffic reversetraffic complete cancel"

const struct cmd_def cmd_table[] = {
    {"serve", NULL, NULL, NULL, "run workflows and streams, answer the HTTP API", serve_options,
     false, cmd_serve, 0},
    {"stream", NULL, NULL, NULL, "change stream of a keyspace to stdout", stream_options, false,
     cmd_stream, CMD_RECORDS},
    {"decode", NULL, NULL, "FILE…", "decode binary log files (plain, gzip, - for stdin)",
     decode_options, false, cmd_decode_run, CMD_RECORDS},
    {"sink", NULL, "create show list pause resume delete", "[NAME]", "publish a change stream",
     sink_options, false, cmd_sink, CMD_DAEMON | CMD_RECORDS},
    {"recover", NULL, NULL, NULL, "find the sinks made by command whose state directory was lost",
     recover_options, false, cmd_recover, CMD_DAEMON},
    {"movetables", NULL, WORKFLOW_VERBS, NULL,
     "move tables between keyspaces while they are in use", movetables_options, true, cmd_workflow,
     CMD_DAEMON | CMD_LOCAL},
    {"reshard", NULL, WORKFLOW_VERBS, NULL, "split or merge shards while they are in use",
     reshard_options, true, cmd_workflow, CMD_DAEMON | CMD_LOCAL},
    {"materialize", NULL, WORKFLOW_VERBS, NULL, "keep copies of tables up to date on other shards",
     materialize_options, true, cmd_workflow, CMD_DAEMON | CMD_LOCAL},
    {"vdiff", NULL, "create show resume stop delete", "[UUID]",
     "compare source and target of a workflow", vdiff_options, true, cmd_workflow,
     CMD_DAEMON | CMD_LOCAL},
    {"workflow", NULL, "list show start stop update delete", NULL, "workflows of any type",
     workflow_only_options, false, cmd_workflow, CMD_DAEMON | CMD_LOCAL},
    {"vschema", NULL, "get apply", NULL, "show or replace a keyspace's vschema", vschema_options,
     false, cmd_vschema, 0},
    {"route", NULL, NULL, "KEYSPACE.TABLE", "where a row lives", route_options, false, cmd_route,
     0},
    {"vindex", NULL, NULL, "[TYPE VALUE…]", "keyspace ids of values", vindex_options, false,
     cmd_vindex, 0},
    {"keyrange", NULL, NULL, "N", "N equal key ranges", no_options, false, cmd_keyrange, 0},
    {"doctor", NULL, NULL, NULL, "check settings and privileges of every server", doctor_options,
     false, cmd_doctor, 0},
    {"status", NULL, NULL, NULL, "what the daemon does", no_options, false, cmd_status, CMD_DAEMON},
    {"graph", NULL, "workflow", NULL, "the workflow's state machine as Graphviz", no_options, false,
     cmd_graph, 0},
    {"config", NULL, "show reference", "[commands|configuration]",
     "the configuration in force; the reference pages", no_options, false, cmd_config, 0},
    {NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, 0},
};
