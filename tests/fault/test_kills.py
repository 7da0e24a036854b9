# tests/fault/test_kills.py — the daemon is killed at seeded fault points of a whole migration; nothing is lost.
"""SLUICE_KILLS says how many kills (40; --deep 500), SLUICE_SEED where the draws begin. The result, each
kill with its point and step, is written to tests/fault/results/ when SLUICE_KEEP_RESULTS is set."""

import contextlib
import json
import os
import time

import fleet as fleet_module
import pytest
from life import Draw, Life
from sluice_servers import Scratch

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
KILLS_A_LIFE = 14
SKIP_POINTS = ("sink.",)  # test_sink_kills.py


def wanted_kills():
    return int(os.environ.get("SLUICE_KILLS", "40"))


def first_seed():
    return int(os.environ.get("SLUICE_SEED", "1"))


def live(draw, kills):
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
            fleet.assert_nothing_lost()
            fleet.stop_daemon(60)
    return life.kills, points


def write_results(record):
    if not os.environ.get("SLUICE_KEEP_RESULTS"):
        return
    os.makedirs(RESULTS, exist_ok=True)
    path = os.path.join(RESULTS, "kills-%d.json" % record["kills_wanted"])
    with open(path, "w", encoding="utf-8") as out:
        json.dump(record, out, indent=1)
        out.write("\n")


@pytest.mark.usefixtures("need_sluice")
def test_no_kill_loses_or_doubles_a_write():
    begun = time.monotonic()
    _, points = live(None, 0)
    points = {name: n for name, n in points.items() if not name.startswith(SKIP_POINTS)}
    assert len(points) >= 20, "only these fault points were passed: %s" % sorted(points)
    draw = Draw(first_seed(), points)
    kills = []
    while len(kills) < wanted_kills():
        kills += live(draw, min(KILLS_A_LIFE, wanted_kills() - len(kills)))[0]
    reached = sorted({fault.split(":")[0] for fault, _ in kills})
    write_results({"kills_wanted": wanted_kills(), "seed": first_seed(), "kills": kills,
                   "points": points, "reached": reached,
                   "seconds": round(time.monotonic() - begun)})
    print("%d kills at %d of %d points" % (len(kills), len(reached), len(points)))
