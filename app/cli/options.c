/* app/cli/options.c — parses a command line by the command table, and prints the table as help and
 * reference. */
#include "app/cli/options.h"

#include "base/mem.h"
#include "base/sys.h"
#include "base/text.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPT_MAX 64

static const struct opt_def global_options[] = {
    {"config", 0, OPT_STRING, NULL, "FILE",
     "configuration (default ./sluice.yaml, then /etc/sluice/sluice.yaml)", 0, 0},
    {"api", 0, OPT_STRING, NULL, "ADDRESS",
     "the daemon's address instead of the configuration's `listen`", 0, 0},
    {"token-file", 0, OPT_STRING, NULL, "FILE",
     "file with the API's token (default: with --api none, else the configuration's)", 0, 0},
    {"format", 0, OPT_STRING, NULL, "FORMAT", "text or json; for streams the record format", 0, 0},
    {"progress", 0, OPT_STRING, "auto", "auto|json|none",
     "one updating line on a terminal, JSON lines, or nothing", 0, 0},
    {"local", 0, OPT_FLAG, NULL, NULL, "run the verb in this process, without a daemon", 0, 0},
    {"log-level", 0, OPT_STRING, "info", "error|warn|info|debug", "what is logged to stderr", 0, 0},
    {"log-format", 0, OPT_STRING, "text", "text|json", "how it is logged", 0, 0},
    {"help", 'h', OPT_FLAG, NULL, NULL, "show this help", 0, 0},
    {NULL, 0, OPT_FLAG, NULL, NULL, NULL, 0, 0},
};

static const struct opt_def workflow_options[] = {
    {"workflow", 'w', OPT_STRING, NULL, "NAME", "the workflow's name", 0, 0},
    {"target-keyspace", 0, OPT_STRING, NULL, "KEYSPACE", "the keyspace that receives the rows", 0,
     0},
    {NULL, 0, OPT_FLAG, NULL, NULL, NULL, 0, 0},
};

struct opt_values {
    const struct cmd_def *cmd;
    char verb[32];
    struct {
        const struct opt_def *def;
        char *value;
        bool given, from_environment, all; /* all: without a list */
    } items[OPT_MAX];
    size_t n;
    char **args;
    size_t n_args, cap_args;
    int argc;
    char **argv;
};

const struct cmd_def *opt_command(const struct opt_values *v)
{
    return v->cmd;
}

static bool word_in(const char *words, const char *word, char *out, size_t out_len)
{
    size_t n = strlen(word);
    for (const char *p = words; p != NULL && *p != '\0';) {
        size_t w = strcspn(p, " |");
        if (w == n && strncasecmp(p, word, n) == 0) {
            if (out != NULL) {
                size_t copy = w < out_len - 1 ? w : out_len - 1;
                memcpy(out, p, copy);
                out[copy] = '\0';
            }
            return true;
        }
        p += w;
        p += strspn(p, " |");
    }
    return false;
}

const struct cmd_def *cmd_find(const char *name)
{
    for (const struct cmd_def *c = cmd_table; c->name != NULL; c++)
        if (strcasecmp(c->name, name) == 0 || word_in(c->aliases, name, NULL, 0))
            return c;
    return NULL;
}

/* All option definitions that a command takes, in the order of help. */
static size_t options_of(const struct cmd_def *cmd, const struct opt_def **out)
{
    size_t n = 0;
    for (const struct opt_def *o = cmd->options; o != NULL && o->name != NULL; o++)
        out[n++] = o;
    if (cmd->workflow)
        for (const struct opt_def *o = workflow_options; o->name != NULL; o++)
            out[n++] = o;
    for (const struct opt_def *o = global_options; o->name != NULL; o++)
        out[n++] = o;
    assert(n <= OPT_MAX);
    return n;
}

static ssize_t item_index(const struct opt_values *v, const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct opt_def *d = v->items[i].def;
        if (letter != 0 ? d->letter == letter
                        : strlen(d->name) == len && strncmp(d->name, name, len) == 0)
            return (ssize_t)i;
    }
    return -1;
}

static bool unknown_option(const struct opt_values *v, const char *name, struct err *e)
{
    const char *names[OPT_MAX];
    for (size_t i = 0; i < v->n; i++)
        names[i] = v->items[i].def->name;
    const char *near = text_nearest(name, names, v->n);
    err_set(e, ERR_USAGE, "%s has no option --%s", v->cmd->name, name);
    if (near != NULL)
        return err_cure(e, "did you mean --%s? See sluice %s --help", near, v->cmd->name);
    return err_cure(e, "see sluice %s --help", v->cmd->name);
}

