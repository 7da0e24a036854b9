/* tests/model/model_copy.c — walks every small history of copying a table while it changes, with
 * the program's own decision function, and looks for a lost, stale or extra row.
 *
 * The world: one source table of 2–3 keys with a nullable unique column, its log, one target, a
 * copier and an applier. A step is: the source commits a transaction, a copier reads one chunk (at
 * any moment that its snapshot may see) or writes what it read, the applier applies the next
 * transaction, the program crashes. Statements are decided by vrepl/move/copy_rule.c alone. Every order
 * of steps is walked (breadth first, states hashed), so the first loss that is found is a shortest
 * one.
 *
 * What must hold:
 * 1. Once the phase is PLAIN, the target is the source's table as of the applied position.
 * 2. A strict statement hits exactly one row; no statement meets a duplicate.
 * 3. Where uncopied changes are dropped, a copier never meets its own primary key at the target.
 * 4. A row that a copier left out stands on a list until replay writes or deletes its key. The list
 *    is empty once the phase is PLAIN; where it is not, the program stops instead (the target has a
 *    unique key more than the source).
 *
 * The rules around the function (what is visible at the low watermark, rounds, the high watermark,
 * …) live in `struct rules`. Each can be taken away alone, and then a loss must be found: that is
 * how this model itself is tested.
 *
 * Usage: model_copy [--deep] [--verbose]; exit 0: no loss with all rules, a loss without each.
 */
#include "vrepl/move/copy_rule.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 3
#define OPS_MAX  6
#define NO_ROW   1 /* of pending: read, and there was none */

/* A row is one byte: 0x80, the unique column (0 NULL, else 1–3) and a stamp for all other columns.
 */
typedef uint8_t row_t;

static row_t row_make(unsigned u, unsigned stamp)
{
    return (row_t)(0x80 | u << 4 | stamp);
}

static unsigned row_u(row_t r)
{
    return r >> 4 & 3;
}

static unsigned row_stamp(row_t r)
{
    return r & 15;
}

/* Each rule is on in the program; false is the mistake that its comment names. */
struct rules {
    bool visible;        /* else: a read's snapshot may be older than A */
    bool round_ends;     /* else: what was read in one round is written in a later one */
    bool wait_for_high;  /* else: plain statements as soon as everything is copied */
    bool apply_read;     /* else: a change that the key's read already contains is dropped */
    bool decide_late;    /* else: "is it copied" is asked when a change is routed */
    bool server_order;   /* else: text keys are compared by our byte order */
    bool delete_first;   /* else: the REPLACE of a changed key comes before its DELETE */
    bool delete_before;  /* else: a changed key forgets its old place */
    bool replace;        /* else: INSERT IGNORE where REPLACE is decided */
    bool drop_alike;     /* else: of an uncopied key only the deletes are dropped */
    bool reread;         /* else: a COMMIT of unknown outcome counts as failed */
    bool one_commit;     /* else: rows and position are committed apart */
    bool listed;         /* else: a row that is left out is not put on the list */
    bool own_row;        /* else: it is, even if replay has brought that very key before */
    bool delete_strikes; /* else: only a REPLACE strikes its key off the list */
};

struct config {
    const char *name;
    unsigned keys, uniques, ops, tx_ops;
    bool exact; /* integer keys; else text, where keys 0 and 1 are equal to the server */
    bool twins;
    bool one_more; /* only the target's unique column is unique */
};

struct state {
    row_t base[KEYS_MAX]; /* source before log[0] */
    row_t target[KEYS_MAX];
    row_t pending[KEYS_MAX]; /* read, not yet written; 0 nothing, NO_ROW */
    uint8_t read_at[KEYS_MAX];
    uint8_t n;                               /* operations in the log */
    uint8_t before[OPS_MAX], after[OPS_MAX]; /* key + 1; 0 none */
    row_t row[OPS_MAX];
    uint8_t ends[OPS_MAX];   /* 1: last operation of its transaction */
    uint8_t routed[OPS_MAX]; /* copied keys when the change was routed */
    uint8_t copied;          /* durable progress, a bit a key */
    uint8_t left;            /* keys on the list of rows that were left out, a bit a key */
    uint8_t known;           /* what the program believes of it */
    uint8_t applied;         /* operations of the log that are applied */
    uint8_t high;            /* the log's end after the last read */
    uint8_t budget;          /* operations that the source may still do */
    uint8_t failed;          /* index in failures */
};

