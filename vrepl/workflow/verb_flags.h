/* vrepl/workflow/verb_flags.h — the one table of flags that the verbs of workflows and comparisons
 * take. Pure. */
#ifndef SLUICE_VREPL_WORKFLOW_VERB_FLAGS_H
#define SLUICE_VREPL_WORKFLOW_VERB_FLAGS_H

#include "vrepl/workflow/flag_table.h"

/* The verb belongs to the command, and takes every flag (flags_check_text). type "workflow" stands
 * for workflows of any type. */
bool verb_flags_check(const char *type, const char *verb, const char *json,
                      struct err *e) WARN_UNUSED;
bool verb_flags_takes(const char *type, const char *verb, const char *name);

#endif
