# tests/integration/test_streams.py — change streams of two shards: to stdout, to a file and to a real Kafka.
"""Every acknowledged change is in the stream, and the last record of a key is its final state."""

import os
import shutil
import signal
import sys
import time

import fleet as fleet_module
import pytest
from sluice_servers import Kafka, ServerError
from sluice_servers import kafka as kafka_server
from sluice_servers.process import PATIENCE_S, wait_until

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


def finish(fleet, kind, path, since_us):
    fleet.wait_acknowledged(150)
    fleet.stop_writer()
    fleet.wait_for_stream(path, "customer", since_us)
    return fleet.assert_nothing_lost(streams=["%s:customer:%d:%s" % (kind, since_us, path)])


def test_every_change_is_in_the_native_stream(moved):
    capture = moved.stream("stream", "--keyspace", "customer", "--tables", TABLES)
    figures = finish(moved, "ndjson", capture.path, wait_first_record(capture))
    assert figures["streams"][0]["changes"] > 100


def test_a_stream_goes_on_through_a_split(moved):
    moved.workflow("movetables", "c2c", "complete")
    capture = moved.capture("sink", "tail", "-n", "+1", "-F", moved.path("sink.ndjson"))
    moved.sluice("sink", "create", "all", "--keyspace", "customer", "--tables", TABLES, "--to",
                 "file:" + moved.path("sink.ndjson"), "--format", "ndjson")
    client = moved.capture("vstream", sys.executable, FOLLOW_VSTREAM, moved.path("api.sock"),
                           "keyspace=customer&tables=" + TABLES)
    plain = moved.stream("plain", "--keyspace", "customer", "--tables", TABLES)
    since_us = [wait_first_record(each) for each in (capture, client, plain)]
    moved.workflow("reshard", "split", "create", "--source-shards", "-", "--target-shards",
                   "-80,80-")
    moved.wait_running("reshard", "split")
    moved.workflow("reshard", "split", "switchtraffic")
    assert plain.process.wait(PATIENCE_S) == 3  # the error that says which shards serve now
    with open(moved.path("plain.err"), encoding="utf-8") as said:
        text = said.read()
    assert '"shard":"-80"' in text and '"shard":"80-"' in text and "SRC_HANDOVER" in text, text
    figures = finish(moved, "ndjson", capture.path, since_us[0])
    assert figures["streams"][0]["changes"] > 100
    moved.wait_for_stream(client.path, "customer", since_us[1])
    moved.assert_nothing_lost(streams=["ndjson:customer:%d:%s" % (since_us[1], client.path)])


def test_every_change_reaches_a_real_kafka(moved, scratch):
    if not shutil.which("mvn") or not shutil.which("java"):
        pytest.skip("Java or Maven is not installed (tools/install_deps.sh kafka)")
    try:
        kafka_server.fetch()
    except ServerError as error:
        pytest.skip(str(error))
    broker = scratch.start(Kafka, "kafka")
    capture = moved.capture("kafka", fleet_module.program("sluice_test_consumer"), broker.bootstrap,
                            "shop.", stamp=False)
    moved.sluice("sink", "create", "shop", "--keyspace", "customer", "--tables", TABLES, "--to",
                 "kafka://" + broker.bootstrap, "--format", "debezium-json", "--prefix", "shop")
    since_us = wait_first_record(capture)
    broker.kill9()
    broker.restart()
    figures = finish(moved, "debezium", capture.path, since_us)
    assert figures["streams"][0]["changes"] > 100


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
