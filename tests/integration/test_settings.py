# tests/integration/test_settings.py — no global setting of a server reaches a value or a definition of ours.
"""Each setting that mysql/session.c pins is set globally to a value that would do harm, all at once, on all
servers; then tables are moved. A name that is added there without a hostile value here fails."""

import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# As SQL. None: has no global value that differs and can be set while a server runs.
HOSTILE = {
    "sql_mode": "'ANSI,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,NO_BACKSLASH_ESCAPES'",
    "time_zone": "'+05:30'", "lc_time_names": "'de_DE'", "lc_messages": "'de_DE'",
    "sql_auto_is_null": "1", "div_precision_increment": "0", "default_week_format": "3",
    "default_regex_flags": "'EXTENDED'", "block_encryption_mode": "'aes-256-cbc'",
    "group_concat_max_len": "4", "max_sort_length": "8", "old_mode": "'ZERO_DATE_TIME_CAST'",
    "sql_if_exists": "1", "cte_max_recursion_depth": "0", "max_recursive_iterations": "0",
    "windowing_use_high_precision": "0", "optimizer_switch": "'index_merge=off,materialization=off'",
    "max_join_size": "1", "sql_big_selects": "0", "sql_select_limit": "1", "sql_safe_updates": "1",
    "max_statement_time": "0.05", "max_execution_time": "1", "net_read_timeout": "1",
    "net_write_timeout": "1", "wait_timeout": "1", "idle_transaction_timeout": "1",
    "idle_readonly_transaction_timeout": "1", "idle_write_transaction_timeout": "1",
    "innodb_lock_wait_timeout": "1", "lock_wait_timeout": "1",
    "autocommit": "0", "completion_type": "'RELEASE'", "tx_isolation": "'READ-UNCOMMITTED'",
    "transaction_isolation": "'READ-UNCOMMITTED'", "tx_read_only": "1", "transaction_read_only": "1",
    "innodb_table_locks": "0", "foreign_key_checks": "0", "unique_checks": "0",
    "check_constraint_checks": "0", "auto_increment_increment": "7", "auto_increment_offset": "3",
    "system_versioning_insert_history": "1", "alter_algorithm": "'INSTANT'", "old_alter_table": None,
    "character_set_collations": "'utf8mb4=uca1400_turkish_as_cs,latin1=latin1_bin'",
    "default_collation_for_utf8mb4": "'utf8mb4_general_ci'", "default_storage_engine": "'MyISAM'",
    "enforce_storage_engine": None, "explicit_defaults_for_timestamp": "0", "innodb_strict_mode": "0",
    "innodb_compression_default": "1", "sql_require_primary_key": "1",
    "sql_generate_invisible_primary_key": "1", "show_gipk_in_create_table_and_information_schema": "0",
    "show_create_table_verbosity": "1", "show_create_table_skip_secondary_engine": "1",
    "sql_quote_show_create": "0", "information_schema_stats_expiry": "3600",
    "system_versioning_asof": "'2020-01-01 00:00:00'", "innodb_default_encryption_key_id": "9",
    "mhnsw_default_m": "20", "mhnsw_default_distance": "'cosine'",
    "system_versioning_alter_history": "'KEEP'", "session_track_schema": "1",
    "session_track_state_change": "1", "session_track_system_variables": "'*'",
    "session_track_transaction_info": "'CHARACTERISTICS'", "session_track_gtids": "'OWN_GTID'",
}
# No session has these; a statement's own text has to say what they would.
GLOBAL_ONLY = {"innodb_default_row_format": "'COMPACT'"}

DDL = (
    "CREATE TABLE shapes (id INT NOT NULL AUTO_INCREMENT, name VARCHAR(255) NOT NULL, ts TIMESTAMP NOT NULL "
    "DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, dt DATETIME NOT NULL DEFAULT '2001-02-03 04:05:06', "
    "c CHAR(10) NOT NULL DEFAULT '', note TEXT, PRIMARY KEY (id), UNIQUE KEY named (name(100)), KEY long_one (name)) "
    "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci")


def pinned():
    with open(os.path.join(ROOT, "mysql", "session.c"), encoding="utf-8") as text:
        return re.findall(r'^    \{"(\w+)", ', text.read(), re.M)


def make_hostile(server):
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES")
        there = {row[0] for row in cursor.fetchall()}
        for name, value in {**HOSTILE, **GLOBAL_ONLY}.items():
            if name in there and value is not None:
                cursor.execute("SET GLOBAL %s = %s" % (name, value))
    connection.close()


def plain(server):
    """A session in which the test reads, after make_hostile."""
    connection = server.connect(autocommit=True)
    with connection.cursor() as cursor:
        for text in ("SET sql_mode='', time_zone='+00:00', SESSION sql_big_selects=1, sql_quote_show_create=1",
                     "SET SESSION max_join_size=18446744073709551615, sql_select_limit=18446744073709551615",
                     "SET SESSION TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ",
                     "SET SESSION autocommit=1, completion_type=0, wait_timeout=600, sql_safe_updates=0"):
            cursor.execute(text)
        for text in ("SET SESSION system_versioning_asof=DEFAULT", "SET SESSION max_statement_time=0",
                     "SET SESSION max_execution_time=0",
                     "SET SESSION show_create_table_verbosity=0", "SET SESSION idle_transaction_timeout=0"):
            try:
                cursor.execute(text)
            except Exception:  # pylint: disable=broad-exception-caught
                pass  # the other server's
    return connection


def rows(connection, text):
    with connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def columns(connection, db):
    return rows(connection, "SELECT COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, IS_NULLABLE, EXTRA, COLLATION_NAME FROM "
                "information_schema.COLUMNS WHERE TABLE_SCHEMA='%s' AND TABLE_NAME='shapes' ORDER BY 1" % db)


def keys(connection, db):
    return rows(connection, "SELECT INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, NON_UNIQUE FROM "
                "information_schema.STATISTICS WHERE TABLE_SCHEMA='%s' AND TABLE_NAME='shapes' ORDER BY 1, 2" % db)


def contents(connection, db):
    return rows(connection, "SELECT id, HEX(name), ts, dt, HEX(c), HEX(note) FROM %s.shapes ORDER BY id" % db)


def test_every_pinned_setting_has_a_hostile_value():
    assert sorted(pinned()) == sorted(HOSTILE)


@pytest.mark.parametrize("flavour", ["mariadb", "mariadb11", "mysql"])
def test_hostile_globals_change_no_value_and_no_definition(make_fleet, need_sluice, flavour):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=60, flavour=flavour)
    fleet.vschema["tables"]["shapes"] = {"type": "reference"}
    fleet.write_configuration()
    source, target = fleet.server("commerce"), fleet.server("customer")
    source.query(DDL, database="commerce")
    source.query("INSERT INTO shapes (name, c, note) SELECT CONCAT('n', seq), 'x ', REPEAT('\\\\', 20) FROM "
                 "(SELECT 0 seq UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) s", database="commerce")
    for server in fleet.servers.values():
        make_hostile(server)
    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables", "customers,shapes")
    fleet.wait_running("movetables", "c2c")
    old, new = plain(source), plain(target)
    rows(old, "UPDATE commerce.shapes SET name=CONCAT(name, '!') WHERE id < 3")
    fleet.workflow("movetables", "c2c", "switchtraffic")
    assert columns(old, "commerce") == columns(new, "customer")
    assert keys(old, "commerce") == keys(new, "customer")
    assert contents(old, "commerce") == contents(new, "customer") != ()
