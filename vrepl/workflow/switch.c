/* vrepl/workflow/switch.c — the way of a switch up to its decision (the crash table is in
 * docs/internals/switch.md).
 *
 *   1. check            nothing changed yet: state, streams, lag, triggers that would fire twice,
 *                       the routing document's file
 *   2. prepare          sidecar tables; rows of old streams the other way are forgotten
 *   3. SWITCHING        one guarded update: from here on the row says that a fence may stand
 *   4. arm              every shard: barrier; where we leave, triggers that let everybody pass;
 *                       where we go, the locks that opening the fence there needs
 *   5. hold             every shard that serves keeps its writers waiting, all or none
 *   6. marker           the final position of each
 *   7. wait             every target has committed it; not within our patience: UNLOCK, and from 5
 *                       again with twice the patience, so that a stalled stream costs the writers
 *                       little (nothing is fenced or written yet but the marker)
 *   8. reverse starts   the targets' own positions, before any foreign write
 *   9. fence            in the holding sessions
 *  10. DECIDED          one guarded update from SWITCHING; then switch_roll_forward
 *
 * Every wait is bounded by the command's timeout, and what is waited for after the decision was
 * had before it: no step after 9 needs a lock that somebody else can have.
 *
 * Invariants: the decision is written only while every hold answers and every fence is made; a
 * fence is removed only after the row has left SWITCHING (switch_undo), so that a decision in
 * flight matches nothing.
 */
#include "vrepl/workflow/switch.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cdc/sidecar/sidecar.h"
#include "schemas/inspect.h"
#include "vrepl/workflow/counters.h"
#include "vrepl/workflow/recheck.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/sides.h"
#include "vrepl/workflow/workflow_type.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_SLICE_MS    2000
#define HOLD_PAUSE_MS    250
#define SETTLE_MS        3000
#define APPROACH_MS      3000
#define APPROACH_NEAR_MS 30
#define PATIENCE_MS      100
#define SETTLE_POLL_MS   20

struct run {
    struct workflow *w;
    const struct switch_options *o;
    struct my_conn *home;
    const struct wf_shards *from, *to;
    struct switch_sessions s;
    struct position *final; /* one a from-shard */
    struct position *start; /* one a to-shard */
    int64_t journal_id;
    int64_t until_ms;         /* monotonic */
    int64_t blocked_since_ms; /* 0: nobody is blocked */
    int64_t blocked_ms;       /* the longest of earlier attempts */
    struct buf laps;          /* "hold 3 ms, marker 8 ms, …": for the log */
    int64_t lap_ms;
    struct counters *counters;
};

static bool lap(struct run *r, const char *name)
{
    int64_t now = clock_mono_ms();
    buf_printf(&r->laps, "%s%s %lld ms", r->laps.len > 0 ? ", " : "", name,
               (long long)(now - r->lap_ms));
    r->lap_ms = now;
    return true;
}

bool switch_fault(enum wf_direction dir, const char *step, struct err *e)
{
    char name[64];
    if (__atomic_load_n(&fault_armed, __ATOMIC_RELAXED) == 0)
        return true;
    snprintf(name, sizeof name, "%s.%s", dir == WF_REVERSE ? "reverse" : "switch", step);
    return FAULT_POINT(name, e);
}

static bool check_stream(struct workflow *w, struct vrepl_stream *s, const char *shard,
                         int64_t max_lag_ms, struct err *e)
{
    struct vrepl_stream_status st = {0};
    vrepl_stream_status(s, &st);
    bool ok = true;
    if (st.state != VREPL_STREAM_RUNNING) {
        bool copying = st.state == VREPL_STREAM_COPYING || st.state == VREPL_STREAM_CATCHUP;
        ok = err_set(e, ERR_WF_STATE, "workflow %s cannot switch: the stream of %s %s%s%s",
                     w->keys[0], shard, copying ? "is still copying" : "is not running",
                     st.message[0] != '\0' ? ": " : "", st.message);
    } else if (!st.at_head && st.lag_ms > max_lag_ms) {
        ok = err_set(e, ERR_WF_LAG,
                     "cannot switch traffic for workflow %s at this time: replication lag %llds is "
                     "higher than allowed lag %llds",
                     w->name, (long long)(st.lag_ms / 1000), (long long)(max_lag_ms / 1000));
        err_cure(e, "wait, or allow more with --max-replication-lag-allowed");
    }
    vrepl_stream_status_fini(&st);
    return ok;
}

