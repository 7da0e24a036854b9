/* vrepl/workflow/definition.h — what a workflow is: type, both sides, tables, options; as JSON in
 * its row.
 *
 * Written once by create (deferred keys included) and never changed, except on_ddl by `workflow
 * update`.
 */
#ifndef SLUICE_VREPL_WORKFLOW_DEFINITION_H
#define SLUICE_VREPL_WORKFLOW_DEFINITION_H

#include "base/buf.h"
#include "vrepl/move/stream.h"

struct wf_type_ops; /* workflow_type.h */

enum wf_side_name { WF_SOURCE, WF_TARGET };
struct wf_side {
    char *keyspace;
    char **shards; /* sorted by name */
    size_t n_shards;
};
struct wf_table {
    char *source, *target;
    char *vindex_type; /* type of the primary vindex when the workflow was made; NULL: none */
    char *placement;   /* vindex_put_placement of it, stored where it is more than the type */
    /* Columns of the primary vindex; with vindex_type NULL rows go to every target. */
    char **columns;
    size_t n_columns;
    char *deferred_keys; /* "ADD KEY …" or NULL */
    bool created;        /* the target table was made by us (else it existed, empty) */
};
struct wf_def {
    const struct wf_type_ops *type;
    struct wf_side source, target;
    struct wf_table *tables; /* sorted by source name */
    size_t n_tables;
    enum vrepl_on_ddl on_ddl;
    bool stop_after_copy;
    bool auto_start;
    bool routing_rules;       /* movetables: publish rules before the switch too */
    bool keep_auto_increment; /* on several target shards */
    bool defer_secondary_keys;
    char **collation_map; /* "FROM=TO": collations of key columns that may differ so */
    size_t n_collation_map;
    char *left_out; /* tables of a schema change that ran at create, "a, b"; NULL: none */
    char *pass;     /* value of @sluice_pass that the workflow's fences let through */
};

/* ERR_STATE_DB when the text is no definition. */
struct wf_def *wf_def_parse(const char *json, struct err *e) WARN_UNUSED;
char *wf_def_print(const struct wf_def *d); /* malloc'ed */
void wf_def_free(struct wf_def *d);
/* The same request: all that a user can say is equal (not `created`, deferred keys or the pass). */
bool wf_def_same_request(const struct wf_def *a, const struct wf_def *b);
/* First shard of the target by name: where the row stands. */
const char *wf_def_home(const struct wf_def *d);
bool wf_on_ddl_parse(const char *text, enum vrepl_on_ddl *out);
const char *wf_on_ddl_name(enum vrepl_on_ddl d);
void wf_side_set(struct wf_side *s, const char *keyspace, const char *const *shards,
                 size_t n_shards);

#endif
