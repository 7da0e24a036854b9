/* cdc/log/decode_table.c — TABLE_MAP events: definitions made once per different content, found
 * again by table id.
 *
 * Two caches over the same entries: by the event's bytes behind the table id (owns them), and by
 * table id, for row events and for the quick check that an announced table is the one already
 * known. An id is only a name inside one run of the server; the bytes decide. Invariant: a slot's
 * entry lives as long as the cache; both caches are only emptied together, and only where no
 * announced table is still to be used: by a DDL, and between transactions.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"
#include "schemas/labels.h"

#include <assert.h>
#include <stdlib.h>

#define CACHE_MAX_ENTRIES     16384u
#define SLOTS_MIN             64u

#define COLLATION_BINARY      63u
#define COLLATION_UTF8MB4_BIN 46u /* of MariaDB's JSON columns */

static void entry_free(void *p)
{
    struct table_entry *t = p;
    schema_table_unref(t->table);
    free(t->body);
    free(t);
}

void table_cache_init(struct table_cache *c)
{
    c->by_body = map_new(entry_free);
    c->n_slots = SLOTS_MIN;
    c->n_used = 0;
    c->slots = mem_calloc(c->n_slots, sizeof *c->slots);
}

void table_cache_fini(struct table_cache *c)
{
    map_free(c->by_body);
    free(c->slots);
}

void table_cache_forget(struct table_cache *c)
{
    map_clear(c->by_body);
    memset(c->slots, 0, c->n_slots * sizeof *c->slots);
    c->n_used = 0;
}

void table_cache_trim(struct table_cache *c)
{
    if (map_count(c->by_body) >= CACHE_MAX_ENTRIES || c->n_used >= CACHE_MAX_ENTRIES)
        table_cache_forget(c);
}

static struct table_slot *slot_of(const struct table_cache *c, uint64_t id)
{
    size_t mask = c->n_slots - 1;
    size_t i = (size_t)(id * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (c->slots[i].entry && c->slots[i].id != id)
        i = (i + 1) & mask;
    return &c->slots[i];
}

const struct table_entry *table_cache_find(const struct table_cache *c, uint64_t table_id)
{
    return slot_of(c, table_id)->entry;
}

static void slots_grow(struct table_cache *c)
{
    struct table_cache old = *c;
    c->n_slots *= 2;
    c->slots = mem_calloc(c->n_slots, sizeof *c->slots);
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i].entry)
            *slot_of(c, old.slots[i].id) = old.slots[i];
    }
    free(old.slots);
}

static void slot_set(struct table_cache *c, uint64_t id, struct table_entry *entry)
{
    if (c->n_used * 2 >= c->n_slots)
        slots_grow(c);
    struct table_slot *s = slot_of(c, id);
    c->n_used += s->entry == NULL;
    s->id = id;
    s->entry = entry;
}

static char *read_name(struct wire *w)
{
    uint64_t n = wire_get(w, 1);
    const uint8_t *p = wire_take(w, n);
    uint64_t terminator = wire_get(w, 1);
    if (!p || terminator != 0 || memchr(p, 0, (size_t)n))
        w->failed = true;
    return w->failed ? NULL : mem_strndup((const char *)p, (size_t)n);
}

static size_t metadata_len(uint8_t type)
{
    switch (type) {
    case SCHEMA_TYPE_FLOAT:
    case SCHEMA_TYPE_DOUBLE:
    case SCHEMA_TYPE_BLOB:
    case SCHEMA_TYPE_BLOB_COMPRESSED:
    case SCHEMA_TYPE_JSON:
    case SCHEMA_TYPE_GEOMETRY:
    case SCHEMA_TYPE_VECTOR:
    case SCHEMA_TYPE_TIMESTAMP2:
    case SCHEMA_TYPE_DATETIME2:
    case SCHEMA_TYPE_TIME2:
        return 1;
    case SCHEMA_TYPE_VARCHAR:
    case SCHEMA_TYPE_VARCHAR_COMPRESSED:
    case SCHEMA_TYPE_VAR_STRING:
    case SCHEMA_TYPE_STRING:
    case SCHEMA_TYPE_ENUM:
    case SCHEMA_TYPE_SET:
    case SCHEMA_TYPE_BIT:
    case SCHEMA_TYPE_NEWDECIMAL:
        return 2;
    default:
        return 0;
    }
}

/* STRING's two bytes hold the real type and, in bits that ENUM, SET and CHAR have set in common,
 * two more bits of the length. */
static void resolve_string(struct schema_column *c, uint8_t b0, uint8_t b1)
{
    if ((b0 & 0x30) != 0x30) {
        c->type = b0 | 0x30;
        c->meta = (uint16_t)(b1 | ((b0 & 0x30) ^ 0x30) << 4);
    } else {
        c->type = b0;
        c->meta = b1;
    }
}