static bool check_streams(struct workflow *w, const struct switch_options *o, struct err *e)
{
    const struct wf_streams *s = w->running;
    if (s == NULL || s->dir != o->dir) {
        err_set(e, ERR_WF_STATE, "workflow %s cannot switch: its streams are not running",
                w->keys[o->dir]);
        return err_cure(e, "start them, and wait until the lag is small");
    }
    for (size_t i = 0; i < s->n; i++) {
        if (!check_stream(w, s->streams[i], w->sides[wf_reads(o->dir)].shards[i]->name,
                          o->max_lag_ms, e))
            return false;
    }
    return true;
}

/* A session whose statements wait for nobody longer than a switch may. */
static struct my_conn *connect_briefly(const struct topo_shard *s, struct err *e)
{
    struct my_conn *c = my_connect(&s->primary, "switch", e);
    if (c == NULL || my_limit_lock_waits(c, FENCE_LOCK_S, e))
        return c;
    my_close(c);
    return NULL;
}

/* Streams that have just been started, by a daemon or by the last switch, are given a moment to
 * find their place; a first copy is not waited for. */
static bool check_settled(struct workflow *w, const struct switch_options *o, struct err *e)
{
    int64_t until = clock_mono_ms() + (w->decision != NULL ? o->timeout_ms : SETTLE_MS);
    while (!check_streams(w, o, e)) {
        bool gone = w->running == NULL || (o->cancelled != NULL && *o->cancelled != 0);
        if (gone || e->code == ERR_WF_LAG || clock_mono_ms() >= until)
            return false;
        err_clear(e);
        clock_sleep_ms(SETTLE_POLL_MS, o->cancelled);
    }
    return true;
}

bool switch_check(struct workflow *w, const struct switch_options *o, struct err *e)
{
    enum wf_event ev = o->dir == WF_REVERSE ? WF_EVENT_REVERSE : WF_EVENT_SWITCH;
    if (w->def->type->cut == NULL)
        return err_set(e, ERR_WF_STATE, "workflow %s is a %s workflow: these are never switched",
                       w->keys[0], w->def->type->name);
    if (wf_transition_find(w->state, ev) == NULL)
        return err_set(e, ERR_WF_STATE, "workflow %s is %s: its traffic cannot be switched%s",
                       w->keys[0], wf_state_name(w->state), o->dir == WF_REVERSE ? " back" : "");
    return check_settled(w, o, e) && routing_try(w->engine, e) &&
           sides_check_switch(w, o->dir, e) && recheck_switch(w, o->dir, o->follow, e);
}

/* Streams the other way start from the decision's positions: what an earlier one left must not
 * rule. The epoch rows stay, against zombies. */
static bool forget_positions(struct workflow *w, enum wf_direction dir, const struct topo_shard *s,
                             struct err *e)
{
    struct my_conn *c = connect_briefly(s, e);
    bool ok = c != NULL && sidecar_create(c, e) &&
              sidecar_forget_positions(c, w->keys[wf_opposite(dir)], e);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

static bool prepare(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->from->n; i++) {
        if (!forget_positions(r->w, r->o->dir, r->from->shards[i], e))
            return false;
    }
    for (size_t i = 0; i < r->to->n; i++) {
        struct my_conn *c = connect_briefly(r->to->shards[i], e);
        bool ok = c != NULL && sidecar_create(c, e);
        my_close(c);
        if (!ok)
            return false;
    }
    return true;
}

static bool begin(struct run *r, struct err *e)
{
    struct workflow *w = r->w;
    const char *const *fence = (const char *const *)w->fence;
    char *json = r->o->dir == WF_REVERSE ? wf_fence_json(fence[WF_SOURCE], "auto")
                                         : wf_fence_json("auto", fence[WF_TARGET]);
    char *todo = mem_printf("{\"journal_id\":%lld}", (long long)r->journal_id);
    struct wf_row_set set = {.fence = json, .todo = todo};
    bool ok =
        wf_step(w, r->home, r->o->dir == WF_REVERSE ? WF_EVENT_REVERSE : WF_EVENT_SWITCH, &set, e);
    free(json);
    free(todo);
    return ok;
}

static bool open_holds(struct run *r, struct err *e)
{
    struct switch_sessions *s = &r->s;
    for (; s->n_gates < r->to->n; s->n_gates++) {
        if (!fence_hold_open(&s->gates[s->n_gates], r->w, r->to->shards[s->n_gates],
                             wf_writes(r->o->dir), r->home, e))
            return false;
    }
    for (; s->n_holds < r->from->n; s->n_holds++) {
        if (!fence_hold_open(&s->holds[s->n_holds], r->w, r->from->shards[s->n_holds],
                             wf_reads(r->o->dir), r->home, e))
            return false;
    }
    return true;
}

