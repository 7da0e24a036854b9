/* vrepl/workflow/engine.h — all workflows of one installation: verbs, states, leases, routing.
 *
 * The truth is in _sluice.workflow on the servers; the store is a cache. Verbs are idempotent: the
 * same command after a crash converges. All results are JSON texts with vtctldclient's field names.
 * Thread: any (verbs of one workflow are serialised).
 */
#ifndef SLUICE_VREPL_WORKFLOW_ENGINE_H
#define SLUICE_VREPL_WORKFLOW_ENGINE_H

#include "cdc/reader.h"
#include "state/store.h"

enum vrepl_fence_mode { VREPL_FENCE_AUTO, VREPL_FENCE_TRIGGER, VREPL_FENCE_RENAME };

struct vrepl_engine_options {
    struct topology *topo;
    struct store *store;
    struct cdc_reader *(*reader)(void *ctx, const char *keyspace,
                                 const char *shard); /* shared readers */
    void *reader_ctx;
    const char *installation;
    const char *routing_file; /* NULL: not written */
    enum vrepl_fence_mode fence;
    size_t copy_memory_bytes;
    unsigned copiers;
    /* Called with each new version of the routing document. May be NULL. */
    void (*on_routing)(void *ctx, const char *json);
    void *on_routing_ctx;
};
struct vrepl_engine;
/* Finds the installation's workflows on the servers, takes their leases, resumes streams, rolls
 * decided switches forward. Unreachable servers do not stop it: their workflows are retried. */
struct vrepl_engine *vrepl_engine_start(const struct vrepl_engine_options *o,
                                        struct err *e) WARN_UNUSED;
void vrepl_engine_stop(
    struct vrepl_engine *g); /* stops streams at transaction boundaries; gives leases up; frees */

struct vrepl_command {
    const char *type;     /* "movetables" "reshard" "materialize" "vdiff" "workflow"; lower case */
    const char *keyspace; /* --target-keyspace or --keyspace */
    const char *workflow;
    const char *verb; /* lower case: create show status start stop switchtraffic … */
    /* A JSON object; its keys are the command line's, with underscores for dashes:
     *   {"source_keyspace":"commerce","tables":["orders"],"source_shards":["-"],
     *    "timeout_ms":30000,"dry_run":true} */
    const char *flags;
    void (*progress)(
        void *ctx, const char *json); /* may be NULL: {"phase":"copy","table":…,"rows_copied":…} */
    void *progress_ctx;
    const volatile int *cancelled; /* may be NULL; set when the client went away */
};
/* Result: one JSON document. ERR_WF_* with exit 5 when refused (nothing changed). */
bool vrepl_engine_command(struct vrepl_engine *g, const struct vrepl_command *cmd,
                          struct buf *result, struct err *e) WARN_UNUSED;
void vrepl_engine_status(struct vrepl_engine *g, struct buf *json);  /* array of workflows */
void vrepl_engine_routing(struct vrepl_engine *g, struct buf *json); /* the routing document */
/* Names of the shards of a keyspace that serve now, from the journals (malloc'ed array; names owned
 * by topology). */
size_t vrepl_engine_serving(struct vrepl_engine *g, const char *keyspace, const char ***shards);
/* The state table as text (`sluice graph workflow`): Graphviz dot. */
void vrepl_graph(struct buf *out);

#endif
