/* vrepl/workflow/flags.h — reading a command's flags (a JSON object) without caring whether they
 * are there.
 */
#ifndef SLUICE_VREPL_WORKFLOW_FLAGS_H
#define SLUICE_VREPL_WORKFLOW_FLAGS_H

#include "vrepl/workflow/flag_table.h"

#include <jansson.h>
#include <stdint.h>

/* As flags_check_text, of flags that are parsed. */
bool flags_check(const struct flag_def *defs, const char *type, const char *verb, const json_t *f,
                 struct err *e) WARN_UNUSED;

/* NULL text gives an empty object; ERR_USAGE when it is no JSON object, or names a flag twice. Free
 * with json_decref. */
json_t *flags_parse(const char *text, struct err *e) WARN_UNUSED;
bool flags_bool(const json_t *f, const char *name, bool fallback);
int64_t flags_int(const json_t *f, const char *name, int64_t fallback);
const char *flags_str(const json_t *f, const char *name); /* NULL; borrowed */
/* A list of texts ("a,b" as one text is split too): malloc'ed array of borrowed or, from a text,
 * owned strings; free with flags_list_free. NULL when absent or empty. */
char **flags_list(const json_t *f, const char *name, size_t *n);
void flags_list_free(char **list, size_t n);
bool flags_in(char *const *list, size_t n, const char *text);

#endif
