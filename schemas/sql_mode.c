/* schemas/sql_mode.c — the bits of sql_mode on both servers, by name.
 *
 * ▶ The layouts differ from bit 32 on, and MariaDB rounds fractions of a second only where it is
 * told to (TIME_ROUND_FRACTIONAL), MySQL unless it is told not to (TIME_TRUNCATE_FRACTIONAL): one
 * is the absence of the other. Checked against the servers themselves by setting each bit
 * (tests/integration/test_altered_moves.py). Sources: sql/sql_class.h of MariaDB,
 * sql/system_variables.h of MySQL.
 *
 * A mode that names others (ANSI, TRADITIONAL, POSTGRESQL …) stands in the word beside what it
 * stands for, so it is left out itself; so is what only says how SHOW CREATE prints, what accounts
 * or UPDATE do, or which error an unknown option is. ORACLE, MSSQL and MAXDB are more than their
 * parts: they have words and types of their own.
 */
#include "schemas/sql_mode.h"

#include "schemas/sqltoken.h"

#include <stdio.h>

#define NOWHERE 64

enum use {
    MEANS,   /* part of what a DDL means: named there, or refused */
    NOTHING, /* changes no DDL that passed */
    ROUNDS,
    TRUNCATES
};

static const struct {
    const char *name;
    unsigned mysql, mariadb; /* bit */
    enum use use;
} modes[] = {
    {"REAL_AS_FLOAT", 0, 0, MEANS},
    {"PIPES_AS_CONCAT", 1, 1, MEANS},
    {"ANSI_QUOTES", 2, 2, MEANS},
    {"IGNORE_SPACE", 3, 3, MEANS},
    {"IGNORE_BAD_TABLE_OPTIONS", NOWHERE, 4, NOTHING},
    {"ONLY_FULL_GROUP_BY", 5, 5, NOTHING},
    {"NO_UNSIGNED_SUBTRACTION", 6, 6, MEANS},
    {"NO_DIR_IN_CREATE", 7, 7, MEANS},
    {"POSTGRESQL", 8, 8, NOTHING},
    {"ORACLE", 9, 9, MEANS},
    {"MSSQL", 10, 10, MEANS},
    {"DB2", 11, 11, NOTHING},
    {"MAXDB", 12, 12, MEANS},
    {"NO_KEY_OPTIONS", 13, 13, NOTHING},
    {"NO_TABLE_OPTIONS", 14, 14, NOTHING},
    {"NO_FIELD_OPTIONS", 15, 15, NOTHING},
    {"MYSQL323", 16, 16, NOTHING},
    {"MYSQL40", 17, 17, NOTHING},
    {"ANSI", 18, 18, NOTHING},
    {"NO_AUTO_VALUE_ON_ZERO", 19, 19, MEANS},
    {"NO_BACKSLASH_ESCAPES", 20, 20, MEANS},
    {"STRICT_TRANS_TABLES", 21, 21, MEANS},
    {"STRICT_ALL_TABLES", 22, 22, MEANS},
    {"NO_ZERO_IN_DATE", 23, 23, MEANS},
    {"NO_ZERO_DATE", 24, 24, MEANS},
    {"ALLOW_INVALID_DATES", 25, 25, MEANS},
    {"ERROR_FOR_DIVISION_BY_ZERO", 26, 26, MEANS},
    {"TRADITIONAL", 27, 27, NOTHING},
    {"NO_AUTO_CREATE_USER", 28, 28, NOTHING},
    {"HIGH_NOT_PRECEDENCE", 29, 29, MEANS},
    {"NO_ENGINE_SUBSTITUTION", 30, 30, MEANS},
    {"PAD_CHAR_TO_FULL_LENGTH", 31, 31, MEANS},
    {"TIME_TRUNCATE_FRACTIONAL", 32, NOWHERE, TRUNCATES},
    {"INTERPRET_UTF8_AS_UTF8MB4", 33, NOWHERE, MEANS},
    {"EMPTY_STRING_IS_NULL", NOWHERE, 32, MEANS},
    {"SIMULTANEOUS_ASSIGNMENT", NOWHERE, 33, NOTHING},
    {"TIME_ROUND_FRACTIONAL", NOWHERE, 34, ROUNDS},
};
enum { N_MODES = sizeof modes / sizeof modes[0], MSSQL = 1 << 10 };

static const uint64_t mysql_has_no_longer = 0x1ff00; /* POSTGRESQL to MYSQL323 */

unsigned sql_mode_lex(uint64_t mode, bool mariadb)
{
    return (mode & 1u << 2 ? SQLTOKEN_ANSI_QUOTES : 0u) |
           (mode & 1u << 20 ? SQLTOKEN_NO_BACKSLASH : 0u) |
           (mariadb && (mode & MSSQL) ? SQLTOKEN_BRACKETS : 0u);
}

static void put_name(struct buf *out, const char *name)
{
    if (out->len > 0)
        buf_put_u8(out, ',');
    buf_put_str(out, name);
}

static bool has_bit(uint64_t mode, unsigned bit)
{
    return bit < NOWHERE && (mode >> bit & 1);
}

static bool refuse(const char *name, bool to_mariadb, struct err *e)
{
    err_set(e, ERR_WF_STATE, "the statement was written under sql_mode %s, which %s does not have",
            name, to_mariadb ? "MariaDB" : "MySQL");
    return err_cure(e,
                    "make the change on the target by hand, workflow update --on-ddl IGNORE, "
                    "and start the workflow; or write such statements in a session without %s",
                    name);
}

static bool put_mode(size_t i, uint64_t mode, bool from_mariadb, bool to_mariadb, struct buf *out,
                     struct err *e)
{
    unsigned to = to_mariadb ? modes[i].mariadb : modes[i].mysql;
    bool set = has_bit(mode, from_mariadb ? modes[i].mariadb : modes[i].mysql);
    if (from_mariadb != to_mariadb && (modes[i].use == ROUNDS || modes[i].use == TRUNCATES)) {
        bool there = has_bit(mode, from_mariadb ? 34 : 32); /* the opposite of this one */
        if (to < NOWHERE && !there)
            put_name(out, modes[i].name);
        return true;
    }
    if (!set || modes[i].use == NOTHING)
        return true;
    if (to == NOWHERE || (!to_mariadb && (mysql_has_no_longer >> to & 1)))
        return refuse(modes[i].name, to_mariadb, e);
    put_name(out, modes[i].name);
    return true;
}

bool sql_mode_names(uint64_t mode, bool from_mariadb, bool to_mariadb, struct buf *out,
                    struct err *e)
{
    uint64_t known = from_mariadb ? 0 : 1u << 4; /* MySQL: NOT_USED */
    for (size_t i = 0; i < N_MODES; i++) {
        unsigned bit = from_mariadb ? modes[i].mariadb : modes[i].mysql;
        known |= bit < NOWHERE ? (uint64_t)1 << bit : 0;
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        char name[16];
        snprintf(name, sizeof name, "bit %u", bit);
        if (has_bit(mode & ~known, bit))
            return refuse(name, to_mariadb, e);
    }
    for (size_t i = 0; i < N_MODES; i++)
        if (!put_mode(i, mode, from_mariadb, to_mariadb, out, e))
            return false;
    return true;
}
