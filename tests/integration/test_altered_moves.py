# tests/integration/test_altered_moves.py — DDL of every kind in the middle of moves: equal at the end, or stopped with a word.
"""Each seed is a move of its own, of one table between two servers: rows are written while the table is
copied and followed, and between them statements that alter, swap, empty or rebuild the table, here and
there on the target first. At the end either the target's rows are the source's, in HEX, or the stream
stands with an error; it never runs with a difference. Half of those that run are switched: that is
refused, or the rows are still the source's. SLUICE_SEEDS: seeds a server (6; --deep 200)."""

import concurrent.futures
import json
import os
import random
import re
import subprocess
import time

import pymysql
import pytest
from fleet import program
from sluice_servers import MariaDB, MariaDB11, MySQL, Scratch, ServerError, accounts
from sluice_servers.process import wait_until

SEEDS = int(os.environ.get("SLUICE_SEEDS") or (200 if os.environ.get("SLUICE_DEEP") else 6))
FIRST = int(os.environ.get("SLUICE_SEED") or 1)
FLAVOURS = os.environ.get("SLUICE_FLAVOURS") or (
    "mariadb,mysql,mariadb11" if os.environ.get("SLUICE_DEEP") else "mariadb,mysql")
AT_ONCE = 6
SETTLE_S, UNEQUAL_S = 180, 10
TABLE = """CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n INT, e ENUM('new','paid','void') DEFAULT 'new',
    s SET('x','y','z'), d DATETIME, m DECIMAL(10,2), f FLOAT, v VARCHAR(20), c CHAR(8), u INT, b BIT(10), h TIME, j JSON,
    g INT AS (id * 2) VIRTUAL, UNIQUE KEY u (u))"""
PARTED = (" PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (20), PARTITION p1 VALUES LESS THAN (40), "
          "PARTITION p2 VALUES LESS THAN MAXVALUE)")
TABLES = [TABLE, TABLE, TABLE.replace("UNIQUE KEY u (u)", "KEY u (u)") + PARTED]
COLUMNS = {  # column: definitions that ALTER moves between, the table's own first
    "n": ["INT", "BIGINT", "INT UNSIGNED", "SMALLINT", "VARCHAR(20)", "DECIMAL(12,2)",
          "INT INVISIBLE", "INT NOT NULL DEFAULT 5"],
    "e": ["ENUM('new','paid','void')", "ENUM('void','paid','new')", "ENUM('new','open','paid','void')", "VARCHAR(10)",
          "ENUM('new','paid','void','late')", "ENUM('new','paid','void') CHARACTER SET latin1", "INT"],
    "s": ["SET('x','y','z')", "SET('z','y','x')", "SET('a','x','y','z')", "BIGINT"],
    "d": ["DATETIME", "DATETIME(6)", "DATETIME(3)", "TIMESTAMP NULL", "DATE", "TIMESTAMP(6) NULL",
          "DATETIME NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP"],
    "m": ["DECIMAL(10,2)", "DECIMAL(14,4)", "DECIMAL(10,1)", "DOUBLE", "DECIMAL(10,2) UNSIGNED"],
    "f": ["FLOAT", "DOUBLE", "DECIMAL(20,10)", "FLOAT UNSIGNED"],
    "v": ["VARCHAR(20)", "VARCHAR(40)", "VARCHAR(3)", "CHAR(20)", "TEXT", "VARCHAR(20) CHARACTER SET latin1",
          "VARBINARY(20)", "VARCHAR(20) COLLATE utf8mb4_bin", "VARCHAR(20) CHARACTER SET utf16"],
    "c": ["CHAR(8)", "VARCHAR(8)", "CHAR(16)", "BINARY(8)", "CHAR(8) CHARACTER SET ucs2"],
    "b": ["BIT(10)", "BIT(12)", "BIT(3)", "INT"],
    "h": ["TIME", "TIME(3)", "DATETIME", "VARCHAR(20)"],
    "j": ["JSON", "LONGTEXT", "LONGBLOB"],
}


