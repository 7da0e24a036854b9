# tests/integration/test_streams.py — change streams of two shards: to stdout, to a file and to a real Kafka.
"""Every acknowledged change is in the stream, and the last record of a key is its final state."""

import json
import os
import shutil
import signal
import sys
import time

import fleet as fleet_module
import pytest
from sluice_servers import Kafka, ServerError
from sluice_servers import kafka as kafka_server
from sluice_servers.process import wait_until

FOLLOW_VSTREAM = os.path.join(os.path.dirname(fleet_module.__file__), "follow_vstream.py")
TABLES = ",".join(fleet_module.MOVED_TABLES)


@pytest.fixture(params=["mariadb", "mysql"])
def moved(make_fleet, need_sluice, request):
    """A fleet whose tables live on customer/-, with a daemon and an application that writes."""
    fleet = make_fleet(rows=2000, flavour=request.param)
    fleet.start_writer(rate=200)
    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables", TABLES)
    fleet.wait_running("movetables", "c2c")
    fleet.workflow("movetables", "c2c", "switchtraffic")
    fleet.wait_acknowledged(20)
    return fleet


def wait_first_record(capture):
    wait_until(lambda: capture.size() > 0 or capture.process.poll() is not None, 30,
               "first record in " + capture.path)
    assert capture.process.poll() is None
    return time.time_ns() // 1000


def rest(fleet, path, since_us):
    """The writer stops, and its last changes arrive."""
    fleet.wait_acknowledged(150)
    fleet.stop_writer()
    fleet.wait_for_stream(path, "customer", since_us)


def judge(fleet, kind, path, since_us):
    fleet.wait_for_stream(path, "customer", since_us)
    return fleet.assert_nothing_lost(streams=["%s:customer:%d:%s" % (kind, since_us, path)])


def finish(fleet, kind, path, since_us):
    rest(fleet, path, since_us)
    return judge(fleet, kind, path, since_us)


def test_every_change_is_in_the_native_stream(moved):
    capture = moved.stream("stream", "--keyspace", "customer", "--tables", TABLES)
    figures = finish(moved, "ndjson", capture.path, wait_first_record(capture))
    assert figures["streams"][0]["changes"] > 100


def roll_back(server):
    """Three ways: the whole transaction, to a savepoint, and after XA PREPARE, whose rows are in the log."""
    change = "UPDATE customers SET name = 'rolled back' WHERE customer_id < 40"
    with server.connect(autocommit=True, database="customer") as db, db.cursor() as cursor:
        for sql in ("BEGIN", change, "ROLLBACK", "BEGIN", "SAVEPOINT s", change, "ROLLBACK TO s", "COMMIT", "XA START 'x'",
                    change, "XA END 'x'", "XA PREPARE 'x'", "XA ROLLBACK 'x'"):
            cursor.execute(sql)


def key_of(record, image):
    return record["table"], json.dumps([image[column] for column in sorted(record["key"])])


def check_order(path):
    """Each row of the log came once, and each change of a key begins with what the one before it left."""
    last, places = {}, set()
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line[line.index("{"):]) for line in lines if '"op":' in line]
    for record in (each for each in records if each["op"] in "cud"):
        place = record["shard"], record.get("gtid") or record["pos"], record["seq"]
        assert place not in places, "doubled: %s" % record
        places.add(place)
        before, after = record["before"], record["after"]
        if before:
            assert last.get(key_of(record, before), before) == before, (last[key_of(record, before)], record)
            last[key_of(record, before)] = None
        if after:
            assert last.get(key_of(record, after)) is None, (last[key_of(record, after)], record)
            last[key_of(record, after)] = after
        assert "rolled back" not in json.dumps(record), record
    return places


def first_vgtid(fleet):
    connection = fleet_module.UnixConnection(fleet.path("api.sock"))
    connection.request("GET", "/v1/vstream?keyspace=customer")
    place = json.loads(connection.getresponse().readline())["vgtid"]
    connection.close()
    return json.dumps(place)


