/* cdc/vstream/handover.c — compares journals with the shards and tables of a stream, and turns a
 * complete one into a VGTID. */
#include "cdc/vstream/handover.h"

#include "base/mem.h"
#include "schemas/names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the start ---- */

static void put_names(struct buf *out, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? ", " : "", names[i]);
}

static bool refuse_start(const struct topo_keyspace *ks, const char *const *serving, size_t n,
                         const char *why, struct err *e)
{
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    put_names(&names, serving, n);
    err_set(e, ERR_POSITION_PARSE, "the VGTID is no place in the stream of keyspace %s: %s",
            ks->name, why);
    return err_cure(e,
                    "give a VGTID that this keyspace's stream sent last, whole, or begin anew "
                    "without it; the shards "
                    "that serve now: %s",
                    n ? buf_str(&names) : "unknown");
}

static const struct topo_shard *configured(const struct topo_keyspace *ks, const char *name)
{
    for (size_t i = 0; i < ks->n_shards; i++) {
        if (strcmp(ks->shards[i].name, name) == 0)
            return &ks->shards[i];
    }
    return NULL;
}

/* Appends what is wrong with one entry. */
static void check_entry(const struct topo_keyspace *ks, const struct vgtid_entry *v,
                        struct buf *why)
{
    if (strcmp(v->keyspace, ks->name) != 0)
        buf_printf(why, "it names keyspace %.100s", v->keyspace);
    else if (!configured(ks, v->shard))
        buf_printf(why, "the configuration has no shard %s/%.100s", ks->name, v->shard);
    else if (position_is_empty(&v->pos))
        buf_printf(why, "it has no position for %s/%s", ks->name, v->shard);
}

static void check_cover(const struct topo_keyspace *ks, const struct vgtid *v, struct buf *why)
{
    struct keyrange *set = mem_calloc(v->n + 1, sizeof *set);
    for (size_t i = 0; i < v->n; i++) {
        const struct topo_shard *shard = configured(ks, v->entries[i].shard);
        assert(shard); /* check_entry has seen it */
        set[i] = shard->range;
    }
    keyrange_is_partition(set, v->n, why);
    free(set);
}

bool handover_is_within(const struct topo_keyspace *ks, const char *only, const char *shard)
{
    const struct topo_shard *outer = only ? configured(ks, only) : NULL;
    const struct topo_shard *inner = configured(ks, shard);
    return !only || strcmp(only, shard) == 0 ||
           (outer && inner && keyrange_contains_range(&outer->range, &inner->range));
}

/* The shard itself, or the shards that a reshard made of it. */
static bool has_shard(const struct topo_keyspace *ks, const struct vgtid *v, const char *only)
{
    const struct topo_shard *whole = configured(ks, only);
    struct keyrange *set = mem_calloc(v->n + 1, sizeof *set);
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        const struct topo_shard *s = configured(ks, v->entries[i].shard);
        if (s && handover_is_within(ks, only, s->name))
            set[n++] = s->range;
    }
    bool found = whole && n > 0 && keyrange_sets_equal(set, n, &whole->range, 1);
    free(set);
    return found;
}

bool handover_check_start(const struct topo_keyspace *ks, const struct vgtid *v, const char *only,
                          const char *const *serving, size_t n_serving, struct err *e)
{
    CLEANUP(buf_fini) struct buf why = BUF_INIT;
    if (v->n == 0)
        buf_put_str(&why, "it is empty");
    for (size_t i = 0; i < v->n && why.len == 0; i++)
        check_entry(ks, &v->entries[i], &why);
    if (why.len == 0 && only && !has_shard(ks, v, only))
        buf_printf(&why, "it has no position for shard %.100s", only);
    else if (why.len == 0 && !only)
        check_cover(ks, v, &why);
    return why.len == 0 || refuse_start(ks, serving, n_serving, buf_str(&why), e);
}

/* ---- journals ---- */

static struct family_shard *add_shard(struct handover *h, const char *name)
{
    struct family *f = &h->family;
    mem_grow((void **)&f->shards, &h->cap, f->n + 1, sizeof *f->shards);
    f->shards[f->n] = (struct family_shard){.name = name, .known = true};
    return &f->shards[f->n++];
}