class Servers:
    """Two servers of a flavour, one daemon, and for each seed a keyspace on either side."""

    def __init__(self, flavour, keep):
        self.scratch = Scratch(keep=keep)
        make = {"mariadb": MariaDB, "mariadb11": MariaDB11, "mysql": MySQL}[flavour]
        self.source, self.target = (make(self.scratch.path(name), databases=[]) for name in ("a", "b"))
        for server in (self.source, self.target):
            self.scratch.servers.append(server)
            server.launch()
        for server in (self.source, self.target):
            server.finish_start()
        for seed in range(FIRST, FIRST + SEEDS + 2):  # two are for what comes behind the seeds
            self.source.create_database("s%d" % seed)
            self.source.create_database("s%dx" % seed)
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
        for seed in range(FIRST, FIRST + SEEDS + 2):  # two are for what comes behind the seeds
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


@pytest.fixture(scope="module", params=FLAVOURS.split(","))
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
        self.table = self.rng.choice(TABLES)
        self.done, self.alone = [], False

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
        return self.full_stream()[:2]

    def full_stream(self):
        """(state, message, (file, offset)) of the one stream."""
        status = json.loads(self.workflow("status", "--format", "json").stdout)
        streams = [stream for shard in status["shard_streams"].values() for stream in shard["streams"]]
        place = re.search(r"@([^:]+):(\d+)", streams[0].get("position") or "")
        return (streams[0].get("status") or streams[0].get("state"),
                streams[0].get("message") or streams[0].get("info") or "",
                (place.group(1), int(place.group(2))) if place else ("", 0))

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
                "b": lambda: rng.choice(("5", "1023", "NULL")),
                "h": lambda: rng.choice(("'-10:00:00.25'", "'100:01:02'", "NULL")),
                "j": lambda: rng.choice(("'{\"a\": 1.0}'", "'[1, \"2\", null]'", "NULL")),
                "u": lambda: rng.choice(("NULL", str(rng.randrange(60))))}[column]()

    def write(self):
        rng, key = self.rng, self.rng.randrange(1, 60)
        names = rng.sample(sorted(COLUMNS) + ["u"], 3)
        what = rng.randrange(13)
        if what == 10:
            return "UPDATE t JOIN (SELECT id AS i, u AS k FROM t) q ON q.i=t.id+1 SET t.n=q.k WHERE t.id<%d" % key
        if what == 11:
            return "DELETE t FROM t JOIN (SELECT %d AS i) q ON q.i=t.id" % key
        if what == 12:
            return "UPDATE t SET id=id+100 WHERE id=%d" % key
        if what < 4:
            return "REPLACE INTO t (id,%s) VALUES (%d,%s)" % (",".join(names), key, ",".join(map(self.value, names)))
        if what < 8:
            return "UPDATE t SET %s WHERE id=%d" % (", ".join("%s=%s" % (n, self.value(n)) for n in names), key)
        return "DELETE FROM t WHERE id=%d" % key

    def modify(self):
        column = self.rng.choice(sorted(COLUMNS))
        return "ALTER TABLE t MODIFY %s %s" % (column, self.rng.choice(COLUMNS[column]))

    def columns_ddl(self):
        """Columns come, go, change places and what stands in them."""
        rng, one = self.rng, self.rng.choice
        new = one(["INT DEFAULT (id)", "VARCHAR(9) CHARACTER SET latin1 DEFAULT '\u00e9'", "DOUBLE DEFAULT 0.1 FIRST",
                   "TIMESTAMP NULL DEFAULT '2020-01-01 00:00:00'", "TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
                   "DECIMAL(6,4) NOT NULL DEFAULT '1.50001'", "ENUM('p','q') NOT NULL", "INT AS (id + 1) STORED",
                   "INT INVISIBLE DEFAULT 4", "DATE NOT NULL DEFAULT '2020-02-29' AFTER n"])
        return one([
            ["ALTER TABLE t ADD COLUMN x%d INT DEFAULT %d" % (rng.randrange(3), rng.randrange(9))],
            ["ALTER TABLE t ADD COLUMN w %s" % new],
            ["ALTER TABLE t DROP COLUMN %s" % one(sorted(COLUMNS))],
            ["ALTER TABLE t DROP COLUMN n, ADD COLUMN n INT DEFAULT 5"],
            ["ALTER TABLE t CHANGE n k INT, CHANGE u n INT, CHANGE k u INT"],
            ["ALTER TABLE t RENAME COLUMN n TO u, RENAME COLUMN u TO n"],
            ["ALTER TABLE t RENAME COLUMN v TO k", "ALTER TABLE t RENAME COLUMN c TO v",
             "ALTER TABLE t RENAME COLUMN k TO c"],
            ["ALTER TABLE t MODIFY n INT FIRST"], ["ALTER TABLE t MODIFY id BIGINT NOT NULL"],
            ["ALTER TABLE t MODIFY g INT AS (id * 3) VIRTUAL"],
            ["ALTER TABLE t DROP COLUMN g, ADD COLUMN g INT AS (id + 7) STORED"],
            ["ALTER TABLE t DROP COLUMN g", "ALTER TABLE t ADD COLUMN g INT", "UPDATE t SET g=id WHERE id<30"],
            ["ALTER TABLE t ALTER COLUMN n SET DEFAULT 77", "REPLACE INTO t (id) VALUES (31)"],
            ["ALTER TABLE t CONVERT TO CHARACTER SET latin1"],
            ["ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]])

    def keys_ddl(self):
        return self.rng.choice([
            ["ALTER TABLE t DROP INDEX u"], ["ALTER TABLE t ADD KEY (v(3))"], ["CREATE UNIQUE INDEX w ON t (id, v)"],
            ["ALTER TABLE t DROP INDEX u, ADD UNIQUE KEY u (u, id)"], ["ALTER TABLE t DROP INDEX u, ADD KEY u (u)"],
            ["ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, n)"],
            ["ALTER TABLE t DROP PRIMARY KEY, ADD UNIQUE KEY pk (id)"], ["ALTER TABLE t ADD FULLTEXT KEY (v)"],
            ["ALTER TABLE t ADD CONSTRAINT ck CHECK (n <> 1234)"], ["CREATE TABLE pa (id INT PRIMARY KEY)",
             "ALTER TABLE t ADD FOREIGN KEY (u) REFERENCES pa (id) ON DELETE SET NULL"]])

    def rows_ddl(self):
        """Rows that come and go without events."""
        aside = self.source_db + "x"
        ghost = self.rng.choice(("t_new", "_t_gho", "_t_new"))
        return self.rng.choice([
            ["TRUNCATE TABLE t"], ["TRUNCATE t"], ["TRUNCATE TABLE `%s` . `t`" % self.source_db],
            ["CREATE PROCEDURE pr() TRUNCATE TABLE t", "CALL pr()"],
            ["CREATE TABLE %s LIKE t" % ghost, "INSERT INTO %s (id) VALUES (1),(70)" % ghost,
             "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW REPLACE INTO %s (id) VALUES (NEW.id)" % ghost,
             "REPLACE INTO t (id) VALUES (71)", "RENAME TABLE t TO _t_old, %s TO t" % ghost, "DROP TABLE _t_old"],
            ["RENAME TABLE t TO %s.t" % aside, "DELETE FROM %s.t WHERE id<9" % aside, "RENAME TABLE %s.t TO t" % aside],
            ["CREATE TABLE %s.k LIKE t" % aside, "RENAME TABLE t TO t_gone, %s.k TO t" % aside],
            ["ALTER TABLE t TRUNCATE PARTITION p0"], ["ALTER TABLE t DROP PARTITION p1"],
            ["CREATE TABLE x LIKE t", "ALTER TABLE x REMOVE PARTITIONING", "INSERT INTO x (id) VALUES (1),(70)",
             "ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE x WITHOUT VALIDATION"],
            ["ALTER TABLE t DROP INDEX u," + PARTED, "ALTER TABLE t TRUNCATE PARTITION p0"],
            ["CREATE TABLE k AS SELECT * FROM t WHERE id<20", "CREATE OR REPLACE TABLE t AS SELECT * FROM k"],
            ["ALTER TABLE t ADD SYSTEM VERSIONING"],
            ["DROP TABLE t", self.table]])

    def harmless_ddl(self):
        return self.rng.choice([
            ["ALTER TABLE t ENGINE=InnoDB"], ["OPTIMIZE TABLE t"], ["ANALYZE TABLE t"], ["CHECK TABLE t"],
            ["ALTER TABLE t ROW_FORMAT=COMPRESSED"], ["ALTER TABLE t COMMENT='c'"], ["ALTER TABLE t FORCE"],
            ["ALTER TABLE t COLLATE utf8mb4_bin"], ["CREATE TABLE o (id INT PRIMARY KEY)", "DROP TABLE o"],
            ["CREATE VIEW vw AS SELECT id, n FROM t", "UPDATE vw SET n=6 WHERE id<10", "DROP VIEW vw"],
            ["CREATE TEMPORARY TABLE tt LIKE t", "INSERT INTO tt (id) VALUES (1)", "TRUNCATE tt", "DROP TEMPORARY TABLE tt"],
            ["CREATE TEMPORARY TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (3)", "ALTER TABLE t ADD COLUMN q INT",
             "DROP TABLE t"],
            ["CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY)"], ["ALTER TABLE t REBUILD PARTITION p0"],
            ["START TRANSACTION", "UPDATE t SET n=8", "SAVEPOINT a", "DELETE FROM t WHERE id<40", "ROLLBACK TO a", "COMMIT"],
            ["XA START 'q%d'" % self.seed, "DELETE FROM t WHERE id BETWEEN 12 AND 14", "XA END 'q%d'" % self.seed,
             "XA PREPARE 'q%d'" % self.seed, "XA COMMIT 'q%d'" % self.seed]])

    def other_ddl(self):
        return self.rng.choice((self.columns_ddl, self.keys_ddl, self.rows_ddl) + (self.harmless_ddl,) * 4)()

    def target_ddl(self):
        """What an operator may do to the target alone."""
        return self.rng.choice([
            "ALTER TABLE t ADD UNIQUE KEY w (n)", "ALTER TABLE t DROP INDEX u", "ALTER TABLE t ADD KEY (d)",
            "ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 3", "ALTER TABLE t ADD COLUMN w INT AS (id) STORED",
            "ALTER TABLE t ADD CONSTRAINT ck CHECK (n <> 6)", "ALTER TABLE t MODIFY v VARCHAR(20) COLLATE utf8mb4_bin",
            "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, e)",
            "ALTER TABLE t RENAME COLUMN n TO u, RENAME COLUMN u TO n",
            "ALTER TABLE t MODIFY g INT AS (id * 3) VIRTUAL", "OPTIMIZE TABLE t", "TRUNCATE TABLE t",
            "ALTER TABLE t MODIFY d DATETIME NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP",
            "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1"])

    def disturb(self):
        what = self.rng.random()
        if self.rng.random() < 0.3:  # an ALTER may cut values then
            self.run(self.source, "SET SESSION sql_mode=''")
        if what < 0.1:
            self.alone = self.run(self.target, self.target_ddl(), "target") or self.alone
        elif what < 0.3:
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
        self.run(self.source, self.table)
        self.run(self.source, "INSERT INTO t (id,n,e,s,d,m,f,v,c,u) WITH RECURSIVE q(i) AS (SELECT 1 UNION ALL SELECT "
                              "i+1 FROM q WHERE i<50) SELECT i,i,1+i MOD 3,i MOD 8,'2024-01-01 10:00:00',i,i,'v','c',i FROM q")

    def wait_copied(self):
        try:
            wait_until(lambda: self.stream()[0] in ("Running", "Error"), SETTLE_S, "the copy of seed %d" % self.seed)
        except ServerError as error:
            raise AssertionError("%s: %s\nsource: %s\ntarget: %s" % ((error, self.full_stream()) + tuple(
                self.processes(side) for side in (self.source, self.target)))) from error

    @staticmethod
    def processes(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT ID, USER, DB, COMMAND, TIME, STATE, INFO FROM information_schema.PROCESSLIST")
            return "\n  ".join(map(str, cursor.fetchall()))

    def work(self):
        copying = self.rng.random() < 0.6
        done = self.workflow("create", "--source-keyspace", self.source_db, "--tables", "t", "--on-ddl",
                             self.rng.choice(("IGNORE", "IGNORE", "IGNORE", "STOP")))
        assert done.returncode == 0, done.stderr
        if not copying:
            self.wait_copied()
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
            cursor.execute("SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND "
                           "TABLE_NAME='t' ORDER BY COLUMN_NAME", (database,))
            types = cursor.fetchall()
            names = [row[0] for row in types]
            if not names:
                return None
            cursor.execute("SET time_zone='+00:00'")
            text = {"bit": "HEX(CONVERT(`%s` + 0 USING utf8mb4))"}
            cursor.execute("SELECT " + ",".join(text.get(kind, "HEX(CONVERT(`%s` USING utf8mb4))") % name
                                                for name, kind in types) + " FROM t")
            return names, sorted(cursor.fetchall(), key=repr)

    def equal(self):
        return self.rows(self.source, self.source_db) == self.rows(self.target, self.target_db)

    def difference(self, what):
        return "seed %d: %s\nsource %s\ntarget %s\n%s" % (
            self.seed, what, self.rows(self.source, self.source_db), self.rows(self.target, self.target_db),
            "\n".join(line for line in self.done if not re.match("source: (UPDATE|REPLACE|DELETE)", line)))

    def end_of_log(self):
        with self.source.cursor() as cursor:
            try:
                cursor.execute("SHOW MASTER STATUS")
            except pymysql.MySQLError:
                cursor.execute("SHOW BINARY LOG STATUS")
            return cursor.fetchone()[:2]

    def settled(self):
        """"" when the rule holds."""
        end, begin, arrived = self.end_of_log(), time.monotonic(), None
        while time.monotonic() - begin < SETTLE_S:
            state, message, position = self.full_stream()
            if state not in ("Running", "Copying") and message:
                return ""
            if state == "Running" and self.equal():
                return ""
            if state == "Running" and position >= end:
                arrived = arrived or time.monotonic()
                if time.monotonic() - arrived > UNEQUAL_S:
                    break
            time.sleep(0.1)
        return self.difference("%s at %s of %s: %s" % (state, position, end, message))

    def verdict(self):
        """The same of a switch: it is refused, or the rows are the source's. What was done to the target alone
        need not be noticed before."""
        found = self.settled()
        if (found and not self.alone) or self.stream()[0] != "Running" or (not found and self.rng.random() < 0.5):
            return found
        done = self.workflow("switchtraffic", "--timeout", "20s")
        self.done.append("switch: %d %s" % (done.returncode, done.stderr.strip()))
        return "" if done.returncode or self.equal() else self.difference("switched")


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


# --- one statement at a time, on the same servers ---

SESSIONS = {  # settings of the source's session, and a statement that means another thing without them
    "both": [
        ("sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", r"""ALTER TABLE t ADD "a ""q" VARCHAR(20) DEFAULT 'a\'"""),
        ("time_zone='+03:00'", "ALTER TABLE zoned ADD PARTITION (PARTITION p1 VALUES LESS THAN "
         "(UNIX_TIMESTAMP('2021-01-01 00:00:00')))"),
    ],
    "mariadb": [
        ("sql_mode='PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE'",
         r"ALTER TABLE t ADD CONSTRAINT p CHECK (v || c <> 'x\'y' AND NOT n BETWEEN -5 AND 5) /* plain */"),
        ("time_zone='+00:00'", "ALTER TABLE t ADD u4 VARCHAR(9) CHARACTER SET utf8mb4"),
        ("sql_mode='MSSQL,TIME_ROUND_FRACTIONAL'", "ALTER TABLE [t] ADD [b r] DATETIME(1) DEFAULT '2001-01-01 10:00:00.27'"),
        ("sql_mode='EMPTY_STRING_IS_NULL'", "ALTER TABLE t ADD e2 VARCHAR(9) DEFAULT ''"),
    ],
    "mysql": [
        ("sql_mode='TIME_TRUNCATE_FRACTIONAL', time_zone='+05:00'",
         "ALTER TABLE t ADD o DATETIME(1) DEFAULT '2001-01-01 10:00:00.27+02:00'"),
    ],
}


def xxh32(data):
    """XXH32 of less than four bytes, seed 0, as its specification has it."""
    mask = 0xffffffff
    acc = (374761393 + len(data)) & mask
    for byte in data:
        acc = (acc + byte * 374761393) & mask
        acc = ((acc << 11 | acc >> 21) * 2654435761) & mask
    acc = ((acc ^ acc >> 15) * 2246822519) & mask
    acc = ((acc ^ acc >> 13) * 3266489917) & mask
    return acc ^ acc >> 16


def flavour_of(pair):  # pylint: disable=redefined-outer-name
    return "mariadb" if isinstance(pair.source, MariaDB) else "mysql"


@pytest.fixture
def moved(pair):  # pylint: disable=redefined-outer-name
    """Called with tables and flags of create: a move of its own that follows the log; cancelled at the end."""
    made = []

    def make(seed, tables, *flags):
        move = Move(pair, seed)
        made.append(move)
        for name, definition in tables.items():
            assert move.run(move.source, "DROP TABLE IF EXISTS " + name) and move.run(move.source, definition), move.done
        done = move.workflow("create", "--source-keyspace", move.source_db, "--tables", ",".join(tables), *flags)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: move.stream()[0] == "Running", 60, "the copy")
        return move

    yield make
    for move in made:
        move.workflow("cancel")
        move.close()


def shown(connection, table):
    with connection.cursor() as cursor:
        cursor.execute("SHOW CREATE TABLE " + table)
        return cursor.fetchall()[0][1]


def test_each_mode_of_the_log_has_the_servers_name(pair):  # pylint: disable=redefined-outer-name
    """schemas/sql_mode.c against the server: each bit is set by itself, and the server says what it is."""
    with open(os.path.join(os.path.dirname(__file__), "../../schemas/sql_mode.c"), encoding="utf-8") as text:
        rows = re.findall(r'{"(\w+)", (\w+), (\w+), \w+}', text.read())
    column = 2 if flavour_of(pair) == "mariadb" else 1
    names = {int(row[column]): row[0] for row in rows if row[column] != "NOWHERE"}
    with pair.source.connect(autocommit=True) as connection, connection.cursor() as cursor:
        for bit in range(64):
            try:
                cursor.execute("SET SESSION sql_mode = %d" % (1 << bit))
            except pymysql.MySQLError:
                continue
            cursor.execute("SELECT @@sql_mode")
            modes = cursor.fetchall()[0][0].split(",")
            assert names.get(bit, "NOT_USED") in modes, (bit, modes)


def test_a_ddl_is_repeated_as_its_session_meant_it(pair, moved):  # pylint: disable=redefined-outer-name
    move = moved(FIRST + SEEDS, {"t": TABLE, "zoned": (
        "CREATE TABLE zoned (id INT, ts TIMESTAMP NOT NULL DEFAULT '2019-01-01 10:00:00', PRIMARY KEY (id, ts)) "
        "PARTITION BY RANGE (UNIX_TIMESTAMP(ts)) (PARTITION p0 VALUES LESS THAN (UNIX_TIMESTAMP('2020-01-01 00:00:00')))")},
                 "--on-ddl", "EXEC")
    for settings, ddl in SESSIONS["both"] + SESSIONS[flavour_of(pair)]:
        with pair.source.connect(database=move.source_db, autocommit=True) as session, session.cursor() as cursor:
            cursor.execute("SET SESSION " + settings)
            cursor.execute(ddl)
    move.run(move.source, "REPLACE INTO t (id) VALUES (77)")
    wait_until(lambda: move.stream()[0] != "Running" or move.equal(), 120, "the last row")
    assert move.stream()[0] == "Running", move.stream()
    for table in ("t", "zoned"):
        assert shown(move.source, table) == shown(move.target, table)


def test_a_mark_that_anybody_can_write_hides_nothing(pair, moved):  # pylint: disable=redefined-outer-name
    """Another table takes t's place in the renames of a fence; and a fence's own renames change nothing."""
    move = moved(FIRST + SEEDS + 1, {"t": TABLE})
    mark = "/* sluice:%s/w%d */" % (move.target_db, move.seed)
    hidden = "_sluice_f_%08x" % xxh32(b"t")
    for sql in ("RENAME %s TABLE t TO %s00000001" % (mark, hidden), "RENAME %s TABLE %s00000001 TO t" % (mark, hidden),
                "REPLACE INTO t (id) VALUES (78)"):
        assert move.run(move.source, sql), move.done
    wait_until(lambda: move.stream()[0] != "Running" or move.equal(), 60, "the row behind the renames")
    assert move.stream()[0] == "Running", move.stream()
    for sql in ("CREATE TABLE n LIKE t", "RENAME %s TABLE n TO %s00000002" % (mark, hidden),
                "RENAME %s TABLE t TO %s00000001" % (mark, hidden), "RENAME %s TABLE %s00000002 TO t" % (mark, hidden)):
        assert move.run(move.source, sql), move.done
    wait_until(lambda: move.stream()[0] != "Running", 60, "the stream to stop")
    assert "without row events" in move.stream()[1], move.stream()