static const char *const failures[] = {"", "a strict statement hit no row",
                                       "a plain statement met a duplicate key",
                                       "a copier met its own primary key at the target"};
enum { FAIL_NONE, FAIL_MISSED, FAIL_DUPLICATE, FAIL_COPY };

static struct config config;
static struct rules rules;
static char label[200]; /* of the step that a trace looked for */

/* --- tables ---------------------------------------------------------------------------------- */

/* Keys that the server takes for the same. */
static unsigned key_class(unsigned key)
{
    return config.twins && key == 1 ? 0 : key;
}

static bool conflicts(const row_t *table, unsigned at, unsigned key, row_t row)
{
    if (!table[at])
        return false;
    return key_class(at) == key_class(key) || (row_u(row) && row_u(table[at]) == row_u(row));
}

/* The first row that keeps (key, row) out; KEYS_MAX if none does. */
static unsigned conflict_of(const row_t *table, unsigned key, row_t row)
{
    unsigned at = 0;
    while (at < KEYS_MAX && !conflicts(table, at, key, row))
        at++;
    return at;
}

static unsigned row_at(const row_t *table, unsigned key)
{
    unsigned at = 0;
    while (at < KEYS_MAX && !(table[at] && key_class(at) == key_class(key)))
        at++;
    return at;
}

static void table_replace(row_t *table, unsigned key, row_t row)
{
    for (unsigned at = 0; at < KEYS_MAX; at++)
        if (conflicts(table, at, key, row))
            table[at] = 0;
    table[key] = row;
}

static bool table_delete(row_t *table, unsigned key)
{
    unsigned at = row_at(table, key);
    if (at == KEYS_MAX)
        return false;
    table[at] = 0;
    return true;
}

static bool table_insert(row_t *table, unsigned key, row_t row)
{
    if (conflict_of(table, key, row) != KEYS_MAX)
        return false;
    table[key] = row;
    return true;
}

/* The source's table after the first n operations of the log. */
static void table_as_of(const struct state *s, unsigned n, row_t *table)
{
    memcpy(table, s->base, sizeof s->base);
    for (unsigned i = 0; i < n; i++) {
        if (s->before[i])
            table[s->before[i] - 1] = 0;
        if (s->after[i])
            table[s->after[i] - 1] = s->row[i];
    }
}

/* --- the applier: copy_rule_decide and what the server does with it --------------------------- */

static unsigned all_keys(void)
{
    return (1u << config.keys) - 1;
}

static enum copy_phase phase_of(const struct state *s)
{
    if (s->known != all_keys())
        return COPY_PHASE_ROUNDS;
    return s->applied < s->high ? COPY_PHASE_CATCHUP : COPY_PHASE_PLAIN;
}

/* As a program would see it that compares text by its bytes, where key 0 comes last. */
static bool copied_by_bytes(uint8_t copied, unsigned key)
{
    static const unsigned byte_rank[KEYS_MAX] = {2, 1, 0};
    for (unsigned last = KEYS_MAX; last-- > 0;)
        if (copied >> last & 1)
            return byte_rank[key] <= byte_rank[last];
    return false;
}

static bool is_copied(const struct state *s, unsigned op, unsigned key)
{
    uint8_t copied = rules.decide_late ? s->known : s->routed[op];
    if (!config.exact && !rules.server_order)
        return copied_by_bytes(copied, key);
    return copied >> key & 1;
}

