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

static bool has_shard(const struct vgtid *v, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < v->n; i++)
        found = found || strcmp(v->entries[i].shard, name) == 0;
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
    if (why.len == 0 && only && !has_shard(v, only))
        buf_printf(&why, "it has no position for shard %.100s", only);
    else if (why.len == 0 && !only)
        check_cover(ks, v, &why);
    return why.len == 0 || refuse_start(ks, serving, n_serving, buf_str(&why), e);
}

/* ---- journals ---- */

void handover_init(struct handover *h, const char *keyspace, const char *const *shards, size_t n,
                   const char *const *tables, size_t n_tables)
{
    *h = (struct handover){.keyspace = keyspace, .tables = tables, .n_tables = n_tables, .n = n};
    h->shards = mem_calloc(n + 1, sizeof *h->shards);
    for (size_t i = 0; i < n; i++)
        h->shards[i].name = shards[i];
}

void handover_fini(struct handover *h)
{
    for (size_t i = 0; i < h->n; i++) {
        position_fini(&h->shards[i].before);
        if (h->shards[i].reached)
            cdc_journal_fini(&h->shards[i].journal);
    }
    free(h->shards);
    *h = (struct handover){0};
}

static bool participates(const struct handover *h, const struct cdc_journal *j, const char *shard)
{
    bool found = false;
    for (size_t i = 0; i < j->n_participants; i++)
        found = found || (strcmp(j->participants[i].keyspace, h->keyspace) == 0 &&
                          strcmp(j->participants[i].shard, shard) == 0);
    return found;
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
    struct handover_shard *s = &h->shards[i];
    struct cdc_journal j;
    assert(i < h->n && !s->reached);
    if (!cdc_journal_parse(json, &j, e))
        return false;
    *ends = participates(h, &j, s->name) && (j.shards || wants_one(h, &j, folds));
    if (!*ends) {
        cdc_journal_fini(&j);
        return true;
    }
    s->journal = j;
    s->reached = true;
    position_copy(&s->before, before);
    return true;
}

static bool all_reached(const struct handover *h, const struct cdc_journal *j)
{
    for (size_t k = 0; k < h->n; k++) {
        const struct handover_shard *s = &h->shards[k];
        if (participates(h, j, s->name) && !(s->reached && s->journal.id == j->id))
            return false;
    }
    return true;
}

int handover_complete(const struct handover *h)
{
    for (size_t i = 0; i < h->n; i++) {
        if (h->shards[i].reached && all_reached(h, &h->shards[i].journal))
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
    const struct cdc_journal *j = done < 0 ? NULL : &h->shards[done].journal;
    for (size_t k = 0; k < h->n; k++) {
        const struct handover_shard *s = &h->shards[k];
        bool in_done = j && s->reached && s->journal.id == j->id;
        if (!(in_done && j->shards))
            vgtid_set(out, h->keyspace, s->name, s->reached && !in_done ? &s->before : at[k]);
    }
    return !j || !j->shards || put_journal(j, out, e);
}

bool handover_moved(const struct handover *h, int done, struct vgtid *out, struct err *e)
{
    const struct cdc_journal *j = &h->shards[done].journal;
    return j->shards || put_journal(j, out, e);
}

bool handover_error(const struct handover *h, int done, struct err *e)
{
    const struct cdc_journal *j = &h->shards[done].journal;
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    for (size_t i = 0; j->shards && i < j->n_shard_gtids; i++)
        buf_printf(&names, "%s%s/%s", i ? ", " : "", j->shard_gtids[i].keyspace,
                   j->shard_gtids[i].shard);
    if (j->shards) {
        err_set(e, ERR_SRC_HANDOVER, "workflow %s resharded keyspace %s; now serve: %s",
                j->workflow, h->keyspace, buf_str(&names));
        return err_cure(
            e,
            "go on from the VGTID that comes with this error: it names the shards that serve now");
    }
    put_names(&names, (const char *const *)j->tables, j->n_tables);
    err_set(e, ERR_SRC_HANDOVER, "workflow %s moved tables of keyspace %s to keyspace %s: %s",
            j->workflow, h->keyspace, j->n_shard_gtids ? j->shard_gtids[0].keyspace : "?",
            buf_str(&names));
    return err_cure(e, "read these tables from the VGTID under \"moved\", in its keyspace, and the "
                       "others from \"vgtid\"");
}