static void read_column_metadata(struct schema_column *c, struct wire *w)
{
    size_t n = metadata_len(c->type);
    const uint8_t *p = wire_take(w, n);
    if (!p || n == 0)
        return;
    if (n == 1)
        c->meta = p[0];
    else if (c->type == SCHEMA_TYPE_STRING)
        resolve_string(c, p[0], p[1]);
    else if (c->type == SCHEMA_TYPE_NEWDECIMAL)
        c->meta = (uint16_t)(p[0] << 8 | p[1]);
    else
        c->meta = wire_u16(p);
    if (c->type == SCHEMA_TYPE_ENUM || c->type == SCHEMA_TYPE_SET)
        c->meta &= 0xff;
}

static bool read_columns(struct schema_table *t, struct wire *w)
{
    const uint8_t *types = wire_take(w, t->n_columns);
    struct wire meta = wire_sub(w, wire_lenenc(w));
    const uint8_t *nullable = wire_take(w, (t->n_columns + 7) / 8);
    if (w->failed || meta.failed)
        return false;
    for (size_t i = 0; i < t->n_columns; i++) {
        struct schema_column *c = &t->columns[i];
        c->type = types[i];
        c->nullable = wire_bit(nullable, i);
        c->visible = true;
        read_column_metadata(c, &meta);
    }
    return !meta.failed;
}

static struct schema_table *read_table(const struct cdc_decoder *d, const struct event *ev,
                                       struct wire w, struct err *e)
{
    (void)wire_get(&w, 2);
    char *db CLEANUP(mem_free_ptr) = read_name(&w);
    char *name CLEANUP(mem_free_ptr) = db ? read_name(&w) : NULL;
    uint64_t n_columns = wire_lenenc(&w);
    if (w.failed || !name) {
        decode_short(ev, e);
        return NULL;
    }
    if (n_columns == 0 || n_columns > 4096 + 64 || n_columns > wire_left(&w)) {
        err_set(e, ERR_LOG_FORMAT, "%s.%s: %llu columns", db, name, (unsigned long long)n_columns);
        return NULL;
    }
    struct schema_table *t = schema_table_new(db, name, (size_t)n_columns);
    if (!read_columns(t, &w)) {
        err_set(e, ERR_LOG_FORMAT, "%s.%s: the column list goes beyond the event", db, name);
    } else if (decode_metadata(t, d->mariadb, &w, e)) {
        return t;
    } else {
        err_prepend(e, "%s.%s", db, name);
    }
    schema_table_unref(t);
    return NULL;
}

/* UUID, INET6 (16 bytes) and INET4 (4 bytes) look like BINARY, VECTOR like VARBINARY; JSON is
 * LONGTEXT; of times in the old format the fraction is not told. */
static bool is_open(const struct cdc_decoder *d, const struct schema_column *c)
{
    bool binary = c->collation == COLLATION_BINARY || c->collation == 0;
    if (c->type == SCHEMA_TYPE_STRING)
        return binary && (c->meta == 16 || c->meta == 4);
    if (c->type == SCHEMA_TYPE_VARCHAR)
        return d->has_vectors && binary && c->meta > 0 && c->meta % 4 == 0;
    if (c->type == SCHEMA_TYPE_BLOB)
        return c->meta == 4 && c->collation == COLLATION_UTF8MB4_BIN;
    return schema_type_is_old_time(c->type);
}

/* Whether a column's type is left open by the log. */
static bool mark_open(const struct cdc_decoder *d, struct schema_table *t)
{
    bool any = false;
    for (size_t i = 0; i < t->n_columns && d->mariadb; i++) {
        t->columns[i].type_open = is_open(d, &t->columns[i]);
        any = any || t->columns[i].type_open;
    }
    return any;
}

static void copy_labels(struct schema_column *to, const struct schema_column *from)
{
    if (to->label_known || !from->label_known)
        return;
    schema_labels_copy(to, from);
}

/* What the definition knows and the log did not say. */
static void merge_column(struct schema_column *to, const struct schema_column *from, bool all)
{
    to->ext = from->ext;
    if (to->vector_dim == 0)
        to->vector_dim = from->vector_dim;
    if (to->type_open && schema_type_is_old_time(to->type))
        to->meta = from->meta;
    to->type_open = false;
    to->generated = from->generated;
    to->auto_increment = from->auto_increment;
    if (!all)
        return;
    if (!to->name)
        to->name = mem_strdup(from->name);
    if (!to->unsigned_known) {
        to->unsigned_known = from->unsigned_known;
        to->is_unsigned = from->is_unsigned;
    }
    if (to->collation == 0)
        to->collation = from->collation;
    to->visible = from->visible;
    if (to->geometry_type == 0)
        to->geometry_type = from->geometry_type;
    copy_labels(to, from);
}