def test_a_stream_goes_on_through_a_reshard_and_back(moved):
    """To stdout, over HTTP in one answer, and into a file: nothing lost, doubled or out of order."""
    moved.workflow("movetables", "c2c", "complete")
    before = first_vgtid(moved)
    moved.sluice("sink", "create", "all", "--keyspace", "customer", "--tables", TABLES, "--to",
                 "file:" + moved.path("sink.ndjson"), "--format", "ndjson")
    streams = {"sink": moved.capture("sink", "tail", "-n", "+1", "-F", moved.path("sink.ndjson")),
               "http": moved.capture("http", sys.executable, FOLLOW_VSTREAM, moved.path("api.sock"),
                                     "keyspace=customer&tables=" + TABLES),
               "stdout": moved.stream("stdout", "--keyspace", "customer", "--tables", TABLES)}
    since_us = {name: wait_first_record(each) for name, each in streams.items()}
    roll_back(moved.server("customer"))
    moved.workflow("reshard", "split", "create", "--source-shards", "-", "--target-shards",
                   "-80,80-")
    moved.wait_running("reshard", "split")
    moved.workflow("reshard", "split", "switchtraffic")
    moved.wait_acknowledged(100)
    roll_back(moved.server("customer", "-80"))
    moved.workflow("reshard", "split", "reversetraffic", "--timeout", "120s")  # a busy machine lags behind the writer
    moved.wait_acknowledged(100)
    moved.stop_writer()
    for name, each in streams.items():
        moved.wait_for_stream(each.path, "customer", since_us[name])
    moved.assert_nothing_lost(streams=["ndjson:customer:%d:%s" % (since_us[name], each.path)
                                       for name, each in streams.items()])
    places = {name: check_order(each.path) for name, each in streams.items()}
    assert all({place[0] for place in found} == {"-", "-80", "80-"} for found in places.values())
    assert streams["http"].process.poll() is None and os.path.getsize(moved.path("http.err")) == 0
    assert streams["stdout"].stop() == 130
    with open(moved.path("stdout.err"), encoding="utf-8") as said:
        text = said.read()
    assert '"shard":"-","gtid"' in text and '"80-"' not in text, text  # where it goes on
    late = moved.stream("late", "--keyspace", "customer", "--tables", TABLES, "--from", before, "--until-idle", "1s")
    assert late.process.wait(60) == 0 and late.stop() == 0
    assert check_order(late.path) >= places["stdout"] | places["http"] | places["sink"]


def test_every_change_reaches_a_real_kafka(moved, scratch):
    if not shutil.which("mvn") or not shutil.which("java"):
        pytest.skip("Java or Maven is not installed (tools/install_deps.sh kafka)")
    try:
        kafka_server.fetch()
    except ServerError as error:
        pytest.skip(str(error))
    broker = scratch.start(Kafka, "kafka")
    reader = [fleet_module.program("sluice_test_consumer"), broker.bootstrap, "shop."]
    capture = moved.capture("kafka", *reader, stamp=False)
    moved.sluice("sink", "create", "shop", "--keyspace", "customer", "--tables", TABLES, "--to",
                 "kafka://" + broker.bootstrap, "--format", "debezium-json", "--prefix", "shop")
    since_us = wait_first_record(capture)
    broker.kill9()
    broker.restart()
    rest(moved, capture.path, since_us)
    held = moved.capture("held", *reader, stamp=False)  # what the topics hold, by a reader that met no restart
    assert judge(moved, "debezium", held.path, since_us)["streams"][0]["changes"] > 100
    judge(moved, "debezium", capture.path, since_us)


def published(path, op):
    try:
        with open(path, encoding="utf-8") as lines:
            return sum(line.startswith('{"op":"%s"' % op) for line in lines)
    except FileNotFoundError:
        return 0


