/* vrepl/diff/vdiff_rows.c — which rows of a range really differ.
 *
 * A row that was read at two moments on two servers may differ because it was changed in between.
 * It is a difference only if it stays one at a common position, and this is made sure of exactly:
 *   1. Without a lock: wait until the streams have applied the sources' present ends, and read the
 *      candidates again.
 *   2. Those that still differ: lock them on the sources (SELECT … LOCK IN SHARE MODE under
 *      REPEATABLE READ, which locks the gap of a missing row too), read the sources' ends P, wait
 *      until P is applied, read the target, compare, unlock.
 * In 2, every committed change of the row is at or before P (its commit came before we had the
 * lock, and the log is written before the lock is given up), none can follow while we hold it, and
 * the target has applied P: equal there means the target is right, different means it is wrong.
 * Locks are held for one wait over at most VDIFF_BATCH rows.
 *
 * Tables without a key are compared as counted contents under a short LOCK TABLES … READ in the
 * same way.
 */
#include "vrepl/diff/vdiff_internal.h"

#include "base/mem.h"
#include "base/sys.h"
#include "schemas/sharding/vindex_input.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VDIFF_BATCH      100
#define COLLATION_BINARY 63

static const struct schema_column *column_at(const struct vdiff_end *x, const char *name)
{
    int i = schema_table_column(x->table, name);
    return i >= 0 ? &x->table->columns[i] : NULL;
}

static bool put_row(struct map *rows, const struct my_cell *cells, size_t end, struct err *e)
{
    struct vdiff_hash *x;
    if (cells[0].p == NULL || cells[1].p == NULL || cells[1].n != VDIFF_HASH_LEN)
        return err_set(e, ERR_LIMIT,
                       "a row's checksum is NULL: its text is longer than max_allowed_packet");
    x = map_get(rows, cells[0].p, cells[0].n);
    if (x != NULL) {
        x->times++;
        return true;
    }
    x = mem_alloc(sizeof *x);
    *x = (struct vdiff_hash){.end = end, .times = 1};
    memcpy(x->hash, cells[1].p, VDIFF_HASH_LEN);
    map_put(rows, cells[0].p, cells[0].n, x);
    return true;
}

static bool read_hashes(struct vdiff_end *x, size_t end, const char *where, bool lock,
                        struct map *rows, struct err *e)
{
    struct my_cell cells[2];
    enum my_next r = MY_FAIL;
    char *sql = mem_printf("SELECT %s FROM %s%s%s", x->key_hash, x->from, where,
                           lock ? " LOCK IN SHARE MODE" : "");
    struct my_result *result = my_query_stream(copy_reader_conn(x->reader), sql, e);
    while (result != NULL && (r = my_result_next(result, cells, e)) == MY_ROW)
        if (!put_row(rows, cells, end, e)) {
            r = MY_FAIL;
            break;
        }
    my_result_free(result);
    free(sql);
    return r == MY_END;
}

/* The two sides of one comparison: all sources against all targets, or against one (reference
 * tables). */
struct pair {
    struct vdiff_run *d;
    size_t first_target, n_targets;
    struct map *source, *target;
};

static bool read_side(struct vdiff_end *ends, size_t first, size_t n, const char *where, bool lock,
                      struct map *rows, struct err *e)
{
    for (size_t i = first; i < first + n; i++)
        if (!read_hashes(&ends[i], i, where, lock, rows, e))
            return false;
    return true;
}

static bool same(const struct vdiff_hash *a, const struct vdiff_hash *b)
{
    return a != NULL && b != NULL && memcmp(a->hash, b->hash, VDIFF_HASH_LEN) == 0 &&
           a->times == b->times;
}

struct keys {
    char **items;
    size_t n, cap;
};

static void keys_add(struct keys *k, const void *key, size_t len)
{
    mem_grow((void **)&k->items, &k->cap, k->n + 1, sizeof *k->items);
    k->items[k->n++] = mem_strndup(key, len);
}

static void keys_fini(struct keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->items[i]);
    free(k->items);
    *k = (struct keys){0};
}

static void find_different(const struct pair *p, struct keys *out)
{
    const void *key;
    size_t len, it = 0;
    void *v;
    while (map_next(p->source, &it, &key, &len, &v))
        if (!same(v, map_get(p->target, key, len)))
            keys_add(out, key, len);
    it = 0;
    while (map_next(p->target, &it, &key, &len, &v))
        if (map_get(p->source, key, len) == NULL)
            keys_add(out, key, len);
}

