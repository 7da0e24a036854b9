/* vrepl/move/copy_rule.c — the one place that decides between DELETE, REPLACE, INSERT, UPDATE and
 * nothing. */
#include "vrepl/move/copy_rule.h"

#include <assert.h>

static void add(struct copy_statements *out, enum copy_verb verb, bool strict)
{
    assert(out->n < 2);
    out->s[out->n].verb = verb;
    out->s[out->n].strict = strict;
    out->n++;
}

static struct copy_statements plain(const struct copy_change *c)
{
    struct copy_statements out = {.n = 0};
    if (c->has_before && c->has_after)
        add(&out, COPY_UPDATE, true);
    else if (c->has_before)
        add(&out, COPY_DELETE, true);
    else if (c->has_after)
        add(&out, COPY_INSERT, true);
    return out;
}

/* An image takes part unless its key is provably not copied yet: the later read of that key brings
 * it. */
static bool takes_part(const struct copy_change *c, bool has, bool copied)
{
    if (!has)
        return false;
    return c->phase != COPY_PHASE_ROUNDS || !c->order_exact || copied;
}

struct copy_statements copy_rule_decide(const struct copy_change *c)
{
    assert(!c->key_changed || (c->has_before && c->has_after));
    if (c->phase == COPY_PHASE_PLAIN)
        return plain(c);
    struct copy_statements out = {.n = 0};
    bool before = takes_part(c, c->has_before, c->before_copied);
    bool after = takes_part(c, c->has_after, c->after_copied);
    /* With both images under one key the REPLACE alone says everything. */
    if (before && (!after || c->key_changed))
        add(&out, COPY_DELETE, false);
    if (after)
        add(&out, COPY_REPLACE, false);
    return out;
}
