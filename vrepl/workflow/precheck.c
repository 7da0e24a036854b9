/* vrepl/workflow/precheck.c — may this workflow be created? */
#include "vrepl/workflow/precheck.h"

#include "base/mem.h"
#include "mysql/checks.h"
#include "vrepl/workflow/foreign_keys.h"
#include "vrepl/workflow/workflow_type.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool precheck_open(struct precheck *p, struct err *e)
{
    const struct wf_side *sides[] = {&p->def->source, &p->def->target};
    for (size_t k = 0; k < 2; k++) {
        p->sides[k].shards = mem_calloc(sides[k]->n_shards + 1, sizeof(void *));
        p->conns[k] = mem_calloc(sides[k]->n_shards + 1, sizeof(void *));
        for (size_t i = 0; i < sides[k]->n_shards; i++) {
            const struct topo_shard *s =
                topology_shard(p->g->o.topo, sides[k]->keyspace, sides[k]->shards[i]);
            if (s == NULL)
                return err_set(e, ERR_WF_PRECONDITION,
                               "there is no shard %s/%s in the configuration", sides[k]->keyspace,
                               sides[k]->shards[i]);
            p->sides[k].shards[i] = s;
            p->sides[k].n++;
            p->conns[k][i] = my_connect(&s->primary, "create", e);
            if (p->conns[k][i] == NULL)
                return err_prepend(e, "%s/%s", s->keyspace, s->name);
        }
    }
    return true;
}

void precheck_close(struct precheck *p)
{
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; p->conns[k] != NULL && i < p->sides[k].n; i++)
            my_close(p->conns[k][i]);
        free(p->conns[k]);
        free(p->sides[k].shards);
    }
    for (size_t i = 0; p->tables != NULL && i < p->def->n_tables; i++)
        schema_table_unref(p->tables[i].source);
    free(p->tables);
}

static const char *where(const struct topo_shard *s, char *out, size_t n)
{
    snprintf(out, n, "%s/%s", s->keyspace, s->name);
    return out;
}

static bool check_metadata(struct my_conn *c, const char *at, struct err *e)
{
    char *value = NULL;
    if (!my_query_text(c, "SELECT @@global.binlog_row_metadata", &value, e))
        return false;
    bool full = value != NULL && strcasecmp(value, "FULL") == 0;
    if (!full) {
        err_set(e, ERR_SRC_SETTING, "%s: binlog_row_metadata is %s", at,
                value != NULL ? value : "unknown");
        err_cure(e,
                 "run SET GLOBAL binlog_row_metadata=FULL, on RDS set it in the parameter group");
    }
    free(value);
    return full;
}

static bool check_server(struct my_conn *c, const struct topo_shard *s, unsigned roles,
                         struct err *e)
{
    char at[200];
    struct my_checks checks = {0};
    if (!my_checks_run(c, roles, MY_PLATFORM_AUTO, s->primary.database, &checks, e))
        return err_prepend(e, "%s", where(s, at, sizeof at));
    bool ok = my_checks_require(&checks, where(s, at, sizeof at), e);
    my_checks_fini(&checks);
    return ok && ((roles & MY_ROLE_STREAM) == 0 || check_metadata(c, at, e));
}

/* A table keeps its name on the way there and back, so all servers have to store it alike. */
static bool check_names_alike(const struct precheck *p, struct err *e)
{
    bool folds = my_conn_server(p->conns[WF_SOURCE][0])->folds_names;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < p->sides[k].n; i++) {
            const struct topo_shard *s = p->sides[k].shards[i];
            if (my_conn_server(p->conns[k][i])->folds_names == folds)
                continue;
            err_set(e, ERR_SRC_SETTING, "%s/%s: lower_case_table_names is not that of %s/%s",
                    s->keyspace, s->name, p->sides[WF_SOURCE].shards[0]->keyspace,
                    p->sides[WF_SOURCE].shards[0]->name);
            return err_cure(e, "servers of one workflow need the same lower_case_table_names");
        }
    return true;
}

