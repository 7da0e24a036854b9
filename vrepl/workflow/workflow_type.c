/* vrepl/workflow/workflow_type.c — the list of workflow types. */
#include "vrepl/workflow/type_rows.h"

#include <string.h>
#include <strings.h>

static const struct wf_type_ops *const types[] = {
    &wf_type_movetables,
    &wf_type_reshard,
    &wf_type_materialize,
};
#define N_TYPES (sizeof types / sizeof *types)

const struct wf_type_ops *wf_type_at(size_t i)
{
    return i < N_TYPES ? types[i] : NULL;
}

const struct wf_type_ops *wf_type_by_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < N_TYPES; i++) {
        if (strcasecmp(types[i]->name, name) == 0)
            return types[i];
    }
    return NULL;
}

const struct wf_type_ops *wf_type_by_command(const char *command)
{
    for (size_t i = 0; command != NULL && i < N_TYPES; i++) {
        if (strcmp(types[i]->command, command) == 0)
            return types[i];
    }
    return NULL;
}
