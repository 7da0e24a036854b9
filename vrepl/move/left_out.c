/* vrepl/move/left_out.c — the list of left out rows: copiers add to it, the applier strikes off.
 *
 * A row's name there is a hash: the key itself may be longer than what an index takes beside the
 * names of workflow, stream and table.
 */
#include "vrepl/move/left_out.h"

#include "base/mem.h"
#include "cdc/sidecar/left_out_row.h"
#include "schemas/charset.h"
#include "vrepl/move/writer.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static_assert(SHA256_DIGEST_LENGTH == LEFT_OUT_ID_BYTES, "an id is a SHA-256");

struct id {
    uint8_t bytes[SHA256_DIGEST_LENGTH];
};

void left_out_init(struct left_out *l)
{
    pthread_mutex_init(&l->lock, NULL);
    l->ids = map_new(NULL);
}

void left_out_fini(struct left_out *l)
{
    map_free(l->ids);
    pthread_mutex_destroy(&l->lock);
}

static void put_text(struct buf *out, const char *s)
{
    buf_put(out, s, strlen(s) + 1); /* with its end, so that "a","bc" is not "ab","c" */
}

static void put_value(struct buf *out, const struct my_value *v)
{
    buf_put_u8(out, (uint8_t)v->type);
    if (v->type != MY_VALUE_BYTES) {
        buf_put(out, &v->v.u64, sizeof v->v.u64);
        return;
    }
    buf_put_le(out, v->v.bytes.n, 8);
    buf_put(out, v->v.bytes.p, v->v.bytes.n);
}

/* The values of the identity key, in key order. */
static bool bind_key(const struct vrepl_plan *p, const struct cdc_row *row,
                     struct value_scratch *scratch, struct my_value *values, struct err *e)
{
    for (size_t i = 0; i < p->n_key; i++) {
        const struct plan_column *c = &p->columns[p->key[i]];
        values[i] = (struct my_value){.type = MY_VALUE_NULL};
        if (!value_bind(c, &row->values[c->source], scratch, &values[i], e))
            return false;
    }
    return true;
}

static bool name_row(const struct target_tx_key *key, const struct vrepl_plan *p,
                     const struct cdc_row *row, struct id *out, struct err *e)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct my_value *values = mem_calloc(p->n_key + 1, sizeof *values);
    struct value_scratch scratch;
    value_scratch_init(&scratch);
    put_text(&text, key->workflow);
    put_text(&text, key->stream);
    put_text(&text, p->target->name);
    bool ok = bind_key(p, row, &scratch, values, e);
    for (size_t i = 0; ok && i < p->n_key; i++)
        put_value(&text, &values[i]);
    SHA256(text.data, text.len, out->bytes);
    value_scratch_fini(&scratch);
    free(values);
    return ok;
}

/* The character set of a text column; NULL for others. */
static const char *text_charset(const struct schema_column *c)
{
    const char *charset = charset_name(c->collation);
    bool text = schema_type_is_string(c->type) && charset && strcmp(charset, "binary") != 0;
    return text ? charset : NULL;
}

/* A text column: k=? AND CAST(k AS BINARY)=CAST(? AS BINARY), the second in the column's own
 * character set. */
static void put_condition(const struct vrepl_plan *p, const struct plan_column *c, struct buf *out)
{
    const struct schema_column *to = &p->target->columns[c->target];
    const char *charset = text_charset(to);
    buf_put_ident(out, to->name);
    buf_printf(out, "=%s", c->where);
    if (!charset)
        return;
    buf_put_str(out, " AND CAST(");
    buf_put_ident(out, to->name);
    if (strcmp(c->value, "?") == 0)
        buf_put_str(out, " AS BINARY)=CAST(? AS BINARY)");
    else
        buf_printf(out, " AS BINARY)=CAST(CONVERT(%s USING %s) AS BINARY)", c->value, charset);
}

void left_out_statement(const struct vrepl_plan *p, struct buf *out)
{
    buf_put_str(out, "SELECT 1 FROM ");
    buf_put_ident(out, p->target->name);
    for (size_t i = 0; i < p->n_key; i++) {
        buf_put_str(out, i == 0 ? " WHERE " : " AND ");
        put_condition(p, &p->columns[p->key[i]], out);
    }
    buf_put_str(out, " LIMIT 1");
}

