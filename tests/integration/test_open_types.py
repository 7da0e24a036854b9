# tests/integration/test_open_types.py — MariaDB's types that its log does not tell: one form, whenever the log is read.
"""UUID, INET4, INET6, JSON and VECTOR look like BINARY, LONGTEXT and VARBINARY in the log, also where it has all names;
times of the format from before 10.1.2 do not say their digits. The oracle is the server's own text of the same rows."""

import random

import pytest
from one_source import Source
from sluice_servers import MariaDB11

COLUMNS = ("id INT PRIMARY KEY, u UUID, i INET6, f INET4, j JSON, v VECTOR(2), b BINARY(16), w VARBINARY(8), "
           "l LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
VALUES = "'12345678-1234-1234-8234-123456789012', '1:2:3:4:5:6:7:0', '1.2.3.4', '[1]', VEC_FromText('[1,2]'), 'b', 'w', '[1]'"
FORM = {"u": "12345678-1234-1234-8234-123456789012", "i": "1:2:3:4:5:6:7::", "f": "1.2.3.4", "j": [1], "v": [1, 2],
        "b": "YgAAAAAAAAAAAAAAAAAAAA==", "w": "dw==", "l": "[1]"}


def draw_address(draws):
    """Groups that are mostly zero, now and then mapped or compatible."""
    groups = [draws.choice(("0", "0", "%x" % draws.getrandbits(16))) for _ in range(8)]
    return draws.choice((":".join(groups), "::%d.%d.0.1" % (draws.getrandbits(8), draws.getrandbits(8)),
                         "::ffff:0.0.%d.1" % draws.getrandbits(8)))


@pytest.fixture
def source(scratch, need_sluice):
    return Source(scratch, MariaDB11, metadata="FULL")


def rows_of(records, table):
    return [r["after"] for r in records if r["op"] == "c" and r["table"] == table]


def test_types_that_look_like_others_have_one_form(source):
    draws = random.Random(10)
    source.run("CREATE TABLE a (%s)" % COLUMNS, "INSERT INTO a VALUES (1, %s)" % VALUES,
               "ALTER TABLE a ADD y INT AFTER u, ADD KEY (i), ADD COLUMN (z UUID)", "ALTER TABLE a DROP COLUMN y",
               "INSERT INTO a VALUES (2, %s, NULL)" % VALUES,
               "CREATE TABLE plain (id INT PRIMARY KEY, b BINARY(16))", "INSERT INTO plain VALUES (1, 'b')", "DROP TABLE plain",
               "CREATE TABLE n (id INT PRIMARY KEY, i INET6)",
               "INSERT INTO n VALUES " + ", ".join("(%d, '%s')" % (k, draw_address(draws)) for k in range(500)))
    records, _ = source.stream()
    assert rows_of(records, "a") == [{"id": 1, **FORM}, {"id": 2, **FORM, "z": None}]
    assert rows_of(records, "plain") == [{"id": 1, "b": FORM["b"]}]
    assert [(r["id"], r["i"]) for r in rows_of(records, "n")] == list(source.server.query("SELECT id, i FROM n ORDER BY id", database="shop"))
    source.run("ALTER TABLE a MODIFY u CHAR(36)")
    assert [r["after"]["u"] for r in source.stream("--copy", start="current")[0] if r["table"] == "a" and r["op"] == "r"] == [FORM["u"]] * 2
    _, error = source.stream(ok=False)
    assert "shop.a: the type of its column u at" in error and "start at" in error


def test_times_of_the_old_format_are_the_servers(source):
    source.server.query("SET GLOBAL mysql56_temporal_format = OFF")
    columns = ["%s%d %s(%d)" % (kind[0] + kind[-1], n, kind, n) for n in range(7) for kind in ("TIME", "DATETIME", "TIMESTAMP")]
    values = [("-838:59:59.999999", "9999-12-31 23:59:59.999999", "2038-01-19 03:14:07.999999"),
              ("00:00:00", "0001-01-01 00:00:00", "1970-01-01 00:00:01"),
              ("-00:00:00.000001", "2024-05-06 00:00:00", "2024-03-31 02:30:00.1"), ("838:59:59.5", "2024-02-29 07:08:09.123456", None)]
    source.run("SET time_zone = '+00:00', sql_mode = ''", "CREATE TABLE t (id INT PRIMARY KEY, %s)" % ", ".join(
        c + " NULL" for c in columns))
    source.run("SET time_zone = '+00:00', sql_mode = ''", "INSERT INTO t VALUES " + ", ".join(
        "(%d, %s)" % (k, ", ".join("NULL" if value is None else "'%s'" % value for _ in range(7) for value in row))
        for k, row in enumerate(values * 2)))
    names = [c.split()[0] for c in columns]
    source.run("ALTER TABLE t ADD later INT")
    copied, _ = source.stream("--copy", start="current")
    logged, _ = source.stream()
    connection = source.server.connect(database="shop")
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SELECT id, %s FROM t ORDER BY id" % ", ".join("CAST(%s AS CHAR)" % n for n in names))
        expected = [dict(zip(["id", *names], row)) for row in cursor.fetchall()]
    connection.close()
    assert rows_of(logged, "t") == expected
    assert [{k: v for k, v in r["after"].items() if k != "later"} for r in copied if r["op"] == "r"] == expected