static bool check_side(struct precheck *p, enum wf_side_name side, unsigned roles, struct err *e)
{
    for (size_t i = 0; i < p->sides[side].n; i++) {
        if (!check_server(p->conns[side][i], p->sides[side].shards[i], roles, e))
            return false;
    }
    return true;
}

bool precheck_servers(struct precheck *p, struct err *e)
{
    const struct wf_type_ops *type = p->def->type;
    return check_side(p, WF_SOURCE, type->source_roles, e) &&
           check_side(p, WF_TARGET, type->target_roles, e) && check_names_alike(p, e);
}

bool precheck_switch_servers(struct precheck *p, enum wf_side_name from, bool follow, struct err *e)
{
    enum wf_side_name to = from == WF_SOURCE ? WF_TARGET : WF_SOURCE;
    unsigned writes = MY_ROLE_TARGET | MY_ROLE_SWITCH | (follow ? MY_ROLE_STREAM : 0u);
    return check_side(p, from, MY_ROLE_STREAM | MY_ROLE_SWITCH, e) &&
           check_side(p, to, writes, e) && check_names_alike(p, e);
}

static bool refuse_engine(const char *at, const char *table, const char *engine, struct err *e)
{
    err_set(e, ERR_WF_PRECONDITION, "%s: table %s is %s, not InnoDB", at, table, engine);
    return err_cure(e, "run ALTER TABLE %s ENGINE=InnoDB", table);
}

bool precheck_engines(const struct precheck *p, struct my_conn *c, const struct topo_shard *s,
                      const char *const *names, struct err *e)
{
    char at[200];
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cell[2];
    enum my_next next = MY_FAIL;
    buf_put_str(&sql, "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE "
                      "ENGINE <> 'InnoDB' AND TABLE_SCHEMA = ");
    buf_put_sql_string(&sql, s->primary.database, strlen(s->primary.database));
    struct my_result *r = my_query(c, buf_str(&sql), e);
    bool ok = r != NULL;
    while (ok && (next = my_result_next(r, cell, e)) == MY_ROW) {
        for (size_t i = 0; ok && i < p->def->n_tables; i++)
            ok = strcmp(names[i], cell[0].p) != 0 ||
                 refuse_engine(where(s, at, sizeof at), cell[0].p, cell[1].p, e);
    }
    my_result_free(r);
    return ok && next == MY_END;
}

static bool is_versioned(const struct schema_table *t)
{
    struct sqltoken_scanner s;
    struct sqltoken tok;
    sqltoken_init(&s, t->create_sql, strlen(t->create_sql), false);
    while (sqltoken_next(&s, &tok))
        if (sqltoken_is(&tok, "VERSIONING"))
            return true;
    return false;
}

/* What a stream would stop at, later, on either side. */
static bool check_shape(const struct schema_table *t, const char *at, struct err *e)
{
    const struct schema_key *key = schema_table_identity(t);
    if (is_versioned(t)) {
        err_set(e, ERR_WF_PRECONDITION,
                "%s: table %s is system-versioned: its history is written by the server alone", at,
                t->name);
        return err_cure(e, "run ALTER TABLE %s DROP SYSTEM VERSIONING, or leave the table out",
                        t->name);
    }
    for (size_t i = 0; key && i < key->n; i++) {
        const struct schema_column *c = &t->columns[key->columns[i]];
        if (!c->generated)
            continue;
        err_set(e, ERR_WF_PRECONDITION,
                "%s: rows of table %s are identified by %s, whose column %s is generated", at,
                t->name, key->name, c->name);
        return err_cure(e, "add a primary key of columns that are written");
    }
    return true;
}

