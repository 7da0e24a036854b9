# tests/integration/test_decode.py — `sluice decode` as an operator uses it: raw events, ranges, figures, stdin, gzip.
import gzip
import io
import os
import queue
import re
import subprocess
import threading

import fleet as fleet_module
import pytest
from sluice_servers import MariaDB, MySQL

SERVERS = {"mariadb": MariaDB, "mysql": MySQL}
FIXTURES = os.path.join(os.environ.get("SLUICE_FIXTURES") or os.path.join(fleet_module.ROOT, "..", "shared", "fixtures"),
                        "binlogs")


def decode(*words, data=None, wanted=0):
    done = subprocess.run([fleet_module.program("sluice"), "decode", *words], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, input=data)
    assert done.returncode == wanted, done.stderr.decode()
    return done.stdout.decode().splitlines(), done.stderr.decode()


class Log:
    """Three transactions, a second apart by the session's clock, in one file of a server."""

    def __init__(self, scratch, flavour):
        self.server = scratch.start(SERVERS[flavour], "decode", databases=["d"])
        connection = self.server.connect(database="d")
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)")
            cursor.execute("FLUSH BINARY LOGS")
            names = [n for n in os.listdir(self.server.datadir) if re.fullmatch(r"binlog\.\d+", n)]
            self.path = os.path.join(self.server.datadir, max(names))
            for i, second in enumerate((1767323045, 1767323046, 1767323047)):
                cursor.execute("SET timestamp = %d" % second)
                cursor.execute("BEGIN")
                for row in range(i + 1):
                    cursor.execute("INSERT INTO t VALUES (%d, 'a \"quoted\"\\n text')" % (10 * i + row))
                cursor.execute("COMMIT")
            cursor.execute("FLUSH BINARY LOGS")
        connection.close()

    def gtids(self, raw):
        return re.findall(r"_EVENT\S* .* gtid=(\S+)", "\n".join(line for line in raw if "GTID" in line and " gtid=" in line))


def ids(lines):
    return [int(n) for n in re.findall(r'"after":\{"id":(\d+)', "\n".join(lines))]


@pytest.mark.parametrize("flavour", SERVERS)
def test_raw_shows_each_event_of_the_file(scratch, need_sluice, flavour):
    log = Log(scratch, flavour)
    raw, _ = decode("--format", "raw", log.path)
    name, at = os.path.basename(log.path), 4
    for line in raw:
        found = re.fullmatch(r"(\S+):(\d+) (\S+) size=(\d+) server_id=\d+ time=\S+ end=(\d+) crc=ok( .*)?", line)
        assert found, line
        assert (found[1], int(found[2])) == (name, at), line
        at += int(found[4])
    assert at == os.path.getsize(log.path)
    assert "malformed" not in "\n".join(raw)
    rows = [line for line in raw if "WRITE_ROWS" in line]
    assert len(rows) == 6 and all("table=d.t" in line and line.endswith("rows=1") for line in rows)
    assert any("sql=" in line for line in raw)
    # A flipped bit is shown where it is, and what follows too.
    with open(log.path, "rb") as binary:
        data = bytearray(binary.read())
    flipped = next(line for line in raw if "WRITE_ROWS" in line)
    offset = int(flipped.split(" ")[0].split(":")[1])
    data[offset + 19 + 10] ^= 0x40
    broken = scratch.path("broken")
    with open(broken, "wb") as out:
        out.write(data)
    shown, _ = decode("--format", "raw", broken)
    assert [line.split(" ")[0].split(":")[1] for line in shown if "crc=BAD" in line] == [str(offset)]
    assert len(shown) == len(raw)
    _, said = decode(broken, wanted=3)
    assert "%d" % offset in said and "LOG_CHECKSUM" in said


@pytest.mark.parametrize("flavour", SERVERS)
def test_ranges_cut_between_transactions(scratch, need_sluice, flavour):
    log = Log(scratch, flavour)
    raw, _ = decode("--format", "raw", log.path)
    gtids = log.gtids(raw)
    assert ids(decode(log.path)[0]) == [0, 10, 11, 20, 21, 22]
    assert ids(decode("--start-time", "2026-01-02T03:04:06Z", log.path)[0]) == [10, 11, 20, 21, 22]
    assert ids(decode("--stop-time", "1767323047", log.path)[0]) == [0, 10, 11]
    assert ids(decode("--start-time", "2026-01-02 03:04:06", "--stop-time", "2026-01-02 03:04:07", log.path)[0]) == [10, 11]
    if flavour == "mariadb":  # MySQL's servers here have GTIDs off unless asked
        assert ids(decode("--start-gtid", gtids[-3], log.path)[0]) == [10, 11, 20, 21, 22]
        assert ids(decode("--stop-gtid", gtids[-2], log.path)[0]) == [0, 10, 11]
        assert ids(decode("--start-gtid", gtids[-3], "--stop-gtid", gtids[-2], log.path)[0]) == [10, 11]
    inside, _ = decode("--format", "raw", "--start-time", "1767323046", "--stop-time", "1767323047", log.path)
    assert sum(line.endswith("rows=1") for line in inside) == 2
    _, said = decode("--start-time", "yesterday", log.path, wanted=2)
    assert "yesterday" in said
    # Cut off in front of the last COMMIT: the transaction is left out, and said.
    at = [int(re.match(r"\S+:(\d+) ", line)[1]) for line in raw if " XID" in line or "QUERY" in line and "COMMIT" in line]
    with open(log.path, "rb") as binary:
        shown, said = decode("-", data=binary.read(at[-1]))
    assert ids(shown) == [0, 10, 11] and "a transaction without an end is left out (3 rows)" in said
    shown, said = decode("--stop-position", str(at[-1]), log.path)
    assert ids(shown) == [0, 10, 11] and "transactions without an end: 1" in said
    assert_only_named_tables(log)


