/* tests/unit/test_schemas_ddl_effect.c — what a DDL does to rows, and its text for another table.
 */
#include "schemas/ddl_effect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct ddl_text text(const char *sql)
{
    return (struct ddl_text){.db = "d", .sql = sql, .n = strlen(sql)};
}

static void expect_each(const char *const *forms, enum ddl_concern wanted)
{
    for (; *forms; forms++) {
        struct ddl_text ddl = text(*forms);
        if (ddl_concern(&ddl, "d", "t") != wanted)
            fail_msg("%s", *forms);
    }
}

static void what_may_change_rows_is_seen(void **state)
{
    static const char *const forms[] = {
        "TRUNCATE t",
        "truncate /* c */ table `d`.`T`",
        "/*!50000 TRUNCATE TABLE t */",
        "DROP TABLE a, t",
        "DROP DATABASE d",
        "CREATE OR REPLACE TABLE t (a INT)",
        "RENAME TABLE t TO o, n TO t",
        "ALTER TABLE n RENAME TO t",
        "ALTER TABLE t DROP PARTITION p",
        "ALTER TABLE t TRUNCATE PARTITION ALL",
        "ALTER TABLE t REORGANIZE PARTITION p INTO (PARTITION q VALUES LESS THAN (1))",
        "ALTER TABLE t COALESCE PARTITION 1",
        "ALTER TABLE t ADD PARTITION PARTITIONS 2",
        "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE t",
        "ALTER TABLE t REMOVE PARTITIONING",
        "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 4",
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id)",
        "ALTER TABLE p CONVERT PARTITION q TO TABLE t",
        "ALTER TABLE p CONVERT TABLE t TO PARTITION q VALUES LESS THAN (3)",
        "ALTER TABLE t MODIFY a BIGINT",
        "ALTER TABLE t CHANGE a b INT",
        "ALTER TABLE t DROP a",
        "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
        "ALTER IGNORE TABLE t ADD UNIQUE (a)",
        "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
        "ALTER TABLE t ENGINE=BLACKHOLE",
        "ALTER TABLE t IMPORT TABLESPACE",
        "ALTER TABLE t DISCARD TABLESPACE",
        "ALTER TABLE t ADD a DATETIME DEFAULT NOW()",
        "ALTER TABLE t ADD a TIMESTAMP",
        "ALTER TABLE t ADD a CHAR(36) DEFAULT (uuid())",
        "ALTER TABLE t ADD a INT AS (b + 1)",
        "ALTER TABLE t ADD a INT AUTO_INCREMENT UNIQUE",
        "ALTER TABLE t ADD a INT NOT NULL, DROP b",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE",
        "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)",
        "DROP INDEX `PRIMARY` ON t",
        "ALTER TABLE t DROP SYSTEM VERSIONING",
        "NEWFANGLED t",
        NULL};
    (void)state;
    expect_each(forms, DDL_CHANGES);
}

static void what_is_harmless_goes_on(void **state)
{
    static const char *const forms[] = {
        "ALTER TABLE t ADD COLUMN more INT DEFAULT 7",
        "ALTER TABLE t ADD a ENUM('x','y') NOT NULL AFTER b",
        "ALTER TABLE `d`.`t` ADD IF NOT EXISTS a DECIMAL(10,2) UNSIGNED DEFAULT -1.5 COMMENT 'x, "
        "y', ALGORITHM=INPLACE, LOCK=NONE",
        "ALTER TABLE t ADD a TIMESTAMP(6) NULL DEFAULT NULL",
        "ALTER TABLE t ADD UNIQUE KEY k (a, b)",
        "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (10))",
        "ALTER TABLE t DROP KEY k",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 5, RENAME INDEX a TO b",
        "ALTER TABLE t FORCE",
        "/*!40000 ALTER TABLE t DISABLE KEYS */",
        "ALTER TABLE t ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT='x'",
        "CREATE INDEX i ON t (a)",
        "DROP INDEX i ON d.t",
        "CREATE TABLE IF NOT EXISTS t (a INT)",
        NULL};
    (void)state;
    expect_each(forms, DDL_KEEPS);
}

