# tests/support/datapath.py — one stream under a hostile writer: tables, writer, the tool's driver, exact comparison.
"""The application here does what makes copies lose rows: the same few keys are inserted, deleted and
inserted again, unique values are swapped between rows, keys change, text keys differ in case only,
whole transactions are rolled back; all while a table is copied and the copying process is killed."""

import os
import random
import subprocess
import threading
import time

import pymysql

import fleet

SCHEMA = {
    "ints": """CREATE TABLE ints (id BIGINT NOT NULL PRIMARY KEY, u INT NULL, owner INT NOT NULL, v VARCHAR(40)
        CHARACTER SET utf8mb4, d DECIMAL(20,6), f FLOAT, g DOUBLE, t TIMESTAMP(3) NULL, b VARBINARY(20),
        e ENUM('a','b','c'), j JSON, UNIQUE KEY u (u), KEY v (v)) ENGINE=InnoDB""",
    "texts": """CREATE TABLE texts (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY,
        u INT NULL, owner INT NOT NULL, v VARCHAR(40) CHARACTER SET latin1, UNIQUE KEY u (u)) ENGINE=InnoDB""",
    "pairs": """CREATE TABLE pairs (a INT UNSIGNED NOT NULL, b SMALLINT NOT NULL, owner INT NOT NULL, v INT,
        PRIMARY KEY (a, b)) ENGINE=InnoDB""",
    "keyless": "CREATE TABLE keyless (a INT, owner INT NOT NULL, v VARCHAR(10)) ENGINE=InnoDB",
}
KEYS = {"ints": "id", "texts": "k", "pairs": "a, b", "keyless": "a, owner, v"}


def create(server, database, tables, source=None):
    """The tables, at a target as a move from `source` makes them: MariaDB's JSON is text, which MySQL's
    JSON type would write in another form."""
    server.create_database(database)
    text = source is not None and (source.flavour, server.flavour) == ("mariadb", "mysql")
    with server.connect(database=database) as c:
        for name in tables:
            definition = SCHEMA[name]
            if text:
                definition = definition.replace("j JSON", "j LONGTEXT COLLATE utf8mb4_bin")
            c.cursor().execute(definition)


