# tests/integration/test_debezium_golden.py — our Debezium JSON against the real engine's captured bytes for the same SQL.
"""The SQL of a captured case runs on the same server; its log is decoded to debezium-json. Compared byte for
byte: key and value of every record, after masking times, positions, ids of server and session.

The captures hold the bytes that the engine gave. Those with schemas are compared by their payload. Left out
are what only the engine can know: rows of its snapshot, schema-change and transaction topics, headers, and
a NULL that it prints as the column's default (no log says defaults); and what KNOWN names."""

import json
import os
import re
import subprocess

import fleet as fleet_module
import pytest
from one_source import Source
from sluice_servers import MariaDB, MySQL

SERVERS = {"mariadb": MariaDB, "mysql": MySQL}
FIXTURES = os.path.join(os.environ.get("SLUICE_FIXTURES") or os.path.join(fleet_module.ROOT, "..", "shared", "fixtures"),
                        "golden", "debezium")
MARK = "-- @ the connector is started here"
CASES = ["modes-a", "types-default-1", "types-default-2", "types-default-3", "types-default-4", "types-default-5", "ops-1"]

# Columns that differ for a reason: FLOAT(7,3) is widened by the engine, and no log tells it from FLOAT; the
# MariaDB connector garbles cp932.
KNOWN = {("mariadb", "types-default-1"): {"fu"}, ("mysql", "types-default-1"): {"fu"}, ("mariadb", "types-default-2"): {"cp"}}

MASKED = re.compile(r'"(ts_ms|ts_us|ts_ns|server_id|pos|thread)":(?:-?\d+|null)')
MASKED_TEXT = re.compile(r'"(gtid|file|version)":(?:"[^"]*"|null)')


TRANSACTION = re.compile(r'"transaction":\{[^}]*\}')  # the ops capture has transaction metadata on


def mask(text):
    text = TRANSACTION.sub('"transaction":null', text)
    return MASKED_TEXT.sub(r'"\1":"#"', MASKED.sub(r'"\1":0', text))


def skip_value(text, at):
    """End of the JSON value that begins at `at`."""
    if text[at] == '"':
        at += 1
        while text[at] != '"':
            at += 2 if text[at] == "\\" else 1
        return at + 1
    if text[at] not in "{[":
        return re.compile(r"[^,}\]]*").match(text, at).end()
    depth = 0
    while True:
        if text[at] == '"':
            at = skip_value(text, at)
            continue
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at


def member(text, name):
    """The raw text of a member of a JSON object."""
    at = text.index("{") + 1
    while text[at] != "}":
        end = skip_value(text, at)
        found = json.loads(text[at:end]) == name
        begin = end + 1
        at = skip_value(text, begin)
        if found:
            return text[begin:at]
        at += text[at] == ","
    return None


def payload(text):
    """Key or value without its schema."""
    inner = member(text, "payload") if text.startswith('{"schema":') else None
    return inner if inner is not None else text


def captured_events(path, rows_of):
    """(topic, key, value) as bytes stood in the file, data events of the streaming phase only."""
    events = []
    for line in open(path, encoding="utf-8"):
        line = line.strip().rstrip(",")
        if not line.startswith('{"dest":'):
            continue
        topic = json.loads(member(line, "dest"))
        key, value = payload(member(line, "key")), payload(member(line, "value"))
        truncate = '"op":"t"' in value  # skipped by default, not in the capture of operations
        if topic.startswith(rows_of) and not truncate and (value == "null" or '"snapshot":"false"' in value):
            events.append((key, value))
    return events


def run_sql(server, text):
    """As the capture was made: the mariadb client, utf8mb4."""
    subprocess.run(["mariadb", "--no-defaults", "--protocol=socket", "-S", server.socket, "-uroot", "--default-character-set=utf8mb4",
                    "--binary-mode", "--force"], input=text.encode(), check=False, stderr=subprocess.DEVNULL)