/* What a unit's parser refused came from the command line here, not from the configuration. */
static bool bad_value(const struct opt_def *d, struct err *e)
{
    e->code = ERR_USAGE;
    return err_prepend(e, "--%s", d->name);
}

static bool check_value(const struct opt_def *d, const char *value, struct err *e)
{
    int64_t i;
    uint64_t u;
    switch (d->type) {
    case OPT_FLAG:
        if (!word_in("true|false|yes|no|1|0", value, NULL, 0))
            return err_set(e, ERR_USAGE, "--%s takes true or false, not '%s'", d->name, value);
        return true;
    case OPT_INT:
        if (!sys_parse_i64(value, &i) ||
            ((d->min != 0 || d->max != 0) && (i < d->min || i > d->max)))
            return err_set(e, ERR_USAGE, "--%s takes a whole number%s, not '%s'", d->name,
                           d->max != 0 ? " in its range" : "", value);
        return true;
    case OPT_DURATION:
        return sys_parse_duration_ms(value, &i, e) || bad_value(d, e);
    case OPT_SIZE:
        return sys_parse_size(value, &u, e) || bad_value(d, e);
    case OPT_STRING:
        if (d->arg != NULL && strchr(d->arg, '|') != NULL && !word_in(d->arg, value, NULL, 0))
            return err_set(e, ERR_USAGE, "--%s takes one of %s, not '%s'", d->name, d->arg, value);
        return true;
    case OPT_LIST:
    case OPT_ALL_OR_LIST:
        return true;
    }
    return true;
}

static bool set_item(struct opt_values *v, size_t i, const char *value, struct err *e)
{
    const struct opt_def *d = v->items[i].def;
    bool list = d->type == OPT_LIST || d->type == OPT_ALL_OR_LIST;
    if (!check_value(d, value, e))
        return false;
    if (v->items[i].all)
        return err_set(e, ERR_USAGE, "--%s is given alone and with a list", d->name);
    char *joined = list && v->items[i].given ? mem_printf("%s,%s", v->items[i].value, value)
                                             : mem_strdup(value);
    free(v->items[i].value);
    v->items[i].value = joined;
    v->items[i].given = true;
    return true;
}

static bool set_all(struct opt_values *v, size_t i, struct err *e)
{
    const struct opt_def *d = v->items[i].def;
    if (v->items[i].given && !v->items[i].all)
        return err_set(e, ERR_USAGE, "--%s is given alone and with a list", d->name);
    v->items[i].all = false;
    bool ok = set_item(v, i, "", e);
    v->items[i].all = true;
    return ok;
}

static bool parse_long(struct opt_values *v, int argc, char **argv, int *at, struct err *e)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    ssize_t i = item_index(v, name, len, 0);
    if (i < 0) {
        char *word = mem_strndup(name, len);
        unknown_option(v, word, e);
        free(word);
        return false;
    }
    if (name[len] == '=')
        return set_item(v, (size_t)i, name + len + 1, e);
    if (v->items[i].def->type == OPT_FLAG)
        return set_item(v, (size_t)i, "true", e);
    bool last = *at + 1 >= argc;
    if (v->items[i].def->type == OPT_ALL_OR_LIST &&
        (last || argv[*at + 1][0] == '-' || v->verb[0] == '\0'))
        return set_all(v, (size_t)i, e);
    if (last)
        return err_set(e, ERR_USAGE, "--%s needs a value", v->items[i].def->name);
    return set_item(v, (size_t)i, argv[++*at], e);
}

static bool parse_short(struct opt_values *v, int argc, char **argv, int *at, struct err *e)
{
    const char *text = argv[*at] + 1;
    ssize_t i = item_index(v, NULL, 0, text[0]);
    if (i < 0)
        return unknown_option(v, text, e);
    if (v->items[i].def->type == OPT_FLAG)
        return set_item(v, (size_t)i, "true", e);
    if (text[1] != '\0')
        return set_item(v, (size_t)i, text + 1, e);
    if (*at + 1 >= argc)
        return err_set(e, ERR_USAGE, "-%c needs a value", text[0]);
    return set_item(v, (size_t)i, argv[++*at], e);
}

