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

#define OPT_MAX 128

/* clang-format off */
static const struct flag_def global_options[] = {
    {.name = "config", .type = FLAG_TEXT, .arg = "FILE", .doc = "configuration (default ./sluice.yaml, then /etc/sluice/sluice.yaml)"},
    {.name = "api", .type = FLAG_TEXT, .arg = "ADDRESS", .doc = "the daemon's address instead of the configuration's `listen`"},
    {.name = "token-file", .type = FLAG_TEXT, .arg = "FILE",
     .doc = "file with the API's token (default: with --api none, else the configuration's)"},
    {.name = "format", .type = FLAG_TEXT, .arg = "FORMAT", .doc = "text or json; for streams the record format"},
    {.name = "progress", .type = FLAG_TEXT, .fallback = "auto", .arg = "auto|json|none",
     .doc = "one updating line on a terminal, JSON lines, or nothing"},
    {.name = "local", .type = FLAG_BOOL, .doc = "run the verb in this process, without a daemon"},
    {.name = "log-level", .type = FLAG_TEXT, .fallback = "info", .arg = "error|warn|info|debug", .doc = "what is logged to stderr"},
    {.name = "log-format", .type = FLAG_TEXT, .fallback = "text", .arg = "text|json", .doc = "how it is logged"},
    {.name = "help", .letter = 'h', .type = FLAG_BOOL, .doc = "show this help"},
    {.name = NULL},
};
/* clang-format on */

struct opt_values {
    const struct cmd_def *cmd;
    char verb[32];
    struct {
        const struct flag_def *def;
        char *value;
        bool given, from_environment, all; /* all: without a list */
    } items[OPT_MAX];
    size_t n;
    char **args;
    size_t n_args, cap_args;
};

const struct cmd_def *opt_command(const struct opt_values *v)
{
    return v->cmd;
}

/* As flags_word, and out becomes the word as the table spells it. */
static bool word_in(const char *words, const char *word, char *out, size_t out_len)
{
    size_t n = strlen(word);
    for (const char *p = words; p != NULL && *p != '\0'; p += strspn(p, " |")) {
        size_t w = strcspn(p, " |");
        if (w == n && strncasecmp(p, word, n) == 0)
            return snprintf(out, out_len, "%.*s", (int)w, p) >= 0;
        p += w;
    }
    return false;
}

const struct cmd_def *cmd_find(const char *name)
{
    for (const struct cmd_def *c = cmd_table; c->name != NULL; c++)
        if (strcasecmp(c->name, name) == 0 || (c->aliases != NULL && flags_word(c->aliases, name)))
            return c;
    return NULL;
}

static bool has_option(const struct flag_def *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i]->name, name) == 0)
            return true;
    return false;
}

/* A flag of a global option's name is given by that: who sends it takes it from there. */
static bool is_global(const char *name)
{
    for (const struct flag_def *d = global_options; d->name != NULL; d++)
        if (strcmp(d->name, name) == 0)
            return true;
    return false;
}

/* The option definitions that a command takes, in the order of help, each name once: rows of one
 * name differ by verb, but not by type. */
static size_t options_of(const struct cmd_def *cmd, const struct flag_def **out)
{
    const struct flag_def *const tables[] = {cmd->options, cmd->flags, global_options};
    size_t n = 0;
    for (size_t i = 0; i < 3; i++)
        for (const struct flag_def *o = tables[i]; o != NULL && o->name != NULL; o++)
            if (flags_word(o->commands, cmd->name) && !has_option(out, n, o->name) &&
                (i == 2 || !is_global(o->name)))
                out[n++] = o;
    assert(n <= OPT_MAX);
    return n;
}