def our_events(server, prefix, database, first_log):
    names = [n for n in sorted(os.listdir(server.datadir)) if n.startswith("binlog.0") and n >= first_log]
    done = subprocess.run([fleet_module.program("sluice"), "decode", "--format", "debezium-json", "--prefix", prefix, "--tables",
                           database + ".*"] + [os.path.join(server.datadir, n) for n in names],
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return [(member(line, "key"), member(line, "value")) for line in done.stdout.decode().splitlines()]


def load(flavour, case):
    path = os.path.join(FIXTURES, "%s-%s.json" % (flavour, case))
    if not os.path.exists(path):
        pytest.skip("external fixtures absent")
    with open(path, encoding="utf-8") as text:
        return path, json.load(text)


def nulls_with_default(document):
    """Columns whose captured value may be their default instead of NULL: the file's own words say which."""
    return set(re.findall(r"[(,]\s*`?(\w+)`?[^,()]*(?:\([^)]*\))?[^,]*?\bdefault\b", document["ddl_and_dml"], re.IGNORECASE))


def without(text, columns):
    """The text with the values of the members named in `columns` replaced."""
    return re.sub(r'"(%s)":(?:null|"(?:[^"\\]|\\.)*"|[^,{}\[\]]*)' % "|".join(map(re.escape, columns)), r'"\1":*', text) if columns else text


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_records_are_the_engines(scratch, need_sluice, flavour, case):
    path, document = load(flavour, case)
    before, _, after = document["ddl_and_dml"].partition(MARK)
    after = "\n".join(line for line in after.splitlines() if not line.startswith("-- @"))
    options = document.get("server_options") or []
    server = scratch.start(SERVERS[flavour], "golden", args=options.split() if isinstance(options, str) else list(options))
    run_sql(server, before)
    server.query("FLUSH BINARY LOGS")
    first_log = sorted(n for n in os.listdir(server.datadir) if n.startswith("binlog.0"))[-1]
    run_sql(server, after)
    config = document["config"]
    ours = our_events(server, config["topic.prefix"], config["database.include.list"], first_log)
    theirs = captured_events(path, "%s.%s." % (config["topic.prefix"], config["database.include.list"]))
    defaults = nulls_with_default(document) | KNOWN.get((flavour, case), set())
    wrong = []
    for number, (ours_one, theirs_one) in enumerate(zip(ours, theirs)):
        for mine, golden in zip(ours_one, theirs_one):
            mine, golden = mask(mine), mask(golden)
            if mine != golden and without(mine, defaults) != without(golden, defaults):
                wrong.append("event %d:\n  ours   %s\n  engine %s" % (number, mine, golden))
    assert not wrong, "\n".join(wrong[:5])
    assert len(ours) == len(theirs)


def snapshot_rows(path):
    """What the engine's snapshot gave, without what differs from run to run."""
    values = []
    for line in open(path, encoding="utf-8"):
        line = line.strip().rstrip(",")
        if line.startswith('{"dest":'):
            value = payload(member(line, "value"))
            if value != "null" and '"op":"r"' in value:
                values.append(json.loads(value.replace('"gold"', '"shop"')))
    return values


def comparable(value):
    return {"after": value["after"], "op": value["op"],
            "source": {k: v for k, v in value["source"].items() if k not in ("ts_ms", "ts_us", "ts_ns", "name", "file", "pos")}}


@pytest.mark.parametrize("case", ["snap-1-initial", "types-default-4"])  # markers; JSON, geometry, vectors
@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_snapshot_rows_are_the_engines(scratch, need_sluice, flavour, case):
    path, document = load(flavour, case)
    source = Source(scratch, SERVERS[flavour])
    run_sql(source.server, document["ddl_and_dml"].partition(MARK)[0].replace("gold", "shop"))
    ours, _ = source.stream("--copy", "--format", "debezium-json", start="current")
    assert [comparable(v) for v in ours if v["op"] == "r"] == [comparable(v) for v in snapshot_rows(path)]


def after_images(values):
    """before, after and op of each record that has a value, floats as their text."""
    return [(v["op"], v["before"], v["after"]) for v in values if v]


# What a live server tells besides its log: a NULL is printed as its column's default, FLOAT(M,D) as a double.
@pytest.mark.parametrize("case", ["types-default-1", "types-default-2", "types-default-3", "types-default-5"])
@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_defaults_are_the_engines(scratch, need_sluice, flavour, case):
    path, document = load(flavour, case)
    before, _, after = document["ddl_and_dml"].replace("gold", "shop").partition(MARK)
    source = Source(scratch, SERVERS[flavour])
    run_sql(source.server, before)
    _, vgtid = source.stream(start="current")
    run_sql(source.server, "\n".join(line for line in after.splitlines() if not line.startswith("-- @")))
    ours, _ = source.stream("--format", "debezium-json", start=vgtid)
    theirs = [json.loads(value.replace('"gold"', '"shop"')) for _, value in
              captured_events(path, "%s.%s." % (document["config"]["topic.prefix"], "gold"))]
    known = ({"cp"} if flavour == "mariadb" else set())
    for mine, golden in zip(after_images(ours), after_images(theirs)):
        for image in (1, 2):
            for column in (golden[image] or {}).keys() - known:
                assert (mine[image] or {}).get(column) == golden[image][column], (column, mine, golden)
    assert len(after_images(ours)) == len(after_images(theirs))