static bool add_argument(struct opt_values *v, const char *word, struct err *e)
{
    if (v->cmd->verbs != NULL && v->verb[0] == '\0') {
        if (word_in(v->cmd->verbs, word, v->verb, sizeof v->verb))
            return true;
        err_set(e, ERR_USAGE, "%s has no verb '%s'", v->cmd->name, word);
        return err_cure(e, "its verbs are: %s", v->cmd->verbs);
    }
    if (v->cmd->positional == NULL)
        return err_set(e, ERR_USAGE, "%s takes no argument '%s'", v->cmd->name, word);
    mem_grow((void **)&v->args, &v->cap_args, v->n_args + 1, sizeof *v->args);
    v->args[v->n_args++] = mem_strdup(word);
    return true;
}

static bool read_environment(struct opt_values *v, struct err *e)
{
    for (size_t i = 0; i < v->n; i++) {
        char name[80] = "SLUICE_";
        size_t at = strlen(name);
        for (const char *p = v->items[i].def->name; *p != '\0' && at < sizeof name - 1; p++)
            name[at++] = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
        name[at] = '\0';
        const char *value = getenv(name);
        if (value == NULL || value[0] == '\0' || v->items[i].given)
            continue;
        if (!set_item(v, i, value, e))
            return err_prepend(e, "environment variable %s", name);
        v->items[i].from_environment = true;
    }
    return true;
}

static bool parse_words(struct opt_values *v, int argc, char **argv, struct err *e)
{
    bool only_arguments = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool ok;
        if (!only_arguments && strcmp(word, "--") == 0) {
            only_arguments = true;
            continue;
        }
        if (!only_arguments && strncmp(word, "--", 2) == 0)
            ok = parse_long(v, argc, argv, &i, e);
        else if (!only_arguments && word[0] == '-' && word[1] != '\0')
            ok = parse_short(v, argc, argv, &i, e);
        else
            ok = add_argument(v, word, e);
        if (!ok)
            return false;
    }
    return read_environment(v, e);
}

/* Global options are offered by every command's help; one that would be passed over is refused. */
static bool check_globals(const struct opt_values *v, struct err *e)
{
    static const struct {
        const char *name, *why;
        unsigned uses;
    } rules[] = {
        {"api", "it does not ask the daemon", CMD_DAEMON},
        {"token-file", "it does not ask the daemon", CMD_DAEMON},
        {"progress", "it shows none", CMD_LOCAL},
    };
    const char *command = v->cmd->name, *format = opt_str(v, "format");
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (opt_typed(v, rules[i].name) && !(v->cmd->uses & rules[i].uses))
            return err_set(e, ERR_USAGE, "%s takes no --%s: %s", command, rules[i].name,
                           rules[i].why);
    if (opt_flag(v, "local") && (v->cmd->uses & (CMD_DAEMON | CMD_LOCAL)) == CMD_DAEMON)
        return err_set(e, ERR_USAGE, "%s takes no --local: what it asks for only the daemon does",
                       command);
    return format == NULL || (v->cmd->uses & CMD_RECORDS) ||
           word_in("text|json", format, NULL, 0) ||
           err_set(e, ERR_USAGE, "%s has no --format %.100s; it prints text or json", command,
                   format);
}

struct opt_values *opt_parse(const struct cmd_def *cmd, int argc, char **argv, struct err *e)
{
    struct opt_values *v = mem_alloc(sizeof *v);
    const struct opt_def *defs[OPT_MAX];
    v->cmd = cmd;
    v->argc = argc;
    v->argv = argv;
    v->n = options_of(cmd, defs);
    for (size_t i = 0; i < v->n; i++)
        v->items[i].def = defs[i];
    if (parse_words(v, argc, argv, e) && check_globals(v, e))
        return v;
    opt_free(v);
    return NULL;
}

void opt_free(struct opt_values *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->n; i++)
        free(v->items[i].value);
    opt_words_free(v->args, v->n_args);
    free(v);
}

const char *opt_verb(const struct opt_values *v)
{
    return v->verb;
}

size_t opt_n_args(const struct opt_values *v)
{
    return v->n_args;
}

const char *opt_arg(const struct opt_values *v, size_t i)
{
    return i < v->n_args ? v->args[i] : NULL;
}

char **opt_argv(const struct opt_values *v, int *argc)
{
    *argc = v->argc;
    return v->argv;
}

