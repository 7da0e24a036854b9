/* vrepl/workflow/vschema_apply.c — a vschema is replaced where no row's place changes.
 *
 * The version is stored before the file is written. A crash in between leaves a version that no file
 * holds: the same command again finds it stored and writes the file.
 */
#include "vrepl/workflow/vschema_apply.h"

#include "base/sys.h"
#include "cdc/sidecar/sidecar.h"
#include "cdc/sidecar/vschema_row.h"
#include "mysql/conn.h"
#include "schemas/sharding/vschema_change.h"

#include <string.h>

static const struct topo_shard *first_shard(const struct topo_keyspace *ks)
{
    const struct topo_shard *first = &ks->shards[0];
    for (size_t i = 1; i < ks->n_shards; i++)
        if (strcmp(ks->shards[i].name, first->name) < 0)
            first = &ks->shards[i];
    return first;
}

static struct my_conn *connect_home(const struct topo_keyspace *ks, struct err *e)
{
    struct my_conn *c = my_connect(&first_shard(ks)->primary, "vschema", e);
    if (c == NULL || sidecar_check(c, e))
        return c;
    my_close(c);
    return NULL;
}

static bool has_rows(const struct topo_shard *s, const char *table, bool *yes, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t found = 0;
    struct my_conn *c = my_connect(&s->primary, "vschema", e);
    if (c == NULL)
        return false;
    buf_put_sql_text(&sql, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ",
                     s->primary.database);
    buf_put_sql_text(&sql, " AND TABLE_NAME = ", table);
    bool ok = my_query_u64(c, buf_str(&sql), &found, e);
    buf_reset(&sql);
    buf_put_str(&sql, "SELECT EXISTS (SELECT 1 FROM ");
    buf_put_table_name(&sql, s->primary.database, table);
    buf_put_str(&sql, ")");
    if (ok && found > 0)
        ok = my_query_u64(c, buf_str(&sql), &found, e);
    *yes = found > 0;
    my_close(c);
    return ok || err_prepend(e, "table %s on %s/%s", table, s->keyspace, s->name);
}

struct checked {
    const struct topo_keyspace *ks;
};

/* A row on a shard of a part of the ids is where the vindex said; a shard of all ids may hold any. */
static bool check_table(void *ctx, const char *table, const char *before, const char *after,
                        struct err *e)
{
    const struct topo_keyspace *ks = ((struct checked *)ctx)->ks;
    for (size_t i = 0; i < ks->n_shards; i++) {
        bool rows = false;
        if (keyrange_is_full(&ks->shards[i].range))
            continue;
        if (!has_rows(&ks->shards[i], table, &rows, e))
            return false;
        if (!rows)
            continue;
        err_set(e, ERR_WF_PRECONDITION,
                "table %s has rows on shard %s/%s that were placed otherwise: was %s; would be %s",
                table, ks->name, ks->shards[i].name, before, after);
        return err_cure(e, "keep the table's vindex, its parameters and columns, or move the table "
                           "to another keyspace (movetables)");
    }
    return true;
}

struct versions {
    uint64_t last;               /* 0: none was stored, and json is the configuration's */
    struct buf json, placements; /* of the last one */
};

static bool read_last(struct my_conn *c, const struct topo_keyspace *ks, struct versions *v,
                      struct err *e)
{
    if (!vschema_row_last(c, ks->name, &v->last, &v->json, &v->placements, e))
        return false;
    if (v->last == 0) {
        buf_put_str(&v->json, ks->vschema->json);
        vschema_placements(ks->vschema, &v->placements);
    }
    return true;
}

static bool store(struct my_conn *c, const struct topo_keyspace *ks, const struct versions *v,
                  const struct vschema *to, uint64_t version, struct err *e)
{
    CLEANUP(buf_fini) struct buf placements = BUF_INIT;
    vschema_placements(to, &placements);
    if (version == v->last)
        return true;
    return sidecar_create(c, e) &&
           (v->last > 0 ||
            vschema_row_add(c, ks->name, 1, buf_str(&v->json), buf_str(&v->placements), e)) &&
           (version == 1 ||
            vschema_row_add(c, ks->name, version, to->json, buf_str(&placements), e));
}

/* The same text is a new version too where a file of a vindex says something else now. */
static bool is_last(const struct versions *v, const struct vschema *to)
{
    CLEANUP(buf_fini) struct buf placements = BUF_INIT;
    vschema_placements(to, &placements);
    return strcmp(buf_str(&v->json), to->json) == 0 &&
           strcmp(buf_str(&v->placements), buf_str(&placements)) == 0;
}

static bool put_in_force(struct my_conn *c, const struct topo_keyspace *ks,
                         const struct vschema *to, const char *text, bool dry_run,
                         uint64_t *version, struct err *e)
{
    struct versions v = {.last = 0};
    struct checked x = {ks};
    bool ok = read_last(c, ks, &v, e) &&
              vschema_moved_tables(buf_str(&v.placements), to, check_table, &x, e);
    *version = (v.last > 0 ? v.last : 1) + (is_last(&v, to) ? 0 : 1);
    if (ok && !dry_run)
        ok = store(c, ks, &v, to, *version, e) &&
             sys_write_file_atomic(ks->vschema_file, text, strlen(text), 0644, e);
    buf_fini(&v.json);
    buf_fini(&v.placements);
    return ok;
}

bool vschema_apply(const struct topo_keyspace *ks, const struct vschema *to, const char *text,
                   bool dry_run, uint64_t *version, struct err *e)
{
    if (ks->vschema_file == NULL) {
        err_set(e, ERR_WF_PRECONDITION, "the configuration names no vschema file for keyspace %s",
                ks->name);
        return err_cure(e, "write {} to a file and name it as keyspaces.%s.vschema", ks->name);
    }
    struct my_conn *c = connect_home(ks, e);
    bool ok = c != NULL && put_in_force(c, ks, to, text, dry_run, version, e);
    my_close(c);
    return ok || err_prepend(e, "vschema of %s", ks->name);
}

static void put_version(void *ctx, uint64_t version, const char *applied, const char *json)
{
    struct buf *out = ctx;
    buf_printf(out, "%s{\"version\":%llu,\"applied\":\"%s\",\"vschema\":%s}",
               out->len > 1 ? "," : "", (unsigned long long)version, applied, json);
}

bool vschema_history(const struct topo_keyspace *ks, struct buf *json, struct err *e)
{
    struct my_conn *c = connect_home(ks, e);
    buf_put_u8(json, '[');
    bool ok = c != NULL && vschema_rows_each(c, ks->name, put_version, json, e);
    buf_put_u8(json, ']');
    my_close(c);
    return ok;
}
