# tests/servers/sluice_servers/mariadb.py — the system's MariaDB: its bootstrap and its command line.
"""MariaDB from the installed package mariadb-server-core."""

import functools
import os
import shutil
import subprocess

from .process import ServerError
from .sqlserver import SqlServer, own_tmpdir

SHARE = "/usr/share/mysql"
REDO_SIZE = "64M"


@functools.lru_cache(maxsize=None)
def _binary():
    found = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/libexec")
    if not found:
        raise ServerError("mariadbd not found; run tools/install_deps.sh run")
    return found


@functools.lru_cache(maxsize=None)
def version():
    said = subprocess.run([_binary(), "--no-defaults", "--version"], check=True,
                          capture_output=True, text=True).stdout
    return said.split("Ver ", 1)[1].split()[0]


class MariaDB(SqlServer):
    """MariaDB with ROW format, GTID domain 0 and full metadata unless told otherwise."""

    flavour = "mariadb"

    def version(self):
        return version()

    def _base(self, datadir):
        return [_binary(), "--no-defaults", "--datadir=" + datadir, "--tmpdir=" + own_tmpdir(datadir), "--lc-messages-dir=" + SHARE,
                "--innodb-log-file-size=" + REDO_SIZE,
                "--character-sets-dir=" + SHARE + "/charsets"] + (
                    ["--user=root"] if os.geteuid() == 0 else [])

    def initialise(self, datadir, log_path):
        # mariadb-install-db insists on paths of its own; --bootstrap reads the same statements.
        os.makedirs(os.path.join(datadir, "mysql"))
        statements = ["CREATE DATABASE IF NOT EXISTS mysql", "USE mysql", "SET @auth_root_socket=NULL",
                      "SET @skip_auth_anonymous=1", "SET @current_hostname='localhost'"]
        script = "".join(text + ";\n" for text in statements)
        for name in ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data",
                     "fill_help_tables", "maria_add_gis_sp_bootstrap", "mysql_sys_schema"):
            with open("%s/%s.sql" % (SHARE, name), encoding="utf-8") as text:
                script += text.read() + "\n"
        script += "".join(text + ";\n" for text in ["FLUSH PRIVILEGES"] + self.account_statements())
        command = self._base(datadir) + ["--bootstrap", "--log-warnings=0", "--enforce-storage-engine=",
                                         "--max-allowed-packet=8M", "--net-buffer-length=16K",
                                         "--skip-networking"]
        with open(log_path, "wb") as log:
            done = subprocess.run(command, input=script.encode(), stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            raise ServerError("MariaDB's bootstrap failed, see %s" % log_path)

    def command(self):
        # Without trusted function creators a trigger needs SUPER while the log is on.
        return self._base(self.datadir) + [
            "--bind-address=127.0.0.1", "--port=%d" % self.port, "--socket=" + self.socket,
            "--pid-file=" + os.path.join(self.dir, "mysqld.pid"), "--skip-name-resolve",
            "--plugin-dir=/usr/lib/mysql/plugin", "--server-id=%d" % self.port, "--log-bin=binlog",
            "--gtid-domain-id=0", "--binlog-format=ROW", "--binlog-row-metadata=" + self.metadata,
            "--log-slave-updates=ON", "--gtid-strict-mode=%s" % ("ON" if self.gtid else "OFF"),
            "--log-bin-trust-function-creators=ON", "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=128M", "--performance-schema=OFF", "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=2", "--max-connections=200"] + self.args

    def ready_texts(self):
        return ["ready for connections"]