bool opt_given(const struct opt_values *v, const char *name)
{
    ssize_t i = item_index(v, name, strlen(name), 0);
    return i >= 0 && v->items[i].given;
}

bool opt_typed(const struct opt_values *v, const char *name)
{
    ssize_t i = item_index(v, name, strlen(name), 0);
    return i >= 0 && v->items[i].given && !v->items[i].from_environment;
}

const char *opt_str(const struct opt_values *v, const char *name)
{
    ssize_t i = item_index(v, name, strlen(name), 0);
    if (i < 0)
        return NULL;
    return v->items[i].given ? v->items[i].value : v->items[i].def->fallback;
}

bool opt_flag(const struct opt_values *v, const char *name)
{
    const char *text = opt_str(v, name);
    return text != NULL && word_in("true|yes|1", text, NULL, 0);
}

int64_t opt_i64(const struct opt_values *v, const char *name)
{
    int64_t value = 0;
    const char *text = opt_str(v, name);
    return text != NULL && sys_parse_i64(text, &value) ? value : 0;
}

int64_t opt_ms(const struct opt_values *v, const char *name)
{
    int64_t ms = 0;
    struct err ignored = ERR_INIT;
    const char *text = opt_str(v, name);
    return text != NULL && sys_parse_duration_ms(text, &ms, &ignored) ? ms : 0;
}

size_t opt_list(const struct opt_values *v, const char *name, char ***words)
{
    const char *p = opt_str(v, name);
    size_t n = 0, cap = 0;
    *words = NULL;
    while (p != NULL && *p != '\0') {
        size_t len = strcspn(p, ",");
        while (len > 0 && isspace((unsigned char)*p)) {
            p++;
            len--;
        }
        size_t keep = len;
        while (keep > 0 && isspace((unsigned char)p[keep - 1]))
            keep--;
        if (keep > 0) {
            mem_grow((void **)words, &cap, n + 1, sizeof **words);
            (*words)[n++] = mem_strndup(p, keep);
        }
        p += len;
        p += *p == ',';
    }
    return n;
}

void opt_words_free(char **words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(words[i]);
    free(words);
}

static void put_json_string(struct buf *out, const char *text)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, text, strlen(text));
    buf_put_u8(out, '"');
}

static void put_json_value(const struct opt_values *v, const struct opt_def *d, struct buf *out)
{
    char **words;
    size_t n;
    uint64_t bytes = 0;
    struct err ignored = ERR_INIT;
    switch (d->type) {
    case OPT_FLAG:
        buf_put_str(out, opt_flag(v, d->name) ? "true" : "false");
        break;
    case OPT_INT:
        buf_put_i64(out, opt_i64(v, d->name));
        break;
    case OPT_DURATION:
        buf_put_i64(out, opt_ms(v, d->name));
        break;
    case OPT_SIZE:
        buf_put_u64(out, sys_parse_size(opt_str(v, d->name), &bytes, &ignored) ? bytes : 0);
        break;
    case OPT_STRING:
        put_json_string(out, opt_str(v, d->name));
        break;
    case OPT_ALL_OR_LIST:
    case OPT_LIST:
        if (v->items[item_index(v, d->name, strlen(d->name), 0)].all) {
            buf_put_str(out, "true");
            break;
        }
        n = opt_list(v, d->name, &words);
        buf_put_u8(out, '[');
        for (size_t i = 0; i < n; i++) {
            buf_put_str(out, i > 0 ? "," : "");
            put_json_string(out, words[i]);
        }
        buf_put_u8(out, ']');
        opt_words_free(words, n);
        break;
    }
}

static void member_name(const struct opt_def *d, char *out, size_t len)
{
    snprintf(out, len, "%s%s", d->name, d->type == OPT_DURATION ? "_ms" : "");
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : *p;
}

void opt_flags_json(const struct opt_values *v, opt_wanted_fn wanted, struct buf *out)
{
    bool first = true;
    buf_put_u8(out, '{');
    for (const struct opt_def *d = v->cmd->options; d != NULL && d->name != NULL; d++) {
        char member[80];
        member_name(d, member, sizeof member);
        if (opt_str(v, d->name) == NULL || (wanted != NULL && !wanted(v, d, member)))
            continue;
        buf_printf(out, "%s\"%s\":", first ? "" : ",", member);
        put_json_value(v, d, out);
        first = false;
    }
    buf_put_u8(out, '}');
}

