# tests/integration/test_schema_tracker.py — streams of servers whose log has no column names: every name is right, or refused.
"""The servers' defaults: binlog_row_metadata MINIMAL on MySQL, NO_LOG on MariaDB."""

import json
import os
import signal
import subprocess

import fleet as fleet_module
import pytest
from one_source import Source
from sluice_servers import MariaDB, MySQL
from sluice_servers.process import PATIENCE_S, wait_until

DEFAULTS = {"mariadb": (MariaDB, "NO_LOG"), "mysql": (MySQL, "MINIMAL")}


@pytest.fixture(params=sorted(DEFAULTS))
def source(scratch, need_sluice, request):
    server, metadata = DEFAULTS[request.param]
    return Source(scratch, server, metadata=metadata)


def test_names_signs_sets_and_labels_are_the_tables_own(source):
    source.run("CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, e ENUM('x','y'), s SET('p','q'), "
               "l VARCHAR(9) CHARACTER SET latin1, b BINARY(3), `naïve ``name` INT, "
               "m ENUM('😀','😡') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, h ENUM(x'FF00FE','k') CHARACTER SET binary, "
               "j SET('🍎','c''?') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)",
               "INSERT INTO t VALUES (18446744073709551615, 'y', 'p,q', 'é', 'ab', -1, 2, 1, 3)")
    records, _ = source.stream()
    row = [r for r in records if r["op"] == "c"][0]
    assert row["after"] == {"id": 18446744073709551615, "e": "y", "s": "p,q", "l": "é", "b": "YWIA", "naïve `name": -1,
                            "m": "😡", "h": {"hex": "ff00fe"}, "j": "🍎,c'?"}
    assert row["key"] == {"id": 18446744073709551615}


def test_each_row_has_the_names_of_its_time(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)")
    path = source.scratch.path("out.ndjson")
    capture = fleet_module.Capture(source.words("--from", "beginning"), path, path + ".err", stamp=False)

    def lines():
        with open(path, encoding="utf-8") as out:
            return [json.loads(line) for line in out.read().splitlines()]

    try:
        names = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")]  # swaps that no type betrays
        for number, (one, other) in enumerate(names):
            source.run("INSERT INTO t VALUES (%d, 1, 2)" % number)
            wait_until(lambda count=number: len([r for r in lines() if r["op"] == "c"]) > count, 20, "row")
            if number + 1 < len(names):
                following = names[number + 1]
                source.run("ALTER TABLE t CHANGE %s %s INT, CHANGE %s %s INT" % (
                    one, following[0], other, following[1]))
                wait_until(lambda count=number: len([r for r in lines() if r["op"] == "ddl"]) > count + 1, 20, "DDL")
    finally:
        capture.stop()
    assert [list(r["after"]) for r in lines() if r["op"] == "c"] == [["id", *pair] for pair in names]


def test_a_version_from_before_the_stop_serves_the_rows_up_to_the_ddl(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)")
    assert source.rows()[0] == [{"id": 1, "a": 1}]
    _, vgtid = source.rows()
    source.run("INSERT INTO t VALUES (2, 2)", "ALTER TABLE t RENAME COLUMN a TO z", "INSERT INTO t VALUES (3, 3)")
    after, _ = source.rows(start=vgtid)
    assert after == [{"id": 2, "a": 2}, {"id": 3, "z": 3}]


def test_without_a_version_the_rows_before_a_ddl_are_refused(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE fine (id INT PRIMARY KEY, f INT)",
               "INSERT INTO fine VALUES (1, 10)", "INSERT INTO t VALUES (1, 1)",
               "ALTER TABLE t RENAME COLUMN a TO z", "INSERT INTO t VALUES (2, 2)", "INSERT INTO fine VALUES (2, 20)")
    records, error = source.stream(ok=False)
    assert [r["after"] for r in records if r["op"] == "c"] == [{"id": 1, "f": 10}]
    assert "shop.t" in error and "binlog_row_metadata=FULL" in error and "SCHEMA_UNKNOWN" in error
    assert source.rows("--tables", "fine")[0] == [{"id": 1, "f": 10}, {"id": 2, "f": 20}]


