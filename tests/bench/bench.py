#!/usr/bin/python3
# tests/bench/bench.py — B1, B2, B3, B4, B11 and B13: data made by SQL, rounds interleaved, void when a result is wrong.
"""Every round runs floor, peer and ours one after the other on the same servers and data.

A figure counts only if its result was checked: rows decoded, checksum of the copied table, writes
that were acknowledged.  Medians of the same run are compared, never figures of different runs.
"""

import argparse
import bisect
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))

import fleet as fleet_module  # noqa: E402
from sluice_servers import MariaDB, Scratch, ServerError  # noqa: E402
from sluice_servers import mariadb  # noqa: E402

TABLE_SQL = """CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, customer_id BIGINT NOT NULL,
  quantity INT NOT NULL, price DECIMAL(12,2) NOT NULL, note VARCHAR(120) NOT NULL,
  created DATETIME NOT NULL%s) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""
KEY_SQL = ", KEY customer_id (customer_id)"
# About 146 bytes in the log, 0.58 GB for four million. floor/insert.c makes the same rows.
ROW_SQL = ("SELECT seq+{at}, (seq+{at})*7919 % 1000003, (seq+{at}) % 100,"
           " CONCAT((seq+{at}) % 10000, '.', LPAD((seq+{at}) % 100, 2, '0')),"
           " CONCAT(REPEAT('x',105), seq+{at}),"
           " CONCAT('2026-01-01 00:00:', LPAD((seq+{at}) % 60, 2, '0')) FROM seq_1_to_{count}")
CHECKSUM_SQL = ("SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#', id, customer_id, quantity, price,"
                " note, created))) FROM t")
LARGE = ["--innodb-buffer-pool-size=4G", "--innodb-log-file-size=2G", "--max-binlog-size=1G"]
RELAXED = ["--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"]
DURABLE = ["--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1"]
BULK_ROWS, BULK_TXN_ROWS = 4_000_000, 2000
OLTP_TXNS = 1_000_000
ROW_BYTES_MIN = 80
COPY_ROWS = 2_000_000
HUGE_BYTES, HUGE_ROW_BYTES = 10_000_000_000, 512 * 1024
CUTOVER_CYCLES = 100
CUTOVER_RATE = 1000


class Void(Exception):
    """The round's result is wrong: no figure of it may be quoted."""


class Meter:
    """Wall time and CPU seconds of the servers, of a daemon and of the programs run meanwhile."""

    def __init__(self, servers, pid=None):
        self.servers, self.pid = servers, pid

    def _cpu(self):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = used.ru_utime + used.ru_stime + sum(s.cpu_seconds() for s in self.servers)
        if self.pid:
            with open("/proc/%d/stat" % self.pid, encoding="latin-1") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def __enter__(self):
        self.cpu, self.begun = self._cpu(), time.monotonic()
        return self

    def __exit__(self, *unused):
        self.seconds = time.monotonic() - self.begun
        self.cpu = self._cpu() - self.cpu


def spread(values):
    return {"min": round(min(values), 3), "median": round(statistics.median(values), 3),
            "max": round(max(values), 3)}


class Result:
    """Figures of one benchmark by contestant, more is better."""

    def __init__(self, name, unit, peer):
        self.name, self.unit, self.peer = name, unit, peer
        self.rates = {"floor": [], "peer": [], "ours": []}
        self.cpu = {"floor": [], "peer": [], "ours": []}
        self.extra = {}
        self.why_void = None

    def add(self, who, rate, cpu):
        self.rates[who].append(rate)
        self.cpu[who].append(cpu)
        print("  %-3s %-5s %14.1f %s   %6.2f CPU-s" % (self.name, who, rate, self.unit, cpu),
              flush=True)

    def document(self):
        doc = {"id": self.name, "unit": self.unit, "rounds": len(self.rates["ours"]),
               "void": self.why_void is not None, "why_void": self.why_void, "ratio": {},
               "extra": self.extra}
        for who, rates in self.rates.items():
            if rates:
                doc[who] = dict(spread(rates), cpu_s=round(statistics.median(self.cpu[who]), 2))
        if "peer" in doc:
            doc["peer"]["name"] = self.peer
        for who in ("floor", "peer"):
            if who in doc and "ours" in doc and doc[who]["median"]:
                doc["ratio"][who] = round(doc["ours"]["median"] / doc[who]["median"], 3)
        return doc