void handover_init(struct handover *h, const char *keyspace, const char *const *shards, size_t n,
                   const char *const *tables, size_t n_tables)
{
    *h = (struct handover){.family.keyspace = keyspace, .tables = tables, .n_tables = n_tables};
    for (size_t i = 0; i < n; i++)
        (void)add_shard(h, shards[i]);
}

void handover_fini(struct handover *h)
{
    for (size_t i = 0; i < h->family.n; i++)
        family_shard_fini(&h->family.shards[i]);
    free(h->family.shards);
    *h = (struct handover){0};
}

static bool wants_one(const struct handover *h, const struct cdc_journal *j, bool folds)
{
    bool found = h->n_tables == 0;
    for (size_t i = 0; i < h->n_tables; i++) {
        for (size_t k = 0; k < j->n_tables && !found; k++)
            found = schema_name_is(folds, h->tables[i], j->tables[k]);
    }
    return found;
}

bool handover_take(struct handover *h, size_t i, const char *json, bool folds,
                   const struct position *before, bool *ends, struct err *e)
{
    struct family_shard *s = &h->family.shards[i];
    struct cdc_journal j;
    assert(i < h->family.n && s->known && !s->ended);
    if (!cdc_journal_parse(json, &j, e))
        return false;
    *ends = family_is_parent(&h->family, &j, s->name) && (j.shards || wants_one(h, &j, folds));
    if (!*ends) {
        cdc_journal_fini(&j);
        return true;
    }
    s->journal = j;
    s->ended = true;
    position_copy(&s->at, before);
    return true;
}

bool handover_is_complete(const struct handover *h, size_t i)
{
    const struct family_shard *s = &h->family.shards[i];
    return s->ended && family_reached_by_all(&h->family, &s->journal);
}

int handover_complete(const struct handover *h)
{
    for (size_t i = 0; i < h->family.n; i++) {
        if (handover_is_complete(h, i))
            return (int)i;
    }
    return -1;
}

static bool put_journal(const struct cdc_journal *j, struct vgtid *out, struct err *e)
{
    for (size_t i = 0; i < j->n_shard_gtids; i++) {
        CLEANUP(position_fini) struct position p = POSITION_INIT;
        if (!position_parse(j->shard_gtids[i].gtid, &p, e))
            return err_prepend(e, "the journal of %s", j->workflow);
        vgtid_set(out, j->shard_gtids[i].keyspace, j->shard_gtids[i].shard, &p);
    }
    return true;
}

bool handover_vgtid(const struct handover *h, int done, const struct position *const *at,
                    struct vgtid *out, struct err *e)
{
    const struct family *f = &h->family;
    const struct cdc_journal *j = done < 0 ? NULL : &f->shards[done].journal;
    for (size_t k = 0; k < f->n; k++) {
        const struct family_shard *s = &f->shards[k];
        bool in_done = j && s->ended && s->journal.id == j->id;
        bool behind = at[k] && (in_done || !s->ended);
        if (s->known && !(in_done && j->shards))
            vgtid_set(out, f->keyspace, s->name, behind ? at[k] : &s->at);
    }
    return !j || !j->shards || put_journal(j, out, e);
}

bool handover_moved(const struct handover *h, int done, struct vgtid *out, struct err *e)
{
    const struct cdc_journal *j = &h->family.shards[done].journal;
    return j->shards || put_journal(j, out, e);
}

bool handover_error(const struct handover *h, int done, struct err *e)
{
    const struct cdc_journal *j = &h->family.shards[done].journal;
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    for (size_t i = 0; j->shards && i < j->n_shard_gtids; i++)
        buf_printf(&names, "%s%s/%s", i ? ", " : "", j->shard_gtids[i].keyspace,
                   j->shard_gtids[i].shard);
    if (j->shards) {
        err_set(e, ERR_SRC_HANDOVER, "workflow %s resharded keyspace %s; now serve: %s",
                j->workflow, h->family.keyspace, buf_str(&names));
        return err_cure(
            e,
            "go on from the VGTID that comes with this error: it names the shards that serve now");
    }
    put_names(&names, (const char *const *)j->tables, j->n_tables);
    err_set(e, ERR_SRC_HANDOVER, "workflow %s moved tables of keyspace %s to keyspace %s: %s",
            j->workflow, h->family.keyspace, j->n_shard_gtids ? j->shard_gtids[0].keyspace : "?",
            buf_str(&names));
    return err_cure(e, "read these tables from the VGTID under \"moved\", in its keyspace, and the "
                       "others from \"vgtid\"");
}

