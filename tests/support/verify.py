#!/usr/bin/python3
# tests/support/verify.py — independent judge: what the writer was promised against what the servers and streams hold.
"""Compares servers and streams with the sample and the writer's log of acknowledged transactions.

  verify.py --log WRITER.log --rows N --routing routing.json [--socket-of HOST:PORT=PATH]...
            [--reference products=customer] [--stream KIND:KEYSPACE:SINCE_US:FILE]...

Expected: the sample's rows, then every acknowledged transaction in the order of the log.
Rows: each expected row is on the serving shard that owns its customer, equal in every column, and
nowhere else.  Streams (KIND is ndjson or debezium): each change acknowledged on KEYSPACE at or after
SINCE_US is there, and the last record of each key tells its final state.  A line of a stream may
begin with the microsecond of its arrival and a TAB; then the lag is told.

Shares no code with the engine.  Prints `N lost, N doubled, N differences`; exit 1 unless all are 0.
"""

import argparse
import base64
import collections
import datetime
import json
import sys

import pymysql
import pymysql.cursors

import sample

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                      0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
SAMPLES_SHOWN = 8
EPOCH = datetime.datetime(1970, 1, 1)


def _rotate(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def xxh64_short(data):
    """XXH64 with seed 0 of fewer than 32 bytes."""
    value = (P5 + len(data)) & MASK
    at = 0
    for at in range(0, len(data) // 8 * 8, 8):
        lane = int.from_bytes(data[at:at + 8], "little")
        value ^= (_rotate((lane * P2) & MASK, 31) * P1) & MASK
        value = (_rotate(value, 27) * P1 + P4) & MASK
    at = len(data) // 8 * 8
    if len(data) - at >= 4:
        value ^= (int.from_bytes(data[at:at + 4], "little") * P1) & MASK
        value = (_rotate(value, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        value ^= (byte * P5) & MASK
        value = (_rotate(value, 11) * P1) & MASK
    value = ((value ^ (value >> 33)) * P2) & MASK
    value = ((value ^ (value >> 29)) * P3) & MASK
    return value ^ (value >> 32)


def keyspace_id(customer_id):
    """What Vitess's xxhash vindex gives the number, as 8 bytes."""
    return xxh64_short(str(customer_id).encode()).to_bytes(8, "little")


class Findings:
    """Counts by kind, and the first few of each in words."""

    def __init__(self):
        self.count = collections.Counter()
        self.samples = collections.defaultdict(list)

    def add(self, kind, text):
        self.count[kind] += 1
        if len(self.samples[kind]) < SAMPLES_SHOWN:
            self.samples[kind].append(text)

    def line(self):
        return "%d lost, %d doubled, %d differences" % tuple(
            self.count[kind] for kind in ("lost", "doubled", "different"))

    def texts(self):
        return ["  %s: %s" % (kind, text) for kind, texts in self.samples.items() for text in texts]

    def clean(self):
        return sum(self.count.values()) == 0

    def check(self, about=""):
        assert self.clean(), "\n".join([self.line(), about] + self.texts())


class Expected:
    """The state that the application was promised, and the changes that led to it."""

    def __init__(self, rows):
        self.tables = {}
        for table, columns in sample.COLUMNS.items():
            places = [columns.index(name) for name in sample.KEYS[table]]
            self.tables[table] = {tuple(row[i] for i in places): list(row)
                                  for row in sample.rows_of(table, rows)}
        self.uncertain = set()
        self.transactions = []
        self.anomalies = []

    def read_log(self, path, findings):
        with open(path, encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                if "anomaly" in entry:
                    self.anomalies.append(entry["anomaly"])
                    findings.add("lost", "seen by the writer: " + entry["anomaly"])
                elif entry.get("unknown"):
                    self._mark_uncertain(entry)
                else:
                    self._apply(entry)

    def _mark_uncertain(self, entry):
        for change in entry["ops"]:
            key = _key_text(change["t"], change["k"])
            self.uncertain.add((change["t"], key))
            self.uncertain.add((change["t"], _key_text(change["t"], dict(change["k"], **{
                name: value for name, value in change["v"].items() if name in change["k"]}))))

    def _apply(self, entry):
        self.transactions.append(entry)
        for change in entry["ops"]:
            table, values = self.tables[change["t"]], change["v"]
            key = _key_text(change["t"], change["k"])
            if change["op"] == "d":
                del table[key]
                continue
            columns = sample.COLUMNS[change["t"]]
            row = [None] * len(columns) if change["op"] == "c" else table.pop(key)
            for name, value in list(change["k"].items()) + list(values.items()):
                row[columns.index(name)] = None if value is None else str(value)
            table[_key_of_row(change["t"], row)] = row


def _key_text(table, key):
    return tuple(str(key[name]) for name in sample.KEYS[table])


def _key_of_row(table, row):
    columns = sample.COLUMNS[table]
    return tuple(row[columns.index(name)] for name in sample.KEYS[table])


def _same(name, wanted, found):
    """Whether two values of a column are equal; both are text, a JSON value or None."""
    if wanted == found:
        return True
    if wanted is None or found is None:
        return False
    if name in sample.JSON_COLUMNS:
        return _json_value(wanted) == _json_value(found)
    return name == "weight" and float(wanted) == float(found)


def _json_value(value):
    return json.loads(value) if isinstance(value, str) else value


def compare_rows(table, wanted, found, where, findings):
    for name, left, right in zip(sample.COLUMNS[table], wanted, found):
        if not _same(name, left, right):
            findings.add("different", "%s %s on %s: %s is %r, expected %r" % (
                table, _key_of_row(table, wanted), where, name, right, left))
            return


# --- rows on the servers ---------------------------------------------------------------------------


class Shard:
    """A serving shard of the routing document."""

    def __init__(self, keyspace, item, sockets):
        self.keyspace, self.name = keyspace, item["name"]
        self.database, self.primary = item["database"], item["primary"]
        bounds = item.get("key_range") or {}
        self.start = bytes.fromhex(bounds.get("start") or "")
        self.end = bytes.fromhex(bounds.get("end") or "")
        self.socket = sockets.get(self.primary)

    def label(self):
        return "%s/%s" % (self.keyspace, self.name)

    def owns(self, identifier):
        return identifier >= self.start and (not self.end or identifier < self.end)

    def connect(self):
        host, _, port = self.primary.rpartition(":")
        where = ({"unix_socket": self.socket, "user": "root"} if self.socket else
                 {"host": host, "port": int(port), "user": "app", "password": "app-tests-only"})
        return pymysql.connect(database=self.database, charset="utf8mb4", conv={},
                               cursorclass=pymysql.cursors.SSCursor,
                               init_command="SET time_zone='+00:00'", **where)


class Routing:
    """The routing document: which keyspace serves a table, and its serving shards."""

    def __init__(self, path, sockets, home="commerce"):
        self.home = home
        self.keyspace_of = {table: home for table in sample.CREATE}
        with open(path, encoding="utf-8") as text:
            document = json.load(text)
        for rule in document.get("routing_rules") or []:
            source = rule["from_table"].rpartition(".")
            if source[2] in self.keyspace_of and source[0] in ("", home) and rule["to_tables"]:
                self.keyspace_of[source[2]] = rule["to_tables"][0].partition(".")[0]
        self.keyspace_of["products"] = home
        self.shards = {keyspace: [Shard(keyspace, item, sockets) for item in entry["shards"]
                                  if item.get("serving")]
                       for keyspace, entry in document["keyspaces"].items()}


def rows_on(shard, table):
    """All rows of a table on one shard, as lists of text."""
    connection = shard.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s FROM %s" % (",".join(sample.COLUMNS[table]), table))
            for row in cursor:
                yield [value.decode() if isinstance(value, bytes) else value for value in row]
    finally:
        connection.close()


def check_table(table, shards, expected, findings):
    """Every expected row once, on the shard that owns it; returns the number of rows read."""
    seen = {}
    wanted_rows = expected.tables[table]
    customer_at = (sample.COLUMNS[table].index("customer_id")
                   if "customer_id" in sample.COLUMNS[table] else None)
    ids = {}
    for shard in shards:
        for row in rows_on(shard, table):
            key = _key_of_row(table, row)
            if (table, key) in expected.uncertain:
                continue
            if key in seen:
                findings.add("doubled", "%s %s on %s and %s" % (table, key, seen[key], shard.label()))
                continue
            seen[key] = shard.label()
            if customer_at is not None and len(shards) > 1:
                customer = row[customer_at]
                if customer not in ids:
                    ids[customer] = keyspace_id(customer)
                if not shard.owns(ids[customer]):
                    findings.add("doubled", "%s %s on %s, which does not own it" % (
                        table, key, shard.label()))
            if key not in wanted_rows:
                findings.add("doubled", "%s %s on %s: no such row is expected" % (
                    table, key, shard.label()))
                continue
            compare_rows(table, wanted_rows[key], row, shard.label(), findings)
    for key in wanted_rows:
        if key not in seen and (table, key) not in expected.uncertain:
            findings.add("lost", "%s %s is on no shard" % (table, key))
    return len(seen)


# --- streams ----------------------------------------------------------------------------------------


def _decimal_text(value):
    if not isinstance(value, str):
        return str(value)
    try:
        float(value)
        return value
    except ValueError:
        units = int.from_bytes(base64.b64decode(value), "big", signed=True)
        return "%s%d.%02d" % ("-" if units < 0 else "", abs(units) // 100, abs(units) % 100)


def _debezium_text(name, value):
    """The text that the server prints, from Debezium's default forms of the sample's columns."""
    if value is None or name in sample.JSON_COLUMNS:
        return value
    if name in ("balance", "total", "price"):
        return _decimal_text(value)
    if name == "updated_at" and isinstance(value, int):
        moment = EPOCH + datetime.timedelta(microseconds=value)
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    if name in ("created_at", "placed_at"):
        return value.replace("T", " ").replace("Z", "")
    return str(value)


def _native_text(name, value):
    if value is None or name in sample.JSON_COLUMNS or isinstance(value, str):
        return value
    return str(value)


class Record:
    """One change out of a stream, whatever its format."""

    def __init__(self, kind, entry, arrived_us):
        self.arrived_us = arrived_us
        source = entry if kind == "ndjson" else entry["source"]
        text = _native_text if kind == "ndjson" else _debezium_text
        self.table, self.op = source["table"], entry["op"]
        self.before, self.after = ({name: text(name, value) for name, value in image.items()}
                                   if image else None
                                   for image in (entry.get("before"), entry.get("after")))

    def key(self, image):
        return tuple(image[name] for name in sample.KEYS[self.table])


def read_stream(kind, path):
    """Yields the records of the sample's tables in the order of their arrival."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            arrived_us = None
            if line[:1].isdigit():
                stamp, _, line = line.partition("\t")
                arrived_us = int(stamp)
            if not line.startswith("{"):
                continue
            entry = json.loads(line)
            if kind == "debezium":
                entry = entry.get("payload", entry)
            if entry.get("op") in ("c", "u", "d", "r"):
                record = Record(kind, entry, arrived_us)
                if record.table in sample.CREATE:
                    yield record


class StreamCheck:
    """What one captured stream holds."""

    def __init__(self, kind, path):
        self.puts = collections.Counter()
        self.deletes = collections.Counter()
        self.arrival = {}
        self.state = {}
        self.records = 0
        for record in read_stream(kind, path):
            self._take(record)

    def _take(self, record):
        self.records += 1
        if record.before is not None and record.op in ("u", "d"):
            old = (record.table, record.key(record.before))
            self.state[old] = None
            if record.op == "d":
                self.deletes[old] += 1
        if record.after is not None:
            new = (record.table, record.key(record.after))
            self.state[new] = record.after
            self.puts[new + (record.after["version"],)] += 1
            if record.arrived_us is not None:
                self.arrival.setdefault(record.after["version"], record.arrived_us)

    def check(self, label, expected, keyspace, since_us, findings):
        """Returns the number of changes that had to be there."""
        wanted_puts, wanted_deletes = collections.Counter(), collections.Counter()
        for entry in expected.transactions:
            if entry["at_us"] < since_us or entry["shard"].partition("/")[0] != keyspace:
                continue
            for change in entry["ops"]:
                key = dict(change["k"])
                if change["op"] == "d":
                    wanted_deletes[change["t"], _key_text(change["t"], key)] += 1
                    continue
                key.update((name, value) for name, value in change["v"].items() if name in key)
                wanted_puts[change["t"], _key_text(change["t"], key),
                            str(change["v"]["version"])] += 1
        for found, wanted in ((self.puts, wanted_puts), (self.deletes, wanted_deletes)):
            for change, times in wanted.items():
                if found[change] < times:
                    findings.add("lost", "%s: %s is there %d times, expected %d" % (
                        label, change, found[change], times))
        self._check_state(label, expected, findings)
        return sum(wanted_puts.values()) + sum(wanted_deletes.values())

    def _check_state(self, label, expected, findings):
        for (table, key), after in self.state.items():
            if (table, key) in expected.uncertain:
                continue
            wanted = expected.tables[table].get(key)
            if (wanted is None) != (after is None):
                findings.add("different", "%s: last record of %s %s %s" % (
                    label, table, key, "deletes it" if after is None else "is not its deletion"))
            elif wanted is not None:
                compare_rows(table, wanted, [after.get(name) for name in sample.COLUMNS[table]],
                             label, findings)

    def lag_ms(self, expected):
        """Milliseconds from acknowledgement to arrival, sorted."""
        lags = []
        for entry in expected.transactions:
            arrived_us = self.arrival.get(str(entry["txid"]))
            if arrived_us is not None:
                lags.append(max(0, arrived_us - entry["at_us"]) / 1000.0)
        return sorted(lags)


def percentile(ordered, part):
    return ordered[int((len(ordered) - 1) * part)] if ordered else 0.0


# --- the whole --------------------------------------------------------------------------------------


def check_servers(routing, expected, references, findings):
    """Compares every table where it is served, and reference tables on every shard."""
    told = {}
    for table in sample.CREATE:
        shards = routing.shards.get(routing.keyspace_of[table], [])
        if not shards:
            findings.add("lost", "no serving shard for %s" % table)
        told[table] = check_table(table, shards, expected, findings)
    for table, keyspace in references:
        for shard in routing.shards.get(keyspace, []):
            told["%s on %s" % (table, shard.label())] = check_table(table, [shard], expected,
                                                                    findings)
    return told


def check_stream(text, expected, findings):
    kind, keyspace, since_us, path = text.split(":", 3)
    stream = StreamCheck(kind, path)
    wanted = stream.check("%s stream of %s" % (kind, keyspace), expected, keyspace, int(since_us),
                          findings)
    lags = stream.lag_ms(expected)
    result = {"kind": kind, "records": stream.records, "changes": wanted}
    if lags:
        result.update(lag_p50_ms=round(percentile(lags, 0.5), 2),
                      lag_p99_ms=round(percentile(lags, 0.99), 2))
    return result


def run(options, findings):
    """Checks everything that `options` names; returns the figures as a dictionary."""
    expected = Expected(options.rows)
    expected.read_log(options.log, findings)
    figures = {"transactions": len(expected.transactions), "uncertain": len(expected.uncertain)}
    if options.routing:
        sockets = dict(text.split("=", 1) for text in options.socket_of)
        references = [text.split("=", 1) for text in options.reference]
        figures["rows"] = check_servers(Routing(options.routing, sockets), expected, references,
                                        findings)
    figures["streams"] = [check_stream(text, expected, findings) for text in options.stream]
    return figures


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--routing")
    parser.add_argument("--socket-of", action="append", default=[])
    parser.add_argument("--reference", action="append", default=[])
    parser.add_argument("--stream", action="append", default=[])
    return parser.parse_args(words)


def main():
    options = parse()
    findings = Findings()
    print(json.dumps(run(options, findings)))
    for text in findings.texts():
        print(text)
    print(findings.line())
    return 0 if findings.clean() else 1


if __name__ == "__main__":
    sys.exit(main())
