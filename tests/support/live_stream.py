# tests/support/live_stream.py — `sluice stream` that goes on while servers and networks are disturbed, and a TCP proxy that disturbs.
"""LiveStream collects the records of a running stream; Proxy stands between it and its server."""

import json
import os
import random
import signal
import socket
import subprocess
import threading

import fleet as fleet_module
from sluice_servers import ServerError, accounts
from sluice_servers.process import PATIENCE_S, wait_until


def configuration(scratch, name, address, server_ids="910000-910099", tls="", password=accounts.SLUICE_PASSWORD,
                  login=""):
    """A configuration file with keyspace shop at that address; its password is in NAME.password beside it."""
    secret, path = scratch.path(name + ".password"), scratch.path(name + ".yaml")
    with open(secret, "w", encoding="utf-8") as out:
        out.write(password)
    os.chmod(secret, 0o600)
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join([
            "name: " + name, "state: " + scratch.path(name + ".state"), "server_ids: " + server_ids,
            "listen: unix:" + scratch.path(name + ".sock"), "credentials:",
            "  app: {user: %s, password_file: %s%s%s}" % (accounts.SLUICE_USER, secret, ", tls: {%s}" % tls if tls else "",
                                                     login),
            "keyspaces:", "  shop:", "    shards:",
            '      "-": {primary: "%s", database: shop, credentials: app}' % address, ""]))
    return path


def words(config, *more):
    return [fleet_module.program("sluice"), "stream", "--config", config, "--keyspace", "shop", *more]


def here(server, by="gtid"):
    """Where the server's log ends now, as a VGTID: by GTID, or by file and position."""
    mysql = server.flavour == "mysql"
    if by == "gtid":
        found = server.query("SELECT @@gtid_executed" if mysql else "SELECT @@gtid_binlog_pos")[0][0]
        text = ("MySQL56/" if mysql else "MariaDB/") + found.replace("\n", "")
    else:
        text = "FilePos/%s:%s" % server.query("SHOW BINARY LOG STATUS" if mysql else "SHOW MASTER STATUS")[0][:2]
    return json.dumps([{"keyspace": "shop", "shard": "-", "gtid": text}])


def dumps(server):
    """Ids of the connections that read the server's log."""
    return {row[0] for row in server.query("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")}


def kill_dumps(server):
    """Kills every dump and waits for the one that follows."""
    wait_until(lambda: dumps(server), 30, "a dump")
    old = dumps(server)
    for number in old:
        server.query("KILL %d" % number)
    wait_until(lambda: dumps(server) - old, 30, "a dump after the killed one")


class LiveStream:
    """A running `sluice stream`; `records` grows as it speaks. Paused, nobody reads what it says."""

    def __init__(self, scratch, name, command, paused=False):
        self.records, self.errors = [], scratch.path(name + ".err")
        self.may_read = threading.Event()
        if not paused:
            self.may_read.set()
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        self.may_read.wait()
        for line in self.process.stdout:
            self.records.append(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.may_read.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.thread.join()
            self.process.stdout.close()

    def ids(self):
        return [(r["after"] or r["before"])["id"] for r in self.records if r["op"] in "cud"]

    def wait_for(self, ids, timeout_s=60):
        """Until it has said exactly these rows, in this order."""
        try:
            wait_until(lambda: len(self.ids()) >= len(ids) or self.process.poll() is not None, timeout_s, "%d rows" % len(ids))
        except ServerError as late:
            raise AssertionError("%s, %d came: %s" % (late, len(self.ids()), self.said())) from late
        assert self.ids() == list(ids), self.said()

    def wait_end(self, timeout_s=PATIENCE_S):
        """What it said on stderr when it ended by itself, and its exit code."""
        code = self.process.wait(timeout_s)
        self.thread.join()
        return code, self.said()

    def said(self):
        with open(self.errors, encoding="utf-8", errors="replace") as text:
            return text.read()[-4000:]


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.server = socket.create_connection(proxy.upstream)
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.flows = threading.Event()  # from the server to the client
        self.flows.set()
        self.dump = False
        self.threads = [threading.Thread(target=pump, daemon=True) for pump in (self._up, self._down)]
        for thread in self.threads:
            thread.start()

    def _up(self):
        try:
            while True:
                data = self.client.recv(65536)
                if not data:
                    break
                if len(data) > 4 and data[4] in (0x12, 0x1e):  # COM_BINLOG_DUMP and _GTID
                    self.proxy.on_dump(self)
                self.server.sendall(data)
        except OSError:
            pass
        self.cut()

    def _down(self):
        draws = random.Random(len(self.proxy.links))
        try:
            while True:
                data = self.server.recv(65536)
                if not data:
                    break
                self.proxy.bytes_down += len(data)
                self.flows.wait()
                step = self.proxy.piece_bytes
                while data:
                    n = draws.randint(1, step) if step else len(data)
                    self.client.sendall(data[:n])
                    data = data[n:]
        except OSError:
            pass
        self.cut()

    def cut(self):
        self.flows.set()
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """Forwards connections to `upstream` (host, port), which may be changed; counts bytes from the server, and the dumps
    that it saw unencrypted."""

    def __init__(self, upstream, host="127.0.0.1", port=0, piece_bytes=0, hold_dumps=False):
        self.upstream, self.piece_bytes, self.hold_dumps = upstream, piece_bytes, hold_dumps
        self.links, self.dumps_seen, self.bytes_down = [], 0, 0
        self.listener = socket.create_server((host, port))
        self.address = "%s:%d" % self.listener.getsockname()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.links.append(_Link(self, client))
            except OSError:  # nobody there
                client.close()

    def on_dump(self, link):
        self.dumps_seen += 1
        link.dump = True
        if self.hold_dumps:
            link.flows.clear()

    def stall(self):
        """What exists falls silent; new connections work."""
        for link in self.links:
            link.flows.clear()

    def release(self):
        self.hold_dumps = False
        for link in self.links:
            link.flows.set()

    def cut(self):
        for link in self.links:
            link.cut()

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
