/* cdc/sidecar/workflow_row.c — the statements on _sluice.workflow. */
#include "cdc/sidecar/workflow_row.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WORKFLOW SIDECAR_TABLE("workflow")
#define COLUMNS                                                                                    \
    "keyspace, name, installation, type, definition, message, state, decision, fence, todo, "      \
    "lease_owner, lease_until IS NOT NULL AND lease_until > NOW(3), epoch"

#define KEY  "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
#define JSON "TEXT CHARACTER SET utf8mb4 NULL"

const struct sidecar_table workflow_row_table = {
    .name = "workflow",
    .servers = "the first target shard, by name, of a workflow",
    .row = "one workflow: the truth about it",
    .written = "Every verb that changes its state, by one guarded UPDATE; its owner renews the "
               "lease.",
    .removed = "complete, cancel and delete, last of all.",
    .columns = {{"keyspace", KEY, "the target's keyspace"},
                {"name", KEY, "the workflow's name"},
                {"installation", KEY, "whose workflow it is: `installation` of the configuration"},
                {"type", "VARCHAR(32) NOT NULL", "`MoveTables`, `Reshard` or `Materialize`"},
                {"definition", "LONGTEXT CHARACTER SET utf8mb4 NOT NULL",
                 "JSON: sides, tables, options"},
                {"state", "VARCHAR(32) NOT NULL",
                 "vrepl/workflow/workflow_state.h draws what follows what"},
                {"message", "VARCHAR(1024) CHARACTER SET utf8mb4 NOT NULL DEFAULT ''",
                 "the last error"},
                {"decision", "LONGTEXT CHARACTER SET utf8mb4 NULL",
                 "JSON: the last decided switch and its positions"},
                {"fence", JSON, "JSON: the sides on which a fence may stand"},
                {"todo", JSON, "JSON: what a verb that is under way has to do"},
                {"lease_owner",
                 "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''",
                 "the daemon that runs the workflow"},
                {"lease_until", "DATETIME(3) NULL", "by this server's clock"},
                {"epoch", "BIGINT UNSIGNED NOT NULL DEFAULT 0", "grows with every new owner"},
                {"created", "DATETIME(3) NOT NULL", "by this server's clock"},
                {"updated", "DATETIME(3) NOT NULL", "of the last change of state"}},
    .keys = "PRIMARY KEY (`keyspace`, `name`)",
};

void wf_row_fini(struct wf_row *r)
{
    char *texts[] = {r->keyspace, r->name,     r->installation, r->type, r->definition,
                     r->message,  r->decision, r->fence,        r->todo, r->owner};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    memset(r, 0, sizeof *r);
}

void wf_rows_free(struct wf_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wf_row_fini(&rows[i]);
    free(rows);
}

static void put_text(struct buf *sql, const char *text)
{
    buf_put_sql_string(sql, text, strlen(text));
}

static void put_name(struct buf *sql, const char *keyspace, const char *name)
{
    buf_put_str(sql, " WHERE keyspace = ");
    put_text(sql, keyspace);
    buf_put_str(sql, " AND name = ");
    put_text(sql, name);
}

static void put_key(struct buf *sql, const struct wf_row_key *k)
{
    put_name(sql, k->keyspace, k->name);
    buf_put_str(sql, " AND lease_owner = ");
    put_text(sql, k->owner);
    buf_put_str(sql, " AND epoch = ");
    buf_put_u64(sql, k->epoch);
}

static bool row_from_cells(const struct my_cell *c, struct wf_row *r, struct err *e)
{
    memset(r, 0, sizeof *r);
    r->keyspace = mem_strdup(c[0].p);
    r->name = mem_strdup(c[1].p);
    r->installation = mem_strdup(c[2].p);
    r->type = mem_strdup(c[3].p);
    r->definition = mem_strdup(c[4].p);
    r->message = mem_strdup(c[5].p);
    r->decision = mem_strdup(c[7].p);
    r->fence = mem_strdup(c[8].p);
    r->todo = mem_strdup(c[9].p);
    r->owner = mem_strdup(c[10].p);
    r->lease_live = c[11].p != NULL && strcmp(c[11].p, "1") == 0;
    r->epoch = c[12].p != NULL ? strtoull(c[12].p, NULL, 10) : 0;
    if (!wf_state_parse(c[6].p, &r->state)) {
        err_set(e, ERR_STATE_DB, "workflow %s/%s is in a state that this program does not know: %s",
                r->keyspace, r->name, c[6].p);
        wf_row_fini(r);
        return false;
    }
    return true;
}

