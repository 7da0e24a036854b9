/* vrepl/workflow/workflow_type.h — what distinguishes the types of workflows: one row of traits and
 * functions each.
 *
 * The engine asks these rows and compares no type with another: a new type is one file that fills a
 * row, and one line in workflow_type.c.
 */
#ifndef SLUICE_VREPL_WORKFLOW_WORKFLOW_TYPE_H
#define SLUICE_VREPL_WORKFLOW_WORKFLOW_TYPE_H

#include "vrepl/workflow/verb_flags.h"
#include "vrepl/workflow/workflow.h"

struct cdc_journal; /* cdc/sidecar/journal.h */

/* The functions stand in the order in which a workflow meets them. */
struct wf_type_ops {
    const char *name;    /* the type's name in rows and documents: "MoveTables" */
    const char *command; /* "movetables" */

    /* What the servers of each side have to be able to do (MY_ROLE_ of mysql/checks.h). */
    unsigned source_roles, target_roles;
    /* The target takes the tables over from the source: no other workflow may claim them, and
     * foreign keys may not leave them. False: the workflow only reads its source, for ever. */
    bool takes_over;
    /* Both sides are shards of one keyspace: only shards whose key ranges meet exchange rows. */
    bool one_key_space;
    /* The workflow has every table of its source shards: one that is made later may not be left
     * behind by a switch. */
    bool whole_shards;
    /* Routing rules name its tables from create on, unless the user wants none. */
    bool rules_before_switch;
    /* Its target shards do not serve until a journal says so. */
    bool target_pending;

    /* create: fills the sides and the tables of a definition that has its options. Required. */
    bool (*request)(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                    const struct verb_options *o, struct err *e);
    /* create and switch, with whole_shards: does a table of that vschema entry (may be NULL) belong
     * to a workflow of its own? NULL: none does. */
    bool (*leaves_out)(const struct vschema_table *v);
    /* create, for each table of a sharded target: may it stand there? *everywhere is true for a
     * reference table and may be set: then every shard has all rows. NULL: yes. */
    bool (*precheck)(const struct wf_def *d, const struct wf_table *t,
                     const struct vschema_table *v, const struct verb_options *o, bool *everywhere,
                     struct err *e);
    /* switch, before anything is changed: do the sides serve as a switch in this direction needs
     * it? NULL: workflows of this type are never switched. */
    bool (*cut)(struct workflow *w, enum wf_direction dir, struct err *e);
    /* switch, after the decision: completes the journal that is written to each shard that gave
     * up. Required with cut. */
    void (*journal)(const struct workflow *w, struct cdc_journal *j);
    /* complete and cancel, before tables of a side are dropped: may they be? NULL: yes. */
    bool (*finish)(struct workflow *w, enum wf_side_name side, struct err *e);
};

/* By the name in a row (case does not matter) or by the command; NULL: there is none. */
const struct wf_type_ops *wf_type_by_name(const char *name);
const struct wf_type_ops *wf_type_by_command(const char *command);
/* All of them, for checks; NULL after the last. */
const struct wf_type_ops *wf_type_at(size_t i);

#endif