# Each changes what `t` means between two inserts, without a trace in the column types.
CHANGES = {
    "comments": ["/* one */ ALTER /* two */ TABLE # three\n `shop` /* four */ . t -- five\n RENAME COLUMN a TO z"],
    "version comment": ["/*!50000 ALTER TABLE */ t RENAME COLUMN a TO z"],
    "second table of a rename": ["CREATE TABLE u (id INT PRIMARY KEY, z INT)", "RENAME TABLE t TO old, u TO t"],
    "gh-ost": ["CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho RENAME COLUMN a TO z",
               "INSERT INTO _t_gho SELECT * FROM t", "RENAME TABLE t TO _t_del, _t_gho TO t"],
    "made again": ["DROP TABLE IF EXISTS other, t", "CREATE TABLE t (id INT PRIMARY KEY, z INT)"],
    "alter with rename": ["CREATE TABLE u (id INT PRIMARY KEY, z INT)", "ALTER TABLE t RENAME TO old",
                          "ALTER TABLE u COMMENT 'x', RENAME AS t"],
    "database": ["DROP DATABASE shop", "CREATE DATABASE shop CHARACTER SET utf8mb4", "USE shop",
                 "CREATE TABLE t (id INT PRIMARY KEY, z INT)"],
    "create select": ["DROP TABLE t", "CREATE TABLE t (PRIMARY KEY (id)) SELECT 9 AS id, 9 AS z"],
    "no backslash escapes": ["SET sql_mode='NO_BACKSLASH_ESCAPES'", "CREATE TABLE u (id INT PRIMARY KEY, z INT)",
                             r"ALTER TABLE t COMMENT 'C:\', RENAME TO old", "RENAME TABLE u TO t"],
    "ansi quotes": ["SET sql_mode='ANSI_QUOTES'", 'ALTER TABLE "shop"."t" RENAME COLUMN "a" TO "z"'],
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_change_is_seen_however_it_is_written(source, change):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)")
    source.run(*CHANGES[change], "INSERT INTO t VALUES (2, 2)")
    records, error = source.stream("--tables", "t", ok=False)
    assert not [r for r in records if r["op"] == "c"] and "shop.t" in error
    current, vgtid = source.rows("--tables", "t", start="current")
    source.run("INSERT INTO t VALUES (3, 3)")
    assert current == [] and source.rows("--tables", "t", start=vgtid)[0] == [{"id": 3, "z": 3}]


@pytest.mark.parametrize("charset", ["latin1", "gbk", "sjis", "utf8mb4"])
def test_ddl_in_another_character_set_is_seen(source, charset):
    name = {"latin1": "tö", "gbk": "tö", "sjis": "t表", "utf8mb4": "tö表"}[charset]
    # The last byte of the sjis and gbk characters in the comment is a backslash.
    comment = {"latin1": "é", "gbk": "誠", "sjis": "表", "utf8mb4": "表"}[charset]
    if charset == "gbk":
        name = "t表"
    source.run("CREATE TABLE `%s` (id INT PRIMARY KEY, a INT)" % name, "INSERT INTO `%s` VALUES (1, 1)" % name)
    encoded = ("ALTER TABLE `%s` COMMENT '%s', RENAME COLUMN a TO z" % (name, comment)).encode(
        {"latin1": "latin1", "gbk": "gbk", "sjis": "shift_jis", "utf8mb4": "utf8"}[charset])
    with source.server.connect(database="shop", charset="latin1" if charset == "latin1" else "utf8mb4") as other:
        other.query("SET NAMES " + charset)
        other._execute_command(3, encoded)  # COM_QUERY with these bytes, whatever the client thinks of them
        other._read_query_result()
    source.run("INSERT INTO `%s` VALUES (2, 2)" % name)
    records, error = source.stream(ok=False)
    assert not [r for r in records if r["op"] == "c"] and "shop.t" in error


# Name, Python's codec; last bytes of characters are a backslash or a backquote where there are such.
CHARSETS = {"latin1": ("tö", "latin1"), "gbk": ("誠乣", "gbk"), "sjis": ("表チ", "shift_jis"), "cp932": ("表①", "cp932"),
            "big5": ("功", "big5"), "gb18030": ("誠€", "gb18030"), "ujis": ("表", "euc_jp"), "greek": ("ά", "iso8859_7")}


