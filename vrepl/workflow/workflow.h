/* vrepl/workflow/workflow.h — the engine's inside: one workflow in memory, its engine, and what
 * verbs share.
 *
 * The row on the home shard is the truth; a struct workflow is what its owner knows of it.
 *
 * Locks, in this order: workflow.verb (one verb or the keeper at a time; held for as long as it
 * takes) → engine.lock (the list of workflows, the routing) → workflow.lock (the fields below it;
 * never held while a server is asked).
 */
#ifndef SLUICE_VREPL_WORKFLOW_WORKFLOW_H
#define SLUICE_VREPL_WORKFLOW_WORKFLOW_H

#include "cdc/sidecar/workflow_row.h"
#include "vrepl/workflow/definition.h"
#include "vrepl/workflow/engine.h"
#include "vrepl/workflow/lease.h"
#include "vrepl/workflow/workflow_state.h"

#include <pthread.h>

struct fence_watch; /* fence_watch.h */
struct routing;     /* routing.h */

/* One shard's position in a decision. It is no VGTID's entry: both sides of a decision have one
 * keyspace each, which the workflow's definition names. */
struct wf_shard_position {
    char *shard;
    struct position pos;
};
/* The decided switch, as stored in the row's decision column. */
struct wf_decision {
    unsigned number; /* 1, 2, … of this workflow */
    enum wf_direction dir;
    bool follow; /* streams the other way were wanted */
    int64_t journal_id;
    struct wf_shard_position *from; /* shards that served: final positions */
    size_t n_from;
    struct wf_shard_position *to; /* shards that serve now: where the streams the other way start */
    size_t n_to;
};
struct wf_decision *wf_decision_parse(const char *json, struct err *e) WARN_UNUSED;
char *wf_decision_print(const struct wf_decision *d); /* malloc'ed */
void wf_decision_free(struct wf_decision *d);
const struct position *wf_decision_pos(const struct wf_shard_position *positions, size_t n,
                                       const char *shard);

/* Running streams of one direction, one a shard that is read. */
struct wf_streams {
    enum wf_direction dir;
    struct vrepl_stream **streams; /* in the order of the side's shards */
    size_t n;
    volatile int *pin; /* under workflow.lock: a comparison uses them; set to 1 to ask it to end */
};

struct wf_shards {
    const struct topo_shard **shards; /* sorted by name */
    size_t n;
};

struct workflow {
    int refs; /* under engine.lock */
    struct vrepl_engine *engine;
    char *keyspace, *name;
    char *keys[2]; /* origin markers by direction: "customer/split", "commerce/split_reverse" */
    pthread_mutex_t verb;

    pthread_mutex_t lock;
    pthread_cond_t unpinned; /* with lock: a comparison gave the streams back */
    struct wf_def
        *def; /* replaced under all three locks: holding any of them is enough to read it */
    struct wf_shards sides[2]; /* indexed by wf_side_name */
    enum wf_state state;
    struct wf_decision *decision; /* or NULL */
    char *fence[2]; /* by side: "trigger" "rename"; "auto": one may stand; "open": only triggers
                     * that let everybody pass; NULL: nothing stands there */
    char *todo;     /* JSON or NULL */
    struct lease *lease;        /* NULL: not ours */
    char *owner;                /* who owned the row when it was last read */
    struct wf_streams *running; /* NULL: none */
    struct fence_watch **watches;
    size_t n_watches;
    struct err error;    /* what keeps it from going on; code 0: nothing */
    int64_t retry_at_ms; /* monotonic; keeper */
    int64_t clear_at_ms; /* the same: when open fences are cleared again */
    unsigned clear_tries;
    bool answered; /* a create of it was answered by this process: the same again is a mistake */
    unsigned failures; /* how often in a row streams have failed; the pause grows with it */
};

struct vrepl_engine {
    struct vrepl_engine_options o;
    char owner[256]; /* the name under which this engine takes leases */
    char heir[240];  /* its part that an older process of this state directory shared */
    pthread_mutex_t lock;
    struct workflow **workflows;
    size_t n_workflows, cap_workflows;
    struct routing *routing;
    pthread_t keeper;
    pthread_cond_t wake;
    bool stop;
    int64_t scan_at_ms;        /* monotonic; when the servers are asked for workflows again */
    pthread_mutex_t jobs_lock; /* over jobs; vdiff_verbs.c */
    pthread_cond_t job_ended;
    struct vdiff_job *jobs;
};

