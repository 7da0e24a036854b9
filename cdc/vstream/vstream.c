/* cdc/vstream/vstream.c — the lanes of a keyspace, and the reshards that replace them.
 *
 * The lock guards the list of lanes, the handover and what other threads ask of a lane. A lane's own
 * reading is not under it: its thread alone uses it.
 */
#include "cdc/vstream/vstream.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct vstream_shard {
    struct vstream *v;
    size_t i;
    const struct topo_shard *shard;
    bool is_child;
    struct position at; /* before the lane begins: a child's start; after it ended: its end */
    struct position until;
    struct cdc_reader *reader;
    struct vstream_lane *lane; /* NULL: not begun, or ended */
    bool inside;               /* the last part did not end its transaction, or the copy */
    bool ended;                /* under the lock, as the two below */
    enum cdc_rest rest;
    struct err why;
};
struct vstream {
    struct vstream_options o;
    pthread_mutex_t lock;
    struct vstream_shard **shards;
    size_t n, cap;
    struct handover handover;
    bool over;   /* atomic: a switch of traffic that cannot be followed was reached: done */
    int done;    /* over: the lane whose journal it is; else -1 */
    size_t turn; /* of vstream_next */
};

/* ---- lanes ---- */

static const struct topo_shard *find_shard(const struct topo_keyspace *ks, const char *name)
{
    const struct topo_shard *found = NULL;
    for (size_t i = 0; i < ks->n_shards && !found; i++) {
        if (strcmp(ks->shards[i].name, name) == 0)
            found = &ks->shards[i];
    }
    assert(found); /* callers and handover_follow give configured shards only */
    return found;
}

static struct vstream_shard *add_shard(struct vstream *v, const char *name)
{
    struct vstream_shard *s = mem_alloc(sizeof *s);
    s->v = v;
    s->i = v->n;
    s->shard = find_shard(v->o.ks, name);
    mem_grow((void **)&v->shards, &v->cap, v->n + 1, sizeof *v->shards);
    v->shards[v->n++] = s;
    return s;
}

struct vstream *vstream_open(const struct vstream_options *o, const char *const *shards, size_t n)
{
    struct vstream *v = mem_alloc(sizeof *v);
    v->o = *o;
    v->done = -1;
    pthread_mutex_init(&v->lock, NULL);
    for (size_t i = 0; i < n; i++)
        (void)add_shard(v, shards[i]);
    handover_init(&v->handover, o->ks->name, shards, n, o->tables, o->n_tables);
    return v;
}

void vstream_close(struct vstream *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n; i++) {
        struct vstream_shard *s = v->shards[i];
        vstream_lane_close(s->lane);
        position_fini(&s->at);
        position_fini(&s->until);
        free(s);
    }
    free(v->shards);
    handover_fini(&v->handover);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

size_t vstream_count(struct vstream *v)
{
    pthread_mutex_lock(&v->lock);
    size_t n = v->n;
    pthread_mutex_unlock(&v->lock);
    return n;
}

struct vstream_shard *vstream_shard(struct vstream *v, size_t i)
{
    pthread_mutex_lock(&v->lock);
    assert(i < v->n);
    struct vstream_shard *s = v->shards[i];
    pthread_mutex_unlock(&v->lock);
    return s;
}

const struct topo_shard *vstream_shard_is(const struct vstream_shard *s)
{
    return s->shard;
}

size_t vstream_shard_number(const struct vstream_shard *s)
{
    return s->i;
}

bool vstream_is_child(const struct vstream_shard *s)
{
    return s->is_child;
}

struct cdc_stream *vstream_stream(const struct vstream_shard *s)
{
    return s->lane ? vstream_lane_stream(s->lane) : NULL;
}

bool vstream_folds_names(const struct vstream_shard *s)
{
    return cdc_reader_folds_names(s->reader);
}

const struct position *vstream_position(const struct vstream_shard *s)
{
    return s->lane ? vstream_lane_position(s->lane) : &s->at;
}

void vstream_taken(struct vstream_shard *s)
{
    if (s->lane)
        vstream_lane_taken(s->lane);
}