def test_statements_name_tables_in_any_character_set(source):
    known = {row[0] for row in source.server.query("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS")}
    sets = {charset: CHARSETS[charset] for charset in CHARSETS if charset in known}
    sent = []
    with source.server.connect(database="shop", charset="utf8mb4") as other:
        for charset, (letters, codec) in sets.items():
            name = charset + letters
            sent.append((name, "TRUNCATE TABLE `%s` /* '%s */" % (name, letters)))
            source.run("CREATE TABLE `%s` (id INT PRIMARY KEY)" % name)
            other.query("SET NAMES " + charset)
            other._execute_command(3, sent[-1][1].encode(codec))
            other._read_query_result()
    records, _ = source.stream("--tables", ",".join(name for name, _ in sent))
    assert [(r["table"], r["sql"]) for r in records if r["op"] == "t"] == sent


def test_what_changes_no_column_ends_no_version(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)", "CREATE INDEX i ON t (a)",
               "CREATE VIEW v AS SELECT * FROM t", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a",
               "TRUNCATE TABLE t", "CREATE TEMPORARY TABLE t (other INT)", "DROP TEMPORARY TABLE t",
               "CREATE TABLE u LIKE t", "CREATE DATABASE another", "DROP DATABASE another",
               "CREATE TABLE w SELECT * FROM t", "INSERT INTO t VALUES (2, 2)")
    assert source.rows("--tables", "t")[0] == [{"id": 1, "a": 1}, {"id": 2, "a": 2}]


# As mysqldump writes a table, in one go.
DUMP = ["DROP TABLE IF EXISTS `t`", "CREATE TABLE `t` (`id` INT NOT NULL, `z` INT, PRIMARY KEY (`id`))", "LOCK TABLES `t` WRITE",
        "/*!40000 ALTER TABLE `t` DISABLE KEYS */", "INSERT INTO `t` VALUES (1,1),(2,2)",
        "/*!40000 ALTER TABLE `t` ENABLE KEYS */", "UNLOCK TABLES"]


def test_a_loaded_dump_and_rows_before_a_ddl_are_known(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE u (id INT PRIMARY KEY, a INT)",
               "CREATE TABLE p (id INT PRIMARY KEY, a INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10))")
    path = source.scratch.path("out.ndjson")
    capture = fleet_module.Capture(source.words("--from", "beginning"), path, path + ".err", stamp=False)

    def rows():
        with open(path, encoding="utf-8") as out:
            return [r["after"] for r in map(json.loads, out.read().splitlines()) if r["op"] == "c"]

    try:
        source.run("INSERT INTO p VALUES (0, 0)")
        wait_until(rows, 20, "row")
        source.run("INSERT INTO u VALUES (1, 1)", "ALTER TABLE u RENAME COLUMN a TO z", "INSERT INTO u VALUES (2, 2)", *DUMP,
                   "ALTER TABLE p ADD PARTITION (PARTITION p1 VALUES LESS THAN (20))", "INSERT INTO p VALUES (11, 1)",
                   "ALTER TABLE p ANALYZE PARTITION p0, p1", "ALTER TABLE p DROP PARTITION p0",
                   "CREATE TABLE IF NOT EXISTS p (id INT)", "INSERT INTO p VALUES (12, 2)")
        wait_until(lambda: len(rows()) == 7, 20, "rows")
    finally:
        capture.stop()
    assert rows() == [{"id": 0, "a": 0}, {"id": 1, "a": 1}, {"id": 2, "z": 2}, {"id": 1, "z": 1}, {"id": 2, "z": 2},
                      {"id": 11, "a": 1}, {"id": 12, "a": 2}]


def current(records, table):
    """What is left of the table's rows, by their keys."""
    left = {}
    for r in (r for r in records if r.get("table") == table and r["op"] in "crud"):
        if r["op"] in "ud":
            left.pop(tuple(r["before"][name] for name in r["key"]), None)
        if r["op"] != "d":
            left[tuple(r["key"].values())] = r["after"]
    return left