static bool lock_all(struct run *r, struct err *e)
{
    r->blocked_since_ms = clock_mono_ms();
    for (size_t i = 0; i < r->s.n_holds; i++) {
        if (fence_hold_lock(&r->s.holds[i], e))
            continue;
        while (i-- > 0)
            fence_hold_unlock(&r->s.holds[i]);
        return false;
    }
    return true;
}

static bool give_up_waiting(const struct run *r, struct err *e)
{
    if (r->o->cancelled != NULL && *r->o->cancelled != 0)
        return !err_set(e, ERR_SHUTDOWN, "the command was interrupted");
    return clock_mono_ms() >= r->until_ms;
}

/* Also keeps every session from being silent for as long as the server would end it. */
static bool holds_answer(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->s.n_holds; i++) {
        if (!fence_hold_check(&r->s.holds[i], e))
            return false;
    }
    for (size_t i = 0; i < r->s.n_gates; i++) {
        if (!fence_hold_check(&r->s.gates[i], e))
            return false;
    }
    return lease_held(r->w->lease, e);
}

/* All or none; between attempts everybody may write. */
static bool hold(struct run *r, struct err *e)
{
    while (!lock_all(r, e)) {
        if (e->code != ERR_WF_BLOCKED || give_up_waiting(r, e))
            return false;
        log_info("switch", "%s: %s", r->w->keys[r->o->dir], e->text);
        err_clear(e);
        clock_sleep_ms(HOLD_PAUSE_MS, r->o->cancelled);
        if (!holds_answer(r, e))
            return false;
    }
    return true;
}

static bool mark(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->s.n_holds; i++) {
        if (!fence_marker(&r->s.holds[i], &r->final[i], e))
            return err_prepend(e, "marker on %s/%s", r->from->shards[i]->keyspace,
                               r->from->shards[i]->name);
    }
    return true;
}

static bool say_late(const struct run *r, size_t i, struct err *e)
{
    CLEANUP(mem_free_ptr) char *last = position_text(&r->final[i]);
    err_set(e, ERR_TIMEOUT,
            "%s: while writers were held for %lld ms the target did not get to the source's last "
            "change, %s",
            r->w->keys[r->o->dir], (long long)(clock_mono_ms() - r->blocked_since_ms), last);
    return err_cure(e, "switch when `workflow show` shows little lag, or with a longer --timeout");
}

/* In slices, so that a hold is never silent for as long as the server would end it. */
static bool wait_one(struct run *r, size_t i, int64_t until_ms, struct err *e)
{
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        int64_t slice = left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS;
        if (vrepl_stream_wait(r->w->running->streams[i], &r->final[i], slice > 0 ? slice : 0, e))
            return true;
        if (e->code != ERR_TIMEOUT || give_up_waiting(r, e))
            return false;
        if (clock_mono_ms() >= until_ms)
            return say_late(r, i, e);
        err_clear(e);
        if (!holds_answer(r, e))
            return false;
    }
}

static bool wait_all(struct run *r, int64_t patience_ms, struct err *e)
{
    int64_t until_ms = r->blocked_since_ms + patience_ms;
    assert(r->w->running->n == r->from->n);
    for (size_t i = 0; i < r->from->n; i++) {
        if (!wait_one(r, i, until_ms < r->until_ms ? until_ms : r->until_ms, e))
            return err_prepend(e, "catching up with %s/%s", r->from->shards[i]->keyspace,
                               r->from->shards[i]->name);
    }
    return true;
}

/* For good, so only after the decision: what goes round the fence now must not reach the side that
 * serves. */
static void freeze_all(struct run *r)
{
    for (size_t i = 0; i < r->from->n; i++) {
        struct err e = ERR_INIT; /* a stream that has ended applies nothing either */
        if (!vrepl_stream_freeze(r->w->running->streams[i], &r->final[i], &e))
            log_err(LOG_WARN, "switch", &e);
    }
}

/* Asked for before the hold too: the connections then know whose log it is, which takes a dump, and
 * only its end is asked for while writers wait. */
static bool take_starts(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->to->n; i++) {
        if (!my_lasting_position(r->s.gates[i].aux, &r->start[i], e))
            return err_prepend(e, "position of %s/%s", r->to->shards[i]->keyspace,
                               r->to->shards[i]->name);
    }
    return true;
}