/* ---- re-checks ---- */

static bool keys_where(const struct vdiff_run *d, const struct keys *k, size_t from, size_t n,
                       struct buf *where, struct err *e)
{
    buf_put_str(where, " WHERE ");
    for (size_t i = from; i < from + n; i++) {
        buf_put_str(where, i > from ? " OR " : "");
        if (!vdiff_key_condition(d, k->items[i], where, e))
            return false;
    }
    return true;
}

static bool each_source(struct vdiff_run *d, const char *sql, struct err *e)
{
    for (size_t i = 0; i < d->rq->n_sources; i++)
        if (!my_exec(copy_reader_conn(d->sources[i].reader), sql, NULL, e))
            return false;
    return true;
}

static bool lock_tables(struct vdiff_run *d, struct err *e)
{
    for (size_t i = 0; i < d->rq->n_sources; i++)
        if (!my_execf(copy_reader_conn(d->sources[i].reader), e, "LOCK TABLES %s READ",
                      d->sources[i].from))
            return false;
    return true;
}

static bool lock_rows(struct vdiff_run *d, struct err *e)
{
    if (d->n_key == 0)
        return lock_tables(d, e);
    return each_source(d, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", e) &&
           each_source(d, "START TRANSACTION", e);
}

/* Reads both sides at a common position while the sources' rows cannot change. The stream is
 * brought near the head first, so that the locks are held only for a moment. */
static bool read_locked(struct pair *p, const char *where, struct err *e)
{
    struct vdiff_run *d = p->d;
    struct err ignored = ERR_INIT;
    bool keyed = d->n_key > 0;
    if (!vdiff_wait_common(d, e) || !lock_rows(d, e))
        return false;
    bool ok = read_side(d->sources, 0, d->rq->n_sources, where, keyed, p->source, e) &&
              vdiff_wait_common(d, e) &&
              read_side(d->targets, p->first_target, p->n_targets, where, false, p->target, e);
    return each_source(d, keyed ? "ROLLBACK" : "UNLOCK TABLES", ok ? e : &ignored) && ok;
}

/* The rows of these keys on one side, some keys a statement. */
static bool read_keys(struct pair *p, const struct keys *k, bool source, struct err *e)
{
    struct vdiff_run *d = p->d;
    bool ok = true;
    for (size_t from = 0; ok && from < k->n; from += VDIFF_BATCH) {
        size_t n = k->n - from < VDIFF_BATCH ? k->n - from : VDIFF_BATCH;
        struct buf where = BUF_INIT;
        ok = keys_where(d, k, from, n, &where, e) &&
             (source
                  ? read_side(d->sources, 0, d->rq->n_sources, buf_str(&where), false, p->source, e)
                  : read_side(d->targets, p->first_target, p->n_targets, buf_str(&where), false,
                              p->target, e));
        buf_fini(&where);
    }
    return ok;
}

/* Keeps in *k only the keys whose rows in the two maps differ. */
static void keep_different(const struct pair *p, struct keys *k)
{
    struct keys left = {0};
    for (size_t i = 0; i < k->n; i++) {
        size_t len = strlen(k->items[i]);
        const struct vdiff_hash *s = map_get(p->source, k->items[i], len),
                                *t = map_get(p->target, k->items[i], len);
        if (!same(s, t) && (s != NULL || t != NULL))
            keys_add(&left, k->items[i], len);
    }
    keys_fini(k);
    *k = left;
}

/* Step 1: without locks, all candidates at one later position. */
static bool recheck_unlocked(struct pair *p, struct keys *k, struct err *e)
{
    map_clear(p->source);
    map_clear(p->target);
    if (!read_keys(p, k, true, e) || !vdiff_wait_common(p->d, e) || !read_keys(p, k, false, e))
        return false;
    keep_different(p, k);
    return true;
}

/* Step 2: at most VDIFF_BATCH keys, locked. */
static bool recheck_locked(struct pair *p, struct keys *k, struct err *e)
{
    struct buf where = BUF_INIT;
    map_clear(p->source);
    map_clear(p->target);
    bool ok = keys_where(p->d, k, 0, k->n, &where, e) && read_locked(p, buf_str(&where), e);
    buf_fini(&where);
    if (ok)
        keep_different(p, k);
    return ok;
}

/* ---- classification ---- */

/* The keyspace id of a row; values: of the vindex's columns, in their order, each in its column's
 * character set. */
static enum vindex_result keyspace_id(const struct vdiff_run *d, const struct vdiff_end *x,
                                      const struct my_cell *values, struct ksid *id, struct err *e)
{
    struct vindex_input in[VINDEX_COLUMNS_MAX];
    struct buf scratch[VINDEX_COLUMNS_MAX] = {0};
    const struct vdiff_table *t = d->t;
    bool ok = true;
    for (size_t i = 0; i < t->n_vindex_columns && ok; i++) {
        struct vindex_value v = vindex_value_of(column_at(x, t->vindex_columns[i]));
        v.form = VINDEX_FORM_TEXT;
        v.p = (const uint8_t *)values[i].p;
        v.n = values[i].n;
        ok = vindex_input_of(&v, &scratch[i], &in[i], e);
    }
    enum vindex_result found =
        ok ? vindex_map(t->vindex, in, t->n_vindex_columns, id, e) : VINDEX_ERROR;
    for (size_t i = 0; i < t->n_vindex_columns; i++)
        buf_fini(&scratch[i]);
    return found;
}

/* The target whose range holds the row's keyspace id; n_targets: none does. */
static bool target_of(const struct vdiff_run *d, const struct vdiff_end *x,
                      const struct my_cell *values, size_t *target, struct err *e)
{
    struct ksid id;
    enum vindex_result found = keyspace_id(d, x, values, &id, e);
    *target = d->rq->n_targets;
    for (size_t i = 0; found == VINDEX_KSID && i < d->rq->n_targets; i++)
        if (keyrange_contains(&d->rq->targets[i]->range, &id))
            *target = i;
    return found != VINDEX_ERROR;
}

/* The target that a source's row belongs to, for the report; the first when none does. */
static bool shard_of_row(const struct vdiff_run *d, const struct vdiff_end *x,
                         const struct my_cell *cells, size_t *shard, struct err *e)
{
    struct my_cell values[VINDEX_COLUMNS_MAX] = {{NULL, 0}};
    const struct vdiff_table *t = d->t;
    for (size_t i = 0; i < t->n_vindex_columns; i++)
        for (size_t k = 0; k < d->n_columns; k++)
            if (strcasecmp(d->columns[k], t->vindex_columns[i]) == 0)
                values[i] = cells[k];
    *shard = 0;
    if (t->vindex == NULL)
        return true;
    if (!target_of(d, x, values, shard, e))
        return false;
    *shard = *shard < d->rq->n_targets ? *shard : 0;
    return true;
}

/* One row of one end as JSON; *shard gets the target that its vindex columns name. */
static bool sample_row(struct vdiff_run *d, struct vdiff_end *x, const char *key, struct buf *json,
                       size_t *shard, struct err *e)
{
    struct buf sql = BUF_INIT;
    struct my_cell *cells = mem_calloc(d->n_columns + 1, sizeof *cells);
    buf_printf(&sql, "SELECT %s FROM %s WHERE ", x->row, x->from);
    struct my_result *r = vdiff_key_condition(d, key, &sql, e)
                              ? my_query(copy_reader_conn(x->reader), buf_str(&sql), e)
                              : NULL;
    enum my_next got = r != NULL ? my_result_next(r, cells, e) : MY_FAIL;
    if (got == MY_ROW) {
        vdiff_row_json(d, cells, json);
        if (shard != NULL && !shard_of_row(d, x, cells, shard, e))
            got = MY_FAIL;
    } else if (got == MY_END) {
        buf_put_str(json, "{\"Row\":{}}");
    }
    my_result_free(r);
    buf_fini(&sql);
    free(cells);
    return got != MY_FAIL;
}

static unsigned sample_limit(const struct vdiff_run *d)
{
    return d->rq->max_sample_rows != 0 ? d->rq->max_sample_rows : VDIFF_SAMPLES_MAX;
}

static bool count_extra_source(struct pair *p, const char *key, const struct vdiff_hash *s,
                               struct err *e)
{
    struct vdiff_run *d = p->d;
    struct buf json = BUF_INIT;
    size_t shard = p->first_target;
    bool ok = d->n_key == 0 ||
              sample_row(d, &d->sources[s->end], key, &json, p->n_targets > 1 ? &shard : NULL, e);
    struct vdiff_counts *c = &d->counts[shard];
    c->extra_source += d->n_key == 0 ? s->times : 1;
    c->processed += d->n_key == 0 ? s->times : 1;
    if (ok && json.len > 0 && c->n_extra_source_sample < sample_limit(d)) {
        buf_put_str(&c->extra_source_sample, c->n_extra_source_sample++ > 0 ? "," : "");
        buf_put(&c->extra_source_sample, json.data, json.len);
    }
    buf_fini(&json);
    return ok;
}

static bool count_extra_target(struct vdiff_run *d, const char *key, const struct vdiff_hash *t,
                               unsigned times, struct err *e)
{
    struct vdiff_counts *c = &d->counts[t->end];
    c->extra_target += times;
    if (d->n_key == 0 || c->n_extra_target_sample >= sample_limit(d))
        return true;
    buf_put_str(&c->extra_target_sample, c->n_extra_target_sample++ > 0 ? "," : "");
    return sample_row(d, &d->targets[t->end], key, &c->extra_target_sample, NULL, e);
}

static bool count_mismatch(struct vdiff_run *d, const char *key, const struct vdiff_hash *s,
                           const struct vdiff_hash *t, struct err *e)
{
    struct vdiff_counts *c = &d->counts[t->end];
    c->mismatched++;
    if (c->n_mismatched_sample >= sample_limit(d))
        return true;
    buf_put_str(&c->mismatched_sample,
                c->n_mismatched_sample++ > 0 ? ",{\"Source\":" : "{\"Source\":");
    bool ok = sample_row(d, &d->sources[s->end], key, &c->mismatched_sample, NULL, e);
    buf_put_str(&c->mismatched_sample, ",\"Target\":");
    ok = ok && sample_row(d, &d->targets[t->end], key, &c->mismatched_sample, NULL, e);
    buf_put_str(&c->mismatched_sample, "}");
    return ok;
}

static bool classify(struct pair *p, const char *key, struct err *e)
{
    size_t len = strlen(key);
    const struct vdiff_hash *s = map_get(p->source, key, len), *t = map_get(p->target, key, len);
    if (t == NULL)
        return count_extra_source(p, key, s, e);
    if (s == NULL)
        return count_extra_target(p->d, key, t, t->times, e);
    if (p->d->n_key == 0 && s->times > t->times) {
        struct vdiff_hash missing = *s;
        missing.times -= t->times;
        return count_extra_source(p, key, &missing, e);
    }
    if (t->times > s->times)
        return count_extra_target(p->d, key, t, t->times - s->times, e);
    return count_mismatch(p->d, key, s, t, e);
}

/* Re-reads the survivors batch by batch under the lock and counts them. */
static bool settle(struct pair *p, struct keys *k, struct err *e)
{
    bool ok = true;
    for (size_t from = 0; ok && from < k->n; from += VDIFF_BATCH) {
        size_t n = k->n - from < VDIFF_BATCH ? k->n - from : VDIFF_BATCH;
        struct keys batch = {0};
        for (size_t i = from; i < from + n; i++)
            keys_add(&batch, k->items[i], strlen(k->items[i]));
        ok = recheck_locked(p, &batch, e);
        for (size_t i = 0; ok && i < batch.n; i++)
            ok = classify(p, batch.items[i], e);
        keys_fini(&batch);
    }
    return ok;
}

static bool settle_without_key(struct pair *p, struct err *e)
{
    struct keys k = {0};
    map_clear(p->source);
    map_clear(p->target);
    bool ok = read_locked(p, "", e);
    if (ok)
        find_different(p, &k);
    for (size_t i = 0; ok && i < k.n; i++)
        ok = classify(p, k.items[i], e);
    keys_fini(&k);
    return ok;
}

static void count_rows(struct pair *p)
{
    const void *key;
    size_t len, it = 0;
    void *v;
    while (map_next(p->target, &it, &key, &len, &v)) {
        const struct vdiff_hash *t = v;
        p->d->counts[t->end].processed += t->times;
    }
}

static bool compare_pair(struct pair *p, const char *where, struct err *e)
{
    struct keys k = {0};
    bool ok = read_side(p->d->sources, 0, p->d->rq->n_sources, where, false, p->source, e) &&
              vdiff_wait_common(p->d, e) &&
              read_side(p->d->targets, p->first_target, p->n_targets, where, false, p->target, e);
    if (ok) {
        count_rows(p);
        find_different(p, &k);
    }
    if (ok && k.n > 0)
        ok = p->d->n_key == 0 ? settle_without_key(p, e)
                              : recheck_unlocked(p, &k, e) && settle(p, &k, e);
    keys_fini(&k);
    return ok;
}

bool vdiff_compare_rows(struct vdiff_run *d, const struct copy_range *range, struct err *e)
{
    bool each = d->t->vindex == NULL;
    struct buf where = BUF_INIT;
    bool ok = d->n_key == 0 ||
              copy_range_where(d->sources[0].reader, d->sources[0].table, range, NULL, &where, e);
    for (size_t i = 0; ok && i < (each ? d->rq->n_targets : 1); i++) {
        struct pair p = {.d = d,
                         .first_target = i,
                         .n_targets = each ? 1 : d->rq->n_targets,
                         .source = map_new(free),
                         .target = map_new(free)};
        ok = compare_pair(&p, buf_str(&where), e);
        map_free(p.source);
        map_free(p.target);
    }
    buf_fini(&where);
    return ok;
}

/* ---- rows on a shard where they do not belong ---- */

/* The vindex's columns as the vindex takes them: text as UTF-8, byte for byte, because a collation
 * may call values equal that lie on different shards. */
static void put_vindex_columns(const struct vdiff_run *d, const struct vdiff_end *x,
                               struct buf *out)
{
    for (size_t i = 0; i < d->t->n_vindex_columns; i++) {
        const struct schema_column *c = column_at(x, d->t->vindex_columns[i]);
        assert(c != NULL); /* check_vindex_columns */
        bool text = schema_type_is_string(c->type) && c->collation != COLLATION_BINARY;
        buf_put_str(out, i > 0 ? "," : "");
        buf_put_str(out, text ? "CAST(CONVERT(" : "");
        buf_put_ident(out, c->name);
        buf_put_str(out, text ? " USING utf8mb4) AS BINARY)" : "");
    }
}

static bool count_misplaced(struct vdiff_run *d, size_t target, const struct my_cell *cells,
                            struct err *e)
{
    size_t belongs;
    uint64_t n = 0;
    if (!target_of(d, &d->targets[target], cells, &belongs, e))
        return false;
    if (belongs != target && sys_parse_u64(cells[d->t->n_vindex_columns].p, &n))
        d->counts[target].extra_target += n;
    return true;
}

static bool check_vindex_columns(const struct vdiff_run *d, const struct vdiff_end *x,
                                 struct err *e)
{
    for (size_t i = 0; i < d->t->n_vindex_columns; i++)
        if (column_at(x, d->t->vindex_columns[i]) == NULL)
            return err_set(e, ERR_SCHEMA_MISMATCH, "%s: there is no column %s to place rows by",
                           x->table->name, d->t->vindex_columns[i]);
    return d->t->n_vindex_columns <= VINDEX_COLUMNS_MAX ||
           err_set(e, ERR_LIMIT, "%s: a vindex of more than %d columns", x->table->name,
                   VINDEX_COLUMNS_MAX);
}

bool vdiff_check_placement(struct vdiff_run *d, size_t target, struct err *e)
{
    struct vdiff_end *x = &d->targets[target];
    struct buf columns = BUF_INIT;
    struct my_cell cells[VINDEX_COLUMNS_MAX + 1];
    enum my_next r = MY_FAIL;
    if (!check_vindex_columns(d, x, e))
        return false;
    put_vindex_columns(d, x, &columns);
    char *sql = mem_printf("SELECT %s,COUNT(*) FROM %s GROUP BY %s", buf_str(&columns), x->from,
                           buf_str(&columns));
    struct my_result *result = my_query_stream(copy_reader_conn(x->reader), sql, e);
    while (result != NULL && (r = my_result_next(result, cells, e)) == MY_ROW)
        if (!count_misplaced(d, target, cells, e)) {
            r = MY_FAIL;
            break;
        }
    my_result_free(result);
    free(sql);
    buf_fini(&columns);
    return r == MY_END;
}
