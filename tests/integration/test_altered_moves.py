# tests/integration/test_altered_moves.py — DDL of every kind in the middle of moves: equal at the end, or stopped with a word.
"""Each seed is a move of its own, of one table between two servers: rows are written while the table is
copied and followed, and between them statements that alter, swap, empty or rebuild the table, here and
there on the target first. At the end either the target's rows are the source's, in HEX, or the stream
stands with an error; it never runs with a difference. SLUICE_SEEDS: seeds a server (6; --deep 200)."""

import concurrent.futures
import json
import os
import random
import subprocess
import time

import pymysql
import pytest
from fleet import program
from sluice_servers import MariaDB, MySQL, Scratch, accounts
from sluice_servers.process import wait_until

SEEDS = int(os.environ.get("SLUICE_SEEDS") or (200 if os.environ.get("SLUICE_DEEP") else 6))
FIRST = int(os.environ.get("SLUICE_SEED") or 1)
AT_ONCE = 6
SETTLE_S, UNEQUAL_S = 120, 30
TABLE = """CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n INT, e ENUM('new','paid','void') DEFAULT 'new',
    s SET('x','y','z'), d DATETIME, m DECIMAL(10,2), f FLOAT, v VARCHAR(20), c CHAR(8), u INT, UNIQUE KEY u (u))"""
COLUMNS = {  # column: definitions that ALTER moves between, the table's own first
    "n": ["INT", "BIGINT", "INT UNSIGNED", "SMALLINT", "VARCHAR(20)", "DECIMAL(12,2)"],
    "e": ["ENUM('new','paid','void')", "ENUM('void','paid','new')", "ENUM('new','open','paid','void')", "VARCHAR(10)",
          "ENUM('new','paid','void','late')"],
    "s": ["SET('x','y','z')", "SET('z','y','x')", "SET('a','x','y','z')"],
    "d": ["DATETIME", "DATETIME(6)", "DATETIME(3)", "TIMESTAMP NULL", "DATE"],
    "m": ["DECIMAL(10,2)", "DECIMAL(14,4)", "DECIMAL(10,1)", "DOUBLE"],
    "f": ["FLOAT", "DOUBLE"],
    "v": ["VARCHAR(20)", "VARCHAR(40)", "VARCHAR(3)", "CHAR(20)", "TEXT", "VARCHAR(20) CHARACTER SET latin1",
          "VARBINARY(20)"],
    "c": ["CHAR(8)", "VARCHAR(8)", "CHAR(16)"],
}


