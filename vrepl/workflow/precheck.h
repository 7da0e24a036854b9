/* vrepl/workflow/precheck.h — the preconditions of create: read-only questions to both sides; the
 * first that does not hold is an error with exit code 5. */
#ifndef SLUICE_VREPL_WORKFLOW_PRECHECK_H
#define SLUICE_VREPL_WORKFLOW_PRECHECK_H

#include "schemas/inspect.h"
#include "vrepl/workflow/workflow.h"

struct precheck_table {          /* the array is in the order of the definition */
    struct schema_table *source; /* the definition on the first source shard; owned */
    bool on_target;              /* exists, empty, fitting, on every target shard (else on none) */
};
struct precheck {
    struct vrepl_engine *g;
    struct wf_def *def;
    bool tables_must_exist; /* --skip-schema-copy */
    bool adopting; /* an interrupted create goes on: tables may stand on some shards only */
    struct wf_shards sides[2];
    struct my_conn **conns[2];
    struct precheck_table *tables;
};
/* Connects to every shard. sides are filled from the definition. */
bool precheck_open(struct precheck *p, struct err *e) WARN_UNUSED;
void precheck_close(struct precheck *p);
/* Servers: settings and privileges for what the workflow will do with them. */
bool precheck_servers(struct precheck *p, struct err *e) WARN_UNUSED;
/* The same when traffic is to move: the side `from` is fenced and its log read to the end, the
 * other is written; follow: its log will be read too. Every table of the workflow is InnoDB on
 * both; names: those tables' there. */
bool precheck_switch_servers(struct precheck *p, enum wf_side_name from, bool follow,
                             struct err *e) WARN_UNUSED;
bool precheck_engines(const struct precheck *p, struct my_conn *c, const struct topo_shard *s,
                      const char *const *names, struct err *e) WARN_UNUSED;
/* Tables: existence, keys, engines, vindexes, foreign keys, triggers, columns that fit, emptiness.
 */
bool precheck_tables(struct precheck *p, struct err *e) WARN_UNUSED;
/* Whether every row of source can stand in target, and both call the same rows equal. Pure, so that
 * others may ask again later. */
bool precheck_fits(const struct schema_table *source, const struct schema_table *target,
                   const struct schema_collation_map *map, const char *at,
                   struct err *e) WARN_UNUSED;
/* Collations that may differ between the first source shard and target shard k. */
struct schema_collation_map precheck_collations(const struct precheck *p, size_t k);
/* A CREATE TABLE that is to run on target shard k: the server knows its collations. */
bool precheck_create_text(struct precheck *p, size_t i, size_t k, const char *sql,
                          struct err *e) WARN_UNUSED;
/* Table i on target shard k, just made: is it what the source has, defaults included? */
bool precheck_made(struct precheck *p, size_t i, size_t k, struct err *e) WARN_UNUSED;

#endif
