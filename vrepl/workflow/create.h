/* vrepl/workflow/create.h — the create verbs of movetables, reshard and materialize. */
#ifndef SLUICE_VREPL_WORKFLOW_CREATE_H
#define SLUICE_VREPL_WORKFLOW_CREATE_H

#include "vrepl/workflow/workflow_type.h"

#include <jansson.h>

/* From flags to a running (or stopped) workflow. Refused with exit 5 and nothing changed, unless an
 * interrupted create of the same request is there: that one goes on. *out: a reference to the new
 * workflow. */
bool create_run(struct vrepl_engine *g, const struct wf_type_ops *type, const char *keyspace,
                const char *name, const struct verb_options *o, struct workflow **out,
                struct err *e) WARN_UNUSED;

/* The same checks with nothing changed; *plan: what create_run would do, a list of texts. */
bool create_check(struct vrepl_engine *g, const struct wf_type_ops *type, const char *keyspace,
                  const char *name, const struct verb_options *o, json_t **plan,
                  struct err *e) WARN_UNUSED;

/* create_request.c: the definition that the flags ask for; tables of --all-tables and the vindexes
 * are filled in from server and vschema. */
struct wf_def *create_request(struct vrepl_engine *g, const struct wf_type_ops *type,
                              const char *keyspace, const struct verb_options *o,
                              struct err *e) WARN_UNUSED;

/* Reference and sequence tables of a reshard have workflows of their own. */
bool create_leaves_out(struct vrepl_engine *g, const struct wf_def *d, const char *table);

#endif
