/* vrepl/workflow/switch_finish.c — what follows a decision, and what follows when there will be
 * none.
 *
 * Both are idempotent and start from the row and the servers alone: the command that switches, the
 * keeper and a daemon that took the workflow over after a crash run the same code.
 */
#include "vrepl/workflow/switch.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/journal_row.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/workflow_type.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define REMOVE_FENCE_MS 10000
#define CLEAR_WAIT_MS   500 /* one attempt: writers of a table wait behind it */

static struct cdc_journal_shard *journal_shards(const char *keyspace,
                                                const struct wf_shard_position *positions, size_t n,
                                                bool with_gtid)
{
    struct cdc_journal_shard *list = mem_calloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i].keyspace = mem_strdup(keyspace);
        list[i].shard = mem_strdup(positions[i].shard);
        list[i].gtid = with_gtid ? position_text(&positions[i].pos) : NULL;
    }
    return list;
}

/* The journal of one from-shard (its own final position; everything else is the same for all). */
static void journal_fill(const struct workflow *w, const struct wf_shard_position *own,
                         struct cdc_journal *j)
{
    const struct wf_decision *d = w->decision;
    enum wf_side_name from = wf_reads(d->dir), to = wf_writes(d->dir);
    memset(j, 0, sizeof *j);
    j->id = d->journal_id;
    j->workflow = mem_strdup(w->keys[d->dir]);
    j->tables = mem_calloc(w->def->n_tables + 1, sizeof *j->tables);
    for (size_t i = 0; i < w->def->n_tables; i++)
        j->tables[j->n_tables++] = mem_strdup(wf_plain_name(&w->def->tables[i], from));
    j->local_position = position_text(&own->pos);
    j->n_shard_gtids = d->n_to;
    j->shard_gtids = journal_shards(w->sides[to].shards[0]->keyspace, d->to, d->n_to, true);
    j->n_participants = d->n_from;
    j->participants = journal_shards(w->sides[from].shards[0]->keyspace, d->from, d->n_from, false);
    w->def->type->journal(w, j);
}

static bool journal_one(struct workflow *w, const struct wf_shard_position *own,
                        const struct topo_shard *s, struct my_conn *c, struct err *e)
{
    struct cdc_journal j;
    journal_fill(w, own, &j);
    if (journal_row_insert(c, &j, e)) {
        routing_add(w->engine, &j);
        return true;
    }
    cdc_journal_fini(&j);
    return err_prepend(e, "journal on %s/%s", s->keyspace, s->name);
}

/* The decision's positions stand in the order of the side's shards, and so do the sessions. */
static bool write_journals(struct workflow *w, struct switch_sessions *s, struct err *e)
{
    const struct wf_decision *d = w->decision;
    const struct wf_shards *from = &w->sides[wf_reads(d->dir)];
    for (size_t i = 0; i < d->n_from; i++) {
        const struct topo_shard *shard = from->shards[i];
        assert(d->n_from == from->n && strcmp(shard->name, d->from[i].shard) == 0);
        struct my_conn *own = s == NULL ? my_connect(&shard->primary, "journal", e) : NULL;
        struct my_conn *c = s == NULL ? own : s->holds[i].aux;
        bool ok = c != NULL && journal_one(w, &d->from[i], shard, c, e);
        my_close(own);
        if (!ok)
            return false;
    }
    return true;
}

static void note_fence(struct workflow *w, enum wf_side_name side, const char *word)
{
    pthread_mutex_lock(&w->lock);
    free(w->fence[side]);
    w->fence[side] = mem_strdup(word);
    pthread_mutex_unlock(&w->lock);
}

static bool is_open(const struct workflow *w, enum wf_side_name side)
{
    return w->fence[side] != NULL && strcmp(w->fence[side], FENCE_IS_OPEN) == 0;
}

/* In the session that is ready for it, or in a new one when that is gone. */
static bool open_one(struct workflow *w, struct my_conn *home, const struct topo_shard *shard,
                     enum wf_side_name side, struct fence_hold *h, struct err *e)
{
    struct err in_hold = ERR_INIT;
    bool open = false;
    if (h != NULL && h->conn != NULL && fence_open(h, &in_hold))
        return true;
    if (h != NULL)
        fence_hold_close(h);
    if (fence_remove(w, shard, side, home, REMOVE_FENCE_MS, &open, e) || !open)
        return open;
    log_err(LOG_INFO, "switch", e); /* everybody can write; the rest is cleared later */
    err_clear(e);
    return true;
}

