/* app/cli/commands.c — the table of commands, verbs and options. */
#include "app/cli/commands.h"
#include "app/server/sink_flags.h"
#include "sinks/sink.h"
#include "vrepl/workflow/verb_flags.h"

/* clang-format off */
static const struct flag_def serve_options[] = {
    {.name = "pid-file", .type = FLAG_TEXT, .arg = "FILE", .doc = "write the process id there"},
    {.name = NULL},
};
static const struct flag_def stream_options[] = {
    {.name = "keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .doc = "whose changes"},
    {.name = "tables", .type = FLAG_LIST, .doc = "only these tables"},
    {.name = "from", .type = FLAG_TEXT, .fallback = SINK_DEFAULT_FROM, .arg = "POSITION",
     .doc = "where to start: current, beginning, a time (2026-01-02T03:04:05Z) or a VGTID"},
    {.name = "copy", .type = FLAG_BOOL, .doc = "print the rows that exist first"},
    {.name = "shards", .type = FLAG_LIST, .doc = "only these shards (default: the serving ones)"},
    {.name = "until-idle", .type = FLAG_DURATION, .doc = "end when nothing came for so long"},
    {.name = "until", .type = FLAG_TEXT, .arg = "POSITION",
     .doc = "end when this VGTID is reached, or before the first transaction at this time"},
    {.name = "on-statement", .type = FLAG_TEXT, .fallback = SINK_DEFAULT_ON_STATEMENT, .arg = SINK_ON_STATEMENT,
     .doc = "at a statement in the log instead of rows: stop, unless it is proven to change only other databases, or never"},
    {.name = "tx", .type = FLAG_BOOL, .doc = "print begin and commit records too"},
    {.name = "stats", .type = FLAG_BOOL,
     .doc = "print rows, bytes and rates to stderr at the end; with --format raw what decode does"},
    {.name = "prefix", .type = FLAG_TEXT, .arg = "NAME", .doc = "Debezium's topic.prefix (default: the installation's name)"},
    {.name = NULL},
};
static const struct flag_def decode_options[] = {
    {.name = "tables", .type = FLAG_LIST, .doc = "rows of these tables only (db.table); DDL is shown of all"},
    {.name = "start-position", .type = FLAG_TEXT, .arg = "N", .doc = "offset in the first file"},
    {.name = "stop-position", .type = FLAG_TEXT, .arg = "N", .doc = "offset in the last file"},
    {.name = "start-time", .type = FLAG_TEXT, .arg = "TIME", .doc = "leave out transactions before it (2026-01-02T03:04:05Z)"},
    {.name = "stop-time", .type = FLAG_TEXT, .arg = "TIME", .doc = "end before the first transaction at or after it"},
    {.name = "start-gtid", .type = FLAG_TEXT, .arg = "SET", .doc = "leave out the transactions of this set"},
    {.name = "stop-gtid", .type = FLAG_TEXT, .arg = "SET", .doc = "end before the first transaction that this set lacks"},
    {.name = "verify-checksum", .type = FLAG_TEXT, .fallback = "yes", .arg = "yes|no", .doc = "check each event's CRC32"},
    {.name = "stats", .type = FLAG_BOOL, .doc = "events and bytes by type, rows by table, largest transactions, to stderr"},
    {.name = "tx", .type = FLAG_BOOL, .doc = "print begin and commit records too"},
    {.name = "on-statement", .type = FLAG_TEXT, .fallback = "stop", .arg = "stop|warn", .doc = "at a statement in the log instead of rows"},
    {.name = "prefix", .type = FLAG_TEXT, .arg = "NAME", .fallback = "sluice", .doc = "Debezium's topic.prefix"},
    {.name = NULL},
};
/* Whom a workflow's verb is about: these stand in the request's path. */
static const struct flag_def workflow_options[] = {
    {.name = "workflow", .letter = 'w', .type = FLAG_TEXT, .arg = "NAME", .doc = "the workflow's name"},
    {.name = "target-keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .doc = "the keyspace that receives the rows"},
    {.name = NULL},
};
static const struct flag_def any_workflow_options[] = {
    {.name = "keyspace", .letter = 'k', .type = FLAG_TEXT, .arg = "KEYSPACE", .doc = "the workflow's target keyspace"},
    {.name = "workflow", .letter = 'w', .type = FLAG_TEXT, .arg = "NAME", .doc = "the workflow's name"},
    {.name = NULL},
};
static const struct flag_def vschema_options[] = {
    {.name = "keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .doc = "whose vschema"},
    {.name = "vschema-file", .type = FLAG_TEXT, .arg = "FILE", .doc = "apply: the new vschema"},
    {.name = "dry-run", .type = FLAG_BOOL, .doc = "apply: check only"},
    {.name = "strict", .type = FLAG_BOOL, .doc = "apply: a parameter that its vindex does not take is an error"},
    {.name = "history", .type = FLAG_BOOL, .doc = "get: every version that was applied, from the keyspace's first shard"},
    {.name = NULL},
};
static const struct flag_def route_options[] = {
    {.name = "key", .type = FLAG_TEXT, .arg = "VALUE", .doc = "value of the vindex's column; of several columns: values with ',' between, or the first ones"},
    {.name = "column", .type = FLAG_TEXT, .arg = "COLUMN", .doc = "by the cheapest vindex that begins with it, not by the primary one"},
    {.name = NULL},
};
static const struct flag_def vindex_options[] = {
    {.name = "params", .type = FLAG_TEXT, .arg = "JSON", .doc = "the vindex's parameters"},
    {.name = "type", .type = FLAG_TEXT, .fallback = "INT64", .arg = "INT64|UINT64|VARCHAR|VARBINARY|CHAR|BINARY|TEXT|INT32|UINT32",
     .doc = "type of the values"},
    {.name = "stdin", .type = FLAG_BOOL, .doc = "read lines `type TAB params TAB input types TAB inputs`"},
    {.name = NULL},
};
static const struct flag_def doctor_options[] = {
    {.name = "platform", .type = FLAG_TEXT, .fallback = "auto", .arg = "auto|rds|aurora|self", .doc = "whose cures to print"},
    {.name = "role", .type = FLAG_TEXT, .fallback = "all", .arg = "source|target|stream|sink|all",
     .doc = "what the servers are to be fit for"},
    {.name = "grants", .type = FLAG_BOOL, .doc = "print the statements for a new account, also where nobody can log in yet"},
    {.name = "fix-script", .type = FLAG_BOOL, .doc = "print the cures as SQL; what is no statement stands as a comment"},
    {.name = NULL},
};

#define WORKFLOW_VERBS "create show status progress start stop update switchtraffic reversetraffic complete cancel"

const struct cmd_def cmd_table[] = {
    {.name = "serve", .doc = "run workflows and streams, answer the HTTP API", .options = serve_options, .run = cmd_serve},
    {.name = "stream", .doc = "change stream of a keyspace to stdout", .options = stream_options, .run = cmd_stream,
     .uses = CMD_RECORDS},
    {.name = "decode", .positional = "FILE…", .doc = "decode binary log files (plain, gzip, - for stdin)",
     .options = decode_options, .run = cmd_decode, .uses = CMD_RECORDS},
    {.name = "sink", .verbs = "create show list pause resume delete", .positional = "[NAME]", .doc = "publish a change stream",
     .flags = sink_flags, .run = cmd_sink, .uses = CMD_DAEMON | CMD_RECORDS},
    {.name = "recover", .doc = "find the sinks made by command whose state directory was lost", .flags = sink_flags,
     .run = cmd_recover, .uses = CMD_DAEMON},
    {.name = "movetables", .verbs = WORKFLOW_VERBS, .doc = "move tables between keyspaces while they are in use",
     .options = workflow_options, .flags = verb_flags, .run = cmd_workflow, .uses = CMD_DAEMON | CMD_LOCAL},
    {.name = "reshard", .verbs = WORKFLOW_VERBS, .doc = "split or merge shards while they are in use",
     .options = workflow_options, .flags = verb_flags, .run = cmd_workflow, .uses = CMD_DAEMON | CMD_LOCAL},
    {.name = "materialize", .verbs = WORKFLOW_VERBS, .doc = "keep copies of tables up to date on other shards",
     .options = workflow_options, .flags = verb_flags, .run = cmd_workflow, .uses = CMD_DAEMON | CMD_LOCAL},
    {.name = "vdiff", .verbs = "create show resume stop delete", .positional = "[UUID]",
     .doc = "compare source and target of a workflow", .options = workflow_options, .flags = verb_flags, .run = cmd_workflow,
     .uses = CMD_DAEMON | CMD_LOCAL},
    {.name = "workflow", .verbs = "list show start stop update delete", .doc = "workflows of any type",
     .options = any_workflow_options, .flags = verb_flags, .run = cmd_workflow, .uses = CMD_DAEMON | CMD_LOCAL},
    {.name = "vschema", .verbs = "get apply", .doc = "show or replace a keyspace's vschema", .options = vschema_options,
     .run = cmd_vschema},
    {.name = "route", .positional = "KEYSPACE.TABLE", .doc = "where a row lives", .options = route_options, .run = cmd_route},
    {.name = "vindex", .positional = "[TYPE VALUE…]", .doc = "keyspace ids of values", .options = vindex_options, .run = cmd_vindex},
    {.name = "keyrange", .positional = "N", .doc = "N equal key ranges", .run = cmd_keyrange},
    {.name = "doctor", .doc = "check settings and privileges of every server", .options = doctor_options, .run = cmd_doctor},
    {.name = "status", .doc = "what the daemon does", .run = cmd_status, .uses = CMD_DAEMON},
    {.name = "graph", .verbs = "workflow", .doc = "the workflow's state machine as Graphviz", .run = cmd_graph},
    {.name = "config", .verbs = "show reference", .positional = "[commands|configuration|api]",
     .doc = "the configuration in force; the reference pages", .run = cmd_config},
    {.name = NULL},
};
/* clang-format on */

bool cmd_refused(const char *name, struct err *e)
{
    return verb_flags_refused_command(name, e);
}