class Servers:
    """Two servers of a flavour, one daemon, and for each seed a keyspace on either side."""

    def __init__(self, flavour, keep):
        self.scratch = Scratch(keep=keep)
        make = {"mariadb": MariaDB, "mysql": MySQL}[flavour]
        self.source, self.target = (make(self.scratch.path(name), databases=[]) for name in ("a", "b"))
        for server in (self.source, self.target):
            self.scratch.servers.append(server)
            server.launch()
        for server in (self.source, self.target):
            server.finish_start()
        for seed in range(FIRST, FIRST + SEEDS):
            self.source.create_database("s%d" % seed)
            self.target.create_database("t%d" % seed)
        self.config = self.scratch.path("sluice.yaml")
        self.write_configuration()
        with open(self.scratch.path("daemon.log"), "ab") as log:
            self.daemon = subprocess.Popen([program("sluice"), "serve", "--config", self.config],
                                           env=dict(os.environ, SLUICE_FAULT="copy.round.barrier:delay=150:*"),
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.sluice("status").returncode == 0, 60, "sluice serve")

    def write_configuration(self):
        password = self.scratch.path("password")
        with open(password, "w", encoding="utf-8") as out:
            out.write(accounts.SLUICE_PASSWORD + "\n")
        os.chmod(password, 0o600)
        lines = ["name: altered", "state: " + self.scratch.path("state"), "server_ids: 910000-910999",
                 "listen: unix:" + self.scratch.path("api.sock"), "credentials:",
                 "  app: {user: %s, password_file: %s}" % (accounts.SLUICE_USER, password), "keyspaces:"]
        for seed in range(FIRST, FIRST + SEEDS):
            for side, server in (("s", self.source), ("t", self.target)):
                lines += ["  %s%d:" % (side, seed), "    shards:",
                          '      "-": {primary: "%s", database: %s%d, credentials: app}' % (server.address, side, seed)]
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")

    def sluice(self, *words):
        return subprocess.run([program("sluice"), *words, "--config", self.config], capture_output=True, text=True,
                              timeout=120, stdin=subprocess.DEVNULL, check=False)

    def close(self):
        self.daemon.kill()
        self.daemon.wait()
        self.scratch.close()


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def pair(request, need_sluice_here):  # pylint: disable=unused-argument
    made = Servers(request.param, request.config.getoption("--keep"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def need_sluice_here():
    if not os.path.exists(program("sluice")):
        pytest.skip("build/sluice is not built")


class Move:
    """One seed: the move, its workload, what was done, and the verdict."""

    def __init__(self, pair, seed):  # pylint: disable=redefined-outer-name
        self.pair, self.seed, self.rng = pair, seed, random.Random(seed)
        self.source_db, self.target_db = "s%d" % seed, "t%d" % seed
        self.source = pair.source.connect(database=self.source_db, autocommit=True)
        self.target = pair.target.connect(database=self.target_db, autocommit=True)
        self.done = []

    def close(self):
        self.source.close()
        self.target.close()

    def run(self, connection, sql, where="source"):
        """Errors of the statement's own (a value that does not fit, a table that is gone) are the application's."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
            self.done.append("%s: %s" % (where, sql[:200]))
            return True
        except pymysql.MySQLError as error:
            self.done.append("%s: %s -- %s" % (where, sql[:200], error.args[0]))
            return False

    def workflow(self, verb, *words):
        return self.pair.sluice("movetables", "--workflow", "w%d" % self.seed, "--target-keyspace", self.target_db, verb,
                                *words)

    def stream(self):
        """(state, message) of the one stream."""
        status = json.loads(self.workflow("status", "--format", "json").stdout)
        streams = [stream for shard in status["shard_streams"].values() for stream in shard["streams"]]
        return [(stream.get("status") or stream.get("state"), stream.get("message") or stream.get("info") or "")
                for stream in streams][0]

    # --- the workload ---

    def value(self, column):
        rng = self.rng
        return {"n": lambda: rng.choice(("7", "-3", "4294967301", "3000000000", "'12'")),
                "e": lambda: rng.choice(("'new'", "'paid'", "'void'", "'open'")),
                "s": lambda: rng.choice(("'x'", "'y,z'", "'z'", "''")),
                "d": lambda: rng.choice(("'2024-01-01 23:59:59.75'", "'2020-02-29 01:02:03'", "NULL")),
                "m": lambda: rng.choice(("1.25", "1.2345", "99999.99", "NULL")),
                "f": lambda: rng.choice(("0.1234567890123", "1.5")),
                "v": lambda: rng.choice(("'abc'", "'tail  '", "'h\u00e9llo'", "'abcdefghij'")),
                "c": lambda: rng.choice(("'y '", "'long one'", "'z'")),
                "u": lambda: rng.choice(("NULL", str(rng.randrange(60))))}[column]()

    def write(self):
        rng, key = self.rng, self.rng.randrange(1, 60)
        names = rng.sample(sorted(COLUMNS) + ["u"], 3)
        what = rng.randrange(10)
        if what < 4:
            return "REPLACE INTO t (id,%s) VALUES (%d,%s)" % (",".join(names), key, ",".join(map(self.value, names)))
        if what < 8:
            return "UPDATE t SET %s WHERE id=%d" % (", ".join("%s=%s" % (n, self.value(n)) for n in names), key)
        return "DELETE FROM t WHERE id=%d" % key

    def modify(self):
        column = self.rng.choice(sorted(COLUMNS))
        return "ALTER TABLE t MODIFY %s %s" % (column, self.rng.choice(COLUMNS[column]))

    def other_ddl(self):
        rng, one = self.rng, self.rng.choice
        return one([
            ["ALTER TABLE t ADD COLUMN x%d INT DEFAULT %d" % (rng.randrange(3), rng.randrange(9))],
            ["ALTER TABLE t DROP COLUMN %s" % one(sorted(COLUMNS))],
            ["ALTER TABLE t DROP COLUMN n, ADD COLUMN n INT DEFAULT 5"],
            ["ALTER TABLE t CHANGE n k INT, CHANGE u n INT, CHANGE k u INT"],
            ["ALTER TABLE t DROP INDEX u"],
            ["ALTER TABLE t ADD KEY (v(3))"],
            ["ALTER TABLE t ENGINE=InnoDB"],
            ["ALTER TABLE t CONVERT TO CHARACTER SET latin1"],
            ["ALTER TABLE t MODIFY n INT FIRST"],
            ["TRUNCATE TABLE t"],
            ["TRUNCATE t"],
            ["CREATE TABLE t_new LIKE t", "INSERT INTO t_new (id) VALUES (1),(70)", "RENAME TABLE t TO t_old, t_new TO t"],
            ["CREATE TABLE o (id INT PRIMARY KEY)", "DROP TABLE o"],
            ["ALTER TABLE t PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (20), PARTITION p1 VALUES LESS THAN "
             "MAXVALUE)", "ALTER TABLE t TRUNCATE PARTITION p0"],
            ["OPTIMIZE TABLE t"], ["ANALYZE TABLE t"],
            ["DROP TABLE t", TABLE]])

    def disturb(self):
        what = self.rng.random()
        if self.rng.random() < 0.3:  # an ALTER may cut values then
            self.run(self.source, "SET SESSION sql_mode=''")
        if what < 0.55:
            ddl = self.modify()
            first = self.rng.random() < 0.25
            if first:
                self.run(self.target, ddl, "target")
            self.run(self.source, ddl)
            if not first and self.rng.random() < 0.2:
                self.run(self.target, ddl, "target")
        else:
            for sql in self.other_ddl():
                self.run(self.source, sql)
        self.run(self.source, "SET SESSION sql_mode='STRICT_ALL_TABLES'")

    def load(self):
        self.run(self.source, TABLE)
        self.run(self.source, "INSERT INTO t (id,n,e,s,d,m,f,v,c,u) WITH RECURSIVE q(i) AS (SELECT 1 UNION ALL SELECT "
                              "i+1 FROM q WHERE i<50) SELECT i,i,1+i MOD 3,i MOD 8,'2024-01-01 10:00:00',i,i,'v','c',i FROM q")

    def work(self):
        copying = self.rng.random() < 0.6
        done = self.workflow("create", "--source-keyspace", self.source_db, "--tables", "t", "--on-ddl",
                             self.rng.choice(("IGNORE", "IGNORE", "STOP")))
        assert done.returncode == 0, done.stderr
        if not copying:
            wait_until(lambda: self.stream()[0] in ("Running", "Error"), 60, "the copy of seed %d" % self.seed)
        for step in range(self.rng.randrange(20, 60)):
            if step % 10 == 5 and self.rng.random() < 0.5:
                self.disturb()
            self.run(self.source, self.write())
            if self.rng.random() < 0.3:
                time.sleep(0.01)
        self.run(self.source, "REPLACE INTO t (id) VALUES (55)")

    # --- the judge ---

    def rows(self, connection, database):
        with connection.cursor() as cursor:
            cursor.execute("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME='t' "
                           "ORDER BY COLUMN_NAME", (database,))
            names = [row[0] for row in cursor.fetchall()]
            if not names:
                return None
            cursor.execute("SET time_zone='+00:00'")
            cursor.execute("SELECT " + ",".join("HEX(CONVERT(`%s` USING utf8mb4))" % n for n in names) + " FROM t")
            return names, sorted(cursor.fetchall(), key=repr)

    def equal(self):
        return self.rows(self.source, self.source_db) == self.rows(self.target, self.target_db)

    def verdict(self):
        """"" when the rule holds."""
        begin, settled = time.monotonic(), None
        while time.monotonic() - begin < SETTLE_S:
            state, message = self.stream()
            if state not in ("Running", "Copying") and message:
                return ""
            if state == "Running":
                if self.equal():
                    return ""
                settled = settled or time.monotonic()
                if time.monotonic() - settled > UNEQUAL_S:
                    break
            time.sleep(0.1)
        return "seed %d: %s %s\nsource %s\ntarget %s\n%s" % (
            self.seed, state, message, self.rows(self.source, self.source_db), self.rows(self.target, self.target_db),
            "\n".join(line for line in self.done if "ALTER" in line or "TABLE" in line or "TRUNC" in line))


def one_seed(pair, seed):  # pylint: disable=redefined-outer-name
    move = Move(pair, seed)
    try:
        move.load()
        move.work()
        return move.verdict(), move.stream()
    finally:
        move.workflow("cancel")
        move.close()


def test_a_move_under_ddl_is_equal_or_stands_with_a_word(pair, record_property):  # pylint: disable=redefined-outer-name
    seeds = range(FIRST, FIRST + SEEDS)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda seed: one_seed(pair, seed), seeds))
    ran = sum(1 for _, (state, _) in results if state == "Running")
    for seed, (_, (state, message)) in zip(seeds, results):
        print("seed %d: %s %s" % (seed, state, message[:160]))
    bad = [verdict for verdict, _ in results if verdict]
    record_property("ddl_seeds", SEEDS)
    assert not bad, "\n\n".join(bad)
    assert SEEDS < 6 or 0 < ran < SEEDS, "%d of %d ran to the end: the workload is too tame or too wild" % (ran, SEEDS)
