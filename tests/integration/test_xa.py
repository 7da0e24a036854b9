# tests/integration/test_xa.py — transactions whose fate comes late: prepared XA, savepoints, two-phase ALTER; published once, when and if they commit.
"""On real servers, with streams that begin, stop and resume between XA PREPARE and XA COMMIT."""

import contextlib
import json

import pymysql
import pytest
from one_source import Source
from sluice_servers import MariaDB, MariaDB11, MySQL
from sluice_servers.process import wait_until

SERVERS = {"mariadb": (MariaDB, True), "mysql": (MySQL, True), "mysql without GTIDs": (MySQL, False)}


@pytest.fixture(params=sorted(SERVERS))
def source(scratch, need_sluice, request):  # pylint: disable=unused-argument
    server, gtid = SERVERS[request.param]
    made = Source(scratch, server, gtid=gtid)
    made.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(300))",
             "CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
    return made


def prepare(source, name, first, rows=2, text="prepared"):
    """A prepared transaction of a session of its own, which is gone afterwards."""
    db = source.server.connect(database="shop")
    with db.cursor() as cursor:
        cursor.execute("XA START '%s'" % name)
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(first + i, text) for i in range(rows)])
        cursor.execute("XA END '%s'" % name)
        cursor.execute("XA PREPARE '%s'" % name)
    session = db.thread_id()
    db.close()
    wait_until(lambda: not source.server.query("SELECT 1 FROM information_schema.processlist WHERE id = %d" % session),
               30, "the end of the session")


def ids(records):
    return [(r["op"], (r["after"] or r["before"])["id"]) for r in records if r["op"] in "cud"]


def check_places(source, here):
    """Each row has a place of its own, that of its event in the log, wherever the stream began."""
    source.run("BEGIN", "INSERT INTO t VALUES (50, '')", "SAVEPOINT s", "INSERT INTO t VALUES (51, ''), (52, '')",
               "UPDATE t SET v = 'new' WHERE id > 49", "COMMIT")
    whole, end = source.stream("--format", "debezium-json")
    rest, again = source.stream("--format", "debezium-json", start=here)
    places = [tuple(r["source"][k] for k in ("file", "pos", "row")) for r in whole]
    assert len(set(places)) == len(places) and end == again
    assert places[-len(rest):] == [tuple(r["source"][k] for k in ("file", "pos", "row")) for r in rest]
    events = {(row[0], row[1]) for log in source.server.query("SHOW BINARY LOGS")
              for row in source.server.query("SHOW BINLOG EVENTS IN '%s'" % log[0]) if "_rows" in row[2].lower()}
    assert {place[:2] for place in places} <= events


def test_what_was_prepared_before_a_stream_began_comes_with_its_commit(source):
    prepare(source, "old", 10)
    prepare(source, "gone", 20)
    source.run("INSERT INTO t VALUES (1, 'between')", "FLUSH BINARY LOGS")
    prepare(source, "late", 30)
    source.run("FLUSH BINARY LOGS", "INSERT INTO t VALUES (2, 'behind')")
    records, here = source.stream()
    assert ids(records) == [("c", 1), ("c", 2)]
    source.run("XA COMMIT 'old'", "XA ROLLBACK 'gone'", "XA COMMIT 'late'", "INSERT INTO t VALUES (3, 'end')")
    records, _ = source.stream(start=here)
    assert ids(records) == [("c", 10), ("c", 11), ("c", 30), ("c", 31), ("c", 3)]
    whole, _ = source.stream()
    assert ids(whole) == [("c", 1), ("c", 2)] + ids(records)
    check_places(source, here)


def test_an_xid_that_is_used_again_means_its_last_use(source):
    prepare(source, "x", 10)
    source.run("XA COMMIT 'x'", "FLUSH BINARY LOGS")
    prepare(source, "x", 20)
    source.run("FLUSH BINARY LOGS", "INSERT INTO t VALUES (1, '')")
    _, here = source.stream()
    source.run("XA COMMIT 'x'")
    records, _ = source.stream(start=here)
    assert ids(records) == [("c", 20), ("c", 21)]


def test_a_commit_whose_prepare_is_purged_is_refused(source):
    prepare(source, "old", 10)
    source.run("FLUSH BINARY LOGS", "INSERT INTO t VALUES (1, '')")
    _, here = source.stream()
    last = source.server.query("SHOW BINARY LOGS")[-1][0]
    source.run("PURGE BINARY LOGS TO '%s'" % last)
    if len(source.server.query("SHOW BINARY LOGS")) > 1:
        pytest.skip("this server keeps the log of a prepared transaction")
    source.run("INSERT INTO t VALUES (2, '')", "XA COMMIT 'old'",
               "INSERT INTO t VALUES (3, '')")
    records, said = source.stream(start=here, ok=False)
    assert ids(records) == [("c", 2)]
    assert "XA COMMIT" in said and "purged" in said and "copy the tables" in said, said


def test_a_large_prepared_transaction_is_held_on_disk(source):
    prepare(source, "big", 1000, rows=40000, text="x" * 250)
    source.run("INSERT INTO t VALUES (1, '')", "XA COMMIT 'big'")
    records, _ = source.stream()
    assert ids(records) == [("c", 1)] + [("c", 1000 + i) for i in range(40000)]