/* What stands for an option's value; "" where it is a flag. */
static const char *value_shape(const struct opt_def *d)
{
    static const char *const shapes[] = {"",  "TEXT",     "A,B,...", "[A,B,...]",
                                         "N", "DURATION", "SIZE"};
    return d->arg != NULL ? d->arg : shapes[d->type];
}

static void put_option_help(const struct opt_def *d, struct buf *out)
{
    char left[80];
    const char *shape = value_shape(d);
    int n = snprintf(left, sizeof left, "  %c%c%s--%s%s%s", d->letter != 0 ? '-' : ' ',
                     d->letter != 0 ? d->letter : ' ', d->letter != 0 ? ", " : "  ", d->name,
                     shape[0] != '\0' ? " " : "", shape);
    buf_printf(out, "%-46s%s%s", left,
               n > 45 ? "\n                                              " : "", d->doc);
    if (d->fallback != NULL)
        buf_printf(out, " (default %s)", d->fallback);
    buf_put_str(out, "\n");
}

void opt_help_command(const struct cmd_def *cmd, struct buf *out)
{
    buf_printf(out, "sluice %s%s%s%s%s [options]\n\n%s\n", cmd->name,
               cmd->verbs != NULL ? " VERB" : "", cmd->positional != NULL ? " " : "",
               cmd->positional != NULL ? cmd->positional : "", "", cmd->doc);
    if (cmd->verbs != NULL)
        buf_printf(out, "\nVerbs: %s\n", cmd->verbs);
    buf_put_str(out, "\nOptions:\n");
    for (const struct opt_def *d = cmd->options; d != NULL && d->name != NULL; d++)
        put_option_help(d, out);
    if (cmd->workflow)
        for (const struct opt_def *d = workflow_options; d->name != NULL; d++)
            put_option_help(d, out);
    buf_put_str(out, "\nGlobal options:\n");
    for (const struct opt_def *d = global_options; d->name != NULL; d++)
        put_option_help(d, out);
}

void opt_help_all(struct buf *out)
{
    buf_put_str(out, "sluice " SLUICE_VERSION
                     ": change data capture and vreplication for fleets of MySQL and MariaDB\n\n"
                     "Usage: sluice COMMAND [VERB] [options]\n\nCommands:\n");
    for (const struct cmd_def *c = cmd_table; c->name != NULL; c++)
        buf_printf(out, "  %-13s %s\n", c->name, c->doc);
    buf_put_str(out, "\n`sluice COMMAND --help` shows a command's verbs and options.\n");
}

static void reference_options(const struct opt_def *d, struct buf *out)
{
    buf_put_str(out, "\n| option | default | meaning |\n| --- | --- | --- |\n");
    for (; d != NULL && d->name != NULL; d++) {
        const char *shape = value_shape(d);
        buf_printf(out, "| `--%s%s", d->name, shape[0] != '\0' ? " " : "");
        for (const char *p = shape; *p != '\0'; p++)
            buf_printf(out, "%s%c", *p == '|' ? "\\" : "", *p);
        buf_put_u8(out, '`');
        if (d->letter != 0)
            buf_printf(out, ", `-%c`", d->letter);
        buf_printf(out, " | %s | %s |\n", d->fallback != NULL ? d->fallback : "–", d->doc);
    }
}

void opt_reference(struct buf *out)
{
    buf_put_str(out, "# Commands\n\nGenerated from the option table (`sluice config reference "
                     "commands`); do not edit.\n"
                     "Every option can also be given as an environment variable "
                     "`SLUICE_NAME` (upper case, `_` for `-`). One without a value is turned off "
                     "by `--NAME=false`.\nDURATION: `500ms`, `30s`, `5m`; a bare number is "
                     "seconds.\n\n## Options of every command\n");
    reference_options(global_options, out);
    buf_put_str(out, "\n## Options of every workflow command\n");
    reference_options(workflow_options, out);
    for (const struct cmd_def *c = cmd_table; c->name != NULL; c++) {
        buf_printf(out, "\n## sluice %s%s%s\n\n%s\n", c->name, c->positional != NULL ? " " : "",
                   c->positional != NULL ? c->positional : "", c->doc);
        if (c->verbs != NULL)
            buf_printf(out, "\nVerbs: `%s`\n", c->verbs);
        if (c->options != NULL && c->options->name != NULL)
            reference_options(c->options, out);
    }
}