HIDDEN = ["CREATE TABLE v (id INT PRIMARY KEY, x INT) WITH SYSTEM VERSIONING", "INSERT INTO v VALUES (1,1),(2,2),(3,3)",
          "UPDATE v SET x=x+10 WHERE id < 3", "DELETE FROM v WHERE id=2", "REPLACE INTO v VALUES (1,5)",
          "UPDATE v SET id=9 WHERE id=3", "DELETE HISTORY FROM v", "CREATE TABLE u (b INT, a INT NOT NULL, c TEXT, h INT, "
          "UNIQUE (a), UNIQUE (c), UNIQUE (h) USING HASH) WITH SYSTEM VERSIONING", "INSERT INTO u VALUES (1,2,'x',3)",
          "UPDATE u SET c='y'", "CREATE SEQUENCE s", "CREATE TABLE q (id INT PRIMARY KEY DEFAULT NEXTVAL(s), a INT)",
          "INSERT INTO q (a) VALUES (1),(2)", "ALTER SEQUENCE s RESTART 100", "INSERT INTO q (a) VALUES (3)"]


@pytest.mark.parametrize("metadata", ["NO_LOG", "FULL"])
def test_hidden_columns_and_sequences_are_what_sql_shows(scratch, need_sluice, metadata):
    source = Source(scratch, MariaDB, metadata=metadata)
    source.run(*HIDDEN)
    logged, _ = source.stream()
    copied, _ = source.stream("--copy")
    for table, n in (("v", 2), ("u", 1), ("q", 3)):
        assert current(logged, table) == current(copied, table) and len(current(logged, table)) == n
    assert not [r for r in logged if r.get("table") == "s" and r["op"] != "ddl"]
    assert list(current(logged, "u")) == [(2,)]


def test_a_generated_invisible_key_is_the_key(scratch, need_sluice):
    source = Source(scratch, MySQL, metadata="MINIMAL")
    source.run("SET sql_generate_invisible_primary_key = 1", "CREATE TABLE g (a INT)", "INSERT INTO g VALUES (7)",
               "SET GLOBAL show_gipk_in_create_table_and_information_schema = 0")
    logged, _ = source.stream("--tables", "g")
    copied, _ = source.stream("--tables", "g", "--copy")
    assert current(logged, "g") == current(copied, "g") == {(1,): {"my_row_id": 1, "a": 7}}


def test_create_select_has_its_own_names(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)",
               "CREATE TABLE u (PRIMARY KEY (id)) SELECT id, a AS z FROM t", "INSERT INTO u VALUES (2, 2)")
    assert source.rows("--tables", "u")[0] == [{"id": 1, "z": 1}, {"id": 2, "z": 2}]


def test_exchanged_partitions_are_two_tables(source):
    source.run("CREATE TABLE p (id INT PRIMARY KEY, a INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10))",
               "CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)",
               "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE t", "INSERT INTO p VALUES (2, 2)")
    records, error = source.stream("--tables", "t", ok=False)
    assert not [r for r in records if r["op"] == "c"] and "shop.t" in error
    assert source.rows("--tables", "p")[0] == [{"id": 2, "a": 2}]


