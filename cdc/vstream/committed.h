/* cdc/vstream/committed.h — the committed transactions of one shard's log, whole and in order:
 * nothing of a transaction is given before its COMMIT was seen, nothing ever of one that was rolled
 * back.
 *
 * A transaction that lies wholly in one batch (nearly all do) is given from there in one part. Others
 * are kept in a spool, in memory and beyond a limit on disk, until their end is known, and are then
 * given change by change. Invariants:
 *
 *   1. The position is moved by COMMIT, by ROLLBACK and by changes between transactions only, and
 *      not before the caller has taken everything in front of it (it asks for the next part).
 *   2. The spool holds exactly the changes of the open transaction, and is empty between
 *      transactions.
 *   3. A transaction is left out as a whole: where its end was seen and is no COMMIT, and where its
 *      end never comes.
 *
 * Thread: one.
 */
#ifndef SLUICE_CDC_VSTREAM_COMMITTED_H
#define SLUICE_CDC_VSTREAM_COMMITTED_H

#include "cdc/log/change.h"

struct committed_options {
    const char *spill_dir;    /* the state directory; NULL: big transactions stay in memory */
    uint64_t spill_max_bytes; /* 0: the spool's default */
    /* NULL or empty, or: nothing is given behind the transaction that reaches it. Borrowed. */
    const struct position *until;
    uint32_t until_time; /* 0, or: nothing of the first transaction at or after it is given */
    bool at_once;        /* open transactions are given, too: for a caller that shows nothing */
    /* For a caller that shows a log rather than a stream: it is also given what stands between
     * transactions, gaps among it, and of a transaction that is left out the ROLLBACK alone. It
     * counts its own position; committed_position stays at the start. */
    bool log;
};

struct vstream_copied; /* cdc/vstream/initial_copy.h */

/* A part of one transaction, or a change between two. The changes are valid until the next call. */
struct committed_part {
    const struct cdc_change *changes;
    size_t n;
    bool ends; /* the last change ends the transaction */
    /* The transaction's BEGIN, valid until its end was taken; NULL between two transactions. */
    const struct cdc_change *begin;
    /* A lane's: the part holds rows of its initial copy, and no transaction; NULL: it is of the log. */
    const struct vstream_copied *copied;
};
enum committed_next {
    COMMITTED_PART, /* *part is filled */
    COMMITTED_MORE, /* everything was given that can be: the next batch is needed */
    COMMITTED_END,  /* `until` or committed_stop: nothing more is given */
    COMMITTED_FAIL  /* an event that cannot be read (FATAL), or the spool's errors; a call that
                       failed with class RETRY may be repeated */
};

struct committed;
/* start NULL or empty: where the first batch begins. */
struct committed *committed_new(const struct committed_options *o, const struct position *start);
void committed_free(struct committed *c);
/* The next batch, of which a reference is taken. The one before must have been used up. */
void committed_put(struct committed *c, struct cdc_batch *b);
enum committed_next committed_next(struct committed *c, struct committed_part *part,
                                   struct err *e) WARN_UNUSED;
/* The caller is done with the part that was given last; so does the next call say. */
void committed_taken(struct committed *c);
/* Behind the last transaction that was given and taken. */
const struct position *committed_position(const struct committed *c);
/* Nothing is given behind the transaction that is being given. */
void committed_stop(struct committed *c);
/* Whether a part of a transaction was taken from the log and its end was not seen. */
bool committed_is_open(const struct committed *c);

/* The transaction that is open, or that a ROLLBACK with `cut_off` was given of: what is lost. */
struct committed_lost {
    const char *file; /* the file that has its BEGIN; "": not known */
    uint64_t pos;     /* likewise */
    uint64_t rows;    /* how many of its rows were seen */
};
struct committed_lost committed_lost(const struct committed *c);

#endif