static struct copy_statements decide(const struct state *s, unsigned op)
{
    unsigned before = s->before[op], after = s->after[op];
    struct copy_change c = {.phase = phase_of(s),
                            .order_exact = config.exact || !rules.server_order,
                            .has_before = before,
                            .has_after = after,
                            .before_copied = before && is_copied(s, op, before - 1),
                            .after_copied = after && is_copied(s, op, after - 1),
                            .key_changed = before && after && before != after};
    if (!rules.drop_alike)
        c.after_copied = true;
    if (!rules.apply_read && c.phase != COPY_PHASE_PLAIN) {
        c.has_before = c.has_before && op >= s->read_at[before - 1];
        c.has_after = c.has_after && op >= s->read_at[after - 1];
        c.key_changed = c.key_changed && c.has_before && c.has_after;
    }
    struct copy_statements out = copy_rule_decide(&c);
    if (!rules.delete_before && out.n == 2)
        out = (struct copy_statements){.n = 1, .s = {out.s[1]}};
    if (!rules.delete_first && out.n == 2)
        out = (struct copy_statements){.n = 2, .s = {out.s[1], out.s[0]}};
    return out;
}

static void run_delete(struct state *s, unsigned key, bool strict)
{
    if (!table_delete(s->target, key) && strict)
        s->failed = FAIL_MISSED;
}

static void run_insert(struct state *s, unsigned key, row_t row)
{
    if (!table_insert(s->target, key, row))
        s->failed = FAIL_DUPLICATE;
}

static void run_update(struct state *s, unsigned before, unsigned after, row_t row)
{
    if (!table_delete(s->target, before))
        s->failed = FAIL_MISSED;
    else
        run_insert(s, after, row);
}

static void run_replace(struct state *s, unsigned key, row_t row)
{
    if (rules.replace)
        table_replace(s->target, key, row);
    else
        (void)table_insert(s->target, key, row);
}

static void strike_off(struct state *s, unsigned key)
{
    s->left = (uint8_t)(s->left & ~(1u << key));
}

static void run_statement(struct state *s, unsigned op, struct copy_statement statement)
{
    unsigned before = s->before[op] - 1u, after = s->after[op] - 1u;
    switch (statement.verb) {
    case COPY_DELETE:
        run_delete(s, before, statement.strict);
        if (rules.delete_strikes)
            strike_off(s, before);
        return;
    case COPY_REPLACE:
        run_replace(s, after, s->row[op]);
        strike_off(s, after);
        return;
    case COPY_INSERT:
        run_insert(s, after, s->row[op]);
        return;
    case COPY_UPDATE:
        run_update(s, before, after, s->row[op]);
        return;
    }
}

/* --- states: forgetting the past, one name for equal states ----------------------------------- */

static void shift_down(uint8_t *items, unsigned n, unsigned by)
{
    memmove(items, items + by, n - by);
    memset(items + n - by, 0, by);
}

static uint8_t less(uint8_t v, unsigned by)
{
    return (uint8_t)(v > by ? v - by : 0);
}

/* What is applied and can no longer be read becomes the base. */
static void forget_past(struct state *s)
{
    unsigned by = s->applied;
    if (by == 0 || !rules.visible || !rules.one_commit)
        return;
    table_as_of(s, by, s->base);
    uint8_t *lists[] = {s->before, s->after, s->row, s->ends, s->routed};
    for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++)
        shift_down(lists[i], s->n, by);
    s->n = less(s->n, by);
    s->high = less(s->high, by);
    for (unsigned key = 0; key < KEYS_MAX; key++)
        s->read_at[key] = less(s->read_at[key], by);
    s->applied = 0;
}

struct renaming {
    uint8_t u[4], stamp[16];
    uint8_t next_u, next_stamp;
};

static void rename_rows(struct renaming *names, row_t *rows, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!(rows[i] & 0x80))
            continue;
        unsigned u = row_u(rows[i]), stamp = row_stamp(rows[i]);
        if (u && !names->u[u])
            names->u[u] = ++names->next_u;
        if (!names->stamp[stamp])
            names->stamp[stamp] = ++names->next_stamp;
        rows[i] = row_make(u ? names->u[u] : 0, names->stamp[stamp]);
    }
}

/* Stamps and unique values only matter by being equal: they are renamed in order of appearance. */
static void rename_values(struct state *s)
{
    struct renaming names = {.next_u = 0};
    rename_rows(&names, s->base, KEYS_MAX);
    rename_rows(&names, s->row, s->n);
    rename_rows(&names, s->target, KEYS_MAX);
    rename_rows(&names, s->pending, KEYS_MAX);
}