static bool read_rows(struct my_conn *c, const char *sql, struct wf_row **rows, size_t *n,
                      struct err *e)
{
    *rows = NULL;
    *n = 0;
    struct my_result *r = my_query(c, sql, e);
    if (r == NULL) {
        bool absent = sidecar_is_absent(e);
        if (absent)
            err_clear(e);
        return absent;
    }
    struct my_cell cells[13];
    assert(my_result_columns(r) == 13);
    size_t cap = 0;
    enum my_next next;
    while ((next = my_result_next(r, cells, e)) == MY_ROW) {
        mem_grow((void **)rows, &cap, *n + 1, sizeof **rows);
        if (!row_from_cells(cells, &(*rows)[*n], e)) {
            next = MY_FAIL;
            break;
        }
        (*n)++;
    }
    my_result_free(r);
    if (next == MY_FAIL) {
        wf_rows_free(*rows, *n);
        *rows = NULL;
        *n = 0;
    }
    return next == MY_END;
}

bool wf_row_read(struct my_conn *c, const char *keyspace, const char *name, struct wf_row *out,
                 bool *found, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct wf_row *rows;
    size_t n;
    buf_put_str(&sql, "SELECT " COLUMNS " FROM " WORKFLOW);
    put_name(&sql, keyspace, name);
    memset(out, 0, sizeof *out);
    *found = false;
    if (!read_rows(c, buf_str(&sql), &rows, &n, e))
        return false;
    if (n > 0) {
        *out = rows[0];
        *found = true;
    }
    free(rows);
    return true;
}

bool wf_row_list(struct my_conn *c, const char *installation, struct wf_row **rows, size_t *n,
                 struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "SELECT " COLUMNS " FROM " WORKFLOW " WHERE installation = ");
    put_text(&sql, installation);
    buf_put_str(&sql, " ORDER BY keyspace, name");
    return read_rows(c, buf_str(&sql), rows, n, e);
}

static void put_until(struct buf *sql, int64_t lease_ms)
{
    buf_printf(sql, "NOW(3) + INTERVAL %lld MICROSECOND", (long long)lease_ms * 1000);
}

bool wf_row_insert(struct my_conn *c, const struct wf_row_key *k, const char *installation,
                   const char *type, const char *definition, int64_t lease_ms, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    const char *texts[] = {
        k->keyspace, k->name, installation, type, definition, wf_state_name(WF_CREATING), k->owner};
    assert(k->epoch == 1);
    buf_put_str(&sql,
                "INSERT INTO " WORKFLOW " (keyspace, name, installation, type, definition, state, "
                "lease_owner, lease_until, epoch, created, updated) VALUES (");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_text(&sql, texts[i]);
        buf_put_str(&sql, ", ");
    }
    put_until(&sql, lease_ms);
    buf_put_str(&sql, ", 1, NOW(3), NOW(3))");
    return my_exec(c, buf_str(&sql), NULL, e);
}

/* Why a guarded statement matched no row: always false. */
static bool explain(struct my_conn *c, const char *keyspace, const char *name, const char *owner,
                    uint64_t epoch, struct err *e)
{
    struct wf_row r;
    bool found;
    if (!wf_row_read(c, keyspace, name, &r, &found, e))
        return false;
    if (!found)
        return err_set(e, ERR_WF_NOT_FOUND, "there is no workflow %s in keyspace %s", name,
                       keyspace);
    if (strcmp(r.owner, owner) != 0 || (epoch != 0 && r.epoch != epoch)) {
        err_set_native(e, ERR_WF_LEASE, ERR_CLASS_FATAL, 0,
                       "workflow %s/%s belongs to %s (epoch %llu)", keyspace, name,
                       r.owner[0] != '\0' ? r.owner : "nobody", (unsigned long long)r.epoch);
        err_cure(e, "use that daemon, or stop it and wait until its lease has run out");
    } else {
        err_set(e, ERR_WF_STATE, "workflow %s/%s is in state %s", keyspace, name,
                wf_state_name(r.state));
    }
    wf_row_fini(&r);
    return false;
}

