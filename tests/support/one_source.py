# tests/support/one_source.py — one server, its configuration file, and `sluice stream` on it.
"""For tests of what a stream says; a fleet (fleet.py) is for workflows."""

import json
import os
import subprocess

import fleet as fleet_module
from sluice_servers import accounts


class Source:
    """One server, its configuration file, and `sluice stream` on it."""

    def __init__(self, scratch, server, metadata="FULL", **options):
        self.scratch, self.metadata = scratch, metadata
        self.server = scratch.start(server, "source", databases=["shop"], metadata=metadata, **options)
        self.db = self.server.connect(database="shop")
        self.config = scratch.path("sluice.yaml")
        password = scratch.path("password")
        with open(password, "w", encoding="utf-8") as out:
            out.write(accounts.SLUICE_PASSWORD)
        os.chmod(password, 0o600)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("\n".join([
                "name: quick", "state: " + scratch.path("state"), "server_ids: 900000-900999",
                "listen: unix:" + scratch.path("api.sock"), "credentials:",
                "  app: {user: %s, password_file: %s}" % (accounts.SLUICE_USER, password), "keyspaces:",
                "  shop:", "    shards:",
                '      "-": {primary: "%s", database: shop, credentials: app}' % self.server.address, ""]))

    def run(self, *statements):
        with self.db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def words(self, *more):
        return [fleet_module.program("sluice"), "stream", "--config", self.config, "--keyspace", "shop", *more]

    def stream(self, *more, start="beginning", ok=True):
        """Everything up to now: (records, vgtid); with ok=False the error text."""
        done = subprocess.run(self.words("--from", start, "--until-idle", "700ms", *more), capture_output=True,
                              text=True, timeout=300, check=False)
        if not ok:
            assert done.returncode == 3, done
            return [json.loads(line) for line in done.stdout.splitlines()], done.stderr
        assert done.returncode == 0, done.stderr
        vgtid = [line for line in done.stderr.splitlines() if line.startswith("vgtid: ")][0][7:]
        return [json.loads(line) for line in done.stdout.splitlines()], vgtid

    def refused(self, start):
        """The error of a stream that is refused as wrongly asked for."""
        done = subprocess.run(self.words("--from", start), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 2 and not done.stdout, done
        return done.stderr

    def rows(self, *more, **options):
        records, vgtid = self.stream(*more, **options)
        return [r["after"] for r in records if r["op"] in "cu"], vgtid
