# tests/integration/test_table_shapes.py — tables that are unusual as tables: very wide, without a key, with hidden columns.
"""Each is read from its server's own files, and is what that server says of the same rows."""
import json

import pytest
from sluice_servers import MariaDB, MySQL
from test_values import BOTH, SERVERS, decode


@pytest.fixture(name="server", params=BOTH)
def server_fixture(scratch, need_sluice, request):  # pylint: disable=unused-argument
    return scratch.start(SERVERS[request.param], "shapes", databases=["d"])


def records_of(server, *statements):
    """The row changes of tables in d that the statements make."""
    connection = server.connect(database="d")
    with connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
        cursor.execute("FLUSH BINARY LOGS")
    connection.close()
    return [r for r in map(json.loads, decode(server, "--tables", "d.*")) if r["op"] in "cud"]


def test_tables_as_wide_as_their_server_allows(server):
    """4,096 columns, which InnoDB does not reach; MariaDB keeps a definition of at most 64 KiB, names and all."""
    n_columns = 2700 if isinstance(server, MariaDB) else 4096
    names = ["c%d" % n for n in range(n_columns)]
    values = ["NULL" if n % 3 == 1 else str(n % 100) for n in range(n_columns)]
    insert, update = records_of(
        server, "CREATE TABLE wide (%s) ENGINE=MyISAM" % ", ".join("%s TINYINT" % n for n in names),
        "INSERT INTO wide VALUES (%s)" % ", ".join(values), "UPDATE wide SET %s = 7, c1 = 8, c2 = NULL" % names[-1])
    expected = {n: None if v == "NULL" else int(v) for n, v in zip(names, values)}
    assert insert["after"] == expected and update["before"] == expected
    assert update["after"] == {**expected, names[-1]: 7, "c1": 8, "c2": None}
    assert list(insert["after"]) == names and insert["key"] is None


def test_a_table_without_a_key_has_each_of_its_equal_rows(server):
    records = records_of(server, "CREATE TABLE bag (a INT, b VARCHAR(10))", "INSERT INTO bag VALUES (1,'x'),(1,'x'),(2,NULL)",
                         "UPDATE bag SET b = 'y' WHERE a = 1 LIMIT 1", "DELETE FROM bag WHERE a = 1")
    assert [(r["op"], r["before"], r["after"]) for r in records] == [
        ("c", None, {"a": 1, "b": "x"}), ("c", None, {"a": 1, "b": "x"}), ("c", None, {"a": 2, "b": None}),
        ("u", {"a": 1, "b": "x"}, {"a": 1, "b": "y"}), ("d", {"a": 1, "b": "y"}, None), ("d", {"a": 1, "b": "x"}, None)]
    assert all(r["key"] is None for r in records)


def test_invisible_and_generated_columns_are_columns(server):
    hidden = "INVISIBLE" if isinstance(server, MariaDB) else "/*!80023 INVISIBLE */"
    insert, update = records_of(
        server, "CREATE TABLE g (id INT PRIMARY KEY, h INT DEFAULT 5 %s, s INT GENERATED ALWAYS AS (id + 1) STORED, "
        "v INT GENERATED ALWAYS AS (id * 2) VIRTUAL, t VARCHAR(9))" % hidden,
        "INSERT INTO g (id, t) VALUES (1, 'a')", "UPDATE g SET id = 3, h = 6")
    stored = server.query("SELECT id, h, s, t FROM d.g")[0]
    image = update["after"]
    assert (image["id"], image["h"], image["s"], image["t"]) == stored
    assert insert["after"]["h"] == 5 and insert["after"]["s"] == 2 and insert["key"] == {"id": 1}
    assert image.get("v", 6) == 6  # a server may leave a virtual column out of its log, but not change it


def test_a_functional_key_adds_no_column(server):
    if isinstance(server, MariaDB):
        pytest.skip("MariaDB has no functional keys")
    insert, update = records_of(
        server, "CREATE TABLE f (id INT PRIMARY KEY, a VARCHAR(20), b INT, UNIQUE KEY k ((UPPER(a)), b))",
        "INSERT INTO f VALUES (1, 'abc', 2)", "UPDATE f SET a = 'xyz'")
    assert insert["after"] == {"id": 1, "a": "abc", "b": 2}
    assert update["before"] == insert["after"] and update["after"] == {"id": 1, "a": "xyz", "b": 2}


def test_a_system_versioned_table_shows_its_history(server):
    """An update writes the old row as history: the log has both, with the periods that the server says."""
    if isinstance(server, MySQL):
        pytest.skip("MySQL has no system-versioned tables")
    records = records_of(
        server, "CREATE TABLE sv (id INT PRIMARY KEY, x INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, "
        "e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
        "INSERT INTO sv (id, x) VALUES (1, 10)", "UPDATE sv SET x = 20", "DELETE FROM sv")
    connection = server.connect(database="d")
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SELECT id, x, CAST(s AS CHAR), CAST(e AS CHAR) FROM sv FOR SYSTEM_TIME ALL ORDER BY x")
        history = cursor.fetchall()
    connection.close()
    rows = {}  # the table as the records leave it: all periods
    for r in records:
        if r["before"]:
            del rows[r["before"]["id"], r["before"]["e"]]
        if r["after"]:
            rows[r["after"]["id"], r["after"]["e"]] = tuple(r["after"].values())
    assert sorted(rows.values(), key=lambda row: row[1]) == list(history)
    hidden = records_of(server, "CREATE TABLE sh (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", "INSERT INTO sh VALUES (4)")
    assert hidden[-1]["after"]["id"] == 4 and hidden[-1]["table"] == "sh"
