# tests/fault/life.py — one life of a fleet: move, switch, turn, reshard, complete, with a daemon that dies on the way.
"""A Life runs the verbs of a whole migration. Before each daemon start a fault point is drawn from the
seed; when the daemon dies, another one is started with the next draw, and the same command is given
again until it has done its work. Between the steps the application goes on writing.
"""

import json
import random
import subprocess
import time

from sluice_servers.process import wait_until

ALLOWED_AGAIN = 60  # commands given again before a step counts as not converging
TABLES = "customers,orders,order_items"

STEPS = (
    ("movetables", "c2c", "create", ("--source-keyspace", "commerce", "--tables", TABLES)),
    ("movetables", "c2c", "running", ()),
    ("movetables", "c2c", "switchtraffic", ()),
    ("movetables", "c2c", "reversetraffic", ()),
    ("movetables", "c2c", "switchtraffic", ()),
    ("movetables", "c2c", "complete", ()),
    ("reshard", "split", "create", ("--source-shards", "-", "--target-shards", "-80,80-")),
    ("reshard", "split", "running", ()),
    ("reshard", "split", "switchtraffic", ()),
    ("reshard", "split", "reversetraffic", ()),
    ("reshard", "split", "switchtraffic", ()),
    ("reshard", "split", "complete", ()),
)


class Draw:
    """Fault points by seed: each point is drawn before any is drawn twice."""

    def __init__(self, seed, points):
        self.random = random.Random(seed)
        self.points = dict(points)
        self.left = []

    def next(self):
        if not self.left:
            self.left = sorted(self.points)
            self.random.shuffle(self.left)
        name = self.left.pop()
        times = max(1, self.points[name])
        nth = 1 if self.random.random() < 0.5 else self.random.randint(1, min(times, 40))
        return "%s:kill:%d" % (name, nth)


class Life:
    """One fleet from create to complete. `draw` None: nothing is killed, points are only counted."""

    def __init__(self, fleet, draw=None, kills_wanted=0):
        self.fleet = fleet
        self.draw = draw
        self.kills_wanted = kills_wanted
        self.kills = []      # (fault, step)
        self.points = {}
        self.step = "start"
        self.armed = None

    # --- the daemon ---------------------------------------------------------------------------------

    def start_daemon(self):
        while True:
            armed = self.draw and len(self.kills) < self.kills_wanted
            self.armed = self.draw.next() if armed else "watch"
            self.fleet.start_daemon(fault=self.armed, wait=False)
            wait_until(self.up_or_dead, 60, "sluice serve")
            if self.fleet.daemon.poll() is None:
                return
            self.note_death()

    def up_or_dead(self):
        return self.fleet.daemon.poll() is not None or self.fleet.answers()

    def note_death(self):
        code = self.fleet.daemon.returncode
        assert code == -9, "the daemon ended with %d at %s, armed %s:\n%s" % (
            code, self.step, self.armed, self.fleet.daemon_log()[-4000:])
        self.kills.append((self.armed, self.step))

    def revive(self):
        """A new daemon if the old one has died; tells whether it had."""
        if self.fleet.daemon.poll() is None:
            return False
        self.note_death()
        self.start_daemon()
        return True

    def dying(self):
        """The connection broke: the process may need a moment to be gone."""
        try:
            self.fleet.daemon.wait(2)
        except subprocess.TimeoutExpired:
            pass

    def rearm(self):
        """A fresh draw for the next step: a clean stop and start."""
        if self.draw and len(self.kills) < self.kills_wanted and self.fleet.daemon.poll() is None:
            code = self.fleet.stop_daemon(60)
            if code == -9:
                self.note_death()
            else:
                assert code == 0, "a clean stop ended with %d:\n%s" % (
                    code, self.fleet.daemon_log()[-3000:])
            self.start_daemon()

    # --- steps ----------------------------------------------------------------------------------------

    def check_servers(self):
        """Nothing here kills a server: one that has ended has crashed by itself."""
        for (keyspace, shard), server in self.fleet.servers.items():
            assert server.alive(), "the server of %s/%s ended:\n%s" % (
                keyspace, shard, server.log_since_start()[-3000:])

    def give(self, kind, name, verb, words):
        """Gives the command until it converges."""
        last = None
        for _ in range(ALLOWED_AGAIN):
            self.revive()
            last = self.fleet.try_sluice(kind, "--workflow", name, "--target-keyspace", "customer",
                                         verb, *words, timeout_s=120)
            if last.returncode == 0:
                return
            self.dying()
            self.check_servers()
            if self.fleet.daemon.poll() is None and last.returncode not in (1, 3, 4, 5, 7):
                break
            time.sleep(0.1)
        raise AssertionError("%s %s did not converge: exit %d\n%s%s\nkills %s\n%s" % (
            kind, verb, last.returncode, last.stdout, last.stderr, self.kills,
            self.fleet.daemon_log()[-6000:]))

    def wait_running(self, kind, name):
        def running():
            if self.revive():
                return False
            done = self.fleet.try_sluice(kind, "--workflow", name, "--target-keyspace", "customer",
                                         "status", "--format", "json")
            if done.returncode != 0:
                self.dying()
                return False
            states = [(stream.get("status") or "", stream.get("info") or "")
                      for shard in json.loads(done.stdout)["shard_streams"].values()
                      for stream in shard["streams"]]
            broken = [state for state in states if state[0].lower() == "error"]
            assert not broken, "%s\nkills %s\n%s" % (broken, self.kills,
                                                      self.fleet.daemon_log()[-6000:])
            return bool(states) and all(state[0] == "Running" for state in states)

        wait_until(running, 180, "copy of " + name, step_s=0.1)

    def run(self):
        self.start_daemon()
        for number, (kind, name, verb, words) in enumerate(STEPS):
            self.step = "%d %s %s" % (number, kind, verb)
            if verb == "running":
                self.wait_running(kind, name)
            else:
                if number:
                    self.rearm()
                self.give(kind, name, verb, words)
            if verb not in ("create", "complete"):
                self.revive()
                self.fleet.wait_acknowledged(5, timeout_s=120)
        self.revive()

    def collect_points(self):
        """The fault points that this life passed, and how often: for the draws of later lives."""
        text = json.loads(self.fleet.api("/v1/faultpoints")[1])["points"]
        return {line.split("\t")[0]: int(line.split("\t")[1]) for line in text.splitlines() if line}