def test_a_sink_made_by_command_begins_where_it_is_told(make_fleet, need_sluice):
    fleet = make_fleet(rows=20)
    fleet.start_daemon()
    source = fleet.server("commerce")
    rows = source.query("SELECT COUNT(*) FROM customers", database="commerce")[0][0]
    missing, out = fleet.path("missing"), fleet.path("missing", "out.ndjson")

    def create(*words):
        fleet.sluice("sink", "create", "s", "--keyspace", "commerce", "--tables", "customers", "--to",
                     "file:" + out, *words)

    create()  # its destination cannot be opened yet
    source.query("UPDATE customers SET balance = balance + 1", database="commerce")
    os.mkdir(missing)
    fleet.sluice("sink", "pause", "s")
    fleet.sluice("sink", "resume", "s")
    wait_until(lambda: published(out, "u") == rows, 20, "the changes made before it could write")
    fleet.stop_daemon()
    shutil.rmtree(fleet.path("state"))
    fleet.start_daemon()
    create("--copy")  # what stands in the file is of another sink of this name
    wait_until(lambda: published(out, "r") == rows, 20, "the copy")
    shown = fleet.sluice("stream", "--keyspace", "commerce", "--tables", "customers", "--copy", "--until-idle", "200ms")
    assert [json.loads(line)["op"] for line in shown.splitlines()] == ["r"] * rows
    wait_until(lambda: '"definition"' in open(out, encoding="utf-8").read(), 20, "the file's word of its sink")
    fleet.stop_daemon()
    shutil.rmtree(fleet.path("state"))
    source.query("UPDATE customers SET balance = balance + 1", database="commerce")
    before = published(out, "u")
    fleet.start_daemon()
    assert fleet.sluice_json("sink", "list") == []
    found = fleet.sluice_json("recover", "--from", "file:" + out)
    assert found == {"sinks": [{"name": "s", "result": "recovered"}]}
    wait_until(lambda: published(out, "u") == before + rows, 20, "the changes made while nobody knew of the sink")
    assert published(out, "r") == rows  # it was not copied again
    os.rename(out, out + ".1")
    fleet.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(out), 10, "a new file after SIGHUP")
    fleet.sluice("status")
    fleet.daemon.send_signal(signal.SIGHUP)  # the last one may come while it stops
    assert fleet.stop_daemon() == 0
    assert "SIGHUP" in fleet.daemon_log()


def test_each_sink_has_its_own_choice_at_statements_instead_of_rows(make_fleet, need_sluice):
    fleet = make_fleet(rows=5)
    fleet.start_daemon()
    source = fleet.server("commerce")
    source.query("CREATE DATABASE other")
    source.query("CREATE TABLE other.o (id INT PRIMARY KEY)")
    source.query("GRANT SELECT, TRIGGER ON other.* TO 'sluice'@'127.0.0.1'")
    choices = ("stop", "skip-unrelated", "warn")
    for choice in choices:
        fleet.sluice("sink", "create", choice, "--keyspace", "commerce", "--tables", "customers", "--to",
                     "file:" + fleet.path(choice), "--on-statement", choice)
    refused = fleet.try_sluice("sink", "create", "x", "--keyspace", "commerce", "--to", "file:" + fleet.path("x"),
                               "--on-statement", "never")
    assert refused.returncode == 2 and "skip-unrelated" in refused.stderr, refused.stderr
    with source.connect(autocommit=True) as db, db.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = STATEMENT")
        cursor.execute("INSERT INTO other.o VALUES (1)")
    source.query("UPDATE customers SET balance = balance + 1 WHERE customer_id = 1", database="commerce")

    def lane(name):
        return fleet.sluice_json("sink", "show", name)["streams"][0]

    for choice in choices[1:]:
        wait_until(lambda choice=choice: published(fleet.path(choice), "u") == 1, 20, "the change behind it, " + choice)
        assert lane(choice)["skipped_statements"] == 1
    wait_until(lambda: "LOG_STATEMENT" in lane("stop")["message"], 20, "the sink that stops")
    assert published(fleet.path("stop"), "u") == 0
