/* schemas/ddl_session.c — a DDL means at the target what it meant at the source.
 *
 * The statements that are repeated are few (ddl_for_table), and so are the settings that matter:
 *
 *   sql_mode          always                    quotes, backslashes, REAL, NOT, zero dates, strictness
 *   lc_time_names     always                    names of months in a partition's bound
 *   time_zone         where the log tells it    bounds by UNIX_TIMESTAMP, DATETIME with an offset,
 *                                               MariaDB's CHECK with a literal time
 *   default collation where a character set     of Unicode alone: those are the session's, and
 *                     stands without a COLLATE  differ between MySQL and MariaDB
 *
 * Not among them: explicit_defaults_for_timestamp (a TIMESTAMP is repeated only if it says NULL),
 * the database's collation (the altered table has its own), auto_increment_increment, encryption
 * and the primary key that a server may require (no table is made).
 *
 * ▶ The zone SYSTEM is another one on each server, and MySQL does not tell the zone of a
 * partition's bound unless the session had asked for one: what needs it is refused then.
 */
#include "schemas/ddl_session.h"

#include "schemas/sql_mode.h"
#include "schemas/sqlcursor.h"

#include <string.h>
#include <strings.h>

#define BY_HAND                                                                                    \
    "make the change on the target by hand, workflow update --on-ddl IGNORE, and start the "       \
    "workflow"

/* What the text has that makes a setting matter. */
struct needs {
    bool zone;          /* whatever was told */
    bool told_zone;     /* if the session told one, then for this */
    bool collation;     /* a character set of Unicode without a COLLATE */
    bool of_database;   /* CHARACTER SET DEFAULT */
    bool names_collate; /* COLLATE name */
};

/* '2020-01-01 10:00:00+02:00': the server brings it to the session's zone. */
static bool has_offset(const char *text)
{
    const char *time = strchr(text, ':');
    return time && strpbrk(time, "+-");
}

/* Behind CHARSET or CHARACTER SET. */
static void character_set(struct sql_cursor *c, struct needs *n)
{
    (void)sql_take_punct(c, '=');
    bool unicode = c->at.text[0] == 'u' || c->at.text[0] == 'U'; /* utf8…, ucs2 */
    n->of_database = n->of_database || sqltoken_is(&c->at, "DEFAULT");
    n->collation = n->collation || (unicode && c->at.kind != SQLTOKEN_PUNCT);
}

static struct needs needs_of(const struct ddl_text *ddl)
{
    static const char *const zoned[] = {"UNIX_TIMESTAMP", "FROM_UNIXTIME", NULL};
    struct needs n = {.zone = false};
    struct sql_cursor c;
    sql_begin(&c, ddl->sql, ddl->n, ddl->lex);
    while (c.at.kind != SQLTOKEN_END) {
        if (sql_take_any(&c, zoned)) {
            n.zone = true;
        } else if (sql_take(&c, "CHARSET") || (sql_take(&c, "CHARACTER") && sql_take(&c, "SET"))) {
            character_set(&c, &n);
        } else if (sql_take(&c, "COLLATE")) {
            (void)sql_take_punct(&c, '=');
            n.names_collate = n.names_collate || !sqltoken_is(&c.at, "DEFAULT");
        } else {
            n.told_zone = n.told_zone || (ddl->session.mariadb && sqltoken_is(&c.at, "CHECK")) ||
                          (c.at.kind == SQLTOKEN_STRING && has_offset(c.at.text));
            sql_step(&c);
        }
    }
    return n;
}

static bool refuse(struct err *e, const char *why)
{
    err_set(e, ERR_WF_STATE, "%s", why);
    return err_cure(e, BY_HAND);
}

static bool put_zone(const struct ddl_text *ddl, const struct needs *n, struct buf *out,
                     struct err *e)
{
    const char *zone = ddl->session.time_zone;
    bool named = zone && strcasecmp(zone, "SYSTEM") != 0;
    if (named) {
        buf_put_sql_text(out, ", SESSION time_zone = ", zone);
        return true;
    }
    if (n->zone || (zone && n->told_zone))
        return refuse(e, "what it makes depends on the session's time_zone, of which the log tells "
                         "no more than that it was the system's");
    return true;
}

static bool put_collation(const struct ddl_session *s, bool to_mariadb, struct buf *out,
                          struct err *e)
{
    if (s->mariadb != to_mariadb)
        return refuse(e, "it names a character set without a COLLATE, and the default one differs "
                         "between MySQL and MariaDB");
    if (!s->collations)
        return true;
    if (to_mariadb)
        buf_printf(out,
                   ", SESSION character_set_collations = (SELECT GROUP_CONCAT(CHARACTER_SET_NAME, "
                   "'=', FULL_COLLATION_NAME) FROM "
                   "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IN (%s))",
                   s->collations);
    else if (strcmp(s->collations, "45") == 0)
        buf_put_str(out, ", SESSION default_collation_for_utf8mb4 = 'utf8mb4_general_ci'");
    else
        return refuse(e, "it names a character set without a COLLATE, and the session's "
                         "default_collation_for_utf8mb4 is not known");
    return true;
}

bool ddl_session_sql(const struct ddl_text *ddl, bool to_mariadb, struct buf *out, struct err *e)
{
    CLEANUP(buf_fini) struct buf modes = BUF_INIT;
    const struct ddl_session *s = &ddl->session;
    struct needs n = needs_of(ddl);
    if (!s->known)
        return refuse(e, "the log does not tell under which sql_mode it was written");
    if (n.of_database)
        return refuse(e, "it takes the character set from its database");
    if (!sql_mode_names(s->sql_mode, s->mariadb, to_mariadb, &modes, e))
        return false;
    buf_printf(out, "SET SESSION sql_mode = '%s', SESSION lc_time_names = %u", buf_str(&modes),
               s->lc_time_names);
    return put_zone(ddl, &n, out, e) &&
           (!n.collation || n.names_collate || put_collation(s, to_mariadb, out, e));
}