static bool lease_stands(void *ctx, struct err *e)
{
    struct workflow *w = ctx;
    return lease_held(w->lease, e);
}

/* What is left of an open fence on one side; with nobody waiting for it. Whoever reads a table now
 * is in the way: then the keeper tries again. */
static void clear_side(struct workflow *w, struct my_conn *home, enum wf_side_name side,
                       struct fence_hold *holds, size_t n_holds)
{
    struct fence_wait wait = {.left_ms = CLEAR_WAIT_MS, .go_on = lease_stands, .ctx = w};
    struct err e = ERR_INIT;
    bool ok = is_open(w, side);
    for (size_t i = 0; ok && i < w->sides[side].n; i++) {
        const struct topo_shard *shard = w->sides[side].shards[i];
        if (i < n_holds && holds[i].conn != NULL)
            ok = fence_clear(&holds[i], &wait, &e);
        else
            ok = fence_remove(w, shard, side, home, CLEAR_WAIT_MS, NULL, &e);
    }
    if (ok)
        note_fence(w, side, NULL);
    else if (e.code != ERR_NONE)
        log_err(LOG_INFO, "switch", &e);
}

bool switch_left_open(const struct workflow *w)
{
    return is_open(w, WF_SOURCE) || is_open(w, WF_TARGET);
}

bool switch_clear(struct workflow *w, struct my_conn *home, struct err *e)
{
    clear_side(w, home, WF_SOURCE, NULL, 0);
    clear_side(w, home, WF_TARGET, NULL, 0);
    char *json = wf_fence_json(w->fence[WF_SOURCE], w->fence[WF_TARGET]);
    struct wf_row_set set = {.fence = json};
    bool ok = wf_row_move(home, lease_key(w->lease), w->state, w->state, &set, e);
    free(json);
    return ok;
}

static bool enable(struct workflow *w, struct my_conn *home, struct switch_sessions *s,
                   struct err *e)
{
    enum wf_side_name to = wf_writes(w->decision->dir);
    if (w->fence[to] == NULL || is_open(w, to))
        return true;
    for (size_t i = 0; i < w->sides[to].n; i++) {
        const struct topo_shard *shard = w->sides[to].shards[i];
        if (!open_one(w, home, shard, to, s != NULL ? &s->gates[i] : NULL, e))
            return err_prepend(e, "enabling writes on %s/%s", shard->keyspace, shard->name);
    }
    note_fence(w, to, FENCE_IS_OPEN);
    return true;
}

/* The streams that are over are stopped after UNLOCK: joining their threads need not block anybody.
 */
static bool turn_streams(struct workflow *w, struct wf_streams **over, struct err *e)
{
    const struct wf_decision *d = w->decision;
    struct wf_streams *s = NULL;
    wf_watch_stop(w);
    if (w->running != NULL && w->running->dir != d->dir)
        return true; /* an earlier attempt came this far */
    if (d->follow && !wf_streams_start(w, wf_opposite(d->dir), &s, e))
        return false;
    *over = wf_streams_put(w, s);
    return true;
}

static bool finish(struct workflow *w, struct my_conn *home, struct err *e)
{
    char *json = wf_fence_json(w->fence[WF_SOURCE], w->fence[WF_TARGET]);
    struct wf_row_set set = {.fence = json, .todo = ""};
    bool ok =
        wf_step(w, home, w->decision->follow ? WF_EVENT_FINISH : WF_EVENT_FINISH_STOPPED, &set, e);
    free(json);
    return ok;
}

static void unlock_all(struct switch_sessions *s)
{
    for (size_t i = 0; s != NULL && i < s->n_holds; i++)
        fence_hold_unlock(&s->holds[i]);
}

/* What has to be there before a writer that is turned away may look for its table elsewhere. */
static bool open_the_other_side(struct workflow *w, struct my_conn *home, struct switch_sessions *s,
                                struct err *e)
{
    enum wf_direction dir = w->decision->dir;
    if (!write_journals(w, s, e) || !switch_fault(dir, "after_journal", e) ||
        !enable(w, home, s, e))
        return false;
    return switch_fault(dir, "after_enable", e) &&
           routing_publish(w->engine, w->keys[dir], home, e) &&
           switch_fault(dir, "after_routing", e) && switch_fault(dir, "before_unlock", e);
}

