# tests/integration/test_matrix.py — each client library on each server by each kind of position: changes read exactly, across killed connections.
"""A cell writes seeded inserts, updates and deletes of several types while `sluice stream` reads them and its dump is
killed again and again. What the stream says, applied to an empty table, has to equal the server's own SELECT, with
every change there once. The matrix stands as a table below pytest's summary."""

import json
import os
import random
import signal
import subprocess
import threading
from decimal import Decimal

import fleet as fleet_module
import pytest
from sluice_servers import MariaDB, MariaDB11, MySQL, Scratch, ServerError, accounts
from sluice_servers.process import PATIENCE_S, wait_until

SERVERS = {"MariaDB 10.11": MariaDB, "MariaDB 11.8": MariaDB11, "MySQL 9.7": MySQL}
CLIENTS = ("Connector/C", "libmysqlclient")
MODES = ("GTID", "file:pos", "GTID off")
TRANSACTIONS, KILLS = 120, 3
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

COLUMNS = ("id INT NOT NULL PRIMARY KEY, big BIGINT UNSIGNED, exact DECIMAL(30,10), near DOUBLE, text VARCHAR(300), "
           "bytes VARBINARY(300), at DATETIME(6), took TIME(3), kind ENUM('one','zwei','три'), doc JSON, filler LONGTEXT")
NAMES = [part.split()[0] for part in COLUMNS.replace("(30,10)", "").split(", ")]
# As the stream prints them; everything is compared as text but documents, numbers and bytes.
SELECT = ("SELECT id, big, CAST(exact AS CHAR), near, text, TO_BASE64(bytes), CAST(at AS CHAR), CAST(took AS CHAR), kind, "
          "doc, filler FROM %s ORDER BY id")


def build_of(client):
    """The build folder whose sluice was made on that library."""
    if client == "Connector/C":
        return fleet_module.build_dir()
    return os.environ.get("SLUICE_BUILD_LIBMYSQLCLIENT", os.path.join(ROOT, "build", "libmysqlclient"))


def pytest_generate_tests(metafunc):
    cells = [(name, mode, client) for name in SERVERS for mode in MODES for client in CLIENTS]
    metafunc.parametrize("server,mode,client", [((name, mode != "GTID off"), mode, client) for name, mode, client in cells],
                         ids=["matrix %s, %s, %s" % cell for cell in cells], indirect=["server"])


@pytest.fixture(scope="module")
def server(request):
    name, gtid = request.param
    with Scratch() as scratch:
        try:
            started = scratch.start(SERVERS[name], "server", gtid=gtid, databases=["shop"])
        except ServerError as error:
            pytest.skip(str(error))
        started.matrix_name = name
        yield started


def position(server, mode):
    """Where the log ends now, as a VGTID of that kind."""
    mysql = server.flavour == "mysql"
    if mode == "GTID":
        found = server.query("SELECT @@gtid_executed" if mysql else "SELECT @@gtid_binlog_pos")[0][0]
        text = ("MySQL56/" if mysql else "MariaDB/") + found.replace("\n", "")
    else:
        text = "FilePos/%s:%s" % server.query("SHOW BINARY LOG STATUS" if mysql else "SHOW MASTER STATUS")[0][:2]
    return json.dumps([{"keyspace": "shop", "shard": "-", "gtid": text}])


class Reader:
    """`sluice stream` of one table, and what it has printed."""

    def __init__(self, server, client, mode, table, folder):
        self.records, self.errors = [], os.path.join(folder, "stream.err")
        password, config = os.path.join(folder, "pw"), os.path.join(folder, "sluice.yaml")
        with open(password, "w", encoding="ascii") as out:
            out.write(accounts.SLUICE_PASSWORD)
        os.chmod(password, 0o600)
        with open(config, "w", encoding="utf-8") as out:
            out.write("name: matrix\nstate: %s/state\nserver_ids: 910000-910099\ncredentials:\n"
                      "  app: {user: %s, password_file: %s}\nkeyspaces:\n  shop:\n    shards:\n"
                      '      "-": {primary: "%s", database: shop, credentials: app}\n'
                      % (folder, accounts.SLUICE_USER, password, server.address))
        words = [os.path.join(build_of(client), "sluice"), "stream", "--config", config, "--keyspace", "shop",
                 "--tables", table, "--from", position(server, mode)]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.records.append(json.loads(line))

    def wait_for(self, count, what):
        wait_until(lambda: len(self.records) >= count or self.process.poll() is not None, 60, what)
        assert self.process.poll() is None, self.said()

    def said(self):
        with open(self.errors, encoding="utf-8", errors="replace") as text:
            return text.read()[-3000:]

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE_S)
        self.thread.join()
        self.process.stdout.close()


