/* app/config/config_keys.h — the one table of configuration keys: checked, defaulted and documented
 * from here.
 *
 * A path's parts are joined by dots; `*` stands for a name that the user chooses.
 */
#ifndef SLUICE_APP_CONFIG_CONFIG_KEYS_H
#define SLUICE_APP_CONFIG_CONFIG_KEYS_H

#include "app/config/ytree.h"

enum config_type {
    CONFIG_MAP,
    CONFIG_TEXT,
    CONFIG_LIST,
    CONFIG_INT,
    CONFIG_SIZE,
    CONFIG_BOOL,
    CONFIG_WORDS,
    CONFIG_ANY
};
struct config_key {
    const char *path;
    enum config_type type;
    const char *fallback; /* default as text; NULL: none */
    const char *words;    /* CONFIG_WORDS: "a|b" */
    int64_t min, max;     /* CONFIG_INT, CONFIG_SIZE; both 0: any */
    bool required;
    const char *doc;
};
extern const struct config_key config_keys[]; /* ends with path NULL */

/* Every key of the tree is known and of its type; else ERR_CONFIG with file:line and the nearest
 * key. */
bool config_keys_check(const struct ytree *root, const char *file, struct err *e) WARN_UNUSED;
/* The text at a path without `*`, or its default; NULL if neither. */
const char *config_keys_text(const struct ytree *root, const char *path);

#endif
