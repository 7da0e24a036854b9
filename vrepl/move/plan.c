/* vrepl/move/plan.c — mapping columns by name, choosing how each value is bound, refusing what does
 * not fit.
 *
 * The session is `SET NAMES binary`: a string parameter reaches a column as bytes of that column's
 * own character set. Where source and target differ in it, the parameter is declared to be in the
 * source's
 * (`CONVERT(? USING latin1)`) and the target converts, in strict mode, so that a loss is an error.
 */
#include "vrepl/move/plan.h"

#include "base/mem.h"
#include "schemas/inspect.h"
#include "schemas/labels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct plan_charsets {
    struct map *by_id; /* uint32_t → char * */
};

static bool load_charsets(struct plan_charsets *out, struct my_conn *c, const char *sql,
                          struct err *e)
{
    struct my_result *r = my_query(c, sql, e);
    if (!r)
        return false;
    struct my_cell cells[2];
    enum my_next next;
    while ((next = my_result_next(r, cells, e)) == MY_ROW) {
        if (!cells[0].p || !cells[1].p)
            continue;
        uint32_t id = (uint32_t)strtoul(cells[0].p, NULL, 10);
        map_put(out->by_id, &id, sizeof id, mem_strdup(cells[1].p));
    }
    my_result_free(r);
    return next == MY_END;
}

struct plan_charsets *plan_charsets_load(struct my_conn *c, struct err *e)
{
    struct plan_charsets *out = mem_alloc(sizeof *out);
    out->by_id = map_new(free);
    /* MariaDB lists the collations that serve several character sets in the second table only. */
    bool ok = load_charsets(out, c,
                            "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS", e);
    if (ok && my_conn_server(c)->flavor == MY_FLAVOR_MARIADB &&
        my_conn_server(c)->version >= 101000)
        ok = load_charsets(out, c,
                           "SELECT ID, CHARACTER_SET_NAME FROM "
                           "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY",
                           e);
    if (ok)
        return out;
    plan_charsets_free(out);
    return NULL;
}

void plan_charsets_free(struct plan_charsets *c)
{
    if (!c)
        return;
    map_free(c->by_id);
    free(c);
}

const char *plan_charset(const struct plan_charsets *c, uint16_t collation)
{
    uint32_t id = collation;
    return c ? map_get(c->by_id, &id, sizeof id) : NULL;
}

static bool is_utf8(const char *charset)
{
    return !strcmp(charset, "utf8") || !strcmp(charset, "utf8mb3") || !strcmp(charset, "utf8mb4");
}

/* The source's character set when bytes have to be converted on their way, else NULL. */
static const char *conversion(const struct plan_options *o, const struct schema_column *from,
                              const struct schema_column *to)
{
    if (from->collation == to->collation || from->collation == 0 || from->collation == 63 ||
        to->collation == 0 || to->collation == 63)
        return NULL;
    const char *a = plan_charset(o->source_charsets, from->collation);
    const char *b = plan_charset(o->target_charsets, to->collation);
    if (!a || !b || !strcmp(a, b) || (is_utf8(a) && is_utf8(b)))
        return NULL;
    return a;
}

static bool is_plain(const struct schema_label *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->p[i] < 0x20 || l->p[i] > 0x7e)
            return false;
    }
    return true;
}

/* ▶ By number a label means what the target's definition says at that moment, and an ALTER there
 * changes it without any error; by name it is right or refused. Numbers are only for labels that
 * might not arrive as the bytes they are. */
static bool by_number(const struct schema_column *a, const struct schema_column *b)
{
    bool plain = true;
    if (!a->label_known || !b->label_known || a->type != b->type)
        return false;
    for (size_t i = 0; i < a->n_labels; i++)
        plain = plain && is_plain(&a->labels[i]);
    return !plain && schema_labels_same(a, b);
}

static enum plan_bind bind_integer(const struct schema_column *from, const struct schema_column *to)
{
    bool is_unsigned = from->unsigned_known ? from->is_unsigned : to->is_unsigned;
    return is_unsigned ? PLAN_BIND_U64 : PLAN_BIND_I64;
}

/* A BINARY(n) is padded; so are MariaDB's types that a table map calls one. */
static enum plan_bind bind_string(const struct schema_column *from, const struct schema_column *to)
{
    if (schema_type_is_packed(from->type))
        return PLAN_BIND_INFLATE;
    bool binary = from->collation == SCHEMA_COLLATION_BINARY || to->ext != SCHEMA_EXT_NONE;
    return from->type == SCHEMA_TYPE_STRING && binary ? PLAN_BIND_BINARY : PLAN_BIND_BYTES;
}

