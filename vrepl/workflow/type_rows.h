/* vrepl/workflow/type_rows.h — the rows of workflow types, and what the files that fill them share;
 * for these files only.
 */
#ifndef SLUICE_VREPL_WORKFLOW_TYPE_ROWS_H
#define SLUICE_VREPL_WORKFLOW_TYPE_ROWS_H

#include "vrepl/workflow/workflow_type.h"

extern const struct wf_type_ops wf_type_movetables, wf_type_reshard, wf_type_materialize;

/* create_request.c. What a type's request is made of; all fill d and refuse what cannot be. */
/* ERR_USAGE for NULL: the flag --WHAT-keyspace is missing. */
bool request_keyspace_known(struct vrepl_engine *g, const char *keyspace, const char *what,
                            struct err *e) WARN_UNUSED;
/* Both sides are what serves: --source-keyspace, and the keyspace of the command. */
bool request_two_keyspaces(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                           const struct verb_options *o, struct err *e) WARN_UNUSED;
/* All tables of the source but --exclude-tables and those that the type leaves out. */
bool request_tables_all(struct vrepl_engine *g, struct wf_def *d, const struct verb_options *o,
                        struct err *e) WARN_UNUSED;
/* Adds the named tables, each once. */
void request_tables_listed(struct wf_def *d, const struct flag_list *names);
/* Gives the listed tables the names that the source stores; ERR_WF_PRECONDITION for one that is
 * not there, ERR_USAGE for one that is named twice. */
bool request_tables_stored(struct vrepl_engine *g, struct wf_def *d, struct err *e) WARN_UNUSED;
void request_add_table(struct wf_def *d, const char *source, const char *target);

#endif
