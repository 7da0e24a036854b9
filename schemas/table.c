/* schemas/table.c — life, hash and lookups of table definitions.
 *
 * A definition is filled by one thread, sealed, and from then on only its reference count changes
 * (and row_plan, which cdc publishes once, atomically).
 */
#include "schemas/table.h"

#include "base/mem.h"
#include "schemas/labels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

struct schema_table *schema_table_new(const char *db, const char *name, size_t n_columns)
{
    struct schema_table *t = mem_alloc(sizeof *t);
    t->refs = 1;
    t->db = mem_strdup(db);
    t->name = mem_strdup(name);
    t->columns = mem_calloc(n_columns, sizeof t->columns[0]);
    t->n_columns = n_columns;
    for (size_t i = 0; i < n_columns; i++)
        t->columns[i].visible = true;
    return t;
}

static int *ref_count(const struct schema_table *t)
{
    return (int *)(uintptr_t)&t->refs; /* the count may change though the table may not */
}

struct schema_table *schema_table_ref(const struct schema_table *t)
{
    int before = __atomic_fetch_add(ref_count(t), 1, __ATOMIC_RELAXED);
    assert(before > 0);
    (void)before;
    return (struct schema_table *)(uintptr_t)t;
}

static void column_fini(struct schema_column *c)
{
    schema_labels_clear(c);
    free(c->name);
    free(c->column_type);
    free(c->collation_name);
    free(c->default_text);
    free(c->extra);
    free(c->expression);
}

static void key_fini(struct schema_key *k)
{
    free(k->name);
    free(k->columns);
    free(k->prefix);
    free(k->expressions);
}

static void table_free(struct schema_table *t)
{
    for (size_t i = 0; i < schema_table_width(t); i++)
        column_fini(&t->columns[i]);
    for (size_t i = 0; i < t->n_keys; i++)
        key_fini(&t->keys[i]);
    free(t->columns);
    free(t->keys);
    free(t->pk);
    free(t->db);
    free(t->name);
    free(t->engine);
    free(t->create_sql);
    free(t->narrowed);
    free(t->row_format);
    free(t->unknown);
    free(t->unknown_cure);
    free(t->row_plan);
    free(t);
}

void schema_table_unref(const struct schema_table *t)
{
    if (!t)
        return;
    int left = __atomic_sub_fetch(ref_count(t), 1, __ATOMIC_ACQ_REL);
    assert(left >= 0);
    if (left == 0)
        table_free((struct schema_table *)(uintptr_t)t);
}

static bool same_time(const struct schema_column *log, const struct schema_column *known)
{
    if (!log->type_open || !schema_type_is_old_time(log->type))
        return false;
    return known->type == log->type ||
           (log->type == SCHEMA_TYPE_TIME && known->type == SCHEMA_TYPE_TIME2) ||
           (log->type == SCHEMA_TYPE_DATETIME && known->type == SCHEMA_TYPE_DATETIME2) ||
           (log->type == SCHEMA_TYPE_TIMESTAMP && known->type == SCHEMA_TYPE_TIMESTAMP2);
}

bool schema_column_same_type(const struct schema_column *log, const struct schema_column *known)
{
    return (log->type == known->type && log->meta == known->meta) || same_time(log, known);
}

void schema_table_hide(struct schema_table *t, size_t n)
{
    size_t kept = 0;
    assert(n < t->n_columns);
    t->n_columns -= n;
    t->n_hidden += n;
    for (size_t i = 0; i < t->n_pk; i++)
        if (t->pk[i] < t->n_columns)
            t->pk[kept++] = t->pk[i];
    t->n_pk = kept;
}

bool schema_table_same_types(const struct schema_table *log, const struct schema_table *known)
{
    size_t n = schema_table_width(log);
    if (n != schema_table_width(known))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct schema_column *a = &log->columns[i], *b = &known->columns[i];
        if (!schema_column_same_type(a, b))
            return false;
        if (log->full_metadata && b->name && b->name[0] && strcmp(a->name, b->name) != 0)
            return false;
    }
    return true;
}

struct schema_key *schema_table_add_key(struct schema_table *t, const char *name, size_t n_columns)
{
    t->keys = mem_realloc(t->keys, t->n_keys + 1, sizeof t->keys[0]);
    struct schema_key *k = &t->keys[t->n_keys++];
    *k = (struct schema_key){
        .name = mem_strdup(name),
        .columns = mem_calloc(n_columns, sizeof k->columns[0]),
        .prefix = mem_calloc(n_columns, sizeof k->prefix[0]),
        .n = n_columns,
    };
    return k;
}

/* Text with its length, so that no two different sequences give the same bytes. */
static void put_text(struct buf *b, const char *text)
{
    buf_put_u8(b, text != NULL);
    size_t n = text ? strlen(text) : 0;
    buf_put_le(b, n, 8);
    buf_put(b, text, n);
}

static void put_column(struct buf *b, const struct schema_column *c)
{
    put_text(b, c->name);
    buf_put_u8(b, c->type);
    buf_put_le(b, c->meta, 2);
    buf_put_le(b, c->collation, 2);
    const bool flags[] = {c->unsigned_known, c->is_unsigned,    c->nullable,   c->visible,
                          c->generated,      c->auto_increment, c->label_known};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        buf_put_u8(b, flags[i]);
    buf_put_le(b, (uint64_t)c->ext, 4);
    buf_put_le(b, c->n_labels, 8);
    for (size_t i = 0; i < c->n_labels; i++) {
        buf_put_u8(b, c->labels[i].is_text);
        buf_put_le(b, c->labels[i].n, 8);
        buf_put(b, c->labels[i].p, c->labels[i].n);
    }
    put_text(b, c->column_type);
    buf_put_le(b, c->vector_dim, 4);
    buf_put_le(b, c->geometry_type, 4);
}

static void put_key(struct buf *b, const struct schema_key *k)
{
    put_text(b, k->name);
    buf_put_le(b, k->n, 8);
    for (size_t i = 0; i < k->n; i++) {
        buf_put_le(b, k->columns[i], 2);
        buf_put_le(b, k->prefix[i], 4);
    }
    buf_put_u8(b, (uint8_t)(k->unique << 2 | k->not_null << 1 | k->functional));
}

void schema_table_seal(struct schema_table *t)
{
    struct buf b CLEANUP(buf_fini) = BUF_INIT;
    put_text(&b, t->db);
    put_text(&b, t->name);
    buf_put_le(&b, t->n_columns, 8);
    buf_put_le(&b, t->n_hidden, 8);
    for (size_t i = 0; i < schema_table_width(t); i++)
        put_column(&b, &t->columns[i]);
    buf_put_le(&b, t->n_pk, 8);
    for (size_t i = 0; i < t->n_pk; i++)
        buf_put_le(&b, t->pk[i], 2);
    buf_put_le(&b, t->n_keys, 8);
    for (size_t i = 0; i < t->n_keys; i++)
        put_key(&b, &t->keys[i]);
    t->content_hash = XXH64(buf_str(&b), b.len, 0);
}

int schema_table_column(const struct schema_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (t->columns[i].name && strcasecmp(t->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool is_whole(const struct schema_key *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->prefix[i] != 0)
            return false;
    return k->n > 0;
}

const struct schema_key *schema_table_identity(const struct schema_table *t)
{
    if (t->n_keys > 0 && strcmp(t->keys[0].name, "PRIMARY") == 0)
        return &t->keys[0];
    for (size_t i = 0; i < t->n_keys; i++) {
        const struct schema_key *k = &t->keys[i];
        if (k->unique && k->not_null && !k->functional && is_whole(k))
            return k;
    }
    return NULL;
}