static bool fence_all(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->s.n_holds; i++) {
        if (!holds_answer(r, e) || !fence_make(&r->s.holds[i], e))
            return false;
    }
    return true;
}

static void put_positions(struct wf_shard_position **out, size_t *n, const struct wf_shards *shards,
                          const struct position *pos)
{
    *out = mem_calloc(shards->n, sizeof **out);
    *n = shards->n;
    for (size_t i = 0; i < shards->n; i++) {
        (*out)[i].shard = mem_strdup(shards->shards[i]->name);
        position_copy(&(*out)[i].pos, &pos[i]);
    }
}

static char *decision_text(const struct run *r)
{
    struct wf_decision *d = mem_alloc(sizeof *d);
    d->number = r->w->decision != NULL ? r->w->decision->number + 1 : 1;
    d->dir = r->o->dir;
    d->follow = r->o->follow;
    d->journal_id = r->journal_id;
    put_positions(&d->from, &d->n_from, r->from, r->final);
    put_positions(&d->to, &d->n_to, r->to, r->start);
    char *text = wf_decision_print(d);
    wf_decision_free(d);
    return text;
}

static bool decide(struct run *r, struct err *e)
{
    const char *const *fence = (const char *const *)r->w->fence;
    const char *mode = fence_mode_name(r->s.holds[0].mode);
    char *json = r->o->dir == WF_REVERSE ? wf_fence_json(fence[WF_SOURCE], mode)
                                         : wf_fence_json(mode, fence[WF_TARGET]);
    char *decision = decision_text(r);
    struct wf_row_set set = {.fence = json, .decision = decision};
    bool ok = holds_answer(r, e) && wf_step(r->w, r->home, WF_EVENT_DECIDE, &set, e);
    free(json);
    free(decision);
    return ok;
}

/* How long the stream takes to reach its source's present end; the longest of all sources. */
static bool distance_ms(struct run *r, int64_t *out, struct err *e)
{
    bool ok = true;
    *out = 0;
    for (size_t i = 0; ok && i < r->from->n; i++) {
        struct position pos = POSITION_INIT;
        struct my_conn *c = connect_briefly(r->from->shards[i], e);
        ok = c && my_current_position(c, &pos, e);
        my_close(c);
        int64_t begun = clock_mono_ms(), left = r->until_ms - begun;
        int64_t most = left < APPROACH_MS ? left : APPROACH_MS;
        if (ok && !vrepl_stream_wait(r->w->running->streams[i], &pos, most > 0 ? most : 0, e))
            ok = e->code == ERR_TIMEOUT;
        if (ok)
            err_clear(e);
        position_fini(&pos);
        int64_t took = clock_mono_ms() - begun;
        *out = took > *out ? took : *out;
    }
    return ok;
}

/* Writers wait for what the stream still has to apply, so the lock is asked for in a moment when
 * that is little. A busy source may have no such moment: then the best that was seen has to do. */
static bool approach(struct run *r, struct err *e)
{
    int64_t end = clock_mono_ms() + APPROACH_MS, near = 0;
    do {
        if (!distance_ms(r, &near, e))
            return false;
    } while (near > APPROACH_NEAR_MS && clock_mono_ms() < end && !give_up_waiting(r, NULL));
    return true;
}

static void let_write(struct run *r)
{
    for (size_t i = 0; i < r->s.n_holds; i++)
        fence_hold_unlock(&r->s.holds[i]);
    int64_t took = clock_mono_ms() - r->blocked_since_ms;
    r->blocked_ms = took > r->blocked_ms ? took : r->blocked_ms;
    log_info("switch", "%s: not drained within %lld ms, writers go on until the next attempt",
             r->w->keys[r->o->dir], (long long)took);
    lap(r, "unlock");
}

static bool not_in_time(const struct run *r, struct err *e)
{
    err_set(e, ERR_TIMEOUT,
            "workflow %s cannot switch: its streams did not reach the final position within "
            "--timeout (%lld ms)",
            r->w->keys[r->o->dir], (long long)r->o->timeout_ms);
    return err_cure(e, "see what the target's statements wait for (SHOW PROCESSLIST), or allow "
                       "more with --timeout");
}

/* Steps 5 to 7. The patience doubles up to the command's whole timeout: a stream that is always
 * behind gets its long hold in the end. */