static bool check_source_table(const struct schema_table *t, const char *at, struct err *e)
{
    if (t->engine != NULL && strcasecmp(t->engine, "InnoDB") != 0)
        return refuse_engine(at, t->name, t->engine, e);
    if (schema_table_identity(t) == NULL) {
        err_set(e, ERR_WF_PRECONDITION,
                "%s: table %s has no primary key and no unique key of columns that are NOT NULL",
                at, t->name);
        return err_cure(e, "add a primary key to %s", t->name);
    }
    return check_shape(t, at, e);
}

static bool find_sources(struct precheck *p, struct err *e)
{
    CLEANUP(buf_fini) struct buf missing = BUF_INIT;
    char at[200];
    for (size_t i = 0; i < p->def->n_tables; i++) {
        for (size_t k = 0; k < p->sides[WF_SOURCE].n; k++) {
            const struct topo_shard *s = p->sides[WF_SOURCE].shards[k];
            struct schema_table *t = schema_inspect(p->conns[WF_SOURCE][k], s->primary.database,
                                                    p->def->tables[i].source, e);
            if (t == NULL && e->code != ERR_SCHEMA_UNKNOWN)
                return false;
            if (t == NULL)
                buf_printf(&missing, "%s%s", missing.len > 0 ? "," : "", p->def->tables[i].source);
            else if (!check_source_table(t, where(s, at, sizeof at), e)) {
                schema_table_unref(t);
                return false;
            }
            if (p->tables[i].source == NULL)
                p->tables[i].source = t;
            else
                schema_table_unref(t);
        }
    }
    if (missing.len == 0)
        return true;
    return err_set(e, ERR_WF_PRECONDITION, "table(s) not found in source keyspace %s: %s",
                   p->def->source.keyspace, buf_str(&missing));
}

static bool check_vindex(struct precheck *p, size_t i, struct err *e)
{
    const struct wf_table *t = &p->def->tables[i];
    for (size_t k = 0; k < t->n_columns; k++) {
        if (schema_table_column(p->tables[i].source, t->columns[k]) < 0)
            return err_set(
                e, ERR_WF_PRECONDITION,
                "table %s has no column %s, which its primary vindex in keyspace %s needs",
                t->source, t->columns[k], p->def->target.keyspace);
    }
    return true;
}

static bool check_foreign_keys(struct precheck *p, enum wf_side_name side, struct err *e)
{
    const char **names = mem_calloc(p->def->n_tables + 1, sizeof *names);
    bool ok = true;
    for (size_t i = 0; i < p->def->n_tables; i++)
        names[i] = wf_plain_name(&p->def->tables[i], side);
    for (size_t k = 0; ok && k < p->sides[side].n; k++)
        ok = foreign_keys_check(p->def, names, p->conns[side][k], p->sides[side].shards[k], e);
    free(names);
    return ok;
}

static bool check_columns(const struct schema_table *source, const struct schema_table *target,
                          const char *at, struct err *e)
{
    char reason[200];
    for (size_t i = 0; i < source->n_columns; i++) {
        const struct schema_column *c = &source->columns[i];
        int k = schema_table_column(target, c->name);
        if (c->generated && (k < 0 || target->columns[k].generated))
            continue;
        if (k < 0)
            return err_set(e, ERR_WF_PRECONDITION, "%s: table %s lacks the source's column %s", at,
                           target->name, c->name);
        if (!schema_column_fits(c, &target->columns[k], reason, sizeof reason))
            return err_set(e, ERR_WF_PRECONDITION,
                           "%s: column %s.%s cannot take every value of the source's: %s", at,
                           target->name, c->name, reason);
    }
    for (size_t i = 0; i < target->n_columns; i++) {
        const struct schema_column *c = &target->columns[i];
        if (!c->generated && schema_table_column(source, c->name) < 0)
            return err_set(e, ERR_WF_PRECONDITION,
                           "%s: table %s has a column %s, which the source lacks", at, target->name,
                           c->name);
    }
    return true;
}

