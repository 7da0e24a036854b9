/* vrepl/move/stream_internal.h — the stream's own struct: stream.c (threads, phases), stream_open.c
 * (one attempt's connections and definitions), stream_spec.c (copying a spec), stream_ask.c
 * (questions from other threads). */
#ifndef SLUICE_VREPL_MOVE_STREAM_INTERNAL_H
#define SLUICE_VREPL_MOVE_STREAM_INTERNAL_H

#include "vrepl/move/apply.h"
#include "vrepl/move/copy.h"
#include "vrepl/move/stream.h"

#include <pthread.h>

struct stream_target {
    char *key;             /* "<source ks>/<source shard>><target shard>" */
    struct target_row row; /* as read at the attempt's take-over */
    struct progress progress;
    struct left_out left_out;
    struct vrepl_apply *apply; /* pointer guarded by vrepl_stream.lock */
    struct my_conn *looker;    /* of stream_tables.c, for the attempt; NULL: not connected */
};

/* What one attempt holds. An attempt goes from take-over to an error or the end. */
struct stream_attempt {
    struct my_conn *source;                   /* small questions: positions, definitions */
    struct schema_table **sources, **targets; /* definitions, one a table of the spec */
    struct plan_charsets *source_charsets, *target_charsets;
    enum my_flavor target_flavor;
    struct vrepl_router *router;
    bool *waits; /* one a table, while the router has it; NULL: none waits */
    struct cdc_stream *in;
    struct position start; /* of `in`: the lowest of the targets */
    bool in_tx;            /* the last batch left a transaction open */
    int64_t head_ms, tables_ms;
};

struct vrepl_stream {
    struct vrepl_stream_spec spec; /* own copy */
    struct cdc_reader *reader;
    struct stream_target *targets;
    struct stream_attempt now; /* the stream's thread only */
    pthread_t thread;
    volatile int stop;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum vrepl_stream_state state;
    struct err error;     /* why it stands, or what is being retried */
    bool ended;           /* the thread does no more */
    struct position head; /* what the source had when last heard of */
    int64_t head_lag_ms;
    bool idle;                                 /* nothing came for a moment */
    uint64_t rows_before, transactions_before; /* of earlier attempts' appliers */
    struct position freeze_pos;
    bool freeze;
    char unproven[400];                 /* target tables that are others than were written to */
    uint64_t *rows_total, *bytes_total; /* estimates, one a table */
    uint64_t *rows_copied;              /* one a table, all targets */
    bool *table_done;
};

/* stream_spec.c */
void stream_spec_copy(struct vrepl_stream_spec *dst, const struct vrepl_stream_spec *src);
void stream_spec_fini(struct vrepl_stream_spec *s);

/* stream_open.c. Thread: stream's (or the starter's, before there is one). */
struct target_tx_key stream_key(const struct vrepl_stream *s, size_t target_no);
/* Epochs bumped and committed on all targets, then rows and progress read. */
bool stream_take_over(struct vrepl_stream *s, struct err *e) WARN_UNUSED;
bool stream_open(struct vrepl_stream *s, struct err *e) WARN_UNUSED;
/* Whether the unique keys of both sides are the same now; a copy is only right while they are. */
bool stream_check_keys(struct vrepl_stream *s, struct err *e) WARN_UNUSED;
void stream_close(struct vrepl_stream *s); /* stops appliers, drops everything of the attempt */
void stream_note_progress(struct vrepl_stream *s);

/* stream_tables.c. Thread: stream's. ERR_WF_STATE: a target's table has lost its rows. *news:
 * others than before are not the ones that were written to. */
bool stream_check_tables(struct vrepl_stream *s, bool *news, struct err *e) WARN_UNUSED;

#endif