static enum plan_bind choose_bind(const struct schema_column *from, const struct schema_column *to)
{
    switch (schema_column_kind(from)) {
    case SCHEMA_VALUE_INTEGER:
        return bind_integer(from, to);
    case SCHEMA_VALUE_YEAR:
        return PLAN_BIND_I64;
    case SCHEMA_VALUE_BIT:
        return PLAN_BIND_U64;
    case SCHEMA_VALUE_FLOAT:
        return PLAN_BIND_FLOAT;
    case SCHEMA_VALUE_DOUBLE:
        return PLAN_BIND_DOUBLE;
    case SCHEMA_VALUE_DECIMAL:
        return PLAN_BIND_DECIMAL;
    case SCHEMA_VALUE_DATE:
    case SCHEMA_VALUE_TIME:
    case SCHEMA_VALUE_DATETIME:
    case SCHEMA_VALUE_TIMESTAMP:
        return PLAN_BIND_TEMPORAL;
    case SCHEMA_VALUE_ENUM:
    case SCHEMA_VALUE_SET:
        return by_number(from, to) ? PLAN_BIND_U64 : PLAN_BIND_LABEL;
    case SCHEMA_VALUE_JSON:
        return PLAN_BIND_JSON;
    case SCHEMA_VALUE_TEXT:
    case SCHEMA_VALUE_BYTES:
    case SCHEMA_VALUE_NETWORK:
    case SCHEMA_VALUE_VECTOR:
        return bind_string(from, to);
    case SCHEMA_VALUE_GEOMETRY:
    case SCHEMA_VALUE_NONE:
        return PLAN_BIND_BYTES;
    }
    return PLAN_BIND_BYTES;
}

/* In comparisons an exact number must stay one: DECIMAL against text would be compared as DOUBLE.
 */
static char *where_text(const struct plan_options *o, const struct schema_column *from,
                        const struct schema_column *to, enum plan_bind bind, const char *value)
{
    if (bind == PLAN_BIND_DECIMAL)
        return mem_printf("CAST(? AS DECIMAL(%u,%u))", from->meta >> 8, from->meta & 0xff);
    if (to->type == SCHEMA_TYPE_JSON && o->target_flavor == MY_FLAVOR_MYSQL)
        return mem_printf("CAST(%s AS JSON)", value);
    return mem_strdup(value);
}

static void choose_texts(struct plan_column *col, const struct plan_options *o,
                         const struct schema_column *from, const struct schema_column *to)
{
    const char *charset = conversion(o, from, to);
    col->bind = choose_bind(from, to);
    if (to->type == SCHEMA_TYPE_JSON || col->bind == PLAN_BIND_LABEL || col->bind == PLAN_BIND_JSON)
        col->value = mem_strdup("CONVERT(? USING utf8mb4)");
    else if (charset && (col->bind == PLAN_BIND_BYTES || col->bind == PLAN_BIND_INFLATE))
        col->value = mem_printf("CONVERT(? USING %s)", charset);
    else
        col->value = mem_strdup("?");
    col->typed = from->type == SCHEMA_TYPE_JSON && to->type == SCHEMA_TYPE_JSON &&
                 o->target_flavor == MY_FLAVOR_MYSQL;
    col->where = where_text(o, from, to, col->bind, col->value);
}

/* Returns false. */
static bool columns_differ(struct err *e)
{
    return err_cure(e, "give the target table the source's columns and start the workflow again; "
                       "where rows from before and behind an ALTER need other ones, copy the "
                       "workflow's tables anew (workflow stop, then workflow start --recopy)");
}

/* A target that was wide enough at create need not be so for this definition of the source. */
static bool check_fit(const struct vrepl_plan *p, const struct plan_options *o,
                      const struct schema_column *from, const struct schema_column *to,
                      struct err *e)
{
    char reason[200];
    if (o->may_narrow ? schema_column_guarded(from, to, reason, sizeof reason)
                      : schema_column_fits(from, to, reason, sizeof reason))
        return true;
    err_set(e, ERR_SCHEMA_MISMATCH,
            "%s.%s: the target table %s cannot take every value of column %s", p->source->db,
            p->source->name, p->target->name, reason);
    return err_cure(e,
                    "alter the target's column to the source's type and start the workflow again; "
                    "if its rows are not those that the same ALTER would leave, copy it anew "
                    "(workflow stop, then workflow start --recopy %s)",
                    p->target->name);
}