class Writer:
    """Seeded transactions on a table of its own; counts the row changes that were committed."""

    def __init__(self, server, table, seed):
        self.draw, self.table, self.changes, self.ids, self.next_id = random.Random(seed), table, 0, [], 1
        self.connection = server.connect(database="shop")
        self.connection.autocommit(False)

    def values(self):
        r = self.draw
        text = "".join(r.choice("abc XYZ'\\\"\näß€☃漢字😀") for _ in range(r.randrange(60)))
        return [r.choice((None, 0, 18446744073709551615, r.getrandbits(64))),
                r.choice((None, "-0.0000000001", "%d.%010d" % (r.getrandbits(60), r.randrange(10 ** 10)))),
                r.choice((None, 0.1, -2.5e-300, r.uniform(-1e9, 1e9))), r.choice((None, "", text)),
                r.choice((None, b"", bytes(r.getrandbits(8) for _ in range(r.randrange(200))))),
                r.choice((None, "1000-01-01 00:00:00", "2026-02-%02d 23:59:59.%06d" % (r.randint(1, 28), r.randrange(10 ** 6)))),
                r.choice((None, "-838:59:59", "%d:00:01.%03d" % (r.randrange(800), r.randrange(1000)))),
                r.choice((None, "one", "zwei", "три")), r.choice((None, json.dumps({"a": [r.randrange(99), None, text]}))),
                r.choice((None, None, None, "f" * r.choice((70000, 300000))))]

    def insert(self, cursor):
        cursor.execute("INSERT INTO %s VALUES (%s)" % (self.table, ",".join(["%s"] * 11)), [self.next_id] + self.values())
        self.ids.append(self.next_id)
        self.next_id += 1

    def update(self, cursor):
        sets = ",".join(name + "=%s" for name in NAMES[1:])
        # Every update changes something, or the log would not have it.
        cursor.execute("UPDATE %s SET %s, text=CONCAT('#%d ', COALESCE(text,'')) WHERE id=%%s"
                       % (self.table, sets, self.changes), self.values() + [self.draw.choice(self.ids)])

    def delete(self, cursor):
        cursor.execute("DELETE FROM %s WHERE id=%d"
                       % (self.table, self.ids.pop(self.draw.randrange(len(self.ids)))))

    def transaction(self):
        size = self.draw.choice((1, 1, 2, 5, 40))
        with self.connection.cursor() as cursor:
            for _ in range(size):
                kinds = [self.insert] * 3 + ([self.update, self.update, self.delete] if self.ids else [])
                self.draw.choice(kinds)(cursor)
                self.changes += 1
        self.connection.commit()


def dumps(server):
    return {row[0] for row in server.query("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")}


def kill_dump(server):
    """Kills the stream's dump and waits until it has opened another."""
    wait_until(lambda: dumps(server), 30, "a dump")
    old = dumps(server)
    for number in old:
        server.query("KILL %d" % number)
    wait_until(lambda: dumps(server) - old, 30, "a dump after the killed one")


def comparable(name, value):
    if value is None:
        return None
    if name == "doc":
        return json.loads(value) if isinstance(value, str) else value
    if name in ("exact", "near"):
        return Decimal(str(value)) if name == "exact" else float(value)
    if name == "bytes":
        return str(value).replace("\n", "")
    return value


def applied(records):
    """The table as the stream tells it."""
    rows = {}
    for record in records:
        before, after = record.get("before"), record.get("after")
        if record["op"] == "c":
            assert after["id"] not in rows, "inserted twice"
        else:
            assert rows.pop(before["id"]) == before, "the before image is not what was there"
        if after:
            rows[after["id"]] = after
    return [[comparable(name, rows[key][name]) for name in NAMES] for key in sorted(rows)]


def run_cell(server, mode, client, folder):
    table = "t_" + ("c" if client == CLIENTS[0] else "m") + {"GTID": "g", "file:pos": "f", "GTID off": "o"}[mode]
    with server.connect(database="shop") as root, root.cursor() as cursor:
        cursor.execute("CREATE TABLE %s (%s)" % (table, COLUMNS))
    reader, writer = Reader(server, client, mode, table, folder), Writer(server, table, table)
    try:
        writer.transaction()
        reader.wait_for(writer.changes, "the first rows")
        for _ in range(KILLS):
            for _ in range(TRANSACTIONS // (2 * KILLS)):
                writer.transaction()
            kill_dump(server)
            for _ in range(TRANSACTIONS // (2 * KILLS)):
                writer.transaction()
        reader.wait_for(writer.changes, "all rows")
    finally:
        reader.close()
        writer.connection.close()
    assert len(reader.records) == writer.changes
    said = [[comparable(name, value) for name, value in zip(NAMES, row)] for row in server.query(SELECT % table, database="shop")]
    assert applied(reader.records) == said
    return writer.changes


@pytest.fixture
def cell(request, server, mode, client):
    """Where a test puts its cell's word; failed unless it does."""
    table = request.config.matrix_cells
    key = (client, server.matrix_name, mode)
    table[key] = "failed"

    def put(word):
        table[key] = word

    yield put


def test_matrix(server, mode, client, cell, tmp_path):
    if not os.path.exists(os.path.join(build_of(client), "sluice")):
        cell("not built")
        pytest.skip("no sluice on %s in %s" % (client, build_of(client)))
    said = subprocess.run([os.path.join(build_of(client), "sluice"), "--version"], check=True, capture_output=True,
                          text=True).stdout
    assert client in said
    cell("ok, %d changes" % run_cell(server, mode, client, str(tmp_path)))
