# tests/servers/sluice_servers/mysql.py — MySQL 9.7 unpacked beside the system, with its own C library.
"""MySQL from the packages of Debian's unstable suite, unpacked into the cache."""

import functools
import os
import subprocess

from .debian_tree import DebianTree
from .process import ServerError
from .sqlserver import SqlServer, own_tmpdir

TREE = DebianTree("mysql-9.7", "sid", ["mysql-server-core", "mysql-client-core"],
                  "usr/sbin/mysqld")


def program(name):
    """The argv prefix that runs `name` (usr/sbin/mysqld, usr/bin/mysqlbinlog) out of the tree."""
    return TREE.program(name)


def fetch():
    """Makes the tree when it is missing, about 75 MB from the mirror, half a minute; returns it."""
    TREE.fetch()
    return TREE.root


@functools.lru_cache(maxsize=None)
def _version():
    said = subprocess.run(program("usr/sbin/mysqld") + ["--no-defaults", "--version"], check=True,
                          capture_output=True, text=True).stdout
    return said.split("Ver ", 1)[1].split()[0]


class MySQL(SqlServer):
    """MySQL 9.7 with GTIDs on (gtid=False: off), ROW images and full metadata."""

    flavour = "mysql"

    def prepare(self):
        fetch()

    def version(self):
        fetch()
        return _version()

    def _base(self, datadir):
        tree = TREE.root
        return program("usr/sbin/mysqld") + [
            "--no-defaults", "--datadir=" + datadir, "--tmpdir=" + own_tmpdir(datadir), "--basedir=" + tree + "/usr",
            "--plugin-dir=" + tree + "/usr/lib/mysql/plugin",
            "--lc-messages-dir=" + tree + "/usr/share/mysql", "--innodb-redo-log-capacity=64M",
            "--character-sets-dir=" + tree + "/usr/share/mysql/charsets"] + (
                ["--user=root"] if os.geteuid() == 0 else [])

    def initialise(self, datadir, log_path):
        script = datadir + ".sql"
        with open(script, "w", encoding="utf-8") as out:
            out.writelines(text + ";\n" for text in self.account_statements())
        command = self._base(datadir) + ["--initialize-insecure", "--init-file=" + script]
        with open(log_path, "wb") as log:
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        os.unlink(script)
        if done.returncode != 0:
            raise ServerError("MySQL's --initialize failed, see %s" % log_path)
        # Two servers with one uuid would take each other for themselves.
        os.unlink(os.path.join(datadir, "auto.cnf"))

    def command(self):
        return self._base(self.datadir) + [
            "--bind-address=127.0.0.1", "--port=%d" % self.port, "--socket=" + self.socket,
            "--pid-file=" + os.path.join(self.dir, "mysqld.pid"), "--skip-name-resolve",
            "--mysqlx=OFF", "--secure-file-priv=NULL", "--server-id=%d" % self.port,
            "--log-bin=binlog", "--gtid-mode=%s" % ("ON" if self.gtid else "OFF"),
            "--enforce-gtid-consistency=ON", "--binlog-row-metadata=" + self.metadata,
            "--binlog-row-image=FULL", "--log-bin-trust-function-creators=ON",
            "--innodb-buffer-pool-size=128M", "--performance-schema=OFF", "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=2", "--max-connections=200"] + self.args

    def ready_texts(self):
        return ["ready for connections", "port: %d" % self.port]