static void merge(struct schema_table *t, const struct schema_table *known)
{
    t->sequence = known->sequence;
    t->keeps_history = known->keeps_history;
    if (known->n_hidden > 0)
        schema_table_hide(t, known->n_hidden);
    for (size_t i = 0; i < t->n_columns; i++)
        merge_column(&t->columns[i], &known->columns[i], !t->full_metadata);
    if (!t->full_metadata && known->n_pk > 0) {
        free(t->pk);
        t->pk = mem_calloc(known->n_pk, sizeof *t->pk);
        memcpy(t->pk, known->pk, known->n_pk * sizeof *t->pk);
        t->n_pk = known->n_pk;
    }
    t->full_metadata = true;
}

/* ---- what only MariaDB has, and its names betray ---- */

static const char *const sequence_names[] = {
    "next_not_cached_value", "minimum_value", "maximum_value",
    "start_value",           "increment",     "cache_size",
    "cycle_option",          "cycle_count"};
enum { SEQUENCE_COLUMNS = sizeof sequence_names / sizeof *sequence_names };

static bool named_as_sequence(const struct schema_table *t)
{
    bool same = t->n_columns == SEQUENCE_COLUMNS;
    for (size_t i = 0; same && i < t->n_columns; i++)
        same = strcmp(t->columns[i].name, sequence_names[i]) == 0;
    return same;
}

static bool named_as_hash(const struct schema_column *c)
{
    static const char prefix[] = "DB_ROW_HASH_";
    return c->type == SCHEMA_TYPE_LONGLONG && strncmp(c->name, prefix, sizeof prefix - 1) == 0;
}

/* Its last columns may be hidden, or it may be no table: the server is to be asked. */
static bool may_be_special(const struct schema_table *t)
{
    const struct schema_column *last = &t->columns[t->n_columns - 1];
    return named_as_hash(last) || strcmp(last->name, "row_end") == 0 || named_as_sequence(t);
}

/* Where the whole table is not known: only what no table of a user has. */
static void hide_by_name(struct schema_table *t, const struct schema_table *known)
{
    size_t n = 0;
    if (known && known->whole)
        return;
    while (n + 1 < t->n_columns && named_as_hash(&t->columns[t->n_columns - 1 - n]))
        n++;
    if (n > 0)
        schema_table_hide(t, n);
    t->sequence = named_as_sequence(t);
}

/* Why names or types are not known becomes the table's; only who needs its rows fails. */
static bool keep_reason(struct schema_table *t, struct err *e)
{
    if (e->code == ERR_NONE)
        return true;
    if (e->code != ERR_SCHEMA_UNKNOWN)
        return err_prepend(e, "definition of %s.%s", t->db, t->name);
    t->unknown = mem_strdup(e->text);
    t->unknown_cure = mem_strdup(e->cure);
    err_clear(e);
    return true;
}

static bool ask_schema(const struct cdc_decoder *d, const struct event *ev, struct schema_table *t,
                       struct err *e)
{
    bool full = t->full_metadata, open = mark_open(d, t);
    if (!d->o.schema || (full && !open && !(d->mariadb && may_be_special(t))))
        return true;
    struct err why = ERR_INIT;
    struct log_span seen = decode_span(d, ev);
    const struct schema_table *known = d->o.schema(d->o.schema_ctx, &seen, t, &why);
    if (known && schema_table_same_types(t, known))
        merge(t, known);
    if (full && t->n_hidden == 0)
        hide_by_name(t, known);
    if (!known)
        return keep_reason(t, &why) || err_copy(e, &why);
    schema_table_unref(known);
    return true;
}

static struct table_entry *make_entry(struct cdc_decoder *d, const struct event *ev, struct wire w,
                                      struct err *e)
{
    struct schema_table *t = read_table(d, ev, w, e);
    if (!t)
        return NULL;
    struct table_entry *entry = mem_alloc(sizeof *entry);
    bool sidecar = strcmp(t->db, "_sluice") == 0;
    entry->wanted = sidecar || !d->o.want_table || d->o.want_table(d->o.want_ctx, t->db, t->name);
    entry->journal = sidecar && strcmp(t->name, "journal") == 0;
    entry->table = t;
    if (entry->wanted && !sidecar && !ask_schema(d, ev, t, e)) {
        entry_free(entry);
        return NULL;
    }
    entry->wanted = entry->wanted && !t->sequence;
    schema_table_seal(t);
    entry->body_len = wire_left(&w);
    entry->body = mem_realloc(NULL, entry->body_len, 1);
    memcpy(entry->body, w.p, entry->body_len);
    return entry;
}

bool decode_table_map(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t id = wire_get(&w, decode_table_id_len(d, ev->type));
    if (w.failed || wire_left(&w) == 0)
        return decode_short(ev, e);
    const struct table_entry *known = table_cache_find(&d->tables, id);
    if (known && known->body_len == wire_left(&w) && memcmp(known->body, w.p, known->body_len) == 0)
        return true;
    struct table_entry *entry = map_get(d->tables.by_body, w.p, wire_left(&w));
    if (!entry) {
        entry = make_entry(d, ev, w, e);
        if (!entry)
            return false;
        map_put(d->tables.by_body, entry->body, entry->body_len, entry);
    }
    slot_set(&d->tables, id, entry);
    return true;
}