struct vstream_state vstream_state(struct vstream_shard *s)
{
    struct vstream *v = s->v;
    pthread_mutex_lock(&v->lock);
    const struct family_shard *f = &v->handover.family.shards[s->i];
    const struct vstream_state state = {
        .ended = s->ended || f->ended, .replaced = !f->known, .rest = s->rest, .why = s->why.text};
    pthread_mutex_unlock(&v->lock);
    return state;
}

/* ---- beginning ---- */

static bool on_journal(void *ctx, const char *json, const struct position *before, bool *ends,
                       struct err *e)
{
    struct vstream_shard *s = ctx;
    struct vstream *v = s->v;
    pthread_mutex_lock(&v->lock);
    bool ok =
        v->handover.family.shards[s->i].ended ||
        handover_take(&v->handover, s->i, json, cdc_reader_folds_names(s->reader), before, ends, e);
    pthread_mutex_unlock(&v->lock);
    return ok;
}

static bool find_until(struct vstream_shard *s, struct err *e)
{
    const struct vgtid *until = s->v->o.until;
    for (size_t i = 0; until && i < until->n; i++) {
        const struct vgtid_entry *entry = &until->entries[i];
        if (strcmp(entry->keyspace, s->shard->keyspace) == 0 &&
            strcmp(entry->shard, s->shard->name) == 0) {
            position_copy(&s->until, &entry->pos);
            return true;
        }
    }
    if (!until)
        return true;
    err_set(e, ERR_SRC_HANDOVER, "the VGTID to read until has no entry for %s/%s",
            s->shard->keyspace, s->shard->name);
    return err_cure(e, "go on from the VGTID that comes with this error, until one that names the "
                       "shards that serve now");
}

/* A child's rows were given as its parents' rows and changes. */
static bool copies(const struct vstream_shard *s)
{
    return s->v->o.copy && !s->is_child;
}

bool vstream_begin(struct vstream_shard *s, const struct position *start, struct err *e)
{
    const struct vstream_options *v = &s->v->o;
    struct vstream_lane_options o = {.name = v->name,
                                     .queue_bytes = v->queue_bytes,
                                     .committed = {.spill_dir = v->spill_dir,
                                                   .spill_max_bytes = v->spill_max_bytes,
                                                   .until = &s->until,
                                                   .until_time = v->until_time,
                                                   .at_once = v->at_once},
                                     .journal = on_journal,
                                     .ctx = s};
    if (copies(s))
        o.copy = (struct initial_copy_options){
            .source = &s->shard->primary, .tables = v->tables, .n_tables = v->n_tables};
    assert(!s->lane && !s->ended);
    if (!find_until(s, e))
        return false;
    if (!s->is_child && start)
        position_copy(&s->at, start);
    s->reader = v->reader(v->ctx, s->shard, e);
    if (s->reader)
        s->lane = vstream_lane_open(s->reader, &o, &s->at, e);
    return s->lane != NULL;
}

/* ---- following ---- */

/* Whether all lanes that the journal ends have given, and their callers have taken, everything in
 * front of it: a lane may have met the journal in a transaction that is still being given. */
static bool is_taken(const struct vstream *v, int64_t journal)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct family_shard *f = &v->handover.family.shards[i];
        if (f->known && f->ended && f->journal.id == journal && !v->shards[i]->ended)
            return false;
    }
    return true;
}

static void add_children(struct vstream *v)
{
    const struct family *f = &v->handover.family;
    while (v->n < f->n) {
        const struct family_shard *child = &f->shards[v->n];
        struct vstream_shard *s = add_shard(v, child->name);
        s->is_child = true;
        position_copy(&s->at, &child->at);
    }
}

/* Nothing is left of the lane. The last one that a switch of traffic ends goes on from it: from its
 * own, for that of another reshard may be complete and not taken yet. */
static bool follow(struct vstream_shard *s, struct err *e)
{
    struct vstream *v = s->v;
    if (v->over || !handover_is_complete(&v->handover, s->i) ||
        !is_taken(v, v->handover.family.shards[s->i].journal.id))
        return true;
    bool ok = handover_follow(&v->handover, (int)s->i, v->o.ks, e);
    if (!ok) {
        v->done = (int)s->i;
        __atomic_store_n(&v->over, true, __ATOMIC_RELAXED);
    }
    add_children(v);
    return ok;
}

