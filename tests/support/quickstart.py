#!/usr/bin/python3
# tests/support/quickstart.py — the guided tour: each step shows the command that a user would type.
"""Moves, reshards, materializes and publishes a shop's tables while an application writes to them.

Called by quickstart.sh; needs build/sluice. Exit 0 only with `0 lost, 0 doubled, 0 differences`.
"""

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import time

import fleet as fleet_module
import sample
import verify
from fleet import Fleet, MOVED_TABLES, program
from sluice_servers import Scratch, ServerError
from sluice_servers.process import wait_until

Size = collections.namedtuple("Size", "rows rate writes_between")
FULL = Size(rows=200000, rate=300, writes_between=300)
FAST = Size(rows=20000, rate=200, writes_between=60)
TABLES = ",".join(MOVED_TABLES)
SHOWN_LINES = 14


class Tour:
    """The steps, in their order; each leaves what it measured in `figures`."""

    def __init__(self, fleet, size, kafka):
        self.fleet = fleet
        self.size = size
        self.kafka = kafka
        self.mock = None
        self.streams = []
        self.figures = {}
        self.begun = time.monotonic()

    # --- how it is shown ----------------------------------------------------------------------------

    def heading(self, number, text):
        print("\n[%5.1f s] %s. %s" % (time.monotonic() - self.begun, number, text), flush=True)

    def command(self, *words, timeout_s=600, show=SHOWN_LINES):
        """Shows and runs a command of sluice, and prints what it said."""
        print("  $ sluice " + " ".join(words), flush=True)
        said = self.fleet.sluice(*words, timeout_s=timeout_s)
        lines = [line for line in said.splitlines() if line.strip()]
        for line in lines[:show]:
            print("    " + line[:150])
        if len(lines) > show > 0:
            print("    … %d more lines" % (len(lines) - show))
        sys.stdout.flush()
        return said

    def workflow(self, kind, name, verb, *words, **options):
        return self.command(kind, "--workflow", name, "--target-keyspace", "customer", verb, *words,
                            **options)

    # --- steps --------------------------------------------------------------------------------------

    def start(self):
        self.heading(0, "four throwaway servers, a sample shop and an application that writes")
        fleet = self.fleet
        fleet.start_servers()
        for (keyspace, shard), server in fleet.servers.items():
            print("  %-9s %-4s %s %s, pid %d" % (keyspace, shard, server.version(), server.address,
                                                 server.pid))
        begun = time.monotonic()
        loaded = fleet.load_sample()
        print("  %d rows in %.1f s: %s" % (sum(loaded.values()), time.monotonic() - begun,
                                           ", ".join("%s %d" % item for item in loaded.items())))
        fleet.write_configuration()
        print("  configuration: " + fleet.config_path)
        fleet.start_writer(rate=self.size.rate)
        fleet.wait_acknowledged(self.size.writes_between)
        print("  the application writes %d transactions a second on customers, orders, order_items"
              % self.size.rate)

    def serve(self):
        self.heading(1, "doctor, then serve")
        self.command("doctor", show=40)
        print("  $ sluice serve &")
        self.fleet.start_daemon()
        self.command("status")

    def copy(self, kind, name, rows, *words):
        """Creates a workflow, shows its progress until its streams run; returns rows a second."""
        begun = time.monotonic()
        self.workflow(kind, name, "create", *words, show=0)
        shown = {"at": 0.0}

        def progress(status):
            if time.monotonic() - shown["at"] < 1:
                return
            shown["at"] = time.monotonic()
            parts = ["%s %s %.0f%%" % (table, state.get("phase", ""),
                                       float(state.get("rows_percentage") or 0))
                     for table, state in (status.get("table_copy_state") or {}).items()]
            if parts:
                print("    copying: " + "; ".join(parts), flush=True)

        self.fleet.wait_running(kind, name, timeout_s=900, each=progress)
        seconds = time.monotonic() - begun
        print("    copied: %d rows in %.1f s, %d rows/s; now following the writes" % (
            rows, seconds, rows / seconds))
        return rows / seconds

    def moved_rows(self):
        return sum(count for table, count in sample.counts(self.size.rows).items()
                   if table in MOVED_TABLES)

    def vdiff(self, name):
        self.command("vdiff", "--workflow", name, "--target-keyspace", "customer", "create", "--wait")

    def turn(self, kind, name, verb):
        """A switch or its reverse, and then some writes on the other side."""
        self.workflow(kind, name, verb)
        self.fleet.wait_acknowledged(self.size.writes_between)

    def move(self):
        self.heading(2, "MoveTables: %s from commerce to customer" % TABLES)
        self.figures["move_rows_s"] = self.copy("movetables", "c2c", self.moved_rows(),
                                                "--source-keyspace", "commerce", "--tables", TABLES)
        self.vdiff("c2c")
        self.turn("movetables", "c2c", "switchtraffic")
        self.workflow("movetables", "c2c", "complete")

    def reshard(self):
        self.heading(3, "Reshard: customer from - to -80,80- by xxhash(customer_id)")
        self.figures["reshard_rows_s"] = self.copy("reshard", "split", self.moved_rows(),
                                                   "--source-shards", "-", "--target-shards",
                                                   "-80,80-")
        self.vdiff("split")
        self.turn("reshard", "split", "switchtraffic")
        self.turn("reshard", "split", "reversetraffic")
        self.turn("reshard", "split", "switchtraffic")
        self.workflow("reshard", "split", "complete")

    def materialize(self):
        self.heading(4, "Materialize: the reference table products on both shards of customer")
        self.copy("materialize", "refs", sample.counts(self.size.rows)["products"],
                  "--source-keyspace", "commerce", "--reference-tables", "products")

    def start_broker(self, prefix):
        if self.kafka:
            return self.kafka
        topics = ["%s.customer.%s" % (prefix, table) for table in MOVED_TABLES]
        self.mock = subprocess.Popen([program("sluice_test_kafka"), *topics,
                                      prefix + ".positions"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        bootstrap = self.mock.stdout.readline().strip()
        print("  a mock Kafka cluster in a process of its own: " + bootstrap)
        return bootstrap

    def publish(self):
        self.heading(5, "change streams of both shards: stdout and Kafka (Debezium JSON)")
        prefix = "quick%d" % os.getpid()
        bootstrap = self.start_broker(prefix)
        print("  $ sluice stream --keyspace customer --tables %s > stream.out &" % TABLES)
        stdout = self.fleet.stream("stream", "--keyspace", "customer", "--tables", TABLES)
        consumer = self.fleet.capture("kafka", program("sluice_test_consumer"), bootstrap,
                                      prefix + ".", stamp=False)
        self.command("sink", "create", "orders-to-kafka", "--keyspace", "customer", "--tables",
                     TABLES, "--to", "kafka://" + bootstrap, "--format", "debezium-json",
                     "--prefix", prefix, "--topic", "{prefix}.{db}.{table}")
        self.streams = [(kind, capture, self.wait_flowing(capture))
                        for kind, capture in (("ndjson", stdout), ("debezium", consumer))]
        self.fleet.wait_acknowledged(self.size.writes_between * 3)
        self.command("sink", "show", "orders-to-kafka")
        with open(stdout.path, encoding="utf-8") as text:
            print("  a record: " + text.readline().partition("\t")[2][:240] + "…")

    def wait_flowing(self, capture):
        """Waits until changes of both shards have come through; from then on each must be there."""

        def from_both():
            if capture.process.poll() is not None:
                raise AssertionError("a stream ended: " + read_end(capture.path[:-4] + ".err"))
            with open(capture.path, encoding="utf-8") as text:
                customers = {shard_of(line) for line in text if line.endswith("}\n")}
            return {True, False} <= customers

        wait_until(from_both, 60, "changes of both shards in " + capture.path, step_s=0.1)
        return time.time_ns() // 1000

    def prove(self):
        self.heading(6, "the application stops; an independent client compares everything")
        fleet = self.fleet
        self.figures["peak_mib"] = fleet.daemon_peak_bytes() / 2**20
        self.figures["writer"] = fleet.stop_writer()
        words = []
        for kind, capture, since_us in self.streams:
            fleet.wait_for_stream(capture.path, "customer", since_us)
            words.append("%s:customer:%d:%s" % (kind, since_us, capture.path))
            capture.stop()
        self.wait_reference()
        findings, told = fleet.verify(streams=words, references=["products=customer"])
        self.figures["verified"] = told
        for text in findings.texts():
            print(text)
        return findings

    def wait_reference(self):
        """The copies of products follow asynchronously: until they have the last write's price."""
        source = self.fleet.server("commerce")
        wanted = source.query("SELECT MAX(version) FROM products", database="commerce")[0][0]
        for shard in ("-80", "80-"):
            self.fleet.server("customer", shard).wait_for_query(
                "SELECT MAX(version) FROM products", wanted, database="customer")

    def summary(self, findings):
        writer, told = self.figures["writer"], self.figures["verified"]
        print("\nsummary")
        print("  moved        %d rows/s by movetables, %d rows/s by reshard, under writes" % (
            self.figures["move_rows_s"], self.figures["reshard_rows_s"]))
        print("  application  %d transactions, %d statements; p50 %.1f ms, p99 %.1f ms" % (
            writer["transactions"], writer["statements"], writer["p50_ms"], writer["p99_ms"]))
        print("  switches     longest time a write waited or was refused: %.0f ms (%d retries)" % (
            writer["longest_ms"], writer["retries"]))
        for stream in told["streams"]:
            print("  %-11s  %d records, %d changes that had to be there; lag p50 %.1f ms,"
                  " p99 %.1f ms" % (stream["kind"], stream["records"], stream["changes"],
                                    stream.get("lag_p50_ms", 0), stream.get("lag_p99_ms", 0)))
        print("  daemon       %.0f MiB resident at most" % self.figures["peak_mib"])
        print("  rows         %s" % ", ".join("%s %d" % item for item in told["rows"].items()))
        print("  %s   (%.0f s)" % (findings.line(), time.monotonic() - self.begun), flush=True)

    def run(self):
        for step in (self.start, self.serve, self.move, self.reshard, self.materialize,
                     self.publish):
            step()
        findings = self.prove()
        self.summary(findings)
        return findings.clean()

    def close(self):
        if self.mock is not None:
            self.mock.kill()
            self.mock.wait()


def shard_of(line):
    """Whether a record of a stream belongs to the lower shard; None when it names no customer."""
    body = line.partition("\t")[2]
    try:
        record = json.loads(body)
    except ValueError:
        return None
    image = record.get("after") or record.get("before") or {}
    if "customer_id" not in image:
        return None
    return verify.keyspace_id(image["customer_id"])[0] < 0x80


def read_end(path):
    with open(path, encoding="utf-8", errors="replace") as text:
        return text.read()[-6000:]


def keep_running(fleet):
    print("\nLeft running. To go on by hand:\n  export PATH=%s:$PATH SLUICE_CONFIG=%s"
          "\n  sluice status; sluice workflow --keyspace customer list" % (
              fleet_module.build_dir(), fleet.config_path))
    for (keyspace, shard), server in fleet.servers.items():
        print("  mariadb --socket=%s %s      # %s/%s, pid %d" % (server.socket, keyspace, keyspace,
                                                                shard, server.pid))
    print("  daemon: pid %d, log %s" % (fleet.daemon.pid, fleet.path("daemon.log")))
    print("To end it: kill %d %s; rm -r %s" % (
        fleet.daemon.pid, " ".join(str(server.pid) for server in fleet.servers.values()),
        fleet.scratch.dir))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--mysql", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--kafka")
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
    scratch = Scratch(keep=options.keep)
    fleet = Fleet(scratch, flavour="mysql" if options.mysql else "mariadb",
                  rows=(FAST if options.fast else FULL).rows, detached=options.keep)
    tour = Tour(fleet, FAST if options.fast else FULL, options.kafka)
    clean = False
    try:
        clean = tour.run()
        if options.keep:
            keep_running(fleet)
    except (AssertionError, ServerError, fleet_module.CommandFailed,
            subprocess.TimeoutExpired) as error:
        print("\nquickstart: %s" % error, file=sys.stderr)
        if fleet.daemon is not None:
            print("the daemon's log ends with:\n%s" % read_end(fleet.path("daemon.log")),
                  file=sys.stderr)
    finally:
        tour.close()
        if not options.keep:
            if fleet.daemon is not None and fleet.daemon.poll() is None:
                fleet.stop_daemon()
            fleet.close()
            scratch.close()
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
