# tests/support/fleet.py — four servers, a daemon, a writer and their files: the place where moves are tried.
"""The fleet that the quickstart, the integration tests and the fault tests drive.

commerce/-    where the sample starts          customer/-     where its tables move to
customer/-80  and customer/80-                 where they are resharded to

Only the public command line of sluice is used.
"""

import copy
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "servers")]

import sample  # noqa: E402
import verify  # noqa: E402
from sluice_servers import MariaDB, MariaDB11, MySQL, Scratch  # noqa: E402
from sluice_servers import accounts  # noqa: E402
from sluice_servers.process import wait_until  # noqa: E402

MOVED_TABLES = ("customers", "orders", "order_items")
SHARDS = (("commerce", "-"), ("customer", "-"), ("customer", "-80"), ("customer", "80-"))
VSCHEMA = {"sharded": True, "vindexes": {"by_customer": {"type": "xxhash"}},
           "tables": dict({table: {"column_vindexes": [{"column": "customer_id",
                                                        "name": "by_customer"}]}
                           for table in MOVED_TABLES}, products={"type": "reference"})}


class CommandFailed(Exception):
    """A sluice command ended with an exit code that was not expected."""

    def __init__(self, words, done):
        super().__init__("sluice %s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout,
                                                       done.stderr))
        self.done = done


def build_dir():
    return os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))


def program(name):
    """Path of a built program: sluice, sluice_test_writer, sluice_test_kafka, sluice_test_consumer."""
    inside = "" if name == "sluice" else os.path.join("tests", "support")
    return os.path.join(build_dir(), inside, name)


