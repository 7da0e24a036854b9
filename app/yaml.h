/* app/yaml.h — a YAML file as a tree of mappings, lists and scalars with their lines, for messages.
 */
#ifndef SLUICE_APP_YAML_H
#define SLUICE_APP_YAML_H

#include "base/buf.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };
struct yaml_node {
    enum yaml_kind kind;
    unsigned line;
    char *text;               /* scalars */
    char **keys;              /* maps: one a child */
    struct yaml_node **items; /* lists and maps */
    size_t n;
};
/* NULL and ERR_CONFIG with file and line; duplicate keys are refused. */
struct yaml_node *yaml_load(const char *path, struct err *e) WARN_UNUSED;
void yaml_free(struct yaml_node *n);
const struct yaml_node *yaml_get(const struct yaml_node *map,
                                 const char *key);                   /* NULL: absent or no map */
const char *yaml_text(const struct yaml_node *map, const char *key); /* scalar's text or NULL */
/* The tree as JSON (scalars as strings, except true/false and whole numbers). */
void yaml_json(const struct yaml_node *n, struct buf *out);

#endif
