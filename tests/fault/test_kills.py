# tests/fault/test_kills.py — the daemon is killed at seeded fault points of a whole migration; nothing is lost.
"""SLUICE_KILLS says how many kills (40; --deep 500), SLUICE_SEED where the draws begin. Deep runs leave
a line in tests/fault/results/ledger.tsv; a failed one is run again with its seed."""

import contextlib
import os

import fleet as fleet_module
import pytest
from life import Draw, Life
from sluice_servers import Scratch

KILLS_A_LIFE = 14
SKIP_POINTS = ("sink.",)  # test_sink_kills.py


def wanted_kills():
    return int(os.environ.get("SLUICE_KILLS", "40"))


def first_seed():
    return int(os.environ.get("SLUICE_SEED", "1"))


def live(draw, kills, record_property):
    """One life of a fleet of its own; the kills, and the points that were passed when none was drawn."""
    with contextlib.closing(Scratch()) as scratch:
        fleet = fleet_module.Fleet(scratch, rows=1500)
        with fleet:
            fleet.start_servers()
            fleet.load_sample()
            fleet.write_configuration()
            fleet.start_writer(rate=120)
            fleet.wait_acknowledged(20)
            life = Life(fleet, draw, kills)
            life.run()
            points = life.collect_points() if draw is None else {}
            fleet.stop_writer()
            findings, _ = fleet.verify()
            record_property("lost", sum(findings.count.values()))
            findings.check()
            fleet.stop_daemon(60)
    return life.kills, points


@pytest.mark.usefixtures("need_sluice")
def test_no_kill_loses_or_doubles_a_write(record_property):
    _, points = live(None, 0, record_property)
    points = {name: n for name, n in points.items() if not name.startswith(SKIP_POINTS)}
    assert len(points) >= 20, "only these fault points were passed: %s" % sorted(points)
    draw = Draw(first_seed(), points)
    kills = []
    while len(kills) < wanted_kills():
        more = live(draw, min(KILLS_A_LIFE, wanted_kills() - len(kills)), record_property)[0]
        record_property("kills", len(more))
        kills += more
    reached = {fault.split(":")[0] for fault, _ in kills}
    print("%d kills at %d of %d points" % (len(kills), len(reached), len(points)))