def fill(server, database, rows, tables):
    """Rows that stand there before the copy begins; ids are spread so that ranges matter."""
    rng = random.Random(7)
    with server.connect(database=database) as c, c.cursor() as cur:
        if "ints" in tables:
            cur.executemany("INSERT INTO ints (id,u,owner,v,d,f,g,t,b,e,j) VALUES "
                            "(%s,%s,%s,%s,%s,%s,%s,FROM_UNIXTIME(%s),%s,%s,%s)",
                            [(i * 3, i, i % 50, "name %d é😀" % i, "%d.%06d" % (i, i % 999983), i / 7.0, i / 11.0,
                              1600000000 + i, os.urandom(i % 20), "abc"[i % 3], '{"n": %d}' % i)
                             for i in range(1, rows + 1)])
        if "texts" in tables:
            cur.executemany("INSERT INTO texts VALUES (%s,%s,%s,%s)",
                            [("key%06d" % i, i, i % 50, "wörd %d" % i) for i in range(rows // 4)])
        if "pairs" in tables:
            cur.executemany("INSERT INTO pairs VALUES (%s,%s,%s,%s)",
                            [(4294967295 - i // 5, i % 5 - 2, i % 50, i) for i in range(rows // 4)])
        if "keyless" in tables:
            cur.executemany("INSERT INTO keyless VALUES (%s,%s,%s)",
                            [(rng.randrange(20), rng.randrange(5), None if i % 7 == 0 else "x") for i in range(500)])


class Writer(threading.Thread):
    """One connection that never stops changing rows; errors of the application's own making are skipped."""

    def __init__(self, server, database, seed, rows, tables, rate=400):
        super().__init__(daemon=True)
        self.connection = server.connect(database=database, autocommit=False)
        self.rng = random.Random(seed)
        self.rows, self.tables, self.pause = rows, tables, 1.0 / rate
        self.done = threading.Event()
        self.committed = 0
        self.failure = None

    def run(self):
        try:
            while not self.done.wait(self.pause):
                self.transaction()
        except Exception as problem:  # shown by stop(): a writer that died quietly would prove nothing
            self.failure = problem

    def transaction(self):
        cursor = self.connection.cursor()
        try:
            for _ in range(self.rng.choice((1, 1, 1, 2, 5, 20))):
                self.statement(cursor)
            if self.rng.random() < 0.1:
                self.connection.rollback()
            else:
                self.connection.commit()
                self.committed += 1
        except (pymysql.err.IntegrityError, pymysql.err.OperationalError) as refused:
            if refused.args[0] not in (1062, 1213, 1205, 1020):
                raise
            self.connection.rollback()

    def statement(self, cur):
        getattr(self, "on_" + self.rng.choice(self.tables))(cur)

    def on_ints(self, cur):
        rng = self.rng
        # Most of the traffic on few keys: one key lives several lives while its chunk is read.
        key = rng.randrange(1, 60) if rng.random() < 0.4 else rng.randrange(1, self.rows * 3 + 50)
        what = rng.randrange(7)
        if what == 0:
            cur.execute("INSERT INTO ints (id,u,owner,v,d) VALUES (%s,%s,%s,'new',%s)",
                        (key, rng.choice((None, rng.randrange(self.rows * 2))), rng.randrange(50), rng.random()))
        elif what == 1:
            cur.execute("DELETE FROM ints WHERE id=%s", (key,))
        elif what == 2:
            cur.execute("UPDATE ints SET v=%s,g=g+0.1,j='{\"a\": [1, 2]}',t=NOW(3) WHERE id=%s", ("ü%d" % key, key))
        elif what == 3:
            cur.execute("UPDATE ints SET id=%s WHERE id=%s", (rng.randrange(1, self.rows * 3 + 50), key))
        elif what == 4:
            self.swap(cur, "ints", "id", key, rng.randrange(1, 200))
        elif what == 5:
            cur.execute("UPDATE ints SET owner=%s WHERE id BETWEEN %s AND %s", (rng.randrange(50), key, key + 9))
        else:
            cur.execute("DELETE FROM ints WHERE id=%s", (key,))
            cur.execute("INSERT INTO ints (id,u,owner,v) VALUES (%s,NULL,%s,'again')", (key, rng.randrange(50)))

    def swap(self, cur, table, column, one, other):
        """Unique values change owners inside one transaction."""
        query = "SELECT u FROM %s WHERE %s=%%s FOR UPDATE" % (table, column)
        change = "UPDATE %s SET u=%%s WHERE %s=%%s" % (table, column)
        values = []
        for key in (one, other):
            cur.execute(query, (key,))
            row = cur.fetchone()
            if not row:
                return
            values.append(row[0])
        cur.execute(change, (None, one))
        cur.execute(change, (values[0], other))
        cur.execute(change, (values[1], one))

    def on_texts(self, cur):
        rng = self.rng
        key = "key%06d" % rng.randrange(max(2, self.rows // 4))
        if rng.random() < 0.5:
            key = rng.choice(("Twin", "twin", "TWIN", "straße", "strasse", "tail ", "tail"))
        what = rng.randrange(5)
        if what == 0:
            cur.execute("INSERT INTO texts VALUES (%s,%s,%s,'neu')", (key, rng.choice((None, rng.randrange(5000))), rng.randrange(50)))
        elif what == 1:
            cur.execute("DELETE FROM texts WHERE k=%s", (key,))
        elif what == 2:
            cur.execute("UPDATE texts SET k=%s WHERE k=%s", (key.swapcase(), key))
        elif what == 3:
            self.swap(cur, "texts", "k", key, "key%06d" % rng.randrange(30))
        else:
            cur.execute("UPDATE texts SET v='größer' WHERE k=%s", (key,))

    def on_pairs(self, cur):
        rng = self.rng
        key = (4294967295 - rng.randrange(max(1, self.rows // 20)), rng.randrange(-2, 3))
        what = rng.randrange(4)
        if what == 0:
            cur.execute("INSERT INTO pairs VALUES (%s,%s,%s,0)", key + (rng.randrange(50),))
        elif what == 1:
            cur.execute("DELETE FROM pairs WHERE a=%s AND b=%s", key)
        elif what == 2:
            cur.execute("UPDATE pairs SET v=v+1,owner=%s WHERE a=%s AND b=%s", (rng.randrange(50),) + key)
        else:
            cur.execute("UPDATE pairs SET b=b+1 WHERE a=%s AND b=%s", key)

    def on_keyless(self, cur):
        rng = self.rng
        what = rng.randrange(3)
        if what == 0:
            cur.execute("INSERT INTO keyless VALUES (%s,%s,%s)", (rng.randrange(20), rng.randrange(5), rng.choice((None, "x", "y"))))
        elif what == 1:
            cur.execute("DELETE FROM keyless WHERE a=%s LIMIT 1", (rng.randrange(20),))
        else:
            cur.execute("UPDATE keyless SET v=%s WHERE a=%s AND owner=%s LIMIT 2", (rng.choice((None, "z")), rng.randrange(20), rng.randrange(5)))

    def stop(self):
        self.done.set()
        self.join(30)
        self.connection.close()
        if self.failure:
            raise self.failure
        return self.committed


class Stream:
    """sluice_test_stream, line by line."""

    def __init__(self, source, targets, tables, epoch=1, options=(), fault=None, log=None):
        words = [fleet.program("sluice_test_stream"), "--source", "%s/commerce" % source.address,
                 "--epoch", str(epoch), "--user", "sluice", "--password", "sluice-tests-only"]
        for name, server, database in targets:
            words += ["--target", "%s=%s/%s" % (name, server.address, database)]
        for table in tables:
            words += ["--table", table]
        environment = dict(os.environ)
        environment.pop("SLUICE_FAULT", None)
        if fault:
            environment["SLUICE_FAULT"] = fault
        self.log = open(log, "ab") if log else None
        self.process = subprocess.Popen(words + list(options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log or subprocess.DEVNULL, env=environment)
        self.first = self.read()

    def read(self):
        return self.process.stdout.readline().decode().strip()

    def ask(self, line):
        """The answer; "" when the process has died."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.read()

    def status(self):
        words = self.ask("status")
        fields = {}
        for word in words.split(" ")[1:]:
            if "=" in word:
                name, value = word.split("=", 1)
                fields.setdefault(name, value)
        fields["line"] = words
        return fields

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        if self.log:
            self.log.close()

    def stop(self):
        last = self.ask("stop")
        self.close()
        return last


def run_with_faults(source, targets, tables, kills, seed, options=(), permille=20, log=None, patience_s=6):
    """Starts the stream again and again, each dying at a drawn fault point; returns the last epoch."""
    killed, epoch = 0, 0
    rng = random.Random(seed)
    while killed < kills:
        epoch += 1
        stream = Stream(source, targets, tables, epoch, options,
                        "seed=%d:kill:%d" % (rng.randrange(1 << 30), permille), log)
        deadline = time.monotonic() + rng.uniform(0.3, patience_s)
        while time.monotonic() < deadline and stream.process.poll() is None:
            try:
                stream.process.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
        stream.kill()
        killed += 1
    return epoch


def rows_of(server, database, table):
    columns = [r[0] for r in server.query(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s "
        "ORDER BY ORDINAL_POSITION", (database, table))]
    hexed = ", ".join("IF(`%s` IS NULL, NULL, HEX(CAST(`%s` AS CHAR CHARACTER SET utf8mb4)))" % (c, c)
                      if c != "b" else "HEX(`b`)" for c in columns)
    return server.query("SELECT %s FROM `%s`.`%s`" % (hexed, database, table))


def differences(source, targets, tables):
    """Rows that are not the same multiset on the source and on all targets together."""
    found = {}
    for table in tables:
        name = table.split(":")[0]
        want, got = {}, {}
        for row in rows_of(source, "commerce", name):
            want[row] = want.get(row, 0) + 1
        for _, server, database in targets:
            for row in rows_of(server, database, name):
                got[row] = got.get(row, 0) + 1
        missing = [r for r in want if want[r] != got.get(r, 0)]
        extra = [r for r in got if got[r] != want.get(r, 0)]
        if missing or extra:
            found[name] = {"missing or counted wrong": missing[:5], "extra or counted wrong": extra[:5],
                           "n": len(missing) + len(extra)}
    return found
