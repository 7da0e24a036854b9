/* vrepl/workflow/flag_table.h — which flags the verbs of a command take: tables of them, and the
 * check of what was given (vrepl/workflow/flags.c). Pure. */
#ifndef SLUICE_VREPL_WORKFLOW_FLAG_TABLE_H
#define SLUICE_VREPL_WORKFLOW_FLAG_TABLE_H

#include "base/err.h"

/* A LIST may also be one text with commas; an ARRAY may not. ALL_OR_LIST: true or false, or a LIST.
 */
enum flag_kind { FLAG_BOOL, FLAG_INT, FLAG_TEXT, FLAG_LIST, FLAG_ARRAY, FLAG_ALL_OR_LIST };
/* One flag that some verbs of some commands take. */
struct flag_def {
    const char *name; /* NULL ends a table */
    enum flag_kind kind;
    const char *types;          /* commands, separated by spaces; NULL: whichever */
    const char *verbs;          /* the same of verbs */
    const char *refused, *cure; /* a flag that is known and not offered: why not, when it is true */
};
/* Is it one of the words, which are separated by spaces? NULL words: yes. */
bool flags_word(const char *words, const char *word);
/* Does the verb take a flag of this name? */
bool flags_takes(const struct flag_def *defs, const char *type, const char *verb, const char *name);
/* json: an object, NULL or empty for none. Whether the verb takes every flag of it, with a value of
 * its kind; else ERR_USAGE that names the flag, and the verbs that take it or the nearest one. What
 * is not read is never passed over. */
bool flags_check_text(const struct flag_def *defs, const char *type, const char *verb,
                      const char *json, struct err *e) WARN_UNUSED;

#endif
