/* vrepl/move/object_names.h — the names that a workflow gives to things on the servers; functions
 * of the workflow alone, so that whoever cleans up after a crash finds them without a list. */
#ifndef SLUICE_VREPL_MOVE_OBJECT_NAMES_H
#define SLUICE_VREPL_MOVE_OBJECT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAMES_REVERSE "_reverse"
#define NAMES_MAX     65 /* identifiers: 64 characters */

/* How the names of fences' triggers and of hidden tables begin. */
#define NAMES_FENCE_PREFIX "_sluice_f_"
/* "_sluice_f_<16 hex>": what a rename fence calls the table. The first 8 are the table's alone, so
 * that any such name tells whether it may be the table's, whoever gave it (vrepl/move/hidden.c). */
void names_hidden(const char *workflow_key, bool target_side, const char *table, char *out,
                  size_t out_len);
void names_hidden_prefix(const char *table, char *out, size_t out_len);
bool names_is_hidden(const char *name, const char *table);
/* The trigger of a fence; event 'i', 'u' or 'd'. */
void names_trigger(const char *workflow_key, bool target_side, const char *table, char event,
                   char *out, size_t out_len);
/* The user-level lock that every session holds that makes or removes a fence on one shard. */
void names_barrier(const char *workflow_key, const char *keyspace, const char *shard, char *out,
                   size_t out_len);
/* "fence_<16 hex>": the table of _sluice whose one row a shard's fence triggers read. */
void names_fence(const char *workflow_key, const char *keyspace, const char *shard, char *out,
                 size_t out_len);
/* "_NAME_old", a long NAME cut, with a hash of it: what `complete --rename-tables` leaves. */
void names_old(const char *table, char *out, size_t out_len);

#endif
