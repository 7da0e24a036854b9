# tests/servers/sluice_servers/process.py — one server process: found by its pid and start time, never by a name.
"""The part that all servers share.

A server is described by a directory (its data, log and `server.json`).  `server.json` holds the pid
together with the process's start time, so that a pid which the kernel has given to somebody else is
never signalled.
"""

import ctypes
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
MEMORY_PLACE, MEMORY_FREE_MIN = "/dev/shm", 8 << 30
PATIENCE_S = 180
# Below the kernel's ephemeral range, or a restart could find its port taken by an outgoing connection.
PORT_FIRST, PORT_LAST = 20000, 31999
_reserved = {}  # the first of what free_port returned: the descriptors whose locks hold the ports


class ServerError(Exception):
    """A server could not be had, started or stopped; the text ends with its last log lines."""


def cache_dir():
    """The directory that outlives test runs: fetched servers and initialised data directories."""
    path = os.environ.get("SLUICE_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "sluice")
    os.makedirs(path, exist_ok=True)
    return path


def free_port(count=1):
    """The first of `count` consecutive TCP ports of 127.0.0.1 that nobody listens on.

    They are this process's until it ends or gives them back: another run of the tests neither picks
    them between this look and the server's own, nor while the server is down and will come back.
    """
    for _ in range(500):
        first = random.randint(PORT_FIRST, PORT_LAST - count)
        if _reserve(range(first, first + count)):
            return first
    raise ServerError("no free port between %d and %d" % (PORT_FIRST, PORT_LAST))


def _reserve(ports):
    """Locks one file a port, which the kernel unlocks when the process ends; True when all are free."""
    folder = os.path.join(cache_dir(), "ports")
    os.makedirs(folder, exist_ok=True)
    held = []
    try:
        for port in ports:
            held.append(os.open(os.path.join(folder, str(port)), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _port_is_free(port):
                raise BlockingIOError
    except BlockingIOError:
        _close_all(held)
        return False
    _reserved[ports[0]] = held
    return True


def give_back(port):
    """Lets others have what free_port returned."""
    _close_all(_reserved.pop(port, []))


def _close_all(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


def _port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def start_time(pid):
    """Field 22 of /proc/PID/stat, or None when there is no such process or it is a zombie."""
    try:
        with open("/proc/%d/stat" % pid, encoding="latin-1") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def wait_until(condition, timeout_s, what, step_s=0.02):
    """Polls `condition` until it is true; raises ServerError after `timeout_s`, or PATIENCE_S when that is longer.

    A wait that is short because the thing is quick only tells a machine under load from an idle one.
    """
    timeout_s = max(timeout_s, PATIENCE_S)
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError("%s: not within %g s" % (what, timeout_s))
        time.sleep(step_s)


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A process with a log file, known by (pid, start time) and remembered in `server.json`."""

    kind = "process"
    lendable = False  # lender.py

    def __init__(self, directory):
        self.dir = os.path.abspath(directory)
        os.makedirs(self.dir, exist_ok=True)
        self.log_path = os.path.join(self.dir, "server.log")
        self.pid = None
        self.started_at = None
        self._popen = None

    def describe(self):
        """What `server.json` keeps, beyond pid and start time."""
        return {"kind": self.kind, "dir": self.dir}

    def save(self):
        with open(os.path.join(self.dir, "server.json"), "w", encoding="utf-8") as out:
            json.dump(dict(self.describe(), pid=self.pid, started_at=self.started_at), out, indent=1)

    def recall(self):
        """Takes pid and start time from `server.json`, for a server that another process started."""
        with open(os.path.join(self.dir, "server.json"), encoding="utf-8") as text:
            stored = json.load(text)
        self.pid, self.started_at = stored["pid"], stored["started_at"]
        return stored

    def spawn(self, argv, detached=False, env=None):
        log = open(self.log_path, "ab")
        self._log_from = log.tell()
        with log:
            self._popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.dir,
                env=env, start_new_session=True, preexec_fn=None if detached else _die_with_parent)
        self.pid = self._popen.pid
        self.started_at = start_time(self.pid)
        self.save()

    def alive(self):
        if self.pid is None:
            return False
        if self._popen is not None and self._popen.poll() is not None:
            return False
        return self.started_at is not None and start_time(self.pid) == self.started_at

    def log_since_start(self):
        with open(self.log_path, "rb") as log:
            log.seek(getattr(self, "_log_from", 0))
            return log.read().decode("utf-8", "replace")

    def fail(self, what):
        tail = "\n".join(self.log_since_start().splitlines()[-15:])
        raise ServerError("%s: %s; %s ends with:\n%s" % (self.kind, what, self.log_path, tail))

    def wait_for_log(self, texts, timeout_s):
        """Waits until every one of `texts` stands in what was logged since the last start."""

        def said_or_ended():
            log = self.log_since_start()
            return all(text in log for text in texts) or not self.alive()

        try:
            wait_until(said_or_ended, timeout_s, self.kind)
        except ServerError:
            self.fail("not ready within %g s" % timeout_s)
        if not self.alive():
            self.fail("ended during its start")

    def send(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def stop(self, timeout_s=60):
        """SIGTERM and wait; SIGKILL after `timeout_s`."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            wait_until(lambda: not self.alive(), timeout_s, "stop of " + self.kind)
        except ServerError:
            self.kill9()
        self._reap()

    def _reap(self):
        if self._popen is not None:
            self._popen.wait()
            self._popen = None

    def kill9(self):
        """SIGKILL, as a crash: data stays as it is."""
        self.send(signal.SIGKILL)
        wait_until(lambda: not self.alive(), 20, "kill of " + self.kind)
        self._reap()

    def rss_bytes(self):
        with open("/proc/%d/statm" % self.pid, encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid, encoding="latin-1") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quick_place():
    """Where throwaway data goes: SLUICE_TMP, else memory when there is plenty, else the usual place.

    The servers' syncs then cost nothing; a killed server leaves its files there all the same.
    """
    if os.environ.get("SLUICE_TMP"):
        return os.environ["SLUICE_TMP"]
    try:
        free = shutil.disk_usage(MEMORY_PLACE).free
    except OSError:
        return None
    return MEMORY_PLACE if free >= MEMORY_FREE_MIN and os.access(MEMORY_PLACE, os.W_OK) else None


class Scratch:
    """A temporary directory and the servers in it; leaving the `with` block stops and removes all.

    `large`: for more data than memory should hold. `lender`: whom plain servers are borrowed from.
    """

    def __init__(self, keep=False, large=False, prefix="sluice-", lender=None):
        place = os.environ.get("SLUICE_TMP") if large else quick_place()
        self.dir = tempfile.mkdtemp(prefix=prefix, dir=place)
        self.keep = keep
        self.servers = []
        self.lender = lender
        self.borrowed = []

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def borrows(self, server_class, options):
        """Whether such a server is borrowed: one without options of its own on its command line."""
        return bool(self.lender) and server_class.lendable and not options.get("args")

    def start(self, server_class, name, **options):
        """A started server, borrowed where `borrows` says so."""
        if self.borrows(server_class, options):
            self.borrowed.append(self.lender.lend(server_class, **options))
            return self.borrowed[-1]
        server = server_class(self.path(name), **options)
        self.servers.append(server)
        server.start()
        return server

    def discard(self, server):
        """Ends one server before the others."""
        self._end(server)
        self.servers.remove(server)
        shutil.rmtree(server.dir, ignore_errors=True)

    def _end(self, server):
        server.kill9()
        give_back(server.port)

    def close(self, failed=False):
        """Behind a failed test nothing borrowed is used again: who knows what still runs on it."""
        if self.keep:
            return
        for server in reversed(self.servers):
            self._end(server)
        for server in self.borrowed:
            self.lender.take_back(server, failed)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