static bool map_columns(struct vrepl_plan *p, const struct plan_options *o, struct err *e)
{
    const struct schema_table *s = p->source, *t = p->target;
    p->columns = mem_calloc(t->n_columns, sizeof *p->columns);
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct schema_column *to = &t->columns[i];
        int from = schema_table_column(s, to->name);
        if (to->generated && from < 0)
            continue;
        if (from < 0) {
            err_set(e, ERR_SCHEMA_MISMATCH,
                    "%s.%s: the target's column %s does not exist in the source", s->db, s->name,
                    to->name);
            return columns_differ(e);
        }
        if (!check_fit(p, o, &s->columns[from], to, e))
            return false;
        if (to->generated) /* the target computes it as the source does */
            continue;
        struct plan_column *col = &p->columns[p->n_columns++];
        col->source = (uint16_t)from;
        col->target = (uint16_t)i;
        choose_texts(col, o, &s->columns[from], to);
        p->typed = p->typed || col->typed;
    }
    return true;
}

static bool check_source_columns(const struct vrepl_plan *p, struct err *e)
{
    for (size_t i = 0; i < p->source->n_columns; i++) {
        const char *name = p->source->columns[i].name;
        if (!name)
            return err_set(e, ERR_SCHEMA_UNKNOWN,
                           "%s.%s: the log does not name the table's columns", p->source->db,
                           p->source->name);
        if (schema_table_column(p->target, name) < 0) {
            err_set(e, ERR_SCHEMA_MISMATCH, "%s.%s: column %s is missing in the target table %s",
                    p->source->db, p->source->name, name, p->target->name);
            return columns_differ(e);
        }
    }
    return true;
}

static int plan_column_of_target(const struct vrepl_plan *p, uint16_t target)
{
    for (size_t i = 0; i < p->n_columns; i++) {
        if (p->columns[i].target == target)
            return (int)i;
    }
    return -1;
}

static bool map_key(struct vrepl_plan *p, struct err *e)
{
    const struct schema_key *key = schema_table_identity(p->target);
    p->order_exact = key != NULL;
    if (!key)
        return true;
    p->key = mem_calloc(key->n, sizeof *p->key);
    for (size_t i = 0; i < key->n; i++) {
        int col = plan_column_of_target(p, key->columns[i]);
        if (col < 0)
            return err_set(e, ERR_SCHEMA_MISMATCH, "%s: key %s is not written by the source",
                           p->target->name, key->name);
        p->key[p->n_key++] = (uint16_t)col;
        p->columns[col].key = true;
        if (!schema_type_is_integer(p->source->columns[p->columns[col].source].type))
            p->order_exact = false;
    }
    return true;
}

static bool map_vindex(struct vrepl_plan *p, bool guard, struct err *e)
{
    const struct vrepl_table_spec *spec = p->spec;
    if (!spec->vindex && !guard)
        return true;
    p->vindex = mem_calloc(spec->n_vindex_columns + 1, sizeof *p->vindex);
    for (size_t i = 0; i < spec->n_vindex_columns; i++) {
        int from = schema_table_column(p->source, spec->vindex_columns[i]);
        if (from < 0)
            return err_set(e, ERR_SCHEMA_MISMATCH, "%s.%s: no sharding column %s", p->source->db,
                           p->source->name, spec->vindex_columns[i]);
        p->vindex[p->n_vindex++] = (uint16_t)from;
        for (size_t k = 0; k < p->n_columns; k++) {
            if (p->columns[k].source == from)
                p->columns[k].guard = guard;
        }
    }
    return true;
}

struct vrepl_plan *vrepl_plan_new(const struct plan_options *o, const struct schema_table *source,
                                  const struct schema_table *target, struct err *e)
{
    struct vrepl_plan *p = mem_alloc(sizeof *p);
    p->source = schema_table_ref(source);
    p->target = schema_table_ref(target);
    p->spec = o->spec;
    p->table_no = o->table_no;
    if (check_source_columns(p, e) && map_columns(p, o, e) && map_key(p, e) &&
        map_vindex(p, o->several_sources, e)) {
        assert(p->n_columns <= target->n_columns);
        return p;
    }
    vrepl_plan_free(p);
    return NULL;
}

void vrepl_plan_free(struct vrepl_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_columns; i++) {
        free(p->columns[i].value);
        free(p->columns[i].where);
    }
    free(p->columns);
    free(p->key);
    free(p->vindex);
    schema_table_unref(p->source);
    schema_table_unref(p->target);
    free(p);
}