def test_table_ids_that_begin_again_mean_nothing(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE u (id INT PRIMARY KEY, b INT)")
    _, vgtid = source.rows()
    path = source.scratch.path("out.ndjson")
    capture = fleet_module.Capture(source.words("--from", vgtid), path, path + ".err", stamp=False)

    def rows():
        with open(path, encoding="utf-8") as out:
            return [(r["table"], r["after"]) for r in map(json.loads, out.read().splitlines()) if r["op"] == "c"]

    try:
        source.run("INSERT INTO t VALUES (1, 1)", "INSERT INTO u VALUES (1, 1)")
        wait_until(lambda: len(rows()) == 2, 20, "rows before the restart")
        source.server.kill9()
        source.server.restart()
        source.db = source.server.connect(database="shop")
        source.run("INSERT INTO u VALUES (2, 2)", "INSERT INTO t VALUES (2, 2)")
        wait_until(lambda: len(rows()) == 4, 30, "rows behind the restart")
    finally:
        capture.stop()
    assert rows() == [("t", {"id": 1, "a": 1}), ("u", {"id": 1, "b": 1}), ("u", {"id": 2, "b": 2}),
                      ("t", {"id": 2, "a": 2})]


def test_a_log_that_begins_anew_has_nothing_of_the_old_one(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)",
               *["INSERT INTO t VALUES (%d, 1)" % i for i in range(20)])
    _, vgtid = source.rows()
    source.server.wait_for_next_second()  # logs are told by the second in which they were begun
    mysql = source.metadata == "MINIMAL"
    new = range(100, 140)  # every number, file and offset of the old log comes again
    source.run("RESET BINARY LOGS AND GTIDS" if mysql else "RESET MASTER", "SET sql_log_bin=0",
               "ALTER TABLE t RENAME COLUMN a TO z", "SET sql_log_bin=1",
               *["INSERT INTO t VALUES (%d, 1)" % i for i in new])
    assert source.rows()[0] == [{"id": i, "z": 1} for i in new]
    for _ in range(2):  # whoever comes later is told the same
        records, error = source.stream(start=vgtid, ok=False)
        assert not records and "SRC_IDENTITY" in error and "begun at another time" in error and "--from" in error


def test_a_change_that_the_log_does_not_have_is_found_by_its_types(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)")
    _, vgtid = source.rows()
    source.run("SET sql_log_bin=0", "ALTER TABLE t ADD b INT", "SET sql_log_bin=1", "INSERT INTO t VALUES (2, 2, 2)")
    _, error = source.stream(start=vgtid, ok=False)
    assert "sql_log_bin" in error


def test_a_ddl_under_way_is_waited_for(source):
    """The row behind an ALTER never gets the definition from before it, however close they come."""
    source.run("CREATE TABLE t (id INT PRIMARY KEY, n0 INT)")
    path = source.scratch.path("out.ndjson")
    capture = fleet_module.Capture(source.words("--from", "beginning"), path, path + ".err", stamp=False)

    def rows():
        with open(path, encoding="utf-8") as out:
            return [r["after"] for r in map(json.loads, out.read().splitlines()) if r["op"] == "c"]

    rounds = 15
    try:
        for n in range(rounds):
            source.run("ALTER TABLE t RENAME COLUMN n%d TO n%d" % (n, n + 1), "INSERT INTO t VALUES (%d, 1)" % n)
            wait_until(lambda count=n: len(rows()) > count or capture.process.poll() is not None, 20, "row")
    finally:
        capture.stop()
    assert [list(row)[1] for row in rows()] == ["n%d" % (n + 1) for n in range(rounds)]


def test_the_daemon_keeps_versions_for_its_sinks(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)")
    path = source.scratch.path("sink.ndjson")
    with open(source.config, "a", encoding="utf-8") as out:
        out.write("sinks:\n  all: {keyspace: shop, tables: [t], to: \"file:%s\", format: ndjson}\n" % path)

    def daemon():
        log = open(source.scratch.path("daemon.log"), "ab")
        return subprocess.Popen([fleet_module.program("sluice"), "serve", "--config", source.config], stdout=log,
                                stderr=log, stdin=subprocess.DEVNULL)

    def rows():
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as out:
            return [r["after"] for r in map(json.loads, out.read().splitlines()) if r.get("op") in ("c", "u")]

    def first_row():
        """The sink begins at the log's end: only what is written once it listens is sure to come."""
        source.run("INSERT INTO t VALUES (1, 1) ON DUPLICATE KEY UPDATE a = a + 1")
        return bool(rows())

    running = daemon()
    try:
        wait_until(first_row, 20, "first row")
        running.send_signal(signal.SIGKILL)
        running.wait()
        source.run("INSERT INTO t VALUES (2, 2)", "ALTER TABLE t RENAME COLUMN a TO z", "INSERT INTO t VALUES (3, 3)")
        running = daemon()
        wait_until(lambda: {"id": 3, "z": 3} in rows(), 20, "rows behind the crash")
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(PATIENCE_S)
    assert rows()[-2:] == [{"id": 2, "a": 2}, {"id": 3, "z": 3}]
