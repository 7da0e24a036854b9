/* cdc/log/spool.c — the transaction spool: changes that are kept in their batches first, then
 * records in an unnamed file.
 *
 * Invariants:
 *   1. What is kept in batches comes before the file's records; once there is a record, no more is
 *      kept in batches.
 *   2. A record is the change as it is in memory, then the bytes its pointers stand for, in the
 *      order in which `parts` names them. It is read by the process that wrote it, so pointers to
 *      table definitions (which the spool holds) stay as they are.
 *   3. What an addition that failed has written of itself is cut off.
 */
#include "cdc/log/spool.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/spill.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_BYTES ((uint64_t)20 << 30)
#define WRITE_BYTES       ((size_t)1024 * 1024)

struct kept {
    struct cdc_batch *batch;
    size_t first, n;
};
struct cdc_spool {
    char *dir; /* NULL: memory only */
    size_t memory_limit;
    uint64_t max_bytes;
    struct kept *kept;
    size_t n_kept, cap_kept;
    size_t memory_bytes;
    struct spill *file; /* NULL: none */
    const struct schema_table **tables;
    size_t n_tables, cap_tables;
    struct metric *m_bytes;
    /* the walk */
    size_t at_kept, at_change;
    uint64_t at_file;
    struct cdc_change change;
    struct buf bytes;
};

struct cdc_spool *cdc_spool_new(const char *dir, size_t memory_bytes, uint64_t max_bytes)
{
    struct cdc_spool *s = mem_alloc(sizeof *s);
    s->dir = mem_strdup(dir);
    s->memory_limit = memory_bytes ? memory_bytes : CDC_SPOOL_MEMORY_BYTES;
    s->max_bytes = max_bytes ? max_bytes : DEFAULT_MAX_BYTES;
    s->m_bytes =
        metrics_get(METRIC_GAUGE, "memory_bytes", "arena=\"spill\"", "Bytes held, by purpose.");
    return s;
}

static uint64_t file_bytes(const struct cdc_spool *s)
{
    return s->file ? spill_len(s->file) : 0;
}

void cdc_spool_clear(struct cdc_spool *s)
{
    for (size_t i = 0; i < s->n_kept; i++)
        cdc_batch_unref(s->kept[i].batch);
    for (size_t i = 0; i < s->n_tables; i++)
        schema_table_unref(s->tables[i]);
    metric_add(s->m_bytes, -(double)file_bytes(s));
    spill_close(s->file);
    s->file = NULL;
    s->n_kept = s->n_tables = 0;
    s->memory_bytes = 0;
    cdc_spool_rewind(s);
}

void cdc_spool_free(struct cdc_spool *s)
{
    if (!s)
        return;
    cdc_spool_clear(s);
    free(s->kept);
    free(s->tables);
    free(s->dir);
    buf_fini(&s->bytes);
    free(s);
}

bool cdc_spool_is_empty(const struct cdc_spool *s)
{
    return s->n_kept == 0 && file_bytes(s) == 0;
}

/* ---- the pointers of a change ---- */

struct part {
    const void **at;
    size_t n;
    bool text; /* zero-terminated: n counts the zero */
};
#define PARTS_MAX 6

static void add_part(struct part *parts, size_t *n, const void **at, size_t len, bool text)
{
    assert(*n < PARTS_MAX);
    if (*at)
        parts[(*n)++] = (struct part){.at = at, .n = len, .text = text};
}

static size_t text_len(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

#define AT(p) ((const void **)(void *)&(p))

/* What c's pointers stand for. Lengths are those of c, or of the texts when they are in memory
 * still. */
static size_t parts_of(struct cdc_change *c, struct part *parts)
{
    size_t n = 0, bitmap;
    switch (c->kind) {
    case CDC_BEGIN:
        add_part(parts, &n, AT(c->begin.query), 0, true);
        break;
    case CDC_ROWS:
    case CDC_COPY_ROWS:
        bitmap = ((size_t)c->rows.n_columns + 7) / 8;
        add_part(parts, &n, AT(c->rows.present_before), bitmap, false);
        add_part(parts, &n, AT(c->rows.present_after), bitmap, false);
        add_part(parts, &n, AT(c->rows.images), c->rows.images_len, false);
        add_part(parts, &n, AT(c->rows.query), 0, true);
        add_part(parts, &n, AT(c->rows.held_file), 0, true);
        break;
    case CDC_DDL:
        add_part(parts, &n, AT(c->ddl.db), 0, true);
        add_part(parts, &n, AT(c->ddl.sql), c->ddl.n + 1, false);
        add_part(parts, &n, AT(c->ddl.session.time_zone), 0, true);
        add_part(parts, &n, AT(c->ddl.session.collations), 0, true);
        break;
    case CDC_JOURNAL:
        add_part(parts, &n, AT(c->journal.json), c->journal.n + 1, false);
        break;
    case CDC_GAP:
        add_part(parts, &n, AT(c->gap.why), 0, true);
        break;
    case CDC_COMMIT:
    case CDC_ROLLBACK:
    case CDC_HEARTBEAT:
        break;
    }
    add_part(parts, &n, AT(c->file), 0, true);
    return n;
}

/* ---- writing ---- */

static bool open_file(struct cdc_spool *s, struct err *e)
{
    CLEANUP(mem_free_ptr) char *dir = mem_printf("%s/spill", s->dir);
    s->file = spill_open(dir, e);
    return s->file != NULL;
}

static void put_record(struct buf *out, const struct cdc_change *change)
{
    struct cdc_change c = *change;
    struct part parts[PARTS_MAX];
    size_t n = parts_of(&c, parts);
    buf_put(out, &c, sizeof c);
    for (size_t i = 0; i < n; i++) {
        uint64_t len = parts[i].text ? text_len(*parts[i].at) : parts[i].n;
        buf_put_le(out, len, 8);
        buf_put(out, *parts[i].at, (size_t)len);
    }
}

static void hold_tables(struct cdc_spool *s, const struct cdc_batch *b)
{
    for (size_t i = 0; i < b->n_tables; i++) {
        bool held = false;
        for (size_t k = 0; k < s->n_tables && !held; k++)
            held = s->tables[k] == b->tables[i];
        if (held)
            continue;
        mem_grow((void **)&s->tables, &s->cap_tables, s->n_tables + 1, sizeof *s->tables);
        s->tables[s->n_tables++] = schema_table_ref(b->tables[i]);
    }
}

static bool write_records(struct cdc_spool *s, const struct cdc_batch *b, size_t first, size_t n,
                          struct err *e)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = first; i < first + n; i++) {
        put_record(&out, &b->changes[i]);
        if (out.len < WRITE_BYTES && i + 1 < first + n)
            continue;
        if (out.failed || spill_len(s->file) + out.len > s->max_bytes) {
            err_set(e, ERR_LIMIT, "a transaction is over %llu bytes",
                    (unsigned long long)s->max_bytes);
            return err_cure(e, "raise limits.spill_max and make room for it in %s/spill", s->dir);
        }
        if (!spill_append(s->file, out.data, out.len, e))
            return false;
        buf_reset(&out);
    }
    return true;
}