def test_rows_behind_a_savepoint_that_was_rolled_back_are_not_published(source):
    """Only with a table without transactions in it does the server log the rolled-back rows at all."""
    if source.server.flavour == "mysql" and source.server.gtid:
        pytest.skip("with GTIDs MySQL refuses tables without transactions inside one")
    if source.server.flavour == "mysql":
        source.run("SET GLOBAL enforce_gtid_consistency = OFF")
    db = source.server.connect(database="shop")
    with db.cursor() as cursor:
        for statement in ("BEGIN", "INSERT INTO t VALUES (1, '')", "SAVEPOINT a", "INSERT INTO t VALUES (2, '')",
                          "INSERT INTO m VALUES (1)", "SAVEPOINT `b b`",
                          "INSERT INTO t SELECT seq + 100, REPEAT('y', 250) FROM (WITH RECURSIVE s (seq) AS (SELECT 1 "
                          "UNION ALL SELECT seq + 1 FROM s WHERE seq < 900) SELECT seq FROM s) AS many",
                          "INSERT INTO m VALUES (2)", "ROLLBACK TO `b b`", "INSERT INTO t VALUES (3, '')",
                          "RELEASE SAVEPOINT a", "COMMIT"):
            cursor.execute(statement)
    db.close()
    records, _ = source.stream()
    inserted = [r["after"]["id"] for r in records if r["op"] == "c" and r["table"] == "t"]
    there = [row[0] for row in source.server.query("SELECT id FROM t ORDER BY id", database="shop")]
    assert inserted == there == [1, 2, 3], json.dumps(records[:3])
    check_savepoint_names(source)


LETTERS = (("größe", "GROSE"), ("größe", "GRÖßE"), ("é", "É"), ("é", "e"), ("ı", "i"), ("ж", "Ж"), ("a", "a b"))


def savepoints(source, charset, pairs):
    """For each pair a transaction that goes back to the first name's savepoint by the second, if the server takes it."""
    db = source.server.connect(database="shop", charset=charset)
    with db.cursor() as cursor:
        for one, other in pairs:
            cursor.execute("SELECT COALESCE(MAX(id), 0) FROM t")
            last = cursor.fetchone()[0]
            for number, statement in enumerate(("BEGIN", "SAVEPOINT `%s`" % one, "INSERT INTO m VALUES (%s)")):
                cursor.execute(statement.replace("%s)", "%d)" % (last + number)))
            cursor.execute("INSERT INTO t (id) VALUES (%s)", (last + 1,))
            with contextlib.suppress(pymysql.err.OperationalError):
                cursor.execute("ROLLBACK TO `%s`" % other)
            cursor.execute("INSERT INTO t (id) VALUES (%s)", (last + 2,))
            cursor.execute("COMMIT")
    db.close()


def check_savepoint_names(source):
    savepoints(source, "utf8mb4", LETTERS)
    savepoints(source, "latin1", LETTERS[:1] + LETTERS[2:4])
    records, _ = source.stream()
    inserted = [r["after"]["id"] for r in records if r["op"] == "c" and r["table"] == "t"]
    there = [row[0] for row in source.server.query("SELECT id FROM t ORDER BY id", database="shop")]
    assert inserted == there and len(there) > 10


def test_savepoints_of_a_later_mariadb(scratch, need_sluice):  # pylint: disable=unused-argument
    source = Source(scratch, MariaDB11)
    source.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(300))", "CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
    check_savepoint_names(source)


def test_an_alter_in_two_phases_is_published_once_and_at_its_commit(source):
    if source.server.flavour != "mariadb":
        pytest.skip("MySQL has no ALTER in two phases")
    source.run("INSERT INTO t VALUES (1, 'a'), (2, 'a')", "SET SESSION binlog_alter_two_phase = 1")
    _, here = source.stream()
    source.run("ALTER TABLE t ADD y INT DEFAULT 5", "INSERT INTO t VALUES (3, 'b', 6)")
    with pytest.raises(pymysql.err.IntegrityError):
        source.run("ALTER TABLE t ADD UNIQUE (v)")
    start, commit, _, failed = [row for row in source.server.query("SHOW BINLOG EVENTS") if row[5].endswith("ALTER")
                                or " ALTER id=" in row[5]]
    assert "COMMIT" in commit[5] and "ROLLBACK" in failed[5], (start, commit, failed)
    records, end = source.stream(start=here)
    assert [(r["op"], r.get("sql") or r["after"]) for r in records] == [
        ("ddl", "ALTER TABLE t ADD y INT DEFAULT 5"), ("c", {"id": 3, "v": "b", "y": 6})]
    assert records[0]["gtid"] == commit[5].split()[1]
    between = here.replace(here[here.index("MariaDB/"):here.index('"}')],
                           "MariaDB/%s@%s:%d" % (start[5].split()[1], commit[0], commit[1]))
    assert source.stream(start=between) == (records, end)


def test_compressed_prepared_transactions(source):
    if source.server.flavour != "mysql":
        pytest.skip("MariaDB compresses events, not transactions")
    source.run("SET GLOBAL binlog_transaction_compression = ON")
    prepare(source, "old", 10, rows=50, text="z" * 200)
    source.run("FLUSH BINARY LOGS", "INSERT INTO t VALUES (1, '')")
    _, here = source.stream()
    source.run("XA COMMIT 'old'")
    records, _ = source.stream(start=here)
    assert ids(records) == [("c", 10 + i) for i in range(50)]