static ssize_t item_index(const struct opt_values *v, const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct flag_def *d = v->items[i].def;
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

static bool set_item(struct opt_values *v, size_t i, const char *value, struct err *e)
{
    const struct flag_def *d = v->items[i].def;
    bool list = d->type == FLAG_LIST || d->type == FLAG_ARRAY || d->type == FLAG_ALL_OR_LIST;
    if (!flags_text_fits(d, value, e))
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
    const struct flag_def *d = v->items[i].def;
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
    if (v->items[i].def->type == FLAG_BOOL)
        return set_item(v, (size_t)i, "true", e);
    bool last = *at + 1 >= argc;
    if (v->items[i].def->type == FLAG_ALL_OR_LIST &&
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
    if (v->items[i].def->type == FLAG_BOOL)
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
        if (v->cmd->flags != NULL && flags_refused_verb(v->cmd->flags, v->cmd->name, word, e))
            return false;
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
    return format == NULL || (v->cmd->uses & CMD_RECORDS) || flags_word("text|json", format) ||
           err_set(e, ERR_USAGE, "%s has no --format %.100s; it prints text or json", command,
                   format);
}

struct opt_values *opt_parse(const struct cmd_def *cmd, int argc, char **argv, struct err *e)
{
    struct opt_values *v = mem_alloc(sizeof *v);
    const struct flag_def *defs[OPT_MAX];
    v->cmd = cmd;
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
    return text != NULL && flags_word("true|yes|1", text);
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

static void put_json_list(const struct opt_values *v, const char *name, struct buf *out)
{
    char **words;
    size_t n = opt_list(v, name, &words);
    buf_put_u8(out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i > 0 ? "," : "");
        put_json_string(out, words[i]);
    }
    buf_put_u8(out, ']');
    opt_words_free(words, n);
}

static void put_json_value(const struct opt_values *v, const struct flag_def *d, bool all,
                           struct buf *out)
{
    uint64_t bytes = 0;
    struct err ignored = ERR_INIT; /* the value was checked when it was taken */
    switch (d->type) {
    case FLAG_BOOL:
        buf_put_str(out, opt_flag(v, d->name) ? "true" : "false");
        break;
    case FLAG_INT:
        buf_put_i64(out, opt_i64(v, d->name));
        break;
    case FLAG_DURATION:
        buf_put_i64(out, opt_ms(v, d->name));
        break;
    case FLAG_SIZE:
        buf_put_u64(out, sys_parse_size(opt_str(v, d->name), &bytes, &ignored) ? bytes : 0);
        break;
    case FLAG_TEXT:
        put_json_string(out, opt_str(v, d->name));
        break;
    case FLAG_LIST:
    case FLAG_ARRAY:
    case FLAG_ALL_OR_LIST:
        if (all)
            buf_put_str(out, "true");
        else
            put_json_list(v, d->name, out);
        break;
    }
}

/* Is it the row of a flag that is sent? */
static bool is_sent(const struct opt_values *v, size_t i, const char *verb)
{
    const struct flag_def *d = v->items[i].def;
    const struct flag_def *first = flags_find(v->cmd->flags, v->cmd->name, NULL, d->name);
    const struct flag_def *row = flags_find(v->cmd->flags, v->cmd->name, verb, d->name);
    if (!v->items[i].given || first != d || (row != NULL && row->status == FLAG_LOCAL))
        return false;
    return row != NULL || !v->items[i].from_environment;
}

void opt_flags_json(const struct opt_values *v, const char *verb, struct buf *out)
{
    bool first = true;
    buf_put_u8(out, '{');
    for (size_t i = 0; v->cmd->flags != NULL && i < v->n; i++) {
        char member[80];
        if (!is_sent(v, i, verb))
            continue;
        flags_member(v->items[i].def, member, sizeof member);
        buf_printf(out, "%s\"%s\":", first ? "" : ",", member);
        put_json_value(v, v->items[i].def, v->items[i].all, out);
        first = false;
    }
    buf_put_u8(out, '}');
}

/* What stands for an option's value; "" where it is a flag. */
static const char *value_shape(const struct flag_def *d)
{
    static const char *const shapes[] = {"",          "TEXT", "A,B,...",  "A,B,...",
                                         "[A,B,...]", "N",    "DURATION", "SIZE"};
    return d->arg != NULL ? d->arg : shapes[d->type];
}

static void put_option_help(const struct flag_def *d, struct buf *out)
{
    char left[80];
    const char *shape = value_shape(d);
    int n = snprintf(left, sizeof left, "  %c%c%s--%s%s%s", d->letter != 0 ? '-' : ' ',
                     d->letter != 0 ? d->letter : ' ', d->letter != 0 ? ", " : "  ", d->name,
                     shape[0] != '\0' ? " " : "", shape);
    buf_printf(out, "%-46s%s", left,
               n > 45 ? "\n                                              " : "");
    flags_doc(d, out);
    if (d->fallback != NULL && d->status == FLAG_WORKS && strcmp(d->fallback, "false") != 0)
        buf_printf(out, " (default %s)", d->fallback);
    buf_put_str(out, "\n");
}

static void options_help(const struct flag_def *d, const char *command, struct buf *out)
{
    for (; d != NULL && d->name != NULL; d++)
        if (flags_word(d->commands, command))
            put_option_help(d, out);
}

void opt_help_command(const struct cmd_def *cmd, struct buf *out)
{
    buf_printf(out, "sluice %s%s%s%s%s [options]\n\n%s\n", cmd->name,
               cmd->verbs != NULL ? " VERB" : "", cmd->positional != NULL ? " " : "",
               cmd->positional != NULL ? cmd->positional : "", "", cmd->doc);
    if (cmd->verbs != NULL)
        buf_printf(out, "\nVerbs: %s\n", cmd->verbs);
    buf_put_str(out, "\nOptions:\n");
    options_help(cmd->options, cmd->name, out);
    options_help(cmd->flags, cmd->name, out);
    buf_put_str(out, "\nGlobal options:\n");
    options_help(global_options, cmd->name, out);
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

static void reference_option(const struct flag_def *d, struct buf *out)
{
    const char *shape = value_shape(d);
    bool shown = d->fallback != NULL && strcmp(d->fallback, "false") != 0;
    buf_printf(out, "| `--%s%s", d->name, shape[0] != '\0' ? " " : "");
    for (const char *p = shape; *p != '\0'; p++)
        buf_printf(out, "%s%c", *p == '|' ? "\\" : "", *p);
    buf_put_u8(out, '`');
    if (d->letter != 0)
        buf_printf(out, ", `-%c`", d->letter);
    buf_printf(out, " | %s | ", shown ? d->fallback : "–");
    flags_doc(d, out);
    buf_put_str(out, " |\n");
}

static void reference_options(const struct cmd_def *cmd, const struct flag_def *const *tables,
                              size_t n, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < n; i++)
        for (const struct flag_def *d = tables[i]; d != NULL && d->name != NULL; d++) {
            if (cmd != NULL && !flags_word(d->commands, cmd->name))
                continue;
            if (!any)
                buf_put_str(out, "\n| option | default | meaning |\n| --- | --- | --- |\n");
            any = true;
            reference_option(d, out);
        }
}

void opt_reference(struct buf *out)
{
    const struct flag_def *const global[] = {global_options};
    buf_put_str(out, "# Commands\n\nGenerated from the tables of flags (`sluice config reference "
                     "commands`); do not edit.\n"
                     "Every option can also be given as an environment variable "
                     "`SLUICE_NAME` (upper case, `_` for `-`). One without a value is turned off "
                     "by `--NAME=false`.\nDURATION: `500ms`, `30s`, `5m`; a bare number is "
                     "seconds.\n\n## Options of every command\n");
    reference_options(NULL, global, 1, out);
    for (const struct cmd_def *c = cmd_table; c->name != NULL; c++) {
        const struct flag_def *const tables[] = {c->options, c->flags};
        buf_printf(out, "\n## sluice %s%s%s\n\n%s\n", c->name, c->positional != NULL ? " " : "",
                   c->positional != NULL ? c->positional : "", c->doc);
        if (c->verbs != NULL)
            buf_printf(out, "\nVerbs: `%s`\n", c->verbs);
        reference_options(c, tables, 2, out);
    }
}
