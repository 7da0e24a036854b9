/* schemas/sharding/vindex_lookup.c — parameters, questions and answers of lookup vindexes. Pure.
 */
#include "schemas/sharding/vindex_lookup.h"
#include "base/mem.h"
#include "base/sys.h"
#include "schemas/charset.h"
#include "schemas/sharding/unicode_loose.h"
#include "schemas/sharding/vindex_internal.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

static void lookup_fini(struct vindex_lookup *l)
{
    for (size_t i = 0; i < l->n_from; i++)
        free(l->from[i]);
    free(l->from);
    free(l->table);
    free(l->to);
}

static void destroy_lookup(struct vindex *v)
{
    lookup_fini(v->own);
    mem_free_ptr(&v->own);
}

static bool missing(const struct vindex *v, const char *name, struct err *e)
{
    return err_set(e, ERR_VSCHEMA, "vindex %s of type %s: the parameter %s is missing", v->name,
                   v->kind->type, name);
}

static bool take_from(struct vindex *v, struct vindex_lookup *l, const char *list, struct err *e)
{
    l->from = mem_calloc(VINDEX_COLUMNS_MAX, sizeof *l->from);
    while (list != NULL) {
        size_t n = strcspn(list, ","), begin = strspn(list, " \t");
        const char *next = list[n] == ',' ? list + n + 1 : NULL;
        while (n > begin && strchr(" \t", list[n - 1]) != NULL)
            n--;
        if (n <= begin || l->n_from == VINDEX_COLUMNS_MAX)
            return err_set(e, ERR_VSCHEMA, "vindex %s: from names 1 to %d columns, not '%.100s'",
                           v->name, VINDEX_COLUMNS_MAX, list);
        l->from[l->n_from++] = mem_strndup(list + begin, n - begin);
        list = next;
    }
    v->n_columns = l->n_from;
    return true;
}

static bool take_switches(const struct vindex *v, const struct vindex_params *p,
                          struct vindex_lookup *l, struct err *e)
{
    bool ignored;
    const char *lock = vindex_param(p, "read_lock");
    if (lock != NULL && strcmp(lock, "exclusive") != 0 && strcmp(lock, "shared") != 0 &&
        strcmp(lock, "none") != 0)
        return err_set(e, ERR_VSCHEMA,
                       "vindex %s: read_lock is exclusive, shared or none, not '%.100s'", v->name,
                       lock);
    return vindex_param_bool(v->name, p, "write_only", &l->write_only, e) &&
           vindex_param_bool(v->name, p, "ignore_nulls", &l->ignore_nulls, e) &&
           vindex_param_bool(v->name, p, "autocommit", &ignored, e) &&
           vindex_param_bool(v->name, p, "multi_shard_autocommit", &ignored, e) &&
           vindex_param_bool(v->name, p, "no_verify", &ignored, e) &&
           vindex_param_bool(v->name, p, "batch_lookup", &ignored, e);
}

static bool create_lookup(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    const char *table = vindex_param(p, "table"), *from = vindex_param(p, "from"),
               *to = vindex_param(p, "to");
    struct vindex_lookup *l = v->own = mem_alloc(sizeof *l);
    if (table == NULL || *table == 0)
        return missing(v, "table", e);
    if (to == NULL || *to == 0)
        return missing(v, "to", e);
    if (from == NULL || *from == 0)
        return missing(v, "from", e);
    l->table = mem_strdup(table);
    l->to = mem_strdup(to);
    l->loose = strncmp(v->kind->type, "lookup_unicodeloosemd5", 22) == 0;
    l->hashed = l->loose || strncmp(v->kind->type, "lookup_hash", 11) == 0;
    if (l->loose && !unicode_loose_available())
        return vindex_loose_refused(v, e);
    return take_from(v, l, from, e) && take_switches(v, p, l, e);
}

static void place_lookup(const struct vindex *v, struct buf *out)
{
    const struct vindex_lookup *l = v->own;
    buf_printf(out, "%s:%s", l->table, l->to);
    for (size_t i = 0; i < l->n_from; i++)
        buf_printf(out, ",%s", l->from[i]);
}

#define LOOKUP_PARAMS                                                                              \
    "table", "from", "to", "ignore_nulls", "batch_lookup", "read_lock", "write_only"
static const char *const consistent_params[] = {LOOKUP_PARAMS, NULL};
static const char *const hash_params[] = {LOOKUP_PARAMS, "autocommit", "multi_shard_autocommit",
                                          NULL};
static const char *const lookup_params[] = {LOOKUP_PARAMS, "autocommit", "multi_shard_autocommit",
                                            "no_verify", NULL};
#define LOOKUP_KIND(name, names, is_unique)                                                        \
    {                                                                                              \
        .type = name, .params = names, .create = create_lookup, .destroy = destroy_lookup,         \
        .place = place_lookup, .cost = is_unique ? 10 : 20, .unique = is_unique                    \
    }

const struct vindex_kind vindex_kinds_lookup[] = {
    LOOKUP_KIND("lookup", lookup_params, false),
    LOOKUP_KIND("lookup_unique", lookup_params, true),
    LOOKUP_KIND("lookup_hash", hash_params, false),
    LOOKUP_KIND("lookup_hash_unique", hash_params, true),
    LOOKUP_KIND("lookup_unicodeloosemd5_hash", hash_params, false),
    LOOKUP_KIND("lookup_unicodeloosemd5_hash_unique", hash_params, true),
    LOOKUP_KIND("consistent_lookup", consistent_params, false),
    LOOKUP_KIND("consistent_lookup_unique", consistent_params, true),
    {.type = NULL},
};

