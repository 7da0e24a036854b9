/* vrepl/move/hidden.c — the renames of a fence are passed over by what they do, not by who says so.
 *
 * A rename fence calls table t by a name H(t), "_sluice_f_<hash of t><hash of the workflow>", and
 * back. Anybody may write such a statement, comment and all, so nothing here believes a mark:
 *
 *   1. Whether a name is one of H(t) is a function of t alone (names_is_hidden).
 *   2. A statement that does nothing but rename t to one of H(t), or back, is neutral: it moves
 *      one member of G = {t} ∪ H(t) to another free name of G.
 *   3. Any other DDL that names a member of G is one on t, with all that follows from it; rows of a
 *      hidden name are rows of t that would be missed, and stop the stream.
 *   4. When the log is begun to be read, G has at most one member (hidden_is_alone). It is counted
 *      now, not at the position; that is enough: between the two only neutral statements pass, and
 *      they keep the number.
 *
 * So the one member of G is the table all the time, and has at the end of any run of neutral
 * statements the rows that it had before. ▶ Without 4, and with marks believed, "t to H1, H2 to t"
 * put another table in t's place unseen.
 *
 * Names are compared byte by byte in 2, although a server may fold them: what is not exactly ours
 * is not neutral.
 */
#include "vrepl/move/hidden.h"

#include "base/mem.h"
#include "vrepl/move/object_names.h"

#include <stdlib.h>
#include <string.h>

static bool mentions_hidden(const struct ddl_text *ddl, const char *table)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, ddl->sql, ddl->n, ddl->lex);
    while (sqltoken_next(&s, &at))
        if ((at.kind == SQLTOKEN_WORD || at.kind == SQLTOKEN_IDENT) &&
            names_is_hidden(at.text, table))
            return true;
    return false;
}

static bool is_here(const struct ddl_text *ddl, const struct sqlstmt_table *t, const char *db)
{
    const char *its_db = t->db[0] ? t->db : ddl->db ? ddl->db : "";
    return strcmp(its_db, db) == 0;
}

/* Any spelling of the table, or a hidden name of it. */
static bool is_member(const struct sqlstmt_table *t, const char *table)
{
    struct buf a CLEANUP(buf_fini) = BUF_INIT, b CLEANUP(buf_fini) = BUF_INIT;
    ddl_table_key("", t->name, &a);
    ddl_table_key("", table, &b);
    return strcmp(buf_str(&a), buf_str(&b)) == 0 || names_is_hidden(t->name, table);
}

/* One of the two is the table, exactly, and the other hides it. */
static bool is_neutral(const struct ddl_text *ddl, const struct sqlstmt_table *pair, const char *db,
                       const char *table)
{
    bool hides = strcmp(pair[0].name, table) == 0 && names_is_hidden(pair[1].name, table);
    bool shows = names_is_hidden(pair[0].name, table) && strcmp(pair[1].name, table) == 0;
    return (hides || shows) && is_here(ddl, &pair[0], db) && is_here(ddl, &pair[1], db);
}

static bool only_hides(const struct ddl_text *ddl, const char *db, const char *table)
{
    struct sqlstmt *s = mem_alloc(sizeof *s);
    size_t neutral = 0, others = 0;
    sqlstmt_classify(ddl->sql, ddl->n, ddl->lex, s);
    bool renames = ddl_only_renames(ddl) && s->n_tables % 2 == 0 && !s->more_tables;
    for (size_t i = 0; renames && i + 1 < s->n_tables; i += 2) {
        if (is_neutral(ddl, &s->tables[i], db, table))
            neutral++;
        else if (is_member(&s->tables[i], table) || is_member(&s->tables[i + 1], table))
            others++;
    }
    free(s);
    return renames && neutral == 1 && others == 0;
}

/* ANALYZE, OPTIMIZE and the like do nothing to it under any name. */
static bool is_definition(const struct ddl_text *ddl)
{
    static const char *const words[] = {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"};
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, ddl->sql, ddl->n, ddl->lex);
    if (!sqltoken_next(&s, &at))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sqltoken_is(&at, words[i]))
            return true;
    return false;
}

enum ddl_concern hidden_concern(const struct ddl_text *ddl, const char *db, const char *table)
{
    if (!mentions_hidden(ddl, table))
        return ddl_concern(ddl, db, table);
    if (only_hides(ddl, db, table))
        return DDL_UNRELATED;
    return is_definition(ddl) ? DDL_CHANGES : ddl_concern(ddl, db, table);
}

bool hidden_any(struct my_conn *source, const char *db, bool *any, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_printf(&sql,
               "SELECT COUNT(*) FROM information_schema.TABLES WHERE LEFT(LOWER(TABLE_NAME), %zu) "
               "= '%s'",
               sizeof NAMES_FENCE_PREFIX - 1, NAMES_FENCE_PREFIX);
    buf_put_sql_text(&sql, " AND TABLE_SCHEMA = ", db);
    bool ok = my_query_u64(source, buf_str(&sql), &n, e);
    *any = n > 0;
    return ok;
}

bool hidden_is_alone(struct my_conn *source, const char *db, const char *table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char prefix[NAMES_MAX];
    uint64_t n = 0;
    names_hidden_prefix(table, prefix, sizeof prefix);
    buf_put_sql_text(&sql,
                     "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ", db);
    buf_put_sql_text(&sql, " AND (TABLE_NAME = ", table);
    buf_printf(&sql, " OR LEFT(LOWER(TABLE_NAME), %zu) = '%s' AND CHAR_LENGTH(TABLE_NAME) = %zu)",
               strlen(prefix), prefix, strlen(prefix) + 8);
    if (!my_query_u64(source, buf_str(&sql), &n, e))
        return false;
    if (n <= 1)
        return true;
    err_set(e, ERR_WF_STATE,
            "database %s has table %s and one named %s…, as a fence would name it: which of them "
            "has its rows cannot be told",
            db, table, prefix);
    return err_cure(e, "give that other table a name of its own, or drop it, and start the "
                       "workflow; if it was the table, copy the workflow's tables anew");
}
