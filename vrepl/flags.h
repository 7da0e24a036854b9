/* vrepl/flags.h — reading a command's flags (a JSON object) without caring whether they are there.
 */
#ifndef SLUICE_VREPL_FLAGS_H
#define SLUICE_VREPL_FLAGS_H

#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

/* NULL text gives an empty object; ERR_USAGE when it is no JSON object. Free with json_decref. */
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
