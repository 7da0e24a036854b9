# tests/integration/test_stream_raw.py — a live log, event by event: the same lines as of its file, ranges, figures.
"""`sluice stream --format raw` against `sluice decode --format raw` of the very file."""

import os
import re
import subprocess

import fleet as fleet_module
import pytest
from one_source import Source
from sluice_servers import MariaDB, MySQL


@pytest.fixture(params=["mariadb", "mysql"])
def source(scratch, need_sluice, request):  # pylint: disable=unused-argument
    made = Source(scratch, MariaDB if request.param == "mariadb" else MySQL)
    made.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))", "CREATE TABLE u (id INT PRIMARY KEY)")
    for i in range(30):
        made.run("INSERT INTO t VALUES (%d, 'raw')" % i)
    made.run("UPDATE t SET v = 'changed'", "FLUSH BINARY LOGS", "DELETE FROM t WHERE id < 10", "INSERT INTO u VALUES (1)")
    return made


def run(words, expect=0):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == expect, done
    return done


def live(source, *more, **options):
    return run(source.words("--format", "raw", "--until-idle", "1s", *more), **options)


def offline(source, *more):
    folder = source.server.datadir
    files = sorted(os.path.join(folder, name) for name in os.listdir(folder) if re.fullmatch(r"binlog\.\d+", name))
    return run([fleet_module.program("sluice"), "decode", "--format", "raw", *more, *files])


def comparable(text):
    """Without the folders, the file's own head (a server sends it anew), and what only a file says: it is in use."""
    lines = [re.sub(r"^\S*/", "", line) for line in text.splitlines()]
    return [line for line in lines if not re.search(r"FORMAT_DESCRIPTION", line)]


def test_a_live_log_reads_as_its_files_do(source):
    said, there = live(source, "--from", "beginning"), offline(source)
    assert comparable(said.stdout) == comparable(there.stdout)
    assert len(comparable(said.stdout)) > 100


def test_figures_are_those_of_decode(source):
    said = live(source, "--from", "beginning", "--stats").stderr
    there = offline(source, "--stats").stderr
    tables = [line for line in there.splitlines() if line.startswith("shop.")]
    assert len(tables) == 2 and all(line in said for line in tables), said
    assert "largest transactions" in said


def test_ranges_end_between_transactions(source):
    last = live(source, "--from", "beginning", "--until", "2001-01-01T00:00:00Z").stdout
    assert "WRITE_ROWS" not in last
    _, vgtid = source.stream()
    source.run("INSERT INTO u VALUES (2)")
    _, until = source.stream()
    source.run("INSERT INTO u VALUES (3)")
    between = run(source.words("--format", "raw", "--from", vgtid, "--until", until)).stdout
    assert len(re.findall("WRITE_ROWS", between)) == 1, between


def test_records_end_before_a_time(source):
    now = int(source.server.query("SELECT UNIX_TIMESTAMP()")[0][0])
    source.run("SET timestamp = %d" % (now + 1000), "INSERT INTO u VALUES (7)", "SET timestamp = %d" % (now + 2000),
               "INSERT INTO u VALUES (8)")
    records, _ = source.stream("--until", str(now + 2000), start=str(now + 1000))
    assert [r["after"]["id"] for r in records] == [7]


def test_what_raw_cannot_do_is_refused(source):
    assert "--shards" in run(source.words("--format", "raw", "--copy"), expect=2).stderr
