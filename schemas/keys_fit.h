/* schemas/keys_fit.h — whether the unique keys of two tables call the same rows equal.
 *
 * A copy leaves a row out whose key is taken, and replay takes a row away whose key comes again:
 * both are right only where each unique key of one side is one of the other's, over columns whose
 * collations agree. Names of keys, the order of their columns, DESC, and whether the optimizer may
 * use or see them (INVISIBLE, IGNORED) make no difference.
 */
#ifndef SLUICE_SCHEMAS_KEYS_FIT_H
#define SLUICE_SCHEMAS_KEYS_FIT_H

#include "mysql/conn.h"
#include "schemas/table.h"

struct schema_collation_map { /* collations that are taken for the same */
    const char *const *texts; /* "FROM=TO": what a user says */
    size_t n;
    bool uca;   /* and MySQL's of UCA 9.0 with MariaDB's of UCA 14.0 */
    bool alike; /* both servers are of one flavor, which shows an expression by one text */
};

/* Whether the second half needs no option: MariaDB ≥ 11.4.5 takes MySQL's names for them. */
bool schema_collations_known(const struct my_server *source, const struct my_server *target);
/* What a user's text says of `from`: the text's TO, or NULL. */
const char *schema_collation_mapped(const struct schema_collation_map *map, const char *from);

/* And columns that both generate are of one expression (where map says alike: else only a
 * comparison of rows tells). Both definitions come from schema_inspect; map may be NULL. reason: ≤
 * 300 bytes, names key and column. Pairs hold in both directions. Thread: any. */
bool schema_keys_fit(const struct schema_table *source, const struct schema_table *target,
                     const struct schema_collation_map *map, char *reason, size_t reason_len);
/* The values that only CREATE TABLE sets: default, ON UPDATE, expression and attributes of each
 * column are the same text. Both servers are of one flavor. */
bool schema_defaults_fit(const struct schema_table *source, const struct schema_table *target,
                         char *reason, size_t reason_len);

#endif