/* ---- following ---- */

static bool was_read(const struct handover *h, const struct cdc_journal *j, const char *parent)
{
    for (size_t k = 0; k < h->family.n; k++) {
        const struct family_shard *s = &h->family.shards[k];
        if (s->known && s->ended && s->journal.id == j->id && strcmp(s->name, parent) == 0)
            return true;
    }
    return false;
}

/* Whether the child took over rows of a parent that the stream read (or, with `read` false, of one
 * that it did not read). */
static const char *shares(const struct handover *h, const struct topo_keyspace *ks,
                          const struct cdc_journal *j, const struct topo_shard *child, bool read)
{
    for (size_t i = 0; i < j->n_participants; i++) {
        const char *name = j->participants[i].shard;
        const struct topo_shard *parent = configured(ks, name);
        if (was_read(h, j, name) == read &&
            (!parent || keyrange_intersects(&parent->range, &child->range)))
            return name;
    }
    return NULL;
}

/* A child that also holds rows of a parent that is not read would bring rows that nobody asked for,
 * without those before them. */
static void check_child(const struct handover *h, const struct topo_keyspace *ks,
                        const struct cdc_journal *j, const struct topo_shard *child,
                        struct buf *why)
{
    const char *unread = shares(h, ks, j, child, false);
    if (shares(h, ks, j, child, true) && unread)
        buf_printf(why, "%s/%s also holds rows of %s, which is not read", ks->name, child->name,
                   unread);
}

static void check_follow(const struct handover *h, const struct topo_keyspace *ks,
                         const struct cdc_journal *j, struct buf *why)
{
    for (size_t i = 0; i < j->n_shard_gtids && why->len == 0; i++) {
        const struct cdc_journal_shard *s = &j->shard_gtids[i];
        CLEANUP(position_fini) struct position p = POSITION_INIT;
        struct err unusable = ERR_INIT;
        const struct topo_shard *child =
            strcmp(s->keyspace, ks->name) == 0 ? configured(ks, s->shard) : NULL;
        if (!child)
            buf_printf(why, "the configuration has no shard %s/%.100s", s->keyspace, s->shard);
        else if (!position_parse(s->gtid, &p, &unusable))
            buf_printf(why, "the journal's position of %s: %s", s->shard, unusable.text);
        else
            check_child(h, ks, j, child, why);
    }
}

static void replace(struct handover *h, const struct topo_keyspace *ks, struct cdc_journal *j)
{
    size_t n = h->family.n;
    for (size_t i = 0; i < j->n_shard_gtids; i++) {
        const struct topo_shard *child = configured(ks, j->shard_gtids[i].shard);
        struct err checked = ERR_INIT;
        if (!shares(h, ks, j, child, true))
            continue;
        struct family_shard *s = add_shard(h, child->name);
        bool ok = position_parse(j->shard_gtids[i].gtid, &s->at, &checked);
        assert(ok); /* check_follow has seen it */
        (void)ok;
    }
    for (size_t k = 0; k < n; k++) {
        struct family_shard *s = &h->family.shards[k];
        const char *name = s->name;
        if (s->known && s->ended && s->journal.id == j->id) {
            family_shard_fini(s);
            s->name = name;
        }
    }
}

bool handover_follow(struct handover *h, int done, const struct topo_keyspace *ks, struct err *e)
{
    CLEANUP(buf_fini) struct buf why = BUF_INIT;
    struct cdc_journal j = h->family.shards[done].journal;
    if (j.shards)
        check_follow(h, ks, &j, &why);
    if (!j.shards || why.len > 0) {
        handover_error(h, done, e);
        return j.shards ? err_prepend(e, "the stream does not follow: %s", buf_str(&why)) : false;
    }
    replace(h, ks, &j);
    return true;
}