static bool exec_one(struct my_conn *c, const struct buf *sql, const struct wf_row_key *k,
                     struct err *e)
{
    uint64_t matched = 0;
    if (!my_exec(c, buf_str(sql), &matched, e))
        return false;
    return matched == 1 || explain(c, k->keyspace, k->name, k->owner, k->epoch, e);
}

bool wf_row_acquire(struct my_conn *c, const char *keyspace, const char *name, const char *owner,
                    const char *heir_of, int64_t lease_ms, uint64_t *epoch, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t matched = 0;
    /* The assignments run from left to right: the epoch sees the old owner. */
    buf_put_str(&sql, "UPDATE " WORKFLOW " SET epoch = epoch + IF(lease_owner = ");
    put_text(&sql, owner);
    buf_put_str(&sql, ", 0, 1), lease_owner = ");
    put_text(&sql, owner);
    buf_put_str(&sql, ", lease_until = ");
    put_until(&sql, lease_ms);
    put_name(&sql, keyspace, name);
    buf_put_str(&sql, " AND (lease_until IS NULL OR lease_until <= NOW(3) OR lease_owner = ");
    put_text(&sql, owner);
    buf_put_str(&sql, " OR LEFT(lease_owner, CHAR_LENGTH(");
    put_text(&sql, heir_of);
    buf_put_str(&sql, ")) = ");
    put_text(&sql, heir_of);
    buf_put_str(&sql, ")");
    if (!my_exec(c, buf_str(&sql), &matched, e))
        return false;
    if (matched != 1)
        return explain(c, keyspace, name, owner, 0, e);
    struct wf_row r;
    bool found;
    if (!wf_row_read(c, keyspace, name, &r, &found, e))
        return false;
    bool ours = found && strcmp(r.owner, owner) == 0;
    *epoch = r.epoch;
    wf_row_fini(&r);
    return ours || explain(c, keyspace, name, owner, 0, e);
}

bool wf_row_renew(struct my_conn *c, const struct wf_row_key *k, int64_t lease_ms, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "UPDATE " WORKFLOW " SET lease_until = ");
    put_until(&sql, lease_ms);
    put_key(&sql, k);
    return exec_one(c, &sql, k, e);
}

bool wf_row_release(struct my_conn *c, const struct wf_row_key *k, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "UPDATE " WORKFLOW " SET lease_until = NULL");
    put_key(&sql, k);
    return my_exec(c, buf_str(&sql), NULL, e);
}

static void put_set(struct buf *sql, const char *column, const char *value, bool nullable)
{
    if (value == NULL)
        return;
    buf_printf(sql, ", %s = ", column);
    if (value[0] == '\0' && nullable)
        buf_put_str(sql, "NULL");
    else
        put_text(sql, value);
}

bool wf_row_move(struct my_conn *c, const struct wf_row_key *k, enum wf_state from,
                 enum wf_state to, const struct wf_row_set *set, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "UPDATE " WORKFLOW " SET state = '%s', updated = NOW(3)", wf_state_name(to));
    if (set != NULL) {
        put_set(&sql, "definition", set->definition, false);
        put_set(&sql, "decision", set->decision, true);
        put_set(&sql, "fence", set->fence, true);
        put_set(&sql, "todo", set->todo, true);
        put_set(&sql, "message", set->message, false);
    }
    put_key(&sql, k);
    buf_printf(&sql, " AND state = '%s'", wf_state_name(from));
    return exec_one(c, &sql, k, e);
}

bool wf_row_delete(struct my_conn *c, const struct wf_row_key *k, enum wf_state from, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM " WORKFLOW);
    put_key(&sql, k);
    buf_printf(&sql, " AND state = '%s'", wf_state_name(from));
    return exec_one(c, &sql, k, e);
}