def assert_only_named_tables(log):
    """Rows of our own tables are shown to those who ask for them."""
    for sql in ("CREATE DATABASE _sluice", "CREATE TABLE _sluice.own (id INT PRIMARY KEY)", "FLUSH BINARY LOGS",
                "INSERT INTO _sluice.own VALUES (1)", "INSERT INTO d.t VALUES (30, '')"):
        log.server.query(sql)
    folder = os.path.dirname(log.path)
    path = os.path.join(folder, max(name for name in os.listdir(folder) if re.fullmatch(r"binlog\.\d+", name)))
    for table, wanted in (("d.t", [30]), ("_sluice.own", [1]), ("d.*,_sluice.*", [1, 30])):
        assert ids(decode("--tables", table, path)[0]) == wanted, table


@pytest.mark.parametrize("flavour", SERVERS)
def test_gzip_stdin_and_figures(scratch, need_sluice, flavour):
    log = Log(scratch, flavour)
    with open(log.path, "rb") as binary:
        data = binary.read()
    packed = scratch.path("log.gz")
    with gzip.open(packed, "wb") as out:
        out.write(data)
    plain, _ = decode(log.path)
    assert ids(plain) == [0, 10, 11, 20, 21, 22]
    assert ids(decode(packed)[0]) == ids(plain)
    assert ids(decode("-", data=data)[0]) == ids(plain)
    _, said = decode("--stats", log.path)
    assert re.search(r"(?m)^d\.t +6 ", said)
    largest = said[said.index("largest transactions"):].splitlines()[1:4]
    assert [int(line.split()[1]) for line in largest] == [3, 2, 1]
    for cut in (3, 10, len(data) // 2, len(data) - 1):
        _, said = decode("-", data=data[:cut], wanted=3)
        assert "offset" in said or "cut off" in said or "log" in said


class Pipe:
    """A decode of its standard input, and the lines that were taken of what it prints."""

    def __init__(self, *words):
        self.process = subprocess.Popen([fleet_module.program("sluice"), "decode", *words, "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0)
        self.lines, self.printed = [], queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in io.TextIOWrapper(self.process.stdout, encoding="utf-8"):
            self.printed.put(line)

    def take_until(self, reached):
        while not reached(self.lines):
            self.lines.append(self.printed.get(timeout=30))

    def end(self):
        self.process.stdin.close()
        self.reader.join()
        assert self.process.wait() == 0
        while not self.printed.empty():
            self.lines.append(self.printed.get())


def without_times(lines):
    """What was read when is not the log's."""
    return [re.sub(r'"ts_[mun]s":\d+', "", line.strip()) for line in lines]


PIPE_FORMATS = (("ndjson",), ("ndjson", "--tx"), ("debezium-json", "--tx"), ("raw",))


@pytest.mark.parametrize("words", PIPE_FORMATS, ids=" ".join)
@pytest.mark.parametrize("flavour", SERVERS)
def test_a_pipe_that_pauses_shows_what_came(scratch, need_sluice, flavour, words):
    log = Log(scratch, flavour)
    raw, _ = decode("--format", "raw", log.path)
    with open(log.path, "rb") as binary:
        data = binary.read()
    events = [int(line.split(" ")[0].rsplit(":", 1)[1]) for line in raw if "WRITE_ROWS" in line]
    pipe, done = Pipe("--format", *words), 0
    try:
        for n, event in enumerate(events[1:], 1):
            cut = event + 7  # inside a row event, in some cases in the middle of a transaction
            pipe.process.stdin.write(data[done:cut])
            done = cut
            whole = n if "raw" in words else (0, 1, 1, 3, 3, 3)[n]  # rows of the transactions that have ended
            pipe.take_until(lambda lines, n=whole: sum("quoted" in line or "WRITE_ROWS" in line for line in lines) >= n)
        pipe.process.stdin.write(data[done:])
    finally:
        pipe.end()
    shown = decode("--format", *words, log.path)[0]
    name = os.path.basename(log.path)
    assert without_times(line.replace("stdin", name) for line in pipe.lines) == without_times(shown)


def test_logs_of_two_kinds_of_servers_after_each_other(need_sluice):
    files = [os.path.join(FIXTURES, name) for name in ("rust_mysql_common/mariadb-bin.000001",
                                                       "rust_mysql_common/binlog_transaction_with_GTID.000001",
                                                       "mysql-binlog-connector-java/mysql-bin.compressed")]
    if not all(os.path.exists(path) for path in files):
        pytest.skip("external fixtures absent")
    raw, _ = decode("--format", "raw", *files)
    single = [line for path in files for line in decode("--format", "raw", path)[0]]
    assert raw == single
    assert any("TRANSACTION_PAYLOAD" in line and "compression=zstd" in line for line in raw)