static void permute(uint8_t *items, const uint8_t *to)
{
    uint8_t old[KEYS_MAX];
    memcpy(old, items, KEYS_MAX);
    for (unsigned key = 0; key < KEYS_MAX; key++)
        items[to[key]] = old[key];
}

static uint8_t permute_bits(uint8_t bits, const uint8_t *to)
{
    uint8_t out = 0;
    for (unsigned key = 0; key < KEYS_MAX; key++)
        if (bits >> key & 1)
            out = (uint8_t)(out | 1u << to[key]);
    return out;
}

static void rename_keys(struct state *s, const uint8_t *to)
{
    permute(s->base, to);
    permute(s->target, to);
    permute(s->pending, to);
    permute(s->read_at, to);
    for (unsigned i = 0; i < s->n; i++) {
        s->before[i] = s->before[i] ? (uint8_t)(to[s->before[i] - 1] + 1) : 0;
        s->after[i] = s->after[i] ? (uint8_t)(to[s->after[i] - 1] + 1) : 0;
        s->routed[i] = permute_bits(s->routed[i], to);
    }
    s->copied = permute_bits(s->copied, to);
    s->known = permute_bits(s->known, to);
    s->left = permute_bits(s->left, to);
}

/* Exact keys are copied in any order, so they too only matter by being equal. */
static void make_canonical(struct state *s)
{
    static const uint8_t orders[6][KEYS_MAX] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1},
                                                {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    unsigned n_orders = !config.exact ? 1 : config.keys == 2 ? 2 : 6;
    struct state best = *s;
    rename_values(&best);
    for (unsigned i = 1; i < n_orders; i++) {
        struct state other = *s;
        rename_keys(&other, orders[i]);
        rename_values(&other);
        if (memcmp(&other, &best, sizeof best) < 0)
            best = other;
    }
    *s = best;
}

/* --- the walk: states seen, each with the one it came from -------------------------------------
 */

struct walk {
    struct state *states;
    uint32_t *parents;
    size_t n, cap;
    uint32_t *table; /* index + 1 */
    size_t table_size;
    uint64_t transitions;
    /* While a trace is told: the state that is looked for, and whether it was met. */
    const struct state *wanted;
    bool met;
};
#define NO_PARENT UINT32_MAX

