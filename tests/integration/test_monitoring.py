# tests/integration/test_monitoring.py — what probes and metrics say while a source is away and after things are gone.
"""Monitoring tells the truth: the lag is 0 while idle, rises while stuck, and series go with what they are of."""

import contextlib
import json
import re
import signal
import urllib.parse

from fleet import UnixConnection
from sluice_servers.process import wait_until


def series(fleet, name):
    """{labels: value} of one metric."""
    text = fleet.api("/metrics")[1]
    return {labels: float(value)
            for labels, value in re.findall(r"^sluice_%s\{(.*)\} (\S+)$" % name, text, re.M)}


def ready(fleet):
    status, text = fleet.api("/readyz")
    return status, json.loads(text)


def lags(fleet):
    found = [series(fleet, name) for name in ("workflow_lag_seconds", "sink_lag_seconds")]
    assert all(found)
    return [value for of_one in found for value in of_one.values()]


def heartbeat(fleet, query=""):
    """The first one of a new vstream."""
    connection = UnixConnection(fleet.path("api.sock"))
    connection.request("GET", "/v1/vstream?keyspace=commerce&heartbeat=100ms" + query)
    with contextlib.closing(connection):
        for line in connection.getresponse():
            record = json.loads(line)
            assert "error" not in record, record
            if record["op"] == "heartbeat":
                return record
    raise AssertionError("no heartbeat")


def place_of(record):
    return "&vgtid=" + urllib.parse.quote(json.dumps(record["vgtid"]))


def test_monitoring_tells_the_truth(make_fleet, need_sluice):
    fleet = make_fleet(rows=200)
    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables",
                   "customers")
    fleet.wait_running("movetables", "c2c")
    fleet.sluice("sink", "create", "all", "--keyspace", "commerce", "--to",
                 "file:" + fleet.path("all.ndjson"))
    wait_until(lambda: series(fleet, "sink_state") and ready(fleet)[0] == 200 and lags(fleet) == [0, 0], 20, "all is well")
    wait_until(lambda: heartbeat(fleet)["shards"] == [{"shard": "-", "state": "idle"}], 10,
               "an idle stream's heartbeat")
    place = place_of(heartbeat(fleet))

    source = fleet.server("commerce")
    source.stop()
    wait_until(lambda: ready(fleet)[0] == 503 and min(lags(fleet)) > 2, 30, "the lag to rise")
    assert ready(fleet)[1]["sources_disconnected"] == 1
    assert fleet.api("/healthz")[0] == 200
    shard = heartbeat(fleet, place)["shards"][0]
    assert shard["state"] == "disconnected" and "127.0.0.1" in shard["error"], shard
    assert series(fleet, "source_connected") == {'keyspace="commerce",shard="-"': 0}
    source.restart()
    wait_until(lambda: ready(fleet)[0] == 200 and lags(fleet) == [0, 0], 30, "all to be well again")

    fleet.sluice("sink", "delete", "all")
    fleet.workflow("movetables", "c2c", "cancel")
    wait_until(lambda: not re.search('c2c|sink="all"|stream="all"', fleet.api("/metrics")[1]), 10,
               "the series to go")


def test_a_hang_up_does_not_end_the_daemon(make_fleet, need_sluice):
    fleet = make_fleet(rows=1)
    daemon = fleet.start_daemon()
    daemon.send_signal(signal.SIGHUP)
    assert fleet.api("/healthz")[0] == 200
    assert fleet.stop_daemon() == 0
