/* vrepl/workflow/verb_flags.c — which verb takes which flag, and which ones of vtctldclient are
 * refused with a reason. */
#include "vrepl/workflow/verb_flags.h"

#include <string.h>

#define ANY      "movetables reshard materialize workflow"
#define MAKERS   "movetables reshard materialize"
#define SWITCHES "switchtraffic reversetraffic"
#define ENDS     "complete cancel delete"
#define CHANGES  "start stop update " SWITCHES " " ENDS
#define LOOKS    "show status progress list"

static const struct flag_def defs[] = {
    /* create */
    {"source_keyspace", FLAG_TEXT, "movetables materialize", "create", NULL, NULL},
    {"tables", FLAG_LIST, "movetables", "create", NULL, NULL},
    {"all_tables", FLAG_BOOL, "movetables", "create", NULL, NULL},
    {"exclude_tables", FLAG_LIST, "movetables", "create", NULL, NULL},
    {"source_shards", FLAG_LIST, "movetables reshard", "create", NULL, NULL},
    {"target_shards", FLAG_LIST, "reshard", "create", NULL, NULL},
    {"no_routing_rules", FLAG_BOOL, "movetables", "create", NULL, NULL},
    {"sharded_auto_increment_handling", FLAG_TEXT, "movetables", "create", NULL, NULL},
    {"skip_schema_copy", FLAG_BOOL, "reshard", "create", NULL, NULL},
    {"reference_tables", FLAG_LIST, "materialize", "create", NULL, NULL},
    {"table_settings", FLAG_TEXT, "materialize", "create", NULL, NULL},
    {"stop_after_copy", FLAG_BOOL, MAKERS, "create", NULL, NULL},
    {"auto_start", FLAG_BOOL, MAKERS, "create", NULL, NULL},
    {"defer_secondary_keys", FLAG_BOOL, MAKERS, "create", NULL, NULL},
    {"collation_map", FLAG_LIST, MAKERS, "create", NULL, NULL},
    {"on_ddl", FLAG_TEXT, ANY, "create update", NULL, NULL},
    /* switches */
    {"timeout_ms", FLAG_INT, ANY, CHANGES, NULL, NULL},
    {"max_replication_lag_allowed_ms", FLAG_INT, ANY, SWITCHES, NULL, NULL},
    {"enable_reverse_replication", FLAG_BOOL, ANY, SWITCHES, NULL, NULL},
    {"tablet_types", FLAG_LIST, ANY, SWITCHES, NULL, NULL},
    {"cells", FLAG_LIST, ANY, SWITCHES, NULL, NULL},
    {"initialize_target_sequences", FLAG_BOOL, ANY, SWITCHES, "the application allocates its ids",
     "set the sequence's next value before the switch"},
    {"force", FLAG_BOOL, ANY, "create " CHANGES,
     "a switch whose preconditions fail would lose rows or block writers",
     "cure what `status` and the error name"},
    /* the others */
    {"recopy", FLAG_ALL_OR_LIST, ANY, "start", NULL, NULL},
    {"keep_data", FLAG_BOOL, ANY, ENDS, NULL, NULL},
    {"rename_tables", FLAG_BOOL, ANY, "complete", NULL, NULL},
    {"keep_routing_rules", FLAG_BOOL, ANY, ENDS,
     "the routing document is rebuilt from the journals on the servers",
     "leave the workflow as it is while the application needs the old rules"},
    {"include_logs", FLAG_BOOL, ANY, "show", NULL, NULL},
    {"dry_run", FLAG_BOOL, ANY, "create " CHANGES " " LOOKS, NULL, NULL},
    /* comparisons */
    {"uuid", FLAG_TEXT, "vdiff", "create show stop resume delete", NULL, NULL},
    {"tables", FLAG_LIST, "vdiff", "create resume", NULL, NULL},
    {"only_pks", FLAG_BOOL, "vdiff", "create resume", NULL, NULL},
    {"max_report_sample_rows", FLAG_INT, "vdiff", "create resume", NULL, NULL},
    {"filtered_replication_wait_time_ms", FLAG_INT, "vdiff", "create resume", NULL, NULL},
    {"wait", FLAG_BOOL, "vdiff", "create resume", NULL, NULL},
    {"verbose", FLAG_BOOL, "vdiff", "create show stop resume delete",
     "the report of every shard is part of the JSON document", "use --format json"},
    {NULL, FLAG_BOOL, NULL, NULL, NULL, NULL},
};

static const struct {
    const char *type, *verbs;
} commands[] = {
    {"movetables", "create " CHANGES " " LOOKS},  {"reshard", "create " CHANGES " " LOOKS},
    {"materialize", "create " CHANGES " " LOOKS}, {"workflow", CHANGES " " LOOKS},
    {"vdiff", "create show stop resume delete"},
};

bool verb_flags_takes(const char *type, const char *verb, const char *name)
{
    return flags_takes(defs, type, verb, name);
}

bool verb_flags_check(const char *type, const char *verb, const char *json, struct err *e)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].type, type) != 0)
            continue;
        if (flags_word(commands[i].verbs, verb))
            return flags_check_text(defs, type, verb, json, e);
        err_set(e, ERR_USAGE, "%s has no verb %.100s", type, verb);
        return err_cure(e, "its verbs are: %s", commands[i].verbs);
    }
    err_set(e, ERR_USAGE, "there are no workflows of type '%.100s'", type);
    return err_cure(e,
                    "the types are movetables, reshard, materialize, vdiff, and workflow for any");
}