/* workflow.c */
struct workflow *wf_new(struct vrepl_engine *g, const char *keyspace, const char *name);
void wf_unref(struct workflow *w);
/* By target keyspace and name, or by source keyspace and NAME_reverse (*dir WF_REVERSE). A reference or
 * NULL. */
struct workflow *wf_find(struct vrepl_engine *g, const char *keyspace, const char *name,
                         enum wf_direction *dir);
struct workflow *wf_add(struct vrepl_engine *g, const char *keyspace,
                        const char *name); /* new or known; a reference */
void wf_remove(struct workflow *w);        /* takes it off the engine's list */
/* Takes over what the row says (definition, sides, state, decision, fence). */
bool wf_load(struct workflow *w, const struct wf_row *row, struct err *e) WARN_UNUSED;
bool wf_set_definition(struct workflow *w, struct wf_def **take, struct err *e) WARN_UNUSED;
const struct topo_shard *wf_home(const struct workflow *w);
struct my_conn *wf_home_connect(struct workflow *w, struct err *e) WARN_UNUSED;
/* Reads the row again on an own connection; takes the lease if it is free. ERR_WF_LEASE: another
 * owns it. */
bool wf_own(struct workflow *w, struct my_conn *home, struct err *e) WARN_UNUSED;
/* One guarded step of the state table; memory follows the row. Knows its own success again after a
 * connection was lost at the wrong moment. */
bool wf_step(struct workflow *w, struct my_conn *home, enum wf_event ev,
             const struct wf_row_set *set, struct err *e) WARN_UNUSED;
/* The fence column for given sides (NULL: none); malloc'ed JSON, "" when both are NULL. */
char *wf_fence_json(const char *source, const char *target);
/* The name that a table has on a side now: its own, or the hidden one while a rename fence stands.
 */
void wf_table_name(const struct workflow *w, const struct wf_table *t, enum wf_side_name side,
                   char *out, size_t out_len);
const char *wf_plain_name(const struct wf_table *t, enum wf_side_name side);
enum wf_state wf_state_now(struct workflow *w);
void wf_set_error(struct workflow *w, const struct err *e); /* NULL: none */
/* Whom "customer/split" or "commerce/split_reverse" is reading and writing. */
enum wf_side_name wf_reads(enum wf_direction dir);
enum wf_side_name wf_writes(enum wf_direction dir);

/* workflow_streams.c */
/* Does any row of one shard belong on the other? */
bool wf_exchange(const struct workflow *w, const struct topo_shard *a, const struct topo_shard *b);
/* Starts the streams of a direction (their sources' readers come from the engine). Replaces none.
 */
bool wf_streams_start(struct workflow *w, enum wf_direction dir, struct wf_streams **out,
                      struct err *e) WARN_UNUSED;
/* Stops them, after a comparison that uses them has ended (it is asked to). */
void wf_streams_free(struct workflow *w, struct wf_streams *s);
/* Lends the running streams to one comparison at a time; NULL when there are none, or they are
 * lent. */
struct wf_streams *wf_streams_pin(struct workflow *w, volatile int *cancel);
void wf_streams_unpin(struct workflow *w, struct wf_streams *s);
/* Exchanges the running streams and returns the old ones. */
struct wf_streams *wf_streams_put(struct workflow *w, struct wf_streams *s);
void wf_streams_stop(struct workflow *w);
bool wf_streams_run(struct workflow *w, enum wf_direction dir,
                    struct err *e) WARN_UNUSED; /* start and put, when not yet running */
void wf_watch_start(struct workflow *w);        /* watches the side that the last decision fenced */
void wf_watch_stop(struct workflow *w);

/* engine.c */
/* Reads the workflow rows (and journals) of a keyspace's servers; NULL: of all. Servers that do not
 * answer are left out; false if there was one. */
bool engine_scan(struct vrepl_engine *g, const char *keyspace);

/* workflow_resume.c */
/* Does what the state obliges an owner to do (table wf_transitions, event FOUND). With verb held.
 */
bool wf_resume(struct workflow *w, struct my_conn *home, struct err *e) WARN_UNUSED;

#endif