static uint64_t hash_of(const struct state *s)
{
    uint8_t bytes[(sizeof *s + 7) / 8 * 8] = {0};
    uint64_t h = 0x9e3779b97f4a7c15u, word;
    memcpy(bytes, s, sizeof *s);
    for (size_t i = 0; i < sizeof bytes; i += 8) {
        memcpy(&word, bytes + i, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static uint32_t *slot_of(struct walk *w, const struct state *s)
{
    size_t at = hash_of(s) & (w->table_size - 1);
    while (w->table[at] && memcmp(&w->states[w->table[at] - 1], s, sizeof *s) != 0)
        at = (at + 1) & (w->table_size - 1);
    return &w->table[at];
}

static void rehash(struct walk *w)
{
    free(w->table);
    w->table_size = w->table_size ? 4 * w->table_size : (size_t)1 << 16;
    w->table = mem_calloc(w->table_size, sizeof *w->table);
    for (size_t i = 0; i < w->n; i++)
        *slot_of(w, &w->states[i]) = (uint32_t)i + 1;
}

static void add_state(struct walk *w, const struct state *s, uint32_t parent)
{
    struct state canonical = *s;
    make_canonical(&canonical);
    w->transitions++;
    if (w->wanted) {
        w->met = w->met || memcmp(&canonical, w->wanted, sizeof canonical) == 0;
        return;
    }
    if (2 * w->n >= w->table_size)
        rehash(w);
    uint32_t *slot = slot_of(w, &canonical);
    if (*slot)
        return;
    if (w->n == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 4096;
        w->states = mem_realloc(w->states, w->cap, sizeof *w->states);
        w->parents = mem_realloc(w->parents, w->cap, sizeof *w->parents);
    }
    w->states[w->n] = canonical;
    w->parents[w->n] = parent;
    *slot = (uint32_t)++w->n;
}

static void walk_fini(struct walk *w)
{
    free(w->states);
    free(w->parents);
    free(w->table);
}

struct step {
    struct walk *walk;
    const struct state *from;
    uint32_t index;
};

static void emit(const struct step *step, const struct state *s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void emit(const struct step *step, const struct state *s, const char *fmt, ...)
{
    va_list ap;
    if (step->walk->met)
        return;
    add_state(step->walk, s, step->index);
    if (!step->walk->met)
        return;
    va_start(ap, fmt);
    vsnprintf(label, sizeof label, fmt, ap);
    va_end(ap);
}

/* --- steps of the source -----------------------------------------------------------------------
 */

static unsigned fresh_stamp(const struct state *s)
{
    unsigned used = 0;
    for (unsigned key = 0; key < KEYS_MAX; key++) {
        used |= s->base[key] ? 1u << row_stamp(s->base[key]) : 0;
        used |= s->target[key] ? 1u << row_stamp(s->target[key]) : 0;
        used |= s->pending[key] & 0x80 ? 1u << row_stamp(s->pending[key]) : 0;
    }
    for (unsigned i = 0; i < s->n; i++)
        used |= s->row[i] ? 1u << row_stamp(s->row[i]) : 0;
    unsigned stamp = 1;
    while (used >> stamp & 1)
        stamp++;
    assert(stamp < 16);
    return stamp;
}

static void add_operation(const struct step *step, const struct state *s, unsigned in_tx);

static void commit_or_go_on(const struct step *step, struct state *s, unsigned in_tx)
{
    struct state committed = *s;
    committed.ends[s->n - 1] = 1;
    emit(step, &committed, "the source commits a transaction of %u", in_tx);
    add_operation(step, s, in_tx);
}

/* before, after: key + 1 or 0. */
static void do_operation(const struct step *step, const struct state *s, unsigned before,
                         unsigned after, row_t row, unsigned in_tx)
{
    struct state next = *s;
    unsigned i = next.n++;
    next.before[i] = (uint8_t)before;
    next.after[i] = (uint8_t)after;
    next.row[i] = row;
    next.routed[i] = rules.decide_late ? 0 : s->known;
    next.budget--;
    commit_or_go_on(step, &next, in_tx + 1);
}

/* Every value of the unique column that the source's own unique key lets in. */
static void put_row(const struct step *step, const struct state *s, const row_t *table,
                    unsigned before, unsigned key, unsigned in_tx)
{
    row_t others[KEYS_MAX];
    unsigned stamp = fresh_stamp(s);
    memcpy(others, table, sizeof others);
    if (before)
        others[before - 1] = 0;
    for (unsigned u = 0; u <= config.uniques; u++)
        if (conflict_of(others, key, row_make(u, stamp)) == KEYS_MAX)
            do_operation(step, s, before, key + 1, row_make(u, stamp), in_tx);
}

static void add_operation(const struct step *step, const struct state *s, unsigned in_tx)
{
    row_t table[KEYS_MAX];
    if (s->budget == 0 || s->n == OPS_MAX || in_tx == config.tx_ops)
        return;
    table_as_of(s, s->n, table);
    for (unsigned key = 0; key < config.keys; key++) {
        if (!table[key]) {
            put_row(step, s, table, 0, key, in_tx);
            continue;
        }
        do_operation(step, s, key + 1, 0, 0, in_tx);
        for (unsigned to = 0; to < config.keys; to++)
            if (to == key || !table[to])
                put_row(step, s, table, key + 1, to, in_tx);
    }
}

/* --- steps of the copier ------------------------------------------------------------------------
 */

static bool is_boundary(const struct state *s, unsigned n)
{
    return n == 0 || s->ends[n - 1];
}

/* Keys of the chunk that begins at key: the server cannot tell twins apart. */
static uint8_t chunk_of(unsigned key)
{
    return (uint8_t)(config.twins && key == 0 ? 3 : 1u << key);
}

/* Text tables are copied in the server's order, one chunk after the other. */
static bool may_read(const struct state *s, unsigned key)
{
    unsigned below = (1u << key) - 1;
    if ((s->known >> key & 1) || s->pending[key] || key_class(key) != key)
        return false;
    return config.exact || (s->known & below) == below;
}

static void read_chunk(struct state *s, unsigned key, unsigned at)
{
    row_t table[KEYS_MAX];
    table_as_of(s, at, table);
    for (unsigned k = 0; k < config.keys; k++) {
        if (!(chunk_of(key) >> k & 1))
            continue;
        s->pending[k] = table[k] ? table[k] : NO_ROW;
        if (!rules.apply_read)
            s->read_at[k] = (uint8_t)at;
    }
    if (rules.wait_for_high && s->high < s->n)
        s->high = s->n;
}

static void write_row(struct state *s, unsigned key)
{
    if (config.exact && rules.reread && row_at(s->target, key) != KEYS_MAX)
        s->failed = FAIL_COPY;
    /* On a duplicate the row is left to the replay. */
    bool there = s->target[key] != 0;
    if (!table_insert(s->target, key, s->pending[key]) && rules.listed && !(there && rules.own_row))
        s->left = (uint8_t)(s->left | 1u << key);
}

static void write_chunk(const struct step *step, struct state next, unsigned key)
{
    for (unsigned k = 0; k < config.keys; k++) {
        if (!(chunk_of(key) >> k & 1))
            continue;
        if (next.pending[k] & 0x80)
            write_row(&next, k);
        next.pending[k] = 0;
    }
    next.copied |= chunk_of(key);
    if (!rules.reread)
        emit(step, &next, "the copier writes key %u, the outcome of its COMMIT is unknown",
             key + 1);
    next.known = next.copied;
    emit(step, &next, "the copier writes key %u and its progress", key + 1);
}

/* Inside a round nothing but other chunks happens at the target between a read and its write, so
 * both are one step; apart they are only where a read may outlive its round. */
static void copy_chunk(const struct step *step, unsigned key, unsigned at)
{
    struct state next = *step->from;
    read_chunk(&next, key, at);
    if (!rules.round_ends)
        emit(step, &next, "a copier reads key %u, its snapshot sees %u operations", key + 1, at);
    else
        write_chunk(step, next, key);
}

static void copier_steps(const struct step *step)
{
    const struct state *s = step->from;
    for (unsigned key = 0; key < config.keys; key++) {
        unsigned oldest = rules.visible ? s->applied : 0;
        for (unsigned at = oldest; may_read(s, key) && at <= s->n; at++)
            if (is_boundary(s, at))
                copy_chunk(step, key, at);
        if (s->pending[key] && key_class(key) == key)
            write_chunk(step, *s, key);
    }
}

/* --- steps of the applier, crashes --------------------------------------------------------------
 */

static void apply_next(const struct step *step)
{
    struct state next = *step->from;
    unsigned op = next.applied, first = op;
    if (op == next.n)
        return;
    do {
        struct copy_statements todo = decide(step->from, op);
        for (size_t i = 0; i < todo.n && !next.failed; i++)
            run_statement(&next, op, todo.s[i]);
    } while (!next.ends[op++]);
    if (rules.round_ends)
        memset(next.pending, 0, sizeof next.pending);
    if (!rules.one_commit)
        emit(step, &next, "operations %u–%u are applied, a crash before their position", first + 1,
             op);
    next.applied = (uint8_t)op;
    if (!next.failed)
        forget_past(&next);
    emit(step, &next, "operations %u–%u are applied", first + 1, op);
}

static void crash(const struct step *step)
{
    struct state next = *step->from;
    memset(next.pending, 0, sizeof next.pending);
    next.known = next.copied;
    emit(step, &next, "crash and restart from the durable progress");
}

static void all_steps(struct walk *w, const struct state *s, uint32_t index)
{
    struct step step = {w, s, index};
    add_operation(&step, s, 0);
    copier_steps(&step);
    apply_next(&step);
    crash(&step);
}

/* --- what must hold -----------------------------------------------------------------------------
 */

static const char *wrong_with(const struct state *s)
{
    row_t table[KEYS_MAX];
    if (s->failed)
        return failures[s->failed];
    if (phase_of(s) != COPY_PHASE_PLAIN)
        return NULL;
    if (s->left)
        return config.one_more ? NULL : "the list holds a row that is not missing";
    table_as_of(s, s->applied, table);
    for (unsigned key = 0; key < config.keys; key++) {
        if (table[key] == s->target[key])
            continue;
        if (!s->target[key])
            return "a row is lost";
        return table[key] ? "a row is stale" : "a row is there that the source has not";
    }
    return NULL;
}

/* Every table that the source may begin with. */
static void add_beginnings(struct walk *w)
{
    unsigned forms = config.uniques + 2, n = 1;
    for (unsigned key = 0; key < config.keys; key++)
        n *= forms;
    for (unsigned i = 0; i < n; i++) {
        struct state s = {.budget = (uint8_t)config.ops};
        bool ok = true;
        for (unsigned key = 0, rest = i; key < config.keys; key++, rest /= forms)
            if (rest % forms && config.one_more)
                s.base[key] = row_make(rest % forms - 1, key + 1);
            else if (rest % forms)
                ok = ok && table_insert(s.base, key, row_make(rest % forms - 1, key + 1));
        if (ok)
            add_state(w, &s, NO_PARENT);
    }
}

/* Index of the first wrong state, or SIZE_MAX. */
static size_t walk_all(struct walk *w, const char **why)
{
    size_t checked = 0;
    add_beginnings(w);
    for (size_t i = 0; i < w->n; i++) {
        struct state s = w->states[i];
        all_steps(w, &s, (uint32_t)i);
        for (; checked < w->n; checked++)
            if ((*why = wrong_with(&w->states[checked])) != NULL)
                return checked;
    }
    return SIZE_MAX;
}

/* --- telling ------------------------------------------------------------------------------------
 */

static void print_table(const char *title, const row_t *table)
{
    static const char *const names[] = {"NULL", "a", "b", "c"};
    printf(" %s{", title);
    for (unsigned key = 0; key < config.keys; key++)
        if (table[key])
            printf(" %u:%s/v%u", key + 1, names[row_u(table[key])], row_stamp(table[key]));
    printf(" }");
}

static void print_state(const struct state *s)
{
    row_t table[KEYS_MAX];
    table_as_of(s, s->n, table);
    printf("      ");
    print_table("source ", table);
    print_table("target ", s->target);
    printf(" copied %u%u%u applied %u of %u\n", s->copied & 1, s->copied >> 1 & 1,
           s->copied >> 2 & 1, s->applied, s->n);
}

static size_t path_length(const struct walk *w, size_t bad)
{
    size_t n = 0;
    for (uint32_t i = (uint32_t)bad; w->parents[i] != NO_PARENT; i = w->parents[i])
        n++;
    return n;
}

static void print_trace(struct walk *w, size_t bad)
{
    size_t n = path_length(w, bad);
    uint32_t *path = mem_calloc(n + 1, sizeof *path);
    path[n] = (uint32_t)bad;
    for (size_t i = n; i > 0; i--)
        path[i - 1] = w->parents[path[i]];
    print_state(&w->states[path[0]]);
    for (size_t i = 1; i <= n; i++) {
        struct state from = w->states[path[i - 1]];
        struct walk finder = {.wanted = &w->states[path[i]]};
        all_steps(&finder, &from, 0);
        assert(finder.met);
        printf("   %zu. %s\n", i, label);
        print_state(&w->states[path[i]]);
    }
    free(path);
}

static const struct rules all_rules = {true, true, true, true, true, true, true, true,
                                       true, true, true, true, true, true, true};

/* True when the result is the expected one. */
static bool run(const struct config *c, const struct rules *r, const char *without, bool verbose)
{
    struct walk w = {.n = 0};
    const char *why = NULL;
    config = *c;
    rules = *r;
    size_t bad = walk_all(&w, &why);
    bool lost = bad != SIZE_MAX, expected = lost == (without != NULL);
    printf("%s %s%s%s: %zu states, %llu transitions: ", expected ? "ok  " : "FAIL", c->name,
           without ? ", " : "", without ? without : "", w.n, (unsigned long long)w.transitions);
    if (lost)
        printf("%s after %zu steps\n", why, path_length(&w, bad));
    else
        printf("no loss\n");
    if (lost && (verbose || !expected))
        print_trace(&w, bad);
    fflush(stdout);
    walk_fini(&w);
    return expected;
}

/* name, keys, uniques, operations, operations a transaction, exact, twins, one_more */
static const struct config configs[] = {
    {"2 integer keys", 2, 2, 4, 2, true, false, false},
    {"3 integer keys", 3, 2, 3, 2, true, false, false},
    {"3 text keys", 3, 2, 3, 2, false, false, false},
    {"3 text keys, two of them equal to the server", 3, 2, 3, 2, false, true, false},
    {"3 integer keys, the target has a unique key more", 3, 2, 0, 1, true, false, true},
    /* Where there is time: larger in one direction each. */
    {"2 integer keys, long transactions", 2, 2, 4, 4, true, false, false},
    {"2 integer keys, 5 operations", 2, 1, 5, 2, true, false, false},
    {"3 integer keys, 4 operations", 3, 1, 4, 1, true, false, false},
    {"3 text keys, two of them equal to the server, 4 operations", 3, 1, 4, 1, false, true, false},
};
enum {
    EXACT,
    EXACT_3,
    TEXT,
    TWINS,
    ONE_MORE,
    N_SHALLOW,
    N_CONFIGS = sizeof configs / sizeof configs[0]
};

struct mistake {
    const char *what;
    unsigned config; /* index */
    size_t rule;     /* offset of the rule that is off */
};
#define WITHOUT(rule_, config_, what_)                                                             \
    {                                                                                              \
        what_, config_, offsetof(struct rules, rule_)                                              \
    }

static const struct mistake mistakes[] = {
    WITHOUT(visible, EXACT, "reads may be older than A"),
    WITHOUT(round_ends, EXACT, "a read outlives its round"),
    WITHOUT(wait_for_high, EXACT, "plain statements before the high watermark"),
    WITHOUT(apply_read, EXACT, "changes dropped that the read contains"),
    WITHOUT(decide_late, EXACT, "copied is asked when routed"),
    WITHOUT(server_order, TEXT, "text compared by bytes"),
    WITHOUT(delete_first, TWINS, "REPLACE before DELETE"),
    WITHOUT(delete_before, EXACT, "a changed key keeps its old row"),
    WITHOUT(replace, EXACT, "INSERT IGNORE for REPLACE"),
    WITHOUT(drop_alike, EXACT, "only deletes dropped"),
    WITHOUT(reread, EXACT, "an unknown COMMIT counts as failed"),
    WITHOUT(one_commit, EXACT, "position committed apart from the rows"),
    WITHOUT(listed, ONE_MORE, "rows left out without a list"),
    WITHOUT(own_row, TEXT, "rows listed that replay had brought"),
    WITHOUT(delete_strikes, EXACT, "a deleted row stays on the list"),
};

static bool run_mistakes(bool verbose)
{
    bool ok = true;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct config c = configs[mistakes[i].config];
        struct rules r = all_rules;
        *((bool *)&r + mistakes[i].rule) = false;
        c.ops = c.one_more ? 0 : 3;
        ok = run(&c, &r, mistakes[i].what, verbose) && ok;
    }
    return ok;
}

static bool run_rules(unsigned n)
{
    bool ok = true;
    for (unsigned i = 0; i < n; i++)
        ok = run(&configs[i], &all_rules, NULL, false) && ok;
    return ok;
}

int main(int argc, char **argv)
{
    bool deep = false, verbose = false;
    for (int i = 1; i < argc; i++) {
        deep = deep || strcmp(argv[i], "--deep") == 0;
        verbose = verbose || strcmp(argv[i], "--verbose") == 0;
    }
    bool ok = run_mistakes(verbose);
    ok = run_rules(deep ? N_CONFIGS : N_SHALLOW) && ok;
    printf("%s\n", ok ? "the rules hold, and none can be left out" : "FAILED");
    return ok ? 0 : 1;
}