bool precheck_fits(const struct schema_table *source, const struct schema_table *target,
                   const struct schema_collation_map *map, const char *at, struct err *e)
{
    char why[320];
    if (!check_columns(source, target, at, e))
        return false;
    if (schema_keys_fit(source, target, map, why, sizeof why))
        return true;
    err_set(e, ERR_WF_PRECONDITION, "%s: target table %s: %s", at, target->name, why);
    return err_cure(
        e,
        "give both tables the same unique keys, collations and generated columns; --collation-map "
        "FROM=TO takes two collations for the same");
}

static bool check_empty(struct my_conn *c, const struct topo_shard *s, const char *table,
                        const char *at, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char *one = NULL;
    buf_put_str(&sql, "SELECT 1 FROM ");
    buf_put_table_name(&sql, s->primary.database, table);
    buf_put_str(&sql, " LIMIT 1");
    if (!my_query_text(c, buf_str(&sql), &one, e))
        return false;
    bool empty = one == NULL;
    free(one);
    if (!empty) {
        err_set(e, ERR_WF_PRECONDITION, "%s: target table %s is not empty", at, table);
        err_cure(e, "empty or drop it");
    }
    return empty;
}

static bool check_no_triggers(struct my_conn *c, const struct topo_shard *s, const char *table,
                              const char *at, struct err *e)
{
    CLEANUP(buf_fini) struct buf found = BUF_INIT;
    if (!schema_triggers(c, s->primary.database, table, &found, e))
        return false;
    if (found.len == 0)
        return true;
    err_set(e, ERR_WF_PRECONDITION, "%s: target table %s has triggers (%s)", at, table,
            buf_str(&found));
    return err_cure(e, "drop them; add them again after complete");
}

static bool check_target_table(struct precheck *p, size_t i, size_t k, const struct schema_table *t,
                               struct err *e)
{
    char at[200];
    const struct topo_shard *s = p->sides[WF_TARGET].shards[k];
    struct my_conn *c = p->conns[WF_TARGET][k];
    where(s, at, sizeof at);
    if (t->engine != NULL && strcasecmp(t->engine, "InnoDB") != 0)
        return err_set(e, ERR_WF_PRECONDITION, "%s: target table %s is %s, not InnoDB", at, t->name,
                       t->engine);
    const struct schema_collation_map map = precheck_collations(p, k);
    return check_shape(t, at, e) && precheck_fits(p->tables[i].source, t, &map, at, e) &&
           check_no_triggers(c, s, t->name, at, e) && check_empty(c, s, t->name, at, e);
}

struct schema_collation_map precheck_collations(const struct precheck *p, size_t k)
{
    return (struct schema_collation_map){
        .texts = (const char *const *)p->def->collation_map,
        .n = p->def->n_collation_map,
        .uca = schema_collations_known(my_conn_server(p->conns[WF_SOURCE][0]),
                                       my_conn_server(p->conns[WF_TARGET][k])),
        .alike = my_conn_server(p->conns[WF_SOURCE][0])->flavor ==
                 my_conn_server(p->conns[WF_TARGET][k])->flavor};
}

static bool refuse_default(const struct schema_table *t, const char *at, const char *why,
                           struct err *e)
{
    err_set(e, ERR_WF_PRECONDITION, "%s: table %s was not made as the source has it: %s", at,
            t->name, why);
    return err_cure(e, "compare the servers' settings, or make the table there yourself");
}

bool precheck_made(struct precheck *p, size_t i, size_t k, struct err *e)
{
    char at[200], why[320];
    const struct topo_shard *s = p->sides[WF_TARGET].shards[k];
    const struct schema_table *from = p->tables[i].source;
    const struct schema_collation_map map = precheck_collations(p, k);
    struct schema_table *t =
        schema_inspect(p->conns[WF_TARGET][k], s->primary.database, p->def->tables[i].target, e);
    bool alike = my_conn_server(p->conns[WF_SOURCE][0])->flavor ==
                 my_conn_server(p->conns[WF_TARGET][k])->flavor;
    bool ok = t && precheck_fits(from, t, &map, where(s, at, sizeof at), e);
    if (ok && alike && !schema_defaults_fit(from, t, why, sizeof why))
        ok = refuse_default(t, at, why, e);
    schema_table_unref(t);
    return ok;
}

