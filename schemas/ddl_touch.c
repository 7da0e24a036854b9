/* schemas/ddl_touch.c — which tables' columns or keys a DDL may have changed; never too few.
 *
 * The statement is read as far as its table names (sqlstmt_classify). Where that may be wrong the
 * answer is `all`, which costs a question to the server and never a wrong definition: more tables
 * than fit, forms that are not understood.
 */
#include "schemas/ddl_touch.h"

#include "base/mem.h"
#include "schemas/ddl_effect.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_BEFORE_OBJECT 40

static void put_folded(struct buf *out, const char *name)
{
    bool beyond = false;
    for (const char *p = name; *p; p++) {
        bool is_beyond = (unsigned char)*p >= 0x80 || *p == '\n';
        if (!is_beyond)
            buf_put_u8(out, (uint8_t)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p));
        else if (!beyond)
            buf_put_u8(out, 0x80);
        beyond = is_beyond;
    }
}

void ddl_table_key(const char *db, const char *name, struct buf *out)
{
    put_folded(out, db);
    buf_put_u8(out, '.');
    put_folded(out, name);
}

static bool has_key(const char *names, const char *db, const char *name)
{
    struct buf key CLEANUP(buf_fini) = BUF_INIT;
    buf_put_u8(&key, '\n');
    ddl_table_key(db, name, &key);
    buf_put_u8(&key, '\n');
    return strstr(names, buf_str(&key)) != NULL;
}

bool ddl_names_have(const char *names, const char *db, const char *name)
{
    return has_key(names, db, name) || has_key(names, db, "*");
}

static void add(struct ddl_touched *t, const char *db, const char *name)
{
    if (t->names.len == 0)
        buf_put_u8(&t->names, '\n');
    ddl_table_key(db, name, &t->names);
    buf_put_u8(&t->names, '\n');
}

/* CREATE TABLE IF NOT EXISTS changes no table that is there: worth a question, but no version ends
 * at it. Where one is dropped and made anew, the DROP is what ends it. */
static void add_tables(const struct ddl_text *ddl, const struct sqlstmt *s, struct ddl_touched *t)
{
    bool changes = s->kind != SQLSTMT_CREATE_TABLE || !s->if_absent;
    t->all = t->all || s->n_tables == 0 || s->more_tables;
    for (size_t i = 0; i < s->n_tables; i++) {
        struct sqlstmt_table *to = &t->tables[t->n_tables++];
        *to = s->tables[i];
        if (!to->db[0] && ddl->db)
            memcpy(to->db, ddl->db, strnlen(ddl->db, sizeof to->db - 1) + 1);
        if (changes)
            add(t, to->db, to->name);
    }
}

/* DROP DATABASE [IF EXISTS] name; others make or change none of its tables. */
static void database(const char *sql, size_t n, unsigned lex, struct ddl_touched *t)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, sql, n, lex);
    if (!sqltoken_next(&s, &at) || !sqltoken_is(&at, "DROP")) {
        t->all = t->all || !(sqltoken_is(&at, "CREATE") || sqltoken_is(&at, "ALTER"));
        return;
    }
    (void)sqltoken_next(&s, &at); /* DATABASE */
    bool named = sqltoken_next(&s, &at);
    if (named && sqltoken_is(&at, "IF")) {
        (void)sqltoken_next(&s, &at); /* EXISTS */
        named = sqltoken_next(&s, &at);
    }
    if (named)
        add(t, at.text, "*");
    t->all = t->all || !named;
}

/* What can be created, altered and dropped and is no table. */
static bool names_other_object(const char *sql, size_t n, unsigned lex)
{
    static const char *const objects[] = {
        "VIEW",    "EVENT",     "SERVER",   "TABLESPACE", "LOGFILE", "UNDO",   "RESOURCE",
        "SPATIAL", "INSTANCE",  "FUNCTION", "PROCEDURE",  "ROLE",    "USER",   "LIBRARY",
        "PACKAGE", "COMPONENT", "PLUGIN",   "CATALOG",    "MASKING", "TRIGGER"};
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, sql, n, lex);
    for (unsigned words = 0; words < WORDS_BEFORE_OBJECT && sqltoken_next(&s, &at); words++) {
        if (sqltoken_is(&at, "TABLE") || sqltoken_is(&at, "AS"))
            return false;
        for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
            if (sqltoken_is(&at, objects[i]))
                return true;
    }
    return false;
}

void ddl_touch(const struct ddl_text *ddl, struct ddl_touched *out)
{
    struct sqlstmt *s = mem_alloc(sizeof *s);
    const char *sql = ddl->sql;
    size_t n = ddl->n;
    sqlstmt_classify(sql, n, ddl->lex, s);
    switch (s->kind) {
    case SQLSTMT_ALTER_TABLE:
    case SQLSTMT_CREATE_INDEX:
        if (!ddl_keeps_columns(sql, n, ddl->lex))
            add_tables(ddl, s, out);
        break;
    case SQLSTMT_CREATE_TABLE:
    case SQLSTMT_DROP_TABLE:
    case SQLSTMT_RENAME_TABLE:
    case SQLSTMT_DROP_INDEX: /* may be the primary key's */
        add_tables(ddl, s, out);
        break;
    case SQLSTMT_DATABASE:
        database(sql, n, ddl->lex, out);
        break;
    case SQLSTMT_OTHER:
        out->all = out->all || !names_other_object(sql, n, ddl->lex);
        break;
    case SQLSTMT_BEGIN:
    case SQLSTMT_COMMIT:
    case SQLSTMT_ROLLBACK:
    case SQLSTMT_SAVEPOINT:
    case SQLSTMT_XA:
    case SQLSTMT_TRUNCATE:
    case SQLSTMT_DML:
    case SQLSTMT_TRIGGER_OR_ROUTINE:
    case SQLSTMT_ACCOUNT:
        break;
    }
    free(s);
}

void ddl_touched_fini(struct ddl_touched *t)
{
    buf_fini(&t->names);
}