static bool hold_and_drain(struct run *r, struct err *e)
{
    enum wf_direction dir = r->o->dir;
    for (int64_t patience_ms = PATIENCE_MS;; patience_ms *= 2) {
        if (!hold(r, e) || !lap(r, "hold") || !switch_fault(dir, "after_hold", e) || !mark(r, e) ||
            !lap(r, "marker") || !switch_fault(dir, "after_marker", e))
            return false;
        if (wait_all(r, patience_ms, e))
            return lap(r, "wait");
        if (e->code != ERR_TIMEOUT || give_up_waiting(r, e))
            return e->code == ERR_TIMEOUT ? not_in_time(r, e) : false;
        err_clear(e);
        lap(r, "wait");
        let_write(r);
        if (!approach(r, e) || !holds_answer(r, e))
            return false;
        lap(r, "approach");
    }
}

static bool go_on(void *ctx, struct err *e)
{
    struct run *r = ctx;
    if (r->o->cancelled != NULL && *r->o->cancelled != 0)
        return err_set(e, ERR_SHUTDOWN, "the command was interrupted");
    return holds_answer(r, e);
}

static bool arm_holds(struct run *r, struct fence_wait *wait, struct err *e)
{
    for (size_t i = 0; i < r->s.n_holds; i++) {
        if (!fence_prepare(&r->s.holds[i], r->w->engine->o.fence, wait, e))
            return false;
        if (r->s.holds[i].mode == r->s.holds[0].mode)
            continue;
        err_set(e, ERR_WF_PRECONDITION, "the shards do not allow the same kind of fence");
        return err_cure(e, "set fence.mode to rename, or grant TRIGGER on all of them");
    }
    return true;
}

/* Until the last moment, because streams still write through the fence that a gate of hidden names
 * locks. */
static bool gate_all(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->s.n_gates; i++) {
        if (!fence_gate(&r->s.gates[i], e))
            return false;
    }
    return true;
}

/* Who stands in the way of a gate is found before anybody has to wait for it. */
static bool try_gates(struct run *r, struct fence_wait *wait, struct err *e)
{
    while (!gate_all(r, e)) {
        wait->left_ms -= FENCE_LOCK_S * 1000;
        if (e->code != ERR_WF_BLOCKED || wait->left_ms <= 0)
            return false;
        err_clear(e);
        if (!go_on(r, e))
            return false;
    }
    for (size_t i = 0; i < r->s.n_gates; i++) {
        if (!fence_gate_yield(&r->s.gates[i], e))
            return false;
    }
    return true;
}

static bool check_cost(const struct run *r, struct err *e)
{
    int64_t cost_ms = 0;
    for (size_t i = 0; i < r->s.n_holds; i++)
        cost_ms += r->s.holds[i].cost_ms;
    for (size_t i = 0; i < r->s.n_gates; i++)
        cost_ms += r->s.gates[i].cost_ms;
    if (cost_ms <= r->o->timeout_ms)
        return true;
    err_set(e, ERR_WF_PRECONDITION,
            "workflow %s cannot switch: renaming its %zu tables would keep writers waiting for "
            "about %lld ms, and --timeout is %lld ms",
            r->w->keys[r->o->dir], r->w->def->n_tables, (long long)cost_ms,
            (long long)r->o->timeout_ms);
    return err_cure(e, "set fence.mode to trigger, or allow more with --timeout");
}

/* Step 4. What is waited for counts against the timeout; what the work itself takes does not. */
static bool arm(struct run *r, struct err *e)
{
    struct fence_wait wait = {.left_ms = r->o->timeout_ms, .go_on = go_on, .ctx = r};
    if (!arm_holds(r, &wait, e) || !try_gates(r, &wait, e) || !check_cost(r, e))
        return false;
    r->until_ms = clock_mono_ms() + wait.left_ms;
    return true;
}

/* Ids that the side which serves has given out are not given out again. */
static bool carry_counters(struct run *r, struct err *e)
{
    if (r->counters == NULL)
        r->counters = counters_new(r->w, wf_reads(r->o->dir), wf_writes(r->o->dir));
    return counters_carry(r->counters, r->s.holds, r->s.n_holds, r->s.gates, r->s.n_gates, e) &&
           lap(r, "counters");
}

/* Once more under the hold: a table made since the check would be left behind too. */
static bool tables_listed(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->from->n; i++) {
        if (!recheck_tables_listed(r->w, r->s.holds[i].aux, r->from->shards[i], e))
            return false;
    }
    return true;
}