static bool knows_collation(struct my_conn *c, const char *name, bool *known, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    bool full = my_conn_server(c)->flavor == MY_FLAVOR_MARIADB;
    buf_printf(&sql, "SELECT COUNT(*) FROM information_schema.%s WHERE %s = ",
               full ? "COLLATION_CHARACTER_SET_APPLICABILITY" : "COLLATIONS",
               full ? "FULL_COLLATION_NAME" : "COLLATION_NAME");
    buf_put_sql_string(&sql, name, strlen(name));
    bool ok = my_query_u64(c, buf_str(&sql), &n, e);
    *known = n > 0;
    return ok;
}

static bool refuse_collation(struct my_conn *c, const char *table, const char *name, const char *at,
                             struct err *e)
{
    bool old = my_conn_server(c)->flavor == MY_FLAVOR_MARIADB &&
               my_conn_server(c)->version < 110405 && strstr(name, "_0900_");
    err_set(e, ERR_WF_PRECONDITION, "%s: table %s uses collation %s, which %s does not know", at,
            table, name, my_conn_server(c)->version_text);
    return err_cure(e,
                    old ? "use MariaDB 11.4.5 or newer, which knows it, or name one that the "
                          "target has: --collation-map %s=utf8mb4_unicode_520_nopad_ci (rows that "
                          "only the source tells apart stop the copy)"
                        : "name one that the target has: --collation-map %s=…",
                    name);
}

bool precheck_create_text(struct precheck *p, size_t i, size_t k, const char *sql, struct err *e)
{
    char at[200];
    struct sqltoken_scanner s;
    struct sqltoken t;
    struct my_conn *c = p->conns[WF_TARGET][k];
    where(p->sides[WF_TARGET].shards[k], at, sizeof at);
    sqltoken_init(&s, sql, strlen(sql), false);
    while (schema_create_next_collation(&s, &t)) {
        bool known = false;
        if (!knows_collation(c, t.text, &known, e))
            return false;
        if (!known)
            return refuse_collation(c, p->def->tables[i].source, t.text, at, e);
    }
    return true;
}

static bool find_target(struct precheck *p, size_t i, struct err *e)
{
    size_t found = 0, n = p->sides[WF_TARGET].n;
    const char *name = p->def->tables[i].target;
    for (size_t k = 0; k < n; k++) {
        struct schema_table *t = schema_inspect(
            p->conns[WF_TARGET][k], p->sides[WF_TARGET].shards[k]->primary.database, name, e);
        if (t == NULL && e->code != ERR_SCHEMA_UNKNOWN)
            return false;
        if (t == NULL) {
            err_clear(e);
            continue;
        }
        found++;
        bool ok = check_target_table(p, i, k, t, e);
        schema_table_unref(t);
        if (!ok)
            return false;
    }
    p->tables[i].on_target = found == n;
    if (p->adopting || found == n || (found == 0 && !p->tables_must_exist))
        return true;
    if (p->tables_must_exist)
        return err_set(e, ERR_WF_PRECONDITION,
                       "target table %s does not exist on every target shard", name);
    err_set(e, ERR_WF_PRECONDITION, "target table %s exists on some target shards only", name);
    return err_cure(e, "create it on all of them, or drop it");
}

bool precheck_tables(struct precheck *p, struct err *e)
{
    assert(p->tables == NULL);
    p->tables = mem_calloc(p->def->n_tables + 1, sizeof *p->tables);
    if (!find_sources(p, e))
        return false;
    if (!check_foreign_keys(p, WF_SOURCE, e) || !check_foreign_keys(p, WF_TARGET, e))
        return false;
    for (size_t i = 0; i < p->def->n_tables; i++) {
        if (!check_vindex(p, i, e) || !find_target(p, i, e))
            return false;
    }
    return true;
}
