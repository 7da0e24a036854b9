/* vrepl/move/copy_rule.h — which statements one row change becomes, while a table is copied and
 * after: a pure function.
 *
 * The rule that it embodies (the argument stands in vrepl/move/copy.c): every change after the low
 * watermark to a key that is copied when the change is applied is applied, in order, as DELETE or
 * REPLACE, even if the key's read already contains it; a change may be dropped only while its key
 * is not copied, for all changes of that key alike. After the high watermark the target is a state
 * of the source: plain statements, each exactly one row.
 *
 * No memory, clock or server: tests/model walks this very function through all small histories.
 */
#ifndef SLUICE_VREPL_MOVE_COPY_RULE_H
#define SLUICE_VREPL_MOVE_COPY_RULE_H

#include <stdbool.h>
#include <stddef.h>

enum copy_phase {
    COPY_PHASE_ROUNDS,  /* some range of the stream's tables is not copied yet */
    COPY_PHASE_CATCHUP, /* everything is copied; the high watermark is not reached */
    COPY_PHASE_PLAIN    /* the target is a state of the source */
};

struct copy_change {
    enum copy_phase phase;
    /* The key's order compares exactly in this program (integers, binary), so that "is it copied"
     * has an answer. False: nothing of the table is ever dropped. Must not change during a copy. */
    bool order_exact;
    /* The images that concern this target, after routing. A row that leaves has only `before`. */
    bool has_before, has_after;
    /* Durable progress covers the image's key, now, when the change is applied. Looked at in ROUNDS
     * with order_exact only. */
    bool before_copied, after_copied;
    bool key_changed; /* both images, and the key's bytes differ */
};

enum copy_verb { COPY_DELETE, COPY_REPLACE, COPY_INSERT, COPY_UPDATE };

struct copy_statement {
    enum copy_verb
        verb;    /* DELETE: row of `before`; REPLACE, INSERT: row of `after`; UPDATE: both */
    bool strict; /* must hit exactly one row, else a row is lost: stop */
};
struct copy_statements {
    struct copy_statement s[2]; /* to be executed in this order */
    size_t n;                   /* 0: dropped */
};

/* Thread: any. */
struct copy_statements copy_rule_decide(const struct copy_change *c);

#endif
