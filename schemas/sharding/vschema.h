/* schemas/sharding/vschema.h — Vitess's vschema JSON of one keyspace: sharded, vindexes, tables and
 * their primary vindex. */
#ifndef SLUICE_SCHEMAS_SHARDING_VSCHEMA_H
#define SLUICE_SCHEMAS_SHARDING_VSCHEMA_H

#include "schemas/sharding/vindex.h"

struct vschema_column_vindex {
    const struct vindex *vindex;
    char **columns;
    size_t n_columns;
};
struct vschema_table {
    char *name;
    char *type;                             /* "", "reference", "sequence" */
    char *source;                           /* reference tables: "ks.t" or NULL */
    struct vschema_column_vindex *vindexes; /* the first one is the primary */
    size_t n_vindexes;
    const struct vindex *primary; /* NULL when unsharded or reference */
    char **columns;               /* the primary vindex's columns, borrowed from vindexes */
    size_t n_columns;
    char *auto_increment_column, *auto_increment_sequence; /* may be NULL */
};
struct vschema {
    bool sharded;
    struct vindex **vindexes;
    size_t n_vindexes;
    struct vschema_table *tables;
    size_t n_tables;
    char *json; /* the document that was parsed, compact */
};
struct vschema *vschema_parse(const char *json, struct err *e)
    WARN_UNUSED; /* unknown fields are kept in json and ignored, unknown vindex types refused; the
                    files that a vindex's parameters name are read */
struct vschema *vschema_empty(void); /* unsharded */
void vschema_free(struct vschema *v);
const struct vschema_table *vschema_table(const struct vschema *v, const char *name); /* NULL */
/* The cheapest vindex of t whose first column is that one (any letter case); NULL: there is none. */
const struct vschema_column_vindex *vschema_vindex_of(const struct vschema_table *t,
                                                      const char *column);
/* Calls fn for each parameter that its vindex does not take; Vitess ignores them with a warning. */
void vschema_unknown_params(const struct vschema *v,
                            void (*fn)(void *ctx, const struct vindex *vindex, const char *param),
                            void *ctx);
/* Is t (may be NULL) of that type? */
bool vschema_table_is(const struct vschema_table *t, const char *type);

#endif
