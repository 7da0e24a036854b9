/* app/cli/commands.h — the functions behind the command table; each returns the exit code. */
#ifndef SLUICE_APP_CLI_COMMANDS_H
#define SLUICE_APP_CLI_COMMANDS_H

#include "app/cli/options.h"

int cmd_serve(const struct opt_values *v);
int cmd_stream(const struct opt_values *v);
int cmd_decode(const struct opt_values *v);
int cmd_sink(const struct opt_values *v);
int cmd_recover(const struct opt_values *v);
int cmd_workflow(const struct opt_values *v);
int cmd_vschema(const struct opt_values *v);
int cmd_route(const struct opt_values *v);
int cmd_vindex(const struct opt_values *v);
int cmd_keyrange(const struct opt_values *v);
int cmd_doctor(const struct opt_values *v);
int cmd_status(const struct opt_values *v);
int cmd_graph(const struct opt_values *v);
int cmd_config(const struct opt_values *v);

/* Prints the error as the user shall see it (text, or JSON with --format json) and gives its exit
 * code. */
int cmd_fail(const struct opt_values *v, const struct err *e);
bool cmd_json(const struct opt_values *v); /* --format json */
/* One of vtctldclient's commands that is not offered: true, and an error that says what to do. */
bool cmd_refused(const char *name, struct err *e);

#endif