static enum vstream_next end_lane(struct vstream_shard *s, struct err *e)
{
    position_copy(&s->at, vstream_lane_position(s->lane));
    vstream_lane_close(s->lane); /* its queue would hold the reader */
    s->lane = NULL;
    pthread_mutex_lock(&s->v->lock);
    s->ended = true;
    bool ok = follow(s, e);
    pthread_mutex_unlock(&s->v->lock);
    return ok ? VSTREAM_ENDED : VSTREAM_FAIL;
}

static void set_rest(struct vstream_shard *s, enum cdc_rest rest, const struct err *why)
{
    pthread_mutex_lock(&s->v->lock);
    s->rest = rest;
    s->why = *why;
    pthread_mutex_unlock(&s->v->lock);
}

/* Called for each transaction: only what changes something clears a struct err, 2 KiB. */
static void note_rest(struct vstream_shard *s, bool rests)
{
    if (!rests && s->rest == CDC_REST_BUSY)
        return;
    struct err why = ERR_INIT;
    set_rest(s, rests ? cdc_stream_rest(vstream_lane_stream(s->lane), &why) : CDC_REST_BUSY, &why);
}

enum vstream_next vstream_pull(struct vstream_shard *s, struct committed_part *part,
                               int64_t timeout_ms, struct err *e)
{
    if (s->ended || (!s->inside && __atomic_load_n(&s->v->over, __ATOMIC_RELAXED)))
        return VSTREAM_ENDED;
    enum vstream_next next = vstream_lane_next(s->lane, part, timeout_ms, e);
    s->inside =
        (next == VSTREAM_PART && !part->ends && !s->v->o.at_once) || vstream_lane_copies(s->lane);
    note_rest(s, next == VSTREAM_REST);
    return next == VSTREAM_ENDED ? end_lane(s, e) : next;
}

/* ---- all lanes by one thread ---- */

/* The lane whose turn it is, or the next that has not ended; NULL: all have. */
static struct vstream_shard *take_turn(struct vstream *v)
{
    for (size_t k = 0; k < v->n; k++) {
        struct vstream_shard *s = v->shards[(v->turn + k) % v->n];
        if (!s->ended) {
            v->turn = s->i;
            return s;
        }
    }
    return NULL;
}

enum vstream_next vstream_next(struct vstream *v, struct vstream_shard **s,
                               struct committed_part *part, int64_t timeout_ms, struct err *e)
{
    *s = take_turn(v);
    if (!*s) { /* each waits at its journal for lanes that are at another */
        clock_sleep_ms(timeout_ms, NULL);
        return VSTREAM_ENDED;
    }
    if (!(*s)->lane && !vstream_begin(*s, NULL, e))
        return VSTREAM_FAIL;
    enum vstream_next next = vstream_pull(*s, part, timeout_ms, e);
    if (next != VSTREAM_PART)
        v->turn = (v->turn + 1) % v->n;
    return next;
}

/* Whether rows that the lane should begin with were not given. */
static bool is_uncopied(const struct vstream_shard *s)
{
    return copies(s) && !s->ended && (!s->lane || vstream_lane_copies(s->lane));
}

static bool refuse_uncopied(const struct vstream_shard *s, struct err *e)
{
    err_set(e, ERR_SRC_COPY,
            "the initial copy of %s/%s was not given to its end: no VGTID stands behind it",
            s->shard->keyspace, s->shard->name);
    return err_cure(e, "begin the copy anew");
}

bool vstream_vgtid(struct vstream *v, struct vgtid *out, struct vgtid *moved, struct err *e)
{
    pthread_mutex_lock(&v->lock);
    const struct position **at = mem_calloc(v->n + 1, sizeof *at);
    const struct vstream_shard *uncopied = NULL;
    int done = v->done;
    for (size_t i = 0; i < v->n; i++) {
        at[i] = vstream_position(v->shards[i]);
        if (is_uncopied(v->shards[i]))
            uncopied = v->shards[i];
    }
    bool ok = (!uncopied || refuse_uncopied(uncopied, e)) &&
              handover_vgtid(&v->handover, done, at, out, e) &&
              (done < 0 || handover_moved(&v->handover, done, moved, e));
    pthread_mutex_unlock(&v->lock);
    free(at);
    return ok;
}