class Capture:
    """A program whose standard output goes to a file, each line stamped with its arrival."""

    def __init__(self, words, path, err_path, stamp=True):
        self.path = path
        self._out = open(path, "wb")
        self._err = open(err_path, "wb")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=self._err,
                                        stdout=subprocess.PIPE if stamp else self._out)
        self._thread = None
        if stamp:
            self._thread = threading.Thread(target=self._pump, daemon=True)
            self._thread.start()

    def _pump(self):
        for line in self.process.stdout:
            self._out.write(b"%d\t%s" % (time.time_ns() // 1000, line))
            self._out.flush()

    def size(self):
        return os.path.getsize(self.path)

    def stop(self):
        """SIGTERM, then the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        if self._thread:
            self._thread.join(30)
        self._out.close()
        self._err.close()
        return code


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=300)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Fleet:
    """See the module. `directory` gets every file; leaving the `with` block stops everything."""

    def __init__(self, scratch, flavour="mariadb", rows=2000, fence="auto", args=(), detached=False,
                 **options):
        self.scratch = scratch
        self.rows = rows
        self.fence = fence
        self.server_class = {"mariadb": MariaDB, "mariadb11": MariaDB11, "mysql": MySQL}[flavour]
        self.server_args = list(args)
        self.server_options = options
        self.detached = detached
        self.vschema = copy.deepcopy(VSCHEMA)
        self.servers = {}
        self.daemon = None
        self.writer = None
        self.captures = []
        self.state_dir = self.path("state")
        self.config_path = self.path("sluice.yaml")
        self.api_path = self.path("api.sock")
        self.routing_path = self.path("routing.json")
        self.log_path = self.path("writer.log")
        self.log_read = self.log_lines = 0
        self.summary_path = self.path("writer.json")

    def path(self, *parts):
        return self.scratch.path(*parts)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        for capture in self.captures:
            if capture.process.poll() is None:
                capture.process.kill()
        for process in (self.writer, self.daemon):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    # --- servers ------------------------------------------------------------------------------------

    def start_servers(self):
        """Starts the four servers together and creates their databases, or borrows them."""
        options = dict(self.server_options, args=self.server_args)
        if not self.detached and self.scratch.borrows(self.server_class, options):
            for keyspace, shard in SHARDS:
                self.servers[keyspace, shard] = self.scratch.start(self.server_class, keyspace, databases=[keyspace],
                                                                   **self.server_options)
            return
        for keyspace, shard in SHARDS:
            server = self.server_class(self.path("%s%s" % (keyspace, shard.replace("-", "_"))),
                                       databases=[keyspace], args=self.server_args,
                                       **self.server_options)
            self.servers[keyspace, shard] = server
            self.scratch.servers.append(server)
            server.launch(detached=self.detached)
        for server in self.servers.values():
            server.finish_start()

    def server(self, keyspace, shard="-"):
        return self.servers[keyspace, shard]

    def load_sample(self):
        connection = self.server("commerce").connect(database="commerce")
        try:
            return sample.load(connection, self.rows)
        finally:
            connection.close()

    # --- configuration and daemon ---------------------------------------------------------------------

    def write_configuration(self, extra=""):
        password_path = self.path("sluice.password")
        with open(password_path, "w", encoding="utf-8") as out:
            out.write(accounts.SLUICE_PASSWORD + "\n")
        os.chmod(password_path, 0o600)
        with open(self.path("customer.vschema.json"), "w", encoding="utf-8") as out:
            json.dump(self.vschema, out, indent=1)
        lines = ["name: quick", "state: " + self.state_dir, "server_ids: 900000-900999",
                 "listen: unix:" + self.api_path, "credentials:",
                 "  app: {user: %s, password_file: %s}" % (accounts.SLUICE_USER, password_path),
                 "keyspaces:"]
        for keyspace in ("commerce", "customer"):
            lines.append("  %s:" % keyspace)
            if keyspace == "customer":
                lines.append("    vschema: customer.vschema.json")
            lines.append("    shards:")
            for (owner, shard), server in self.servers.items():
                if owner == keyspace:
                    lines.append('      "%s": {primary: "%s", database: %s, credentials: app}' % (
                        shard, server.address, keyspace))
        lines += ["routing: {file: %s}" % self.routing_path, "fence: {mode: %s}" % self.fence]
        with open(self.config_path, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n" + extra)

    def start_daemon(self, fault=None, wait=True):
        """Starts `sluice serve`; with `fault`, its SLUICE_FAULT. Returns the process."""
        environment = dict(os.environ)
        environment.pop("SLUICE_FAULT", None)
        if fault:
            environment["SLUICE_FAULT"] = fault
        with open(self.path("daemon.log"), "ab") as log:
            self.daemon = subprocess.Popen(
                [program("sluice"), "serve", "--config", self.config_path], env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=self.detached)
        if wait:
            self.wait_for_daemon()
        return self.daemon

    def answers(self):
        """Whether the daemon answers; asked without a process, for who waits asks often."""
        try:
            return self.api("/v1/status")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_for_daemon(self, timeout_s=30):
        wait_until(lambda: self.daemon.poll() is not None or self.answers(), timeout_s, "sluice serve")
        if self.daemon.poll() is not None:
            raise AssertionError("sluice serve ended with %d:\n%s" % (self.daemon.returncode,
                                                                     self.daemon_log()[-3000:]))

    def daemon_log(self):
        with open(self.path("daemon.log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop_daemon(self, timeout_s=30):
        """SIGTERM; returns the exit code."""
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(timeout_s)

    def kill_daemon(self):
        self.daemon.kill()
        self.daemon.wait()

    def daemon_peak_bytes(self):
        with open("/proc/%d/status" % self.daemon.pid, encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0

    def api(self, path, method="GET", document=None):
        """Asks the daemon's API: (status, text)."""
        connection = UnixConnection(self.api_path)
        body = None if document is None else json.dumps(document)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8")
        connection.close()
        return answer.status, text

    # --- commands -------------------------------------------------------------------------------------

    def words(self, *words):
        return [program("sluice"), *words, "--config", self.config_path]

    def try_sluice(self, *words, timeout_s=300, env=None):
        """Runs a command and returns what became of it."""
        environment = dict(os.environ, **(env or {}))
        return subprocess.run(self.words(*words), capture_output=True, text=True, timeout=timeout_s,
                              stdin=subprocess.DEVNULL, check=False, env=environment)

    def sluice(self, *words, timeout_s=300, expect=0):
        """Runs a command that has to end with `expect`; returns its standard output."""
        done = self.try_sluice(*words, timeout_s=timeout_s)
        if done.returncode != expect:
            raise CommandFailed(words, done)
        return done.stdout

    def sluice_json(self, *words, **options):
        return json.loads(self.sluice(*words, "--format", "json", **options))

    def workflow(self, kind, name, verb, *words, keyspace="customer", **options):
        return self.sluice(kind, "--workflow", name, "--target-keyspace", keyspace, verb, *words,
                           **options)

    def status(self, kind, name, keyspace="customer"):
        return json.loads(self.workflow(kind, name, "status", "--format", "json",
                                        keyspace=keyspace))

    def wait_running(self, kind, name, timeout_s=300, each=None):
        """Waits until every stream of the workflow runs; `each` sees every status on the way.

        The API is asked: ten processes a second would be a tenth of what a benchmark measures.
        """

        def running():
            code, text = self.api("/v1/workflows/customer/%s/status?type=%s" % (name, kind), "POST", {})
            if code != 200:
                raise AssertionError("workflow %s: %d %s" % (name, code, text))
            status = json.loads(text)
            if each:
                each(status)
            states = [stream.get("status") or stream.get("state")
                      for shard in status["shard_streams"].values() for stream in shard["streams"]]
            bad = [state for state in states if state and state.lower() == "error"]
            if bad:
                raise AssertionError("workflow %s: %s" % (name, json.dumps(status)))
            return bool(states) and all(state == "Running" for state in states)

        wait_until(running, timeout_s, "copy of workflow " + name, step_s=0.1)

    def routing_version(self):
        with open(self.routing_path, encoding="utf-8") as text:
            return json.load(text)["version"]

    # --- writer, streams, judge -------------------------------------------------------------------------

    def start_writer(self, rate=200, threads=2, seed=1, **options):
        """Starts the application; it follows the routing document from now on."""
        words = [program("sluice_test_writer"), "--default",
                 self.server("commerce").address + "/commerce", "--routing", self.routing_path,
                 "--log", self.log_path, "--summary", self.summary_path, "--rate", str(rate),
                 "--threads", str(threads), "--seed", str(seed)]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        with open(self.path("writer.err"), "ab") as err:
            self.writer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        return self.writer

    def acknowledged(self):
        """How many transactions stand in the writer's log; only what is new in it is read."""
        if not os.path.exists(self.log_path) or os.path.getsize(self.log_path) < self.log_read:
            self.log_read = self.log_lines = 0
        if os.path.exists(self.log_path):
            with open(self.log_path, "rb") as log:
                log.seek(self.log_read)
                for chunk in iter(lambda: log.read(1 << 20), b""):
                    self.log_read += len(chunk)
                    self.log_lines += chunk.count(b"\n")
        return self.log_lines

    def wait_acknowledged(self, more, timeout_s=60):
        """Waits until the writer got `more` further acknowledgements."""
        goal = self.acknowledged() + more

        def enough():
            if self.writer.poll() is not None:
                raise AssertionError("the writer ended: " + self.writer_errors())
            return self.acknowledged() >= goal

        wait_until(enough, timeout_s, "%d more writes" % more, step_s=0.05)

    def writer_errors(self):
        with open(self.path("writer.err"), encoding="utf-8", errors="replace") as err:
            return err.read()[-2000:]

    def stop_writer(self, timeout_s=90):
        """Lets the writer finish; returns its summary."""
        if self.writer.poll() is None:
            self.writer.send_signal(signal.SIGTERM)
        code = self.writer.wait(timeout_s)
        with open(self.summary_path, encoding="utf-8") as text:
            summary = json.load(text)
        if code != 0:
            raise AssertionError("the writer ended with %d: %s" % (code, self.writer_errors()))
        return summary

    def capture(self, name, *words, stamp=True):
        """Runs a program until stopped, its output in NAME.out."""
        capture = Capture(list(words), self.path(name + ".out"), self.path(name + ".err"), stamp)
        self.captures.append(capture)
        return capture

    def stream(self, name, *words):
        return self.capture(name, *self.words("stream", *words))

    def last_writes(self, keyspace, since_us):
        """For each shard of `keyspace` written since, the id of its last transaction that put a row."""
        last = {}
        with open(self.log_path, encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                if (entry["shard"].startswith(keyspace + "/") and "anomaly" not in entry and
                        entry["at_us"] >= since_us and
                        any(change["op"] != "d" for change in entry["ops"])):
                    last[entry["shard"]] = entry["txid"]
        return set(last.values())

    def wait_for_stream(self, path, keyspace, since_us=0, timeout_s=60):
        """Waits until the stream in `path` has the last writes of every shard, and rests."""
        missing = {b'"version":%d,' % txid for txid in self.last_writes(keyspace, since_us)}
        seen = {"size": -1, "at": 0}

        def drained():
            size = os.path.getsize(path)
            with open(path, "rb") as text:
                text.seek(seen["at"])
                fresh = text.read()
            seen["at"] += fresh.rfind(b"\n") + 1
            for mark in list(missing):
                if mark in fresh or mark.replace(b",", b"}") in fresh:
                    missing.discard(mark)
            rests = not missing and size == seen["size"]
            seen["size"] = size
            return rests

        wait_until(drained, timeout_s, "rest of %s" % path, step_s=0.5)

    def verify(self, streams=(), references=()):
        """Compares everything; returns (findings, figures)."""
        findings = verify.Findings()
        words = ["--log", self.log_path, "--rows", str(self.rows), "--routing", self.routing_path]
        for server in self.servers.values():
            words += ["--socket-of", "%s=%s" % (server.address, server.socket)]
        for text in references:
            words += ["--reference", text]
        for text in streams:
            words += ["--stream", text]
        figures = verify.run(verify.parse(words), findings)
        return findings, figures

    def assert_nothing_lost(self, **options):
        findings, figures = self.verify(**options)
        findings.check(json.dumps(figures))
        return figures


def make(keep=False, **options):
    """A fleet in a scratch directory of its own, for a `with` statement."""
    scratch = Scratch(keep=keep)
    return scratch, Fleet(scratch, **options)