bool switch_roll_forward(struct workflow *w, struct my_conn *home, struct switch_sessions *s,
                         int64_t *unlocked_ms, struct err *e)
{
    assert(w->state == WF_DECIDED || w->state == WF_REVERSE_DECIDED);
    enum wf_direction dir = w->decision->dir;
    struct wf_streams *over = NULL;
    bool ok = open_the_other_side(w, home, s, e);
    unlock_all(s);
    if (unlocked_ms != NULL)
        *unlocked_ms = clock_mono_ms();
    ok = ok && turn_streams(w, &over, e);
    wf_streams_free(w, over);
    if (ok)
        clear_side(w, home, wf_writes(dir), s != NULL ? s->gates : NULL,
                   s != NULL ? s->n_gates : 0);
    if (!ok || !switch_fault(dir, "after_reverse_start", e) || !finish(w, home, e))
        return false;
    wf_watch_start(w);
    return switch_fault(dir, "after_finish", e);
}

/* A home server that lost the decision has not lost the journals: they are the witness that it was
 * made. */
static bool no_journal(const struct workflow *w, const struct topo_shard *s, int64_t id,
                       struct err *e)
{
    bool there = false;
    struct my_conn *c = my_connect(&s->primary, "switch", e);
    bool ok = c != NULL && journal_row_exists(c, id, &there, e);
    my_close(c);
    if (!ok || !there)
        return ok;
    err_set(e, ERR_WF_STATE,
            "%s/%s has the journal of a switch that the row of workflow %s does not know: the row "
            "is older",
            s->keyspace, s->name, w->keys[0]);
    return err_cure(e, "the server that holds the row lost a committed transaction; restore it, "
                       "fences stay as they are");
}

static bool no_journals(const struct workflow *w, enum wf_side_name side, struct err *e)
{
    json_t *j = w->todo != NULL ? json_loads(w->todo, 0, NULL) : NULL;
    int64_t id = json_integer_value(json_object_get(j, "journal_id"));
    bool ok = true;
    json_decref(j);
    for (size_t i = 0; ok && id != 0 && i < w->sides[side].n; i++)
        ok = no_journal(w, w->sides[side].shards[i], id, e);
    return ok;
}

static bool unfence_all(struct workflow *w, struct my_conn *home, enum wf_side_name side,
                        struct switch_sessions *s, struct err *e)
{
    size_t n = s != NULL ? s->n_holds : 0;
    for (size_t i = 0; i < w->sides[side].n; i++) {
        if (!open_one(w, home, w->sides[side].shards[i], side, i < n ? &s->holds[i] : NULL, e))
            return false;
    }
    unlock_all(s); /* writers that wait go on without an error */
    note_fence(w, side, FENCE_IS_OPEN);
    clear_side(w, home, side, n > 0 ? s->holds : NULL, n);
    return true;
}

bool switch_undo(struct workflow *w, struct my_conn *home, struct switch_sessions *s, struct err *e)
{
    bool reverse = w->state == WF_REVERSING || w->state == WF_REVERSE_UNDOING;
    enum wf_direction dir = reverse ? WF_REVERSE : WF_FORWARD;
    enum wf_side_name side = wf_reads(dir);
    if ((w->state == WF_SWITCHING || w->state == WF_REVERSING) &&
        !wf_step(w, home, WF_EVENT_GIVE_UP, NULL, e))
        return false;
    if (!no_journals(w, side, e) || !switch_fault(dir, "after_give_up", e) ||
        !unfence_all(w, home, side, s, e) || !switch_fault(dir, "after_unfence", e))
        return false;
    char *json = wf_fence_json(w->fence[WF_SOURCE], w->fence[WF_TARGET]);
    struct wf_row_set set = {.fence = json, .todo = ""};
    bool ok = wf_step(w, home, WF_EVENT_UNDONE, &set, e);
    free(json);
    return ok && wf_streams_run(w, dir, e); /* they still run, but after a crash */
}