static bool add_to_file(struct cdc_spool *s, const struct cdc_batch *b, size_t first, size_t n,
                        struct err *e)
{
    if (!FAULT_POINT("spool.write", e) || (!s->file && !open_file(s, e)))
        return false;
    uint64_t end = spill_len(s->file);
    if (!write_records(s, b, first, n, e)) {
        spill_cut(s->file, end);
        return false;
    }
    metric_add(s->m_bytes, (double)(spill_len(s->file) - end));
    hold_tables(s, b);
    return true;
}

bool cdc_spool_add(struct cdc_spool *s, struct cdc_batch *b, size_t first, size_t n, struct err *e)
{
    assert(first + n <= b->n_changes);
    size_t cost = b->bytes ? b->bytes : b->arena.total_bytes;
    if (n == 0)
        return true;
    if (file_bytes(s) || (s->dir && s->memory_bytes + cost > s->memory_limit))
        return add_to_file(s, b, first, n, e);
    if (!s->dir && s->memory_bytes + cost > s->max_bytes)
        return err_set(e, ERR_LIMIT, "a transaction is over %llu bytes",
                       (unsigned long long)s->max_bytes);
    mem_grow((void **)&s->kept, &s->cap_kept, s->n_kept + 1, sizeof *s->kept);
    s->kept[s->n_kept++] = (struct kept){.batch = cdc_batch_ref(b), .first = first, .n = n};
    s->memory_bytes += cost;
    return true;
}

/* ---- walking ---- */

void cdc_spool_rewind(struct cdc_spool *s)
{
    s->at_kept = s->at_change = 0;
    s->at_file = 0;
}

static bool read_bytes(struct cdc_spool *s, void *out, size_t n, struct err *e)
{
    bool ok = spill_read(s->file, s->at_file, out, n, e);
    s->at_file += ok ? n : 0;
    return ok;
}

/* Offsets first, because the buffer moves while it grows. */
static bool read_record(struct cdc_spool *s, struct err *e)
{
    struct part parts[PARTS_MAX];
    size_t offsets[PARTS_MAX];
    if (!read_bytes(s, &s->change, sizeof s->change, e))
        return false;
    size_t n = parts_of(&s->change, parts);
    buf_reset(&s->bytes);
    for (size_t i = 0; i < n; i++) {
        uint64_t len;
        if (!read_bytes(s, &len, sizeof len, e))
            return false;
        uint8_t *to = buf_reserve(&s->bytes, (size_t)len + 1);
        if (!to)
            return err_set(e, ERR_LIMIT, "a change of %llu bytes", (unsigned long long)len);
        offsets[i] = s->bytes.len;
        if (!read_bytes(s, to, (size_t)len, e))
            return false;
        s->bytes.len += (size_t)len;
    }
    for (size_t i = 0; i < n; i++)
        *parts[i].at = s->bytes.data + offsets[i];
    return true;
}

bool cdc_spool_next(struct cdc_spool *s, const struct cdc_change **change, struct err *e)
{
    *change = NULL;
    while (s->at_kept < s->n_kept && s->at_change >= s->kept[s->at_kept].n) {
        s->at_kept++;
        s->at_change = 0;
    }
    if (s->at_kept < s->n_kept) {
        const struct kept *kept = &s->kept[s->at_kept];
        *change = &kept->batch->changes[kept->first + s->at_change++];
        return true;
    }
    if (s->at_file >= file_bytes(s))
        return true;
    if (!read_record(s, e))
        return false;
    *change = &s->change;
    return true;
}