const struct vindex_lookup *vindex_lookup_of(const struct vindex *v)
{
    return vindex_is_lookup(v) ? v->own : NULL;
}

/* ---- questions ---- */

bool vindex_lookup_needs_table(const struct vindex *v, const struct vindex_input *in,
                               struct vindex_answer *out)
{
    const struct vindex_lookup *l = vindex_lookup_of(v);
    *out = (struct vindex_answer){0};
    out->everywhere = l->write_only || (l->ignore_nulls && in->kind == VINDEX_IN_NULL);
    return !out->everywhere && in->kind != VINDEX_IN_NULL;
}

static bool put_loose(const struct vindex *v, const struct vindex_input *in, struct buf *sql,
                      struct err *e)
{
    struct buf weights CLEANUP(buf_fini) = BUF_INIT, digest CLEANUP(buf_fini) = BUF_INIT;
    struct vindex_text t;
    uint64_t number = 0;
    vindex_input_text(in, &t);
    if (!unicode_loose_weights(t.p, t.n, &weights) ||
        !vindex_md5(buf_str(&weights), weights.len, &digest))
        return err_set(e, ERR_VINDEX, "vindex %s: the value is not UTF-8", v->name);
    for (size_t i = 0; i < VINDEX_ID_BYTES; i++)
        number = number << 8 | digest.data[i];
    buf_put_u64(sql, number);
    return true;
}

/* Text is named UTF-8, so that the server compares it as the column's collation does; bytes that are
 * no text are compared as bytes. */
static bool put_value(const struct vindex *v, const struct vindex_input *in, struct buf *sql,
                      struct err *e)
{
    if (vindex_lookup_of(v)->loose)
        return put_loose(v, in, sql, e);
    switch (in->kind) {
    case VINDEX_IN_NULL:
        buf_put_str(sql, "NULL");
        break;
    case VINDEX_IN_I64:
        buf_put_i64(sql, in->i64);
        break;
    case VINDEX_IN_U64:
        buf_put_u64(sql, in->u64);
        break;
    case VINDEX_IN_BYTES:
        buf_put_str(sql, charset_is_valid_utf8(in->p, in->n) ? "_utf8mb4 X'" : "X'");
        buf_put_hex(sql, in->p, in->n);
        buf_put_u8(sql, '\'');
        break;
    }
    return true;
}

/* Each value has its own SELECT: a collation may call it equal to a row that spells it otherwise, so
 * a row cannot be given back to its value by comparing them here. */
bool vindex_lookup_sql(const struct vindex *v, const char *table, const struct vindex_input *in,
                       size_t n, struct buf *sql, struct err *e)
{
    const struct vindex_lookup *l = vindex_lookup_of(v);
    for (size_t i = 0; i < n; i++) {
        buf_printf(sql, "%sSELECT %zu,", i > 0 ? " UNION ALL " : "", i);
        buf_put_ident(sql, l->to);
        buf_printf(sql, " FROM %s WHERE ", table);
        buf_put_ident(sql, l->from[0]);
        buf_put_u8(sql, '=');
        if (!put_value(v, &in[i], sql, e))
            return false;
    }
    return !sql->failed || err_set(e, ERR_LIMIT, "the question for %zu values is too long", n);
}

/* ---- answers ---- */

void vindex_answers_fini(struct vindex_answer *answers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free_ptr(&answers[i].ids);
}

static bool hashed_id(const char *to, size_t n_to, struct ksid *id, struct err *e)
{
    const struct vindex_params none = {0};
    const struct vindex_input in = {.kind = VINDEX_IN_BYTES, .p = (const uint8_t *)to, .n = n_to};
    struct vindex *hash = vindex_new_part("hash", "hash", &none, e);
    enum vindex_result found = hash != NULL ? vindex_map(hash, &in, 1, id, e) : VINDEX_ERROR;
    vindex_free(hash);
    if (found == VINDEX_NONE)
        err_set(e, ERR_VINDEX, "'%.*s' is not a number", n_to < 100 ? (int)n_to : 100, to);
    return found == VINDEX_KSID;
}

static bool id_of(const struct vindex *v, const char *to, size_t n_to, struct ksid *id,
                  struct err *e)
{
    const struct vindex_lookup *l = vindex_lookup_of(v);
    if (l->hashed)
        return hashed_id(to, n_to, id, e);
    if (n_to > KSID_MAX)
        return err_set(e, ERR_VINDEX, "a keyspace id of %zu bytes", n_to);
    memcpy(id->bytes, to, n_to);
    id->n = (uint8_t)n_to;
    return true;
}

bool vindex_lookup_take(const struct vindex *v, const char *to, size_t n_to,
                        struct vindex_answer *out, struct err *e)
{
    const struct vindex_lookup *l = vindex_lookup_of(v);
    struct ksid id;
    if (to == NULL)
        return err_set(e, ERR_VINDEX, "lookup table %s: %s is NULL", l->table, l->to);
    if (!id_of(v, to, n_to, &id, e))
        return err_prepend(e, "lookup table %s: %s", l->table, l->to);
    if (v->kind->unique && out->n > 0)
        return err_set(e, ERR_VINDEX,
                       "lookup table %s has several rows for one value of the unique vindex %s",
                       l->table, v->name);
    out->ids = mem_realloc(out->ids, out->n + 1, sizeof *out->ids);
    out->ids[out->n++] = id;
    return true;
}
