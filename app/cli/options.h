/* app/cli/options.h — the one table of commands and options: parser, --help and reference are made
 * from it.
 *
 * An option can be given as --name VALUE, --name=VALUE, its short form, or the environment name
 * SLUICE_NAME (upper case, dashes as underscores). Commands and verbs are case-insensitive, so that
 * vtctldclient's own spelling (MoveTables, SwitchTraffic) works.
 */
#ifndef SLUICE_APP_CLI_OPTIONS_H
#define SLUICE_APP_CLI_OPTIONS_H

#include "base/flags.h"

enum cmd_uses {                  /* which global options mean something to a command */
                CMD_DAEMON = 1,  /* it asks the daemon: --api, --token-file */
                CMD_LOCAL = 2,   /* it can do without: --local; and it shows progress: --progress */
                CMD_RECORDS = 4, /* --format names a record format */
};
struct opt_values; /* parsed */
struct cmd_def {
    const char *name;
    const char *aliases;    /* space-separated, may be NULL */
    const char *verbs;      /* space-separated; NULL: takes none */
    const char *positional; /* for the usage line; NULL: none accepted */
    const char *doc;
    const struct flag_def *options; /* read by the command itself; ends with name NULL */
    const struct flag_def *flags; /* sent to the daemon: the rows that name the command; or NULL */
    int (*run)(const struct opt_values *v);
    unsigned uses; /* enum cmd_uses */
};

extern const struct cmd_def cmd_table[]; /* ends with name NULL; app/cli/commands.c */

const struct cmd_def *cmd_find(const char *name);
/* argv[0] is the command's name. NULL and ERR_USAGE: with the nearest known name; or a global
 * option that means nothing to the command. */
struct opt_values *opt_parse(const struct cmd_def *cmd, int argc, char **argv,
                             struct err *e) WARN_UNUSED;
void opt_free(struct opt_values *v);
const struct cmd_def *opt_command(const struct opt_values *v);
const char *opt_verb(const struct opt_values *v); /* lower case; "" if the command has none */
size_t opt_n_args(const struct opt_values *v);    /* positional, the verb not among them */
const char *opt_arg(const struct opt_values *v, size_t i);
bool opt_given(const struct opt_values *v, const char *name);
/* Given on the command line, not by the environment, which may speak to other commands. */
bool opt_typed(const struct opt_values *v, const char *name);
const char *opt_str(const struct opt_values *v,
                    const char *name); /* NULL: not given and no default */
bool opt_flag(const struct opt_values *v, const char *name);
int64_t opt_i64(const struct opt_values *v, const char *name);
int64_t opt_ms(const struct opt_values *v, const char *name);
/* "a,b" → calls fn for each word. */
size_t opt_list(const struct opt_values *v, const char *name, char ***words);
void opt_words_free(char **words, size_t n);
/* The flags that are sent, as a JSON object: those that were typed, whether the verb takes them or
 * not, so that it refuses what it does not; of those that the environment gives, which may speak to
 * other verbs, the ones that it takes. Defaults are left to who reads them. */
void opt_flags_json(const struct opt_values *v, const char *verb, struct buf *out);

void opt_help_all(struct buf *out);
void opt_help_command(const struct cmd_def *cmd, struct buf *out);
void opt_reference(struct buf *out); /* docs/reference/commands.md */

#endif
