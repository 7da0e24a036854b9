# tests/fault/test_sink_kills.py — the daemon is killed around a sink's flush and checkpoint; no record is lost.
"""The file sink keeps every record: all acknowledged writes have to be in it, in order of their keys."""

import json

import pytest
from sluice_servers.process import wait_until

TABLES = ("customers", "orders", "order_items")
POINTS = ("sink.before_flush", "sink.after_flush", "sink.before_checkpoint", "sink.after_checkpoint")


def put_routing(fleet):
    document = {"version": 1, "routing_rules": [], "keyspaces": {"commerce": {"shards": [
        {"name": "-", "key_range": {"start": "", "end": ""}, "serving": True,
         "primary": fleet.server("commerce").address, "database": "commerce"}]}}}
    with open(fleet.routing_path, "w", encoding="utf-8") as out:
        json.dump(document, out)


@pytest.mark.usefixtures("need_sluice")
def test_a_killed_sink_loses_no_record(make_fleet, record_property):
    fleet = make_fleet(rows=500)
    out_path = fleet.path("records.ndjson")
    put_routing(fleet)
    fleet.start_daemon(fault="watch")
    fleet.start_writer(rate=300)
    fleet.wait_acknowledged(10)
    fleet.sluice("sink", "create", "records", "--keyspace", "commerce", "--tables",
                 ",".join(TABLES), "--to", "file:" + out_path, "--from", "beginning")
    kills = 0
    for turn in range(12):
        fleet.stop_daemon()
        fault = "%s:kill:%d" % (POINTS[turn % len(POINTS)], 1 + turn % 3)
        fleet.start_daemon(fault=fault, wait=False)
        wait_until(lambda: fleet.daemon.poll() is not None, 60, "kill at " + fault)
        assert fleet.daemon.returncode == -9, fleet.daemon_log()[-3000:]
        kills += 1
        fleet.start_daemon()
        fleet.wait_acknowledged(20)
    fleet.stop_writer()
    fleet.wait_for_stream(out_path, "commerce", timeout_s=120)
    wanted = acknowledged_versions(fleet)
    found = published_versions(out_path)
    missing = wanted - found
    record_property("kills", kills)
    record_property("lost", len(missing))
    assert not missing, "%d of %d records are missing: %s" % (len(missing), len(wanted),
                                                              sorted(missing)[:5])
    assert kills == 12


def acknowledged_versions(fleet):
    """The version (transaction) of each acknowledged put."""
    with open(fleet.log_path, encoding="utf-8") as log:
        entries = [json.loads(line) for line in log]
    return {entry["txid"] for entry in entries
            if "anomaly" not in entry and any(op["op"] != "d" and op["t"] in TABLES
                                              for op in entry["ops"])}


def published_versions(path):
    found = set()
    with open(path, encoding="utf-8") as records:
        for line in records:
            record = json.loads(line)
            if record.get("op") in ("c", "u") and "version" in record["after"]:
                found.add(record["after"]["version"])
    return found
