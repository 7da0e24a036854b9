/* cdc/reader_statement.c — a statement in the log instead of rows: whether the live server proves
 * that it changed nothing of this shard.
 *
 * ▶ The proof: the text calls nothing but builtin functions and names its tables
 * (schemas/stmt_reach.h); and none of the databases that MySQL says were updated is followed.
 * MariaDB does not say them: there each named table must be a table of an engine that keeps its
 * rows itself, so no view and no door to another table, and each that may have been written must
 * lie in another database than the shard's, from which alone consumers are served, without triggers
 * and without foreign keys that refer to it. Of a database that the account sees nothing of,
 * InnoDB's own lists tell tables and foreign keys. ▶ Its triggers are shown only to an account that
 * has TRIGGER there: without it nothing is proven, and the cure names the grant.
 *
 * MariaDB is asked as it is now: a trigger that was dropped since is not seen.
 */
#include "base/log.h"
#include "base/mem.h"
#include "cdc/reader_internal.h"
#include "cdc/sidecar/origin.h"
#include "mysql/grants.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {"skip-unrelated", "stop", "warn"}; /* by policy */

const char *cdc_on_statement_name(enum cdc_on_statement policy)
{
    return names[policy];
}

bool cdc_on_statement_parse(const char *text, enum cdc_on_statement *out, struct err *e)
{
    *out = CDC_STATEMENT_SKIP_UNRELATED;
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum cdc_on_statement)i;
            return true;
        }
    }
    return !text || err_set(e, ERR_USAGE, "--on-statement is stop, skip-unrelated or warn");
}

/* A question about one table whose answer is 1 if it is of no danger. $ is its database, # its
 * name. */
static bool ask(struct my_conn *c, const char *sql, const char *db, const char *name, bool *yes,
                struct err *e)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    uint64_t n = 0;
    buf_put_str(&text, "SELECT ");
    for (const char *p = sql; *p; p++) {
        const char *value = *p == '$' ? db : name;
        if (*p == '$' || *p == '#')
            buf_put_sql_string(&text, value, strlen(value));
        else
            buf_put_u8(&text, (uint8_t)*p);
    }
    bool ok = my_query_u64(c, buf_str(&text), &n, e);
    *yes = ok && n == 1;
    return ok;
}

static const struct {
    const char *sql, *unproven;
    bool of_written;
} questions[] = {
    {"EXISTS (SELECT 1 FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = $ AND "
     "t.TABLE_NAME = # AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND "
     "t.ENGINE IN ('InnoDB', 'MyISAM', 'Aria', 'MEMORY', 'ROCKSDB', 'ARCHIVE', 'CSV', "
     "'BLACKHOLE')) OR (NOT EXISTS (SELECT 1 FROM information_schema.SCHEMATA s WHERE "
     "s.SCHEMA_NAME = $) AND EXISTS (SELECT 1 FROM information_schema.INNODB_SYS_TABLES i WHERE "
     "i.NAME = CONCAT($, '/', #)))",
     "is not known as a base table", false},
    {"NOT EXISTS (SELECT 1 FROM information_schema.TRIGGERS t WHERE t.EVENT_OBJECT_SCHEMA = $ "
     "AND t.EVENT_OBJECT_TABLE = #)",
     "has a trigger", true},
    {"NOT EXISTS (SELECT 1 FROM information_schema.REFERENTIAL_CONSTRAINTS r WHERE "
     "r.UNIQUE_CONSTRAINT_SCHEMA = $ AND r.REFERENCED_TABLE_NAME = #) AND NOT EXISTS (SELECT 1 "
     "FROM "
     "information_schema.INNODB_SYS_FOREIGN f WHERE f.REF_NAME = CONCAT($, '/', #))",
     "is referred to by a foreign key", true},
};

static bool is_followed(const struct cdc_reader *r, const char *db)
{
    const char *own = r->shard->primary.database;
    return !own || strcasecmp(db, own) == 0 || strcasecmp(db, SLUICE_SIDECAR_DB) == 0;
}

/* Whether the account is shown every trigger of the database: which ones it is shown without
 * TRIGGER differs from version to version, and an empty answer looks like "none". SHOW GRANTS has
 * the active roles' privileges too. */