def run(words, **options):
    """Runs a program to its end; returns its standard output."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          **options)
    if done.returncode != 0:
        raise Void("%s ended with %d: %s" % (os.path.basename(words[0]), done.returncode,
                                             done.stderr[-600:].decode("utf-8", "replace")))
    return done


def floor_program(name):
    return os.path.join(fleet_module.build_dir(), "tests", "bench", "sluice_floor_" + name)


def measure(result, rounds, contestants):
    """Runs the contestants in turn, `rounds` times; a Void of one ends the benchmark."""
    try:
        for _ in range(rounds):
            for contest in contestants:
                contest(result)
    except (Void, AssertionError, ServerError, fleet_module.CommandFailed) as why:
        result.why_void = str(why)
        print("  %-3s VOID: %s" % (result.name, why), flush=True)
    return result


# --- B1, B2: a binary log to typed rows -----------------------------------------------------------


class LogBench:
    """One binary log, made by SQL, read by all three."""

    def __init__(self, scratch, options):
        self.options = options
        self.scratch = scratch
        self.server = scratch.start(MariaDB, "source", databases=["bench"],
                                    args=LARGE + (DURABLE if options.durable else RELAXED))
        # Over the unix socket, as floor and peer.
        self.server.query("CREATE USER sluice@localhost IDENTIFIED BY '%s'" % fleet_module.accounts.SLUICE_PASSWORD)
        self.server.query("GRANT ALL ON *.* TO sluice@localhost")
        self.config = scratch.path("sluice.yaml")
        password = scratch.path("password")
        with open(password, "w", encoding="utf-8") as out:
            out.write(fleet_module.accounts.SLUICE_PASSWORD)
        os.chmod(password, 0o600)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("name: bench\nstate: %s\ncredentials:\n  app: {user: sluice, password_file: %s}\n"
                      "keyspaces:\n  bench:\n    shards:\n"
                      '      "-": {primary: "%s", database: bench, credentials: app}\n' % (
                          scratch.path("state"), password, "unix:" + self.server.socket))

    def fresh_log(self):
        self.server.query("FLUSH BINARY LOGS")
        return self.server.query("SHOW MASTER STATUS")[0][0]

    def make_bulk(self, rows):
        self.server.query(TABLE_SQL % "", database="bench")
        self.log = self.fresh_log()
        connection = self.server.connect(database="bench")
        with connection.cursor() as cursor:
            for at in range(0, rows, BULK_TXN_ROWS):
                cursor.execute("INSERT INTO t " + ROW_SQL.format(at=at, count=BULK_TXN_ROWS))
        connection.close()
        self.finish(rows)

    def make_oltp(self, rows):
        self.server.query(TABLE_SQL % "", database="bench")
        self.server.query(
            "CREATE PROCEDURE fill(n INT) BEGIN DECLARE i INT DEFAULT 1; WHILE i <= n DO"
            " INSERT INTO t VALUES (i, i*7919 % 1000003, i % 100, 12.5, CONCAT(REPEAT('x',105), i),"
            " '2026-01-01'); SET i = i + 1; END WHILE; END", database="bench")
        self.log = self.fresh_log()
        self.server.query("CALL fill(%d)" % rows, database="bench")
        self.finish(rows)

    def finish(self, rows):
        self.rows = rows
        status = self.server.query("SHOW MASTER STATUS")[0]
        if status[0] != self.log:
            raise Void("the data fills more than one log; use a smaller --scale")
        self.bytes = status[1]
        self.server.query("FLUSH BINARY LOGS")

    def floor(self, result):
        with Meter([self.server]) as meter:
            said = run([floor_program("drain"), self.server.socket, self.log]).stdout
        # Annotate events are not asked for, so that less comes than the file has.
        if json.loads(said)["bytes"] < self.rows * ROW_BYTES_MIN:
            raise Void("the drain read only %s for %d rows" % (said, self.rows))
        result.add("floor", self.rows / meter.seconds, meter.cpu)

    def peer(self, result):
        with Meter([self.server]) as meter:
            with open(os.devnull, "wb") as null:
                done = subprocess.run(["mariadb-binlog", "--no-defaults", "-v",
                                       "--base64-output=decode-rows", "--read-from-remote-server",
                                       "--socket=" + self.server.socket, "--user=root", self.log],
                                      stdout=null, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Void("mariadb-binlog: " + done.stderr.decode()[-300:])
        result.add("peer", self.rows / meter.seconds, meter.cpu)

    def ours(self, result):
        vgtid = '[{"keyspace":"bench","shard":"-","gtid":"FilePos/%s:%d"}]'
        with Meter([self.server]) as meter:
            done = run([fleet_module.program("sluice"), "stream", "--config", self.config,
                        "--keyspace", "bench", "--from", vgtid % (self.log, 4), "--until",
                        vgtid % (self.log, self.bytes), "--format", "none", "--stats"])
        said = done.stderr.decode("utf-8", "replace")
        if str(self.rows) not in said.replace(",", ""):
            raise Void("sluice did not say that it decoded %d rows: %s" % (self.rows, said[-300:]))
        result.add("ours", self.rows / meter.seconds, meter.cpu)

    def contestants(self):
        return [self.floor, self.peer, self.ours]


def log_bench(name, options, make):
    result = Result(name, "rows/s", "mariadb-binlog -v, remote")
    with Scratch(large=True) as scratch:
        bench = LogBench(scratch, options)
        print("%s: making the data" % name, flush=True)
        make(bench)
        result.extra = {"rows": bench.rows, "bytes": bench.bytes}
        return measure(result, options.rounds, bench.contestants())


def b1(options):
    rows = max(BULK_TXN_ROWS, int(BULK_ROWS * options.scale) // BULK_TXN_ROWS * BULK_TXN_ROWS)
    return log_bench("B1", options, lambda bench: bench.make_bulk(rows))


def b2(options):
    return log_bench("B2", options, lambda bench: bench.make_oltp(int(OLTP_TXNS * options.scale)))


# --- B3: a binary log file to typed rows, offline -----------------------------------------------------


class FileBench(LogBench):
    """The server's own file in the page cache; megabytes a second."""

    def timed(self, who, words, result):
        with Meter([]) as meter:
            with open(os.devnull, "wb") as null:
                done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=null,
                                      stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Void("%s: %s" % (words[0], done.stderr.decode("utf-8", "replace")[-300:]))
        result.add(who, self.bytes / meter.seconds / 1e6, meter.cpu)
        return done.stderr.decode("utf-8", "replace")

    def path(self):
        return os.path.join(self.server.datadir, self.log)

    def floor(self, result):
        self.timed("floor", [floor_program("crc"), self.path()], result)

    def peer(self, result):
        self.timed("peer", ["mariadb-binlog", "--no-defaults", "-v", "--base64-output=decode-rows",
                            "--verify-binlog-checksum", self.path()], result)

    def ours(self, result):
        said = self.timed("ours", [fleet_module.program("sluice"), "decode", "--format", "none", "--stats",
                                   self.path()], result)
        if "%d rows" % self.rows not in said:
            raise Void("sluice did not say that it decoded %d rows: %s" % (self.rows, said[-300:]))


