/* app/config/ytree.h — a YAML file as a tree of mappings, lists and scalars with their lines, for
 * messages.
 */
#ifndef SLUICE_APP_CONFIG_YTREE_H
#define SLUICE_APP_CONFIG_YTREE_H

#include "base/buf.h"

enum ytree_kind { YTREE_SCALAR, YTREE_LIST, YTREE_MAP };
struct ytree {
    enum ytree_kind kind;
    unsigned line;
    char *text;           /* scalars */
    char **keys;          /* maps: one a child */
    struct ytree **items; /* lists and maps */
    size_t n;
};
/* NULL and ERR_CONFIG with file and line; duplicate keys are refused. */
struct ytree *ytree_load(const char *path, struct err *e) WARN_UNUSED;
void ytree_free(struct ytree *n);
const struct ytree *ytree_get(const struct ytree *map,
                              const char *key);                   /* NULL: absent or no map */
const char *ytree_text(const struct ytree *map, const char *key); /* scalar's text or NULL */
/* The tree as JSON (scalars as strings, except true/false and whole numbers). */
void ytree_json(const struct ytree *n, struct buf *out);

#endif