static bool sees_triggers(struct my_conn *c, const char *db, bool *sees, struct err *e)
{
    struct my_grants *g = my_grants_new();
    struct my_cell line[1];
    enum my_next next = MY_FAIL;
    struct my_result *r = my_query(c, "SHOW GRANTS", e);
    while (r && (next = my_result_next(r, line, e)) == MY_ROW)
        my_grants_add(g, line[0].p ? line[0].p : "");
    my_result_free(r);
    *sees = my_grants_have(g, "TRIGGER", db);
    my_grants_free(g);
    return next == MY_END;
}

static bool triggers_are_shown(struct my_conn *c, const char *db, const char *table,
                               struct err *why)
{
    bool sees = false;
    if (!sees_triggers(c, db, &sees, why) || sees)
        return why->code == ERR_NONE;
    err_set(why, ERR_LOG_STATEMENT, "%s.%s may have triggers, which are not shown to this account",
            db, table);
    return err_cure(why,
                    "GRANT TRIGGER ON `%s`.* to the account that reads (--on-statement warn reads "
                    "on without that proof); or set binlog_format=ROW in the sessions that write "
                    "such statements",
                    db);
}

static bool table_is_unrelated(struct feed *f, struct my_conn *c, const char *db,
                               const struct stmt_reach_table *t, struct err *why)
{
    if (t->written && is_followed(f->reader, db))
        return err_set(why, ERR_LOG_STATEMENT, "%s is the database that is followed", db);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        bool yes = false;
        if (questions[i].of_written && !t->written)
            continue;
        if (!ask(c, questions[i].sql, db, t->name.name, &yes, why))
            return false;
        if (!yes)
            return err_set(why, ERR_LOG_STATEMENT, "%s.%s %s", db, t->name.name,
                           questions[i].unproven);
    }
    return !t->written || triggers_are_shown(c, db, t->name.name, why);
}

/* MySQL writes the databases that a statement updated, triggers and functions included, beside it.
 */
static bool updates_others(const struct cdc_reader *r, const struct cdc_statement *st,
                           struct err *why)
{
    for (size_t at = 0; at < st->updated_n; at += strlen(st->updated_dbs + at) + 1) {
        if (is_followed(r, st->updated_dbs + at))
            return err_set(why, ERR_LOG_STATEMENT, "it changed the database %s, which is followed",
                           st->updated_dbs + at);
    }
    return true;
}

static bool is_unrelated(struct feed *f, const struct cdc_statement *st, struct err *why)
{
    struct cdc_reader *r = f->reader;
    if (st->reach->kind != REACH_NAMED || r->o.open)
        return false;
    if (st->updated_dbs)
        return updates_others(r, st, why);
    struct my_conn *c = reader_schema_lock(f, why);
    bool ok = c != NULL;
    for (size_t i = 0; i < st->reach->n_tables && ok; i++) {
        const struct stmt_reach_table *t = &st->reach->tables[i];
        ok = table_is_unrelated(f, c, t->name.db[0] ? t->name.db : st->db, t, why);
    }
    reader_schema_unlock(f);
    return ok;
}

static void count(struct cdc_reader *r)
{
    metric_add(r->m_statements, 1);
    pthread_mutex_lock(&r->lock);
    r->skipped_statements++;
    pthread_mutex_unlock(&r->lock);
}

bool reader_live_statement(void *ctx, const struct cdc_statement *st, struct err *why)
{
    struct feed *f = ctx;
    struct cdc_reader *r = f->reader;
    int n = st->n > 60 ? 60 : (int)st->n;
    bool warn = r->o.on_statement == CDC_STATEMENT_WARN;
    if (r->o.on_statement == CDC_STATEMENT_STOP || (!warn && !is_unrelated(f, st, why)))
        return false;
    if (warn)
        log_warn("reader",
                 "%s:%llu: a statement instead of rows is passed over, what it changed "
                 "is missing: \"%.*s\"",
                 st->seen->to.file, (unsigned long long)st->seen->to.pos, n, st->sql);
    else
        log_debug("reader", "%s:%llu: a statement of another database is passed over: \"%.*s\"",
                  st->seen->to.file, (unsigned long long)st->seen->to.pos, n, st->sql);
    count(r);
    return true;
}