/* The key's values as that statement wants them: those of text columns twice. */
static void spread(const struct vrepl_plan *p, const struct my_value *values, struct my_value *out)
{
    for (size_t i = 0; i < p->n_key; i++) {
        *out++ = values[i];
        if (text_charset(&p->target->columns[p->columns[p->key[i]].target]))
            *out++ = values[i];
    }
}

static bool is_there(struct my_conn *c, const struct vrepl_plan *p, const struct cdc_row *row,
                     bool *there, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_value *values = mem_calloc(3 * p->n_key + 1, sizeof *values);
    struct value_scratch scratch;
    struct my_wire cell[1];
    value_scratch_init(&scratch);
    left_out_statement(p, &sql);
    bool ok = bind_key(p, row, &scratch, values, e);
    spread(p, values, values + p->n_key);
    struct my_stmt *s = ok ? my_prepare(c, buf_str(&sql), e) : NULL;
    enum my_next next = MY_FAIL;
    if (s && my_stmt_query(s, values + p->n_key, e))
        next = my_stmt_next(s, cell, e);
    *there = next == MY_ROW;
    my_stmt_free(s);
    value_scratch_fini(&scratch);
    free(values);
    return next != MY_FAIL;
}

static struct sidecar_key row_key(const struct target_tx_key *key)
{
    return (struct sidecar_key){key->workflow, key->stream};
}

static bool insert(struct my_conn *c, const struct target_tx_key *key, const struct vrepl_plan *p,
                   const struct cdc_row *row, const struct id *id, const char *reason,
                   struct err *e)
{
    CLEANUP(buf_fini) struct buf shown = BUF_INIT;
    const struct sidecar_key of = row_key(key);
    vrepl_row_describe(p, row, &shown);
    return left_out_row_put(c, &of, p->target->name, id->bytes, buf_str(&shown), reason, e) ||
           err_prepend(e, "left out rows");
}

bool left_out_add(struct left_out *l, struct my_conn *c, const struct target_tx_key *key,
                  const struct vrepl_plan *p, const struct cdc_row *row,
                  const struct err *duplicate, struct err *e)
{
    struct id id;
    bool there = false;
    assert(p->n_key > 0);
    if (!is_there(c, p, row, &there, e))
        return false;
    if (there)
        return true;
    if (!name_row(key, p, row, &id, e) || !insert(c, key, p, row, &id, duplicate->text, e))
        return false;
    pthread_mutex_lock(&l->lock);
    map_put(l->ids, id.bytes, sizeof id.bytes, l);
    pthread_mutex_unlock(&l->lock);
    return true;
}

bool left_out_holds(const struct left_out *l, const struct target_tx_key *key,
                    const struct vrepl_plan *p, const struct cdc_row *row)
{
    struct id id;
    struct err ignored = ERR_INIT;
    if (map_count(l->ids) == 0 || p->n_key == 0)
        return false;
    return name_row(key, p, row, &id, &ignored) && map_get(l->ids, id.bytes, sizeof id.bytes);
}

bool left_out_strike(struct my_conn *c, const struct target_tx_key *key, const struct vrepl_plan *p,
                     const struct cdc_row *row, struct err *e)
{
    struct id id;
    if (!name_row(key, p, row, &id, e))
        return false;
    return left_out_row_remove(c, id.bytes, e) || err_prepend(e, "left out rows");
}

static void remember(void *ctx, const void *id, size_t n)
{
    struct left_out *l = ctx;
    map_put(l->ids, id, n, l);
}

bool left_out_load(struct left_out *l, struct my_conn *c, const struct target_tx_key *key,
                   struct err *e)
{
    const struct sidecar_key of = row_key(key);
    map_clear(l->ids);
    return left_out_rows_each(c, &of, remember, l, e);
}

static bool stands(const struct buf *row_key_text, const struct buf *reason, struct err *e)
{
    err_set(e, ERR_COPY_LEFT_OUT,
            "%s was left out by the copy (%s), and no change of the source has brought it",
            buf_str(row_key_text), buf_str(reason));
    return err_cure(e, "the target's unique keys or collations were not the source's: make them "
                       "equal, cancel the workflow, and create it again");
}

bool left_out_check(struct my_conn *c, const struct target_tx_key *key, struct err *e)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    CLEANUP(buf_fini) struct buf reason = BUF_INIT;
    const struct sidecar_key of = row_key(key);
    bool found = false;
    if (!left_out_row_any(c, &of, &found, &text, &reason, e))
        return false;
    return !found || stands(&text, &reason, e);
}