static bool until_decision(struct run *r, struct err *e)
{
    enum wf_direction dir = r->o->dir;
    r->lap_ms = clock_mono_ms();
    return open_holds(r, e) && lap(r, "sessions") && carry_counters(r, e) && arm(r, e) &&
           take_starts(r, e) && lap(r, "arm") && switch_fault(dir, "after_arm", e) &&
           approach(r, e) && lap(r, "approach") && switch_fault(dir, "before_hold", e) &&
           hold_and_drain(r, e) && switch_fault(dir, "after_wait", e) && carry_counters(r, e) &&
           take_starts(r, e) && lap(r, "starts") &&
           switch_fault(dir, "after_reverse_prepared", e) && gate_all(r, e) && fence_all(r, e) &&
           tables_listed(r, e) && lap(r, "fence") && switch_fault(dir, "after_fence", e) &&
           switch_fault(dir, "before_decision", e) && decide(r, e) && lap(r, "decision");
}

static void run_fini(struct run *r)
{
    for (size_t i = 0; i < r->s.n_holds; i++)
        fence_hold_close(&r->s.holds[i]);
    for (size_t i = 0; i < r->s.n_gates; i++)
        fence_hold_close(&r->s.gates[i]);
    for (size_t i = 0; i < r->from->n; i++)
        position_fini(&r->final[i]);
    for (size_t i = 0; i < r->to->n; i++)
        position_fini(&r->start[i]);
    buf_fini(&r->laps);
    counters_free(r->counters);
    free(r->s.holds);
    free(r->s.gates);
    free(r->final);
    free(r->start);
}

/* Undoing may fail too: then the row stays in SWITCHING or UNDOING, and the keeper tries again. */
static bool fail_and_undo(struct run *r, struct err *e)
{
    struct err second = ERR_INIT;
    log_err(LOG_WARN, "switch", e);
    if (!switch_undo(r->w, r->home, &r->s, &second)) {
        log_err(LOG_WARN, "switch", &second);
        err_prepend(
            e, "the switch failed and could not yet be undone (%.300s); this goes on by itself",
            second.text);
    }
    return false;
}

static void note_blocked(const struct run *r, int64_t until_ms, struct switch_result *out)
{
    char labels[400];
    int64_t last_ms = until_ms - r->blocked_since_ms;
    out->blocked_ms = last_ms > r->blocked_ms ? last_ms : r->blocked_ms;
    metrics_labels(labels, sizeof labels, "workflow", r->w->keys[r->o->dir], NULL);
    metric_set(metrics_get(METRIC_GAUGE, "switch_blocked_seconds", labels,
                           "How long writers waited in the last switch of a workflow."),
               (double)out->blocked_ms / 1000.0);
}

static bool decided_then(struct run *r, struct switch_result *out, struct err *e)
{
    int64_t unlocked_ms = 0;
    freeze_all(r);
    bool ok = switch_fault(r->o->dir, "after_decision", e) &&
              switch_roll_forward(r->w, r->home, &r->s, &unlocked_ms, e);
    note_blocked(r, unlocked_ms != 0 ? unlocked_ms : clock_mono_ms(), out);
    lap(r, "roll forward");
    log_info("switch", "%s: writers waited %lld ms (%s)", r->w->keys[r->o->dir],
             (long long)out->blocked_ms, buf_str(&r->laps));
    return ok || err_prepend(e, "the switch of %s is decided and will be completed by itself",
                             r->w->keys[r->o->dir]);
}

bool switch_run(struct workflow *w, struct my_conn *home, const struct switch_options *o,
                struct switch_result *out, struct err *e)
{
    struct run r = {.w = w,
                    .o = o,
                    .home = home,
                    .from = &w->sides[wf_reads(o->dir)],
                    .to = &w->sides[wf_writes(o->dir)]};
    r.s.holds = mem_calloc(r.from->n, sizeof *r.s.holds);
    r.s.gates = mem_calloc(r.to->n, sizeof *r.s.gates);
    r.final = mem_calloc(r.from->n, sizeof *r.final);
    r.start = mem_calloc(r.to->n, sizeof *r.start);
    r.journal_id = routing_next_id(w->engine);
    r.until_ms = clock_mono_ms() + o->timeout_ms;
    w->clear_at_ms = 0; /* the keeper's patience with what this one may leave begins anew */
    w->clear_tries = 0;
    bool ok = switch_check(w, o, e) && prepare(&r, e) && begin(&r, e);
    if (ok && !until_decision(&r, e))
        ok = fail_and_undo(&r, e);
    else if (ok)
        ok = decided_then(&r, out, e);
    run_fini(&r);
    return ok;
}
