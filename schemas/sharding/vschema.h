/* schemas/sharding/vschema.h — Vitess's vschema JSON of one keyspace: sharded, vindexes, tables and
 * their primary vindex. */
#ifndef SLUICE_SCHEMAS_SHARDING_VSCHEMA_H
#define SLUICE_SCHEMAS_SHARDING_VSCHEMA_H

#include "schemas/sharding/vindex.h"

struct vschema_table {
    char *name;
    char *type;                   /* "", "reference", "sequence" */
    char *source;                 /* reference tables: "ks.t" or NULL */
    const struct vindex *primary; /* NULL when unsharded or reference */
    char **columns;               /* the primary vindex's columns */
    size_t n_columns;
    char *auto_increment_column, *auto_increment_sequence; /* may be NULL */
};
struct vschema {
    bool sharded;
    struct vindex **vindexes;
    size_t n_vindexes;
    struct vschema_table *tables;
    size_t n_tables;
    char *json; /* as given, compact */
};
struct vschema *vschema_parse(const char *json, struct err *e)
    WARN_UNUSED; /* unknown fields are kept in json and ignored, unknown vindex types refused */
struct vschema *vschema_empty(void); /* unsharded */
void vschema_free(struct vschema *v);
const struct vschema_table *vschema_table(const struct vschema *v, const char *name); /* NULL */
/* Is t (may be NULL) of that type? */
bool vschema_table_is(const struct vschema_table *t, const char *type);

#endif
