/* schemas/sharding/lookup_ask.c — one statement for many values, at each shard of the lookup table.
 */
#include "schemas/sharding/lookup_ask.h"
#include "base/mem.h"
#include "base/sys.h"
#include "mysql/conn.h"
#include <stdlib.h>
#include <string.h>

enum { VALUES_AT_ONCE = 100 };

/* Some of the values: those that a table has to be asked for. */
struct part {
    const struct vindex *v;
    struct vindex_input in[VALUES_AT_ONCE];
    struct vindex_answer *out[VALUES_AT_ONCE];
    size_t n;
};

static bool take_row(const struct part *p, const struct my_cell *row, struct err *e)
{
    uint64_t i = 0;
    if (row[0].p == NULL || !sys_parse_u64(row[0].p, &i) || i >= p->n)
        return err_set(e, ERR_INTERNAL, "an answer to no question");
    return vindex_lookup_take(p->v, row[1].p, row[1].n, p->out[i], e);
}

static bool ask_shard(const struct part *p, const struct topo_shard *s, const char *table,
                      struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT, name CLEANUP(buf_fini) = BUF_INIT;
    struct my_cell row[2];
    enum my_next next = MY_FAIL;
    buf_put_table_name(&name, s->primary.database, table);
    if (!vindex_lookup_sql(p->v, buf_str(&name), p->in, p->n, &sql, e))
        return false;
    struct my_conn *c = my_connect(&s->primary, "lookup", e);
    struct my_result *r = c != NULL ? my_query(c, buf_str(&sql), e) : NULL;
    while (r != NULL && (next = my_result_next(r, row, e)) == MY_ROW)
        if (!take_row(p, row, e)) {
            next = MY_FAIL;
            break;
        }
    my_result_free(r);
    my_close(c);
    return next == MY_END ||
           err_prepend(e, "lookup table %s on %s/%s", table, s->keyspace, s->name);
}

static bool ask_part(const struct part *p, const struct lookup_place *where, struct err *e)
{
    for (size_t i = 0; i < where->n_shards; i++)
        if (!ask_shard(p, where->shards[i], where->table, e))
            return false;
    return true;
}

bool lookup_ask(const struct vindex *v, const struct lookup_place *where,
                const struct vindex_input *in, size_t n, struct vindex_answer *out, struct err *e)
{
    struct part p = {.v = v};
    bool ok = true;
    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; ok && i < n; i++) {
        if (vindex_lookup_needs_table(v, &in[i], &out[i])) {
            p.in[p.n] = in[i];
            p.out[p.n++] = &out[i];
        }
        if (p.n == VALUES_AT_ONCE) {
            ok = ask_part(&p, where, e);
            p.n = 0;
        }
    }
    return ok && (p.n == 0 || ask_part(&p, where, e));
}