def file_bench(name, options, make):
    result = Result(name, "MB/s", "mariadb-binlog -v, file")
    with Scratch(large=True) as scratch:
        bench = FileBench(scratch, options)
        print("%s: making the data" % name, flush=True)
        make(bench)
        result.extra = {"rows": bench.rows, "bytes": bench.bytes}
        return measure(result, options.rounds, bench.contestants())


def b3_bulk(options):
    rows = max(BULK_TXN_ROWS, int(BULK_ROWS * options.scale) // BULK_TXN_ROWS * BULK_TXN_ROWS)
    return file_bench("B3.bulk", options, lambda bench: bench.make_bulk(rows))


def b3_oltp(options):
    return file_bench("B3.oltp", options, lambda bench: bench.make_oltp(int(OLTP_TXNS * options.scale)))


# --- B11: what it holds in memory -----------------------------------------------------------------------


class MemoryBench(LogBench):
    """One transaction of HUGE_BYTES streamed by `sluice stream`; resident memory while it runs."""

    def make_huge(self, wanted):
        self.server.query("CREATE TABLE huge (id BIGINT AUTO_INCREMENT PRIMARY KEY, v LONGBLOB)", database="bench")
        self.log = self.fresh_log()
        connection = self.server.connect(database="bench")
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for _ in range(max(1, int(wanted // (64 * HUGE_ROW_BYTES)))):
                cursor.execute("INSERT INTO huge (v) SELECT REPEAT(CHAR(97 + seq %% 26), %d) FROM seq_1_to_64"
                               % HUGE_ROW_BYTES)
            cursor.execute("COMMIT")
        connection.close()
        status = self.server.query("SHOW MASTER STATUS")[0]
        self.log, self.bytes = status[0], status[1]
        self.rows = self.server.query("SELECT COUNT(*) FROM huge", database="bench")[0][0]

    def make_long_row(self):
        """One row of 1 GiB less what the packet around it takes; the engine has no redo log to fill."""
        self.server.query("SET GLOBAL max_allowed_packet = 1073741824")
        self.server.query("CREATE TABLE long_row (id INT PRIMARY KEY, v LONGBLOB) ENGINE=Aria TRANSACTIONAL=0",
                          database="bench")
        first = self.fresh_log()
        self.server.query("INSERT INTO long_row SELECT 1, REPEAT('x', 1073741824 - 1048576)", database="bench")
        self.log, self.bytes = self.server.query("SHOW MASTER STATUS")[0][:2]
        self.rows = 1
        return first

    def peak_mib(self, first, options):
        """Peak resident MiB of one `sluice stream` from `first` on, in format ndjson to nowhere."""
        vgtid = '[{"keyspace":"bench","shard":"-","gtid":"FilePos/%s:%d"}]'
        words = [fleet_module.program("sluice"), "stream", "--config", self.config, "--keyspace", "bench",
                 "--from", vgtid % (first, 4), "--until", vgtid % (self.log, self.bytes), *options]
        with open(os.devnull, "wb") as null:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=null, stderr=subprocess.PIPE)
            said = child.stderr.read().decode("utf-8", "replace")
            _, status, used = os.wait4(child.pid, 0)
        if status != 0 or "rows=%d " % self.rows not in said:
            raise Void("sluice stream ended with %d: %s" % (status, said[-400:]))
        return used.ru_maxrss / 1024


def b11(options):
    result = Result("B11", "MiB", "none")
    with Scratch(large=True) as scratch:
        bench = MemoryBench(scratch, options)
        print("B11: making one transaction of %.1f GB" % (HUGE_BYTES * options.scale / 1e9), flush=True)
        first = bench.fresh_log()
        bench.make_huge(HUGE_BYTES * options.scale)
        peak = bench.peak_mib(first, ["--format", "ndjson", "--stats"])
        long_row = bench.peak_mib(bench.make_long_row(), ["--format", "none", "--stats"])
        result.rates = {"floor": [], "peer": [], "ours": [peak]}
        result.cpu = {"floor": [0], "peer": [0], "ours": [0]}
    with Scratch() as scratch, fleet_module.Fleet(scratch, rows=1000) as fleet:
        fleet.start_servers()
        fleet.load_sample()
        fleet.write_configuration()
        fleet.start_daemon()
        idle = fleet.daemon_peak_bytes() / 2**20
        fleet.stop_daemon(30)
    result.extra = {"transaction_bytes": int(HUGE_BYTES * options.scale), "transaction_mib": round(peak, 1),
                    "long_row_mib": round(long_row, 1), "idle_daemon_mib": round(idle, 1)}
    print("  B11 %s" % json.dumps(result.extra), flush=True)
    return result


# --- B4: the initial copy of MoveTables --------------------------------------------------------------


class CopyBench:
    """One table on commerce, moved to customer by each contestant in turn."""

    def __init__(self, scratch, options):
        profile = DURABLE if options.durable else RELAXED
        self.fleet = fleet_module.Fleet(scratch, args=LARGE + profile)
        self.fleet.start_servers()
        self.source = self.fleet.server("commerce")
        self.target = self.fleet.server("customer")
        self.fleet.vschema["tables"]["t"] = self.fleet.vschema["tables"]["customers"]
        self.fleet.write_configuration()
        self.rows = int(COPY_ROWS * options.scale)
        self.source.query(TABLE_SQL % KEY_SQL, database="commerce")
        connection = self.source.connect(database="commerce")
        with connection.cursor() as cursor:
            for at in range(0, self.rows, 100000):
                count = min(100000, self.rows - at)
                cursor.execute("INSERT INTO t " + ROW_SQL.format(at=at, count=count))
        connection.close()
        self.wanted = self.source.query(CHECKSUM_SQL, database="commerce")
        self.turn = 0
        self.fleet.start_daemon()

    def check(self, who):
        found = self.target.query(CHECKSUM_SQL, database="customer")
        if found != self.wanted:
            raise Void("%s copied %s, expected %s" % (who, found, self.wanted))
        if not self.target.query("SHOW KEYS FROM t WHERE Key_name='customer_id'",
                                 database="customer"):
            raise Void("%s left the table without its secondary key" % who)

    def drop(self):
        self.target.query("DROP TABLE IF EXISTS t", database="customer")

    def floor(self, result):
        self.drop()
        self.target.query(TABLE_SQL % "", database="customer")
        with Meter([self.source, self.target]) as meter:
            run([floor_program("insert"), self.target.socket, "customer", str(self.rows)])
        self.check("the floor")
        result.add("floor", self.rows / meter.seconds, meter.cpu)

    def peer(self, result):
        self.drop()
        pipe = ("mariadb-dump --no-defaults --user=root --socket=%s --single-transaction --quick"
                " commerce t | mariadb --no-defaults --user=root --socket=%s customer" % (
                    self.source.socket, self.target.socket))
        with Meter([self.source, self.target]) as meter:
            run(["/bin/bash", "-o", "pipefail", "-c", pipe])
        self.check("mariadb-dump")
        result.add("peer", self.rows / meter.seconds, meter.cpu)

    def ours(self, result):
        self.drop()
        self.turn += 1
        name = "copy%d" % self.turn
        fleet = self.fleet
        with Meter([self.source, self.target], fleet.daemon.pid) as meter:
            fleet.workflow("movetables", name, "create", "--source-keyspace", "commerce",
                           "--tables", "t")
            fleet.wait_running("movetables", name, timeout_s=1800)
        self.check("sluice")
        fleet.workflow("movetables", name, "cancel")
        result.add("ours", self.rows / meter.seconds, meter.cpu)

    def contestants(self):
        return [self.floor, self.peer, self.ours]


def b4(options):
    result = Result("B4", "rows/s", "mariadb-dump | mariadb")
    with Scratch(large=True) as scratch:
        print("B4: making the data", flush=True)
        bench = CopyBench(scratch, options)
        with bench.fleet:
            measure(result, options.rounds, bench.contestants())
            result.extra = {"rows": bench.rows,
                            "daemon_peak_mib": round(bench.fleet.daemon_peak_bytes() / 2**20, 1)}
    return result


# --- B13: how long a switch holds writes up ------------------------------------------------------------


def longest_waits(log_path, moments):
    """For each switch the longest time, in ms, that a write took which ended after the switch began and before the
    next one did."""
    waits, begins = [0.0] * len(moments), [begun for begun, _ in moments]
    with open(log_path, encoding="utf-8") as log:
        for line in log:
            entry = json.loads(line)
            i = bisect.bisect_right(begins, entry["at_us"]) - 1
            if i >= 0:
                waits[i] = max(waits[i], entry["took_us"] / 1000.0)
    return waits


def cut_over(fleet, cycles):
    """Switches to and fro under writes; returns the times of each switch in µs."""
    moments = []
    for turn in range(2 * cycles):
        fleet.wait_acknowledged(CUTOVER_RATE // 2)
        begun = time.time_ns() // 1000
        fleet.workflow("movetables", "c2c", "switchtraffic" if turn % 2 == 0 else "reversetraffic")
        moments.append((begun, time.time_ns() // 1000))
    return moments


def slowest_switches(log):
    """The daemon's own lines of the switches that held writers up longest: where the time went."""
    waits = [(int(found.group(1)), found.group(0))
             for found in re.finditer(r"writers waited (\d+) ms \([^)]*\)", log)]
    return [line for _, line in sorted(waits, reverse=True)[:5]]


def b13(options):
    result = Result("B13", "ms", "none")
    # In memory unless the durable profile is asked for: the sync of a DDL's files is the disk's time.
    with Scratch(large=options.durable) as scratch, fleet_module.Fleet(scratch, rows=20000) as fleet:
        fleet.start_servers()
        fleet.load_sample()
        fleet.write_configuration()
        fleet.start_daemon()
        lock = json.loads(run([floor_program("lock"), fleet.server("commerce").socket, "commerce",
                               "orders", "200"]).stdout)
        fleet.start_writer(rate=CUTOVER_RATE)
        fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables",
                       ",".join(fleet_module.MOVED_TABLES))
        fleet.wait_running("movetables", "c2c")
        cycles = max(1, int(CUTOVER_CYCLES * options.scale * options.rounds / 7))
        moments = cut_over(fleet, cycles)
        fleet.wait_acknowledged(CUTOVER_RATE)
        summary = fleet.stop_writer()
        findings, _ = fleet.verify()
        waits = sorted(longest_waits(fleet.log_path, moments))
        result.rates = {"floor": lock, "peer": [], "ours": waits}
        result.cpu = {"floor": [0], "peer": [0], "ours": [0]}
        result.extra = {"switches": len(waits), "p90_ms": round(waits[len(waits) * 9 // 10], 1), "lost": findings.count["lost"],
                        "doubled": findings.count["doubled"],
                        "different": findings.count["different"],
                        "p99_ms": round(waits[min(len(waits) - 1, len(waits) * 99 // 100)], 1),
                        "max_ms": round(waits[-1], 1),
                        "slowest": slowest_switches(fleet.daemon_log()), "writes": summary["transactions"],
                        "writes_p99_ms": summary["p99_ms"]}
        if not findings.clean():
            result.why_void = findings.line()
        print("  B13 %s" % json.dumps(result.extra), flush=True)
    return result


BENCHMARKS = {"B1": [b1], "B2": [b2], "B3": [b3_bulk, b3_oltp], "B4": [b4], "B11": [b11], "B13": [b13]}


def table(documents):
    print("\n%-4s %-7s %14s %14s %14s %8s %8s" % ("", "unit", "floor", "peer", "ours", "/floor",
                                                 "/peer"))
    for doc in documents:
        cells = ["%.1f" % doc[who]["median"] if who in doc else "-"
                 for who in ("floor", "peer", "ours")]
        print("%-4s %-7s %14s %14s %14s %8s %8s %s" % (
            doc["id"], doc["unit"], *cells, doc["ratio"].get("floor", "-"),
            doc["ratio"].get("peer", "-"), "VOID: " + doc["why_void"] if doc["void"] else ""))
        for who in ("floor", "peer", "ours"):
            if who in doc:
                print("       %-5s min %.1f  median %.1f  max %.1f  %.2f CPU-s" % (
                    who, doc[who]["min"], doc[who]["median"], doc[who]["max"], doc[who]["cpu_s"]))


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as text:
        model = next((line.split(":", 1)[1].strip() for line in text
                      if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "mariadb": mariadb.version()}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="|".join([*BENCHMARKS, "all"]))
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--durable", action="store_true")
    options = parser.parse_args()
    if "all" in options.names:
        options.names = list(BENCHMARKS)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error("unknown benchmark %s; one of %s" % (unknown[0], " ".join(BENCHMARKS)))
    return options


def write_json(path, options, documents):
    """Into a file, or to the standard output ("-")."""
    text = json.dumps({"machine": machine(), "scale": options.scale,
                       "profile": "durable" if options.durable else "relaxed",
                       "benchmarks": documents}, indent=1)
    if path == "-":
        print(text, flush=True)
        return
    with open(path, "w", encoding="utf-8") as out:
        out.write(text + "\n")


def main():
    options = arguments()
    documents = []
    for benchmark in [benchmark for name in options.names for benchmark in BENCHMARKS[name]]:
        documents.append(benchmark(options).document())
        if options.json not in (None, "-"):
            write_json(options.json, options, documents)
    table(documents)
    if options.json == "-":
        write_json("-", options, documents)
    return 1 if any(doc["void"] for doc in documents) else 0


if __name__ == "__main__":
    sys.exit(main())
