/* vrepl/move/left_out.c — rows of _sluice.left_out: added by copiers, struck off by the applier.
 *
 * A row's name there is a hash: the key itself may be longer than what an index takes beside the
 * names of workflow, stream and table.
 */
#include "vrepl/move/left_out.h"

#include "base/mem.h"
#include "cdc/sidecar/journal.h"
#include "schemas/charset.h"
#include "vrepl/move/writer.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define LEFT_OUT "`" SLUICE_SIDECAR_DB "`.`left_out`"

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

static void put_string(struct buf *sql, const char *s)
{
    buf_put_sql_string(sql, s, strlen(s));
    buf_put_u8(sql, ',');
}

static bool insert(struct my_conn *c, const struct target_tx_key *key, const struct vrepl_plan *p,
                   const struct cdc_row *row, const struct id *id, const char *reason,
                   struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(buf_fini) struct buf shown = BUF_INIT;
    vrepl_row_describe(p, row, &shown);
    buf_put_str(&sql, "REPLACE INTO " LEFT_OUT
                      " (`workflow`,`stream`,`tab`,`row_key`,`reason`,`id`) VALUES (");
    put_string(&sql, key->workflow);
    put_string(&sql, key->stream);
    put_string(&sql, p->target->name);
    put_string(&sql, buf_str(&shown));
    put_string(&sql, reason);
    buf_put_str(&sql, "x'");
    buf_put_hex(&sql, id->bytes, sizeof id->bytes);
    buf_put_str(&sql, "')");
    return my_exec(c, buf_str(&sql), NULL, e) || err_prepend(e, "left out rows");
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
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct id id;
    if (!name_row(key, p, row, &id, e))
        return false;
    buf_put_str(&sql, "DELETE FROM " LEFT_OUT " WHERE `id`=x'");
    buf_put_hex(&sql, id.bytes, sizeof id.bytes);
    buf_put_str(&sql, "'");
    return my_exec(c, buf_str(&sql), NULL, e) || err_prepend(e, "left out rows");
}

static void put_stream(struct buf *sql, const struct target_tx_key *key)
{
    buf_put_str(sql, " FROM " LEFT_OUT " WHERE `workflow`=");
    buf_put_sql_string(sql, key->workflow, strlen(key->workflow));
    buf_put_str(sql, " AND `stream`=");
    buf_put_sql_string(sql, key->stream, strlen(key->stream));
}

bool left_out_load(struct left_out *l, struct my_conn *c, const struct target_tx_key *key,
                   struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cell;
    enum my_next next = MY_FAIL;
    buf_put_str(&sql, "SELECT `id`");
    put_stream(&sql, key);
    map_clear(l->ids);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    while (r && (next = my_result_next(r, &cell, e)) == MY_ROW)
        map_put(l->ids, cell.p, cell.n, l);
    my_result_free(r);
    return next == MY_END;
}

static bool stands(const struct my_cell *v, struct err *e)
{
    err_set(e, ERR_COPY_LEFT_OUT,
            "%s was left out by the copy (%s), and no change of the source has brought it", v[0].p,
            v[1].p);
    return err_cure(e, "the target's unique keys or collations were not the source's: make them "
                       "equal, cancel the workflow, and create it again");
}

bool left_out_check(struct my_conn *c, const struct target_tx_key *key, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell v[2];
    enum my_next next = MY_FAIL;
    buf_put_str(&sql, "SELECT `row_key`,`reason`");
    put_stream(&sql, key);
    buf_put_str(&sql, " LIMIT 1");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (r && (next = my_result_next(r, v, e)) == MY_ROW)
        (void)stands(v, e);
    my_result_free(r);
    return next == MY_END;
}
