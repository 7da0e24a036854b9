/* base/flags.h — tables of flags: what a verb can be told, from which its option, its environment
 * name, its JSON member, its help, its check and its typed value all come.
 *
 * A row says everything about a flag, its default too, and nothing else does. A flag is named as
 * the command line has it; its member in JSON has underscores for dashes, and `_ms` behind a
 * duration. Several rows may have one name, for different verbs.
 */
#ifndef SLUICE_BASE_FLAGS_H
#define SLUICE_BASE_FLAGS_H

#include "base/buf.h"

#include <stddef.h>

/* The field's type in the struct that flags_fill writes stands behind each. */
enum flag_type {
    FLAG_BOOL,        /* bool: present or --name=true|false */
    FLAG_TEXT,        /* char *, NULL when absent or empty; only its words when arg has "a|b" */
    FLAG_LIST,        /* struct flag_list: a,b,c; may be repeated; in JSON an array or one text */
    FLAG_ARRAY,       /* the same, in JSON only an array */
    FLAG_ALL_OR_LIST, /* struct flag_choice: the same, or alone: all. On the command line a word
                       * behind it is its list only after the verb, so that the verb is none */
    FLAG_INT,         /* int64_t, never below min */
    FLAG_DURATION,    /* int64_t, milliseconds: 30s, 500ms; a bare number is seconds */
    FLAG_SIZE,        /* int64_t, bytes: 64MiB */
};
enum flag_status {
    FLAG_WORKS,
    FLAG_NO_EFFECT, /* accepted for scripts that give it; `why` says why nothing follows */
    FLAG_REFUSED,   /* every value but its default is an error with `why` and `cure` */
    FLAG_LOCAL,     /* the command itself reads it; it is not sent, and no member of JSON */
};
struct flag_list {
    char **items;
    size_t n;
};
struct flag_choice {
    bool given; /* also with an empty list */
    bool all;
    struct flag_list list;
};
/* A value as a request's query or a file has it. */
struct flag_text {
    const char *name, *text;
};
/* The place of a field in the struct that a table fills. */
#define FLAG_FIELD(type, field) (offsetof(struct type, field) + 1)

struct flag_def {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* 0: none */
    enum flag_type type;
    const char *fallback; /* default as text; NULL: none */
    const char *arg;      /* "NAME", or "text|json": then only these words are accepted */
    const char *doc;      /* one line; NULL with FLAG_NO_EFFECT and FLAG_REFUSED: made from why */
    int64_t min,
        max; /* limits of a number, in its unit; both 0: from 0 on. A duration may be 0 in any case */
    const char *commands; /* the commands that take it, separated by spaces; NULL: any command */
    const char *verbs;    /* the verbs that take it, likewise */
    enum flag_status status;
    const char *why, *cure;
    size_t field; /* FLAG_FIELD, or 0: nobody reads it */
};

/* Is it one of the words, which are separated by spaces or bars? Case does not matter. NULL words:
 * yes. */
bool flags_word(const char *words, const char *word);
/* The row of a name or member, as the verb (NULL: any verb) takes it; NULL: it takes none. */
const struct flag_def *flags_find(const struct flag_def *defs, const char *command,
                                  const char *verb, const char *name);
/* A verb that only refused flags have is known, but not offered: true, and an error that says why. */
bool flags_refused_verb(const struct flag_def *defs, const char *command, const char *verb,
                        struct err *e);
/* The flag's member in JSON. */
void flags_member(const struct flag_def *d, char *out, size_t len);
/* Words for --help and the references. */
void flags_doc(const struct flag_def *d, struct buf *out);
/* Is a text, as the command line or the environment has it, a value of the flag? */
bool flags_text_fits(const struct flag_def *d, const char *value, struct err *e) WARN_UNUSED;

/* json: an object, NULL or empty for none. ERR_USAGE unless the verb takes every member of it, with
 * a value of its type; the error names the flag, and the verbs that take it or the nearest one.
 * What is not read is never passed over. */
bool flags_check(const struct flag_def *defs, const char *command, const char *verb,
                 const char *json, struct err *e) WARN_UNUSED;
/* The same, and gives every field of the verb's rows the value in json, or the default. out: the
 * struct of the table, all zero; for flags_clear also when false is returned. */
bool flags_fill(const struct flag_def *defs, const char *command, const char *verb,
                const char *json, void *out, struct err *e) WARN_UNUSED;
/* The same from texts, the parameters of a request to the path `command`. Also an error, for it would
 * be passed over: a name that is given twice, and an empty text. */
bool flags_fill_texts(const struct flag_def *defs, const char *command,
                      const struct flag_text *given, size_t n, void *out,
                      struct err *e) WARN_UNUSED;
/* The opposite of flags_fill: an object of all that in, a struct of the table, has of the verb's rows;
 * texts that are NULL and empty lists are left out. No rows of FLAG_ALL_OR_LIST. */
void flags_put(const struct flag_def *defs, const char *command, const char *verb, const void *in,
               struct buf *out);
/* Frees what was put into out, and sets it to zero. */
void flags_clear(const struct flag_def *defs, void *out);

void flag_list_add(struct flag_list *list, const char *text);
bool flag_list_has(const struct flag_list *list, const char *text);
void flag_list_fini(struct flag_list *list);

/* Markdown: one table row for each member that the verb takes in JSON. */
void flags_reference(const struct flag_def *defs, const char *command, const char *verb,
                     struct buf *out);
/* Markdown: one table row for each name that flags_fill_texts takes. */
void flags_reference_texts(const struct flag_def *defs, const char *command, struct buf *out);

#endif