static void columns_are_kept_by_what_is_known_to_keep_them(void **state)
{
    static const char *const keeps[] = {"/*!40000 ALTER TABLE `t` DISABLE KEYS */",
                                        "ALTER TABLE t ENABLE KEYS",
                                        "ALTER TABLE t ENGINE=InnoDB, FORCE",
                                        "ALTER TABLE d.t DROP PARTITION p0, p1",
                                        "ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN (1))",
                                        "ALTER TABLE t ADD PARTITION PARTITIONS 2",
                                        "ALTER TABLE t ANALYZE PARTITION p0, p1",
                                        "ALTER TABLE t REPAIR PARTITION ALL",
                                        "ALTER TABLE t TRUNCATE PARTITION p",
                                        "ALTER TABLE t REORGANIZE PARTITION p INTO (PARTITION q "
                                        "VALUES LESS THAN (1), PARTITION r VALUES LESS THAN (2))",
                                        "ALTER TABLE t COMMENT='x', REMOVE PARTITIONING",
                                        "ALTER TABLE t PARTITION BY RANGE (id) (PARTITION p VALUES "
                                        "LESS THAN MAXVALUE)",
                                        "ALTER TABLE t IMPORT TABLESPACE",
                                        "ALTER TABLE t ADD INDEX i (a), ADD FULLTEXT (b)",
                                        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES "
                                        "p (id), ADD CHECK (a > 0), DROP FOREIGN KEY g",
                                        "ALTER TABLE t ALTER INDEX i INVISIBLE",
                                        "ALTER TABLE t AUTO_INCREMENT=9",
                                        "CREATE INDEX i ON t (a)",
                                        "ALTER SEQUENCE IF EXISTS t RESTART 9",
                                        NULL};
    static const char *const changes[] = {"ALTER TABLE t ADD a INT",
                                          "ALTER TABLE t ADD UNIQUE (a)",
                                          "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)",
                                          "ALTER TABLE t DROP KEY k",
                                          "ALTER TABLE t DROP a",
                                          "ALTER TABLE t ADD PRIMARY KEY (a)",
                                          "ALTER TABLE t MODIFY a BIGINT",
                                          "ALTER TABLE t RENAME COLUMN a TO b",
                                          "ALTER TABLE t ALTER COLUMN a SET INVISIBLE",
                                          "ALTER TABLE t CONVERT TO CHARACTER SET latin1",
                                          "ALTER TABLE t ADD SYSTEM VERSIONING",
                                          "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u",
                                          "ALTER TABLE t CONVERT PARTITION p TO TABLE u",
                                          "ALTER TABLE t DROP /*!99999 PARTITION */ p",
                                          "ALTER TABLE t DISABLE KEYS /*M!999999 , ADD b INT */",
                                          "ALTER TABLE t RENAME TO u",
                                          "CREATE UNIQUE INDEX i ON t (a)",
                                          "DROP INDEX i ON t",
                                          "ALTER SEQUENCE t AS INT",
                                          "CREATE TABLE IF NOT EXISTS t (a INT)",
                                          "NEWFANGLED t",
                                          NULL};
    (void)state;
    for (const char *const *p = keeps; *p; p++)
        if (!ddl_keeps_columns(*p, strlen(*p), false))
            fail_msg("%s", *p);
    for (const char *const *p = changes; *p; p++)
        if (ddl_keeps_columns(*p, strlen(*p), false))
            fail_msg("%s", *p);
}

static void other_tables_are_unrelated(void **state)
{
    static const char *const forms[] = {
        "TRUNCATE other.t",
        "DROP TABLE u",
        "CREATE TABLE u LIKE t",
        "DROP DATABASE other",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "ANALYZE TABLE t",
        "REPAIR TABLE t",
        "ALTER TABLE t ANALYZE PARTITION p0, p1",
        "ALTER TABLE t CHECK PARTITION ALL FOR UPGRADE",
        "ALTER TABLE t OPTIMIZE PARTITION p0",
        "ALTER TABLE t REBUILD PARTITION p0",
        "ALTER TABLE t REPAIR PARTITION p0 QUICK",
        "DROP TEMPORARY TABLE t",
        "GRANT SELECT ON t TO u",
        "CREATE VIEW v AS SELECT * FROM t",
        NULL};
    (void)state;
    expect_each(forms, DDL_UNRELATED);
}

static void the_text_for_another_table_names_no_other(void **state)
{
    static const char *const refused[] = {"TRUNCATE t",
                                          "ALTER TABLE t ADD a INT, ADD b INT",
                                          "ALTER TABLE t ADD a INT /*!, DROP b */",
                                          "/*!50000 ALTER TABLE t ADD a INT */",
                                          "/*M! ALTER TABLE t ADD a INT */",
                                          "CREATE TABLE IF NOT EXISTS t (a INT)",
                                          NULL};
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct ddl_text ddl = text("ALTER TABLE d.`t` ADD a INT");
    (void)state;
    assert_true(ddl_for_table(&ddl, "x", "u`", &out));
    assert_string_equal(buf_str(&out), "ALTER TABLE `x`.`u``` ADD a INT");
    for (const char *const *p = refused; *p; p++) {
        ddl = text(*p);
        if (ddl_for_table(&ddl, "x", "u", &out))
            fail_msg("%s", *p);
    }
}

/* A string may be other bytes there than in the session that sent it; names are names. */
static void strings_of_other_character_sets_are_not_repeated_blindly(void **state)
{
    static const struct {
        const char *sql;
        bool converted, varies; /* whether it may be repeated */
    } forms[] = {
        {"ALTER TABLE t ADD a CHAR(9) DEFAULT 'e'", true, true},
        {"ALTER TABLE t ADD `\xc3\xa9` INT", true, true},
        {"ALTER TABLE t ADD a CHAR(9) DEFAULT '\xc3\xa9'", true, false},
        {"ALTER TABLE t ADD a VARBINARY(9) DEFAULT '\xc3\xa9'", false, false},
        {"ALTER TABLE t ADD a CHAR(9) DEFAULT '\xef\xbf\xbd'", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct ddl_text ddl = text(forms[i].sql);
        assert_true(ddl_for_table(&ddl, "x", "u", &out));
        ddl.strings = DDL_STRINGS_CONVERTED;
        assert_int_equal(ddl_for_table(&ddl, "x", "u", &out), forms[i].converted);
        ddl.strings = DDL_STRINGS_VARY;
        assert_int_equal(ddl_for_table(&ddl, "x", "u", &out), forms[i].varies);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_change_rows_is_seen),
        cmocka_unit_test(what_is_harmless_goes_on),
        cmocka_unit_test(columns_are_kept_by_what_is_known_to_keep_them),
        cmocka_unit_test(other_tables_are_unrelated),
        cmocka_unit_test(the_text_for_another_table_names_no_other),
        cmocka_unit_test(strings_of_other_character_sets_are_not_repeated_blindly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
