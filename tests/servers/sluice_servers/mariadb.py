# tests/servers/sluice_servers/mariadb.py — the system's MariaDB 10.11, and 11.8 out of the cache: bootstrap and command line.
"""MariaDB from the installed package mariadb-server-core, and a newer one unpacked beside it."""

import functools
import os
import shutil
import subprocess

from .debian_tree import DebianTree
from .process import ServerError
from .sqlserver import SqlServer, own_tmpdir

REDO_SIZE = "64M"
TREE_11 = DebianTree("mariadb-11.8", "trixie", ["mariadb-server-core"], "usr/sbin/mariadbd")


@functools.lru_cache(maxsize=None)
def _system_binary():
    found = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/libexec")
    if not found:
        raise ServerError("mariadbd not found; run tools/install_deps.sh run")
    return found


@functools.lru_cache(maxsize=None)
def _version(binary):
    said = subprocess.run(list(binary) + ["--no-defaults", "--version"], check=True,
                          capture_output=True, text=True).stdout
    return said.split("Ver ", 1)[1].split()[0]


def version():
    """Of the system's MariaDB."""
    return _version((_system_binary(),))


def fetch_11():
    """Makes the tree of MariaDB 11.8 when it is missing, about 20 MB from the mirror; returns it."""
    TREE_11.fetch()
    return TREE_11.root


class MariaDB(SqlServer):
    """MariaDB with ROW format, GTID domain 0 and full metadata unless told otherwise."""

    flavour = "mariadb"
    base = "/usr"

    def binary(self):
        """The argv prefix of the server."""
        return [_system_binary()]

    def version(self):
        return _version(tuple(self.binary()))

    def _share(self):
        named = os.path.join(self.base, "share/mariadb")
        return named if os.path.isdir(named) else os.path.join(self.base, "share/mysql")

    def _system_sql(self):
        """The statements that make the system tables; their files were renamed in 11."""
        share = self._share()
        prefix = "mariadb_" if os.path.exists(share + "/mariadb_system_tables.sql") else "mysql_"
        names = [prefix + part for part in ("system_tables", "performance_tables",
                                            "system_tables_data")]
        names += ["fill_help_tables", "maria_add_gis_sp_bootstrap", prefix + "sys_schema"]
        texts = []
        for name in names:
            with open("%s/%s.sql" % (share, name), encoding="utf-8") as text:
                texts.append(text.read() + "\n")
        return "".join(texts)

    def _base(self, datadir):
        share = self._share()
        return self.binary() + [
            "--no-defaults", "--datadir=" + datadir, "--tmpdir=" + own_tmpdir(datadir),
            "--lc-messages-dir=" + share, "--innodb-log-file-size=" + REDO_SIZE,
            "--character-sets-dir=" + share + "/charsets"] + (
                    ["--user=root"] if os.geteuid() == 0 else [])

    def initialise(self, datadir, log_path):
        # mariadb-install-db insists on paths of its own; --bootstrap reads the same statements.
        os.makedirs(os.path.join(datadir, "mysql"))
        statements = ["CREATE DATABASE IF NOT EXISTS mysql", "USE mysql", "SET @auth_root_socket=NULL",
                      "SET @skip_auth_anonymous=1", "SET @current_hostname='localhost'"]
        script = "".join(text + ";\n" for text in statements)
        script += self._system_sql()
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
            "--plugin-dir=" + os.path.join(self.base, "lib/mysql/plugin"), "--server-id=%d" % self.port, "--log-bin=binlog",
            "--gtid-domain-id=0", "--binlog-format=ROW", "--binlog-row-metadata=" + self.metadata,
            "--log-slave-updates=ON", "--gtid-strict-mode=%s" % ("ON" if self.gtid else "OFF"),
            "--log-bin-trust-function-creators=ON", "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=128M", "--performance-schema=OFF", "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=2", "--max-connections=200"] + self.args

    def ready_texts(self):
        return ["ready for connections"]


class MariaDB11(MariaDB):
    """MariaDB 11.8 from Debian's trixie, unpacked into the cache."""

    base = os.path.join(TREE_11.root, "usr")

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.kind = "mariadb11"

    def prepare(self):
        fetch_11()

    def binary(self):
        return TREE_11.program("usr/sbin/mariadbd")

    def version(self):
        self.prepare()
        return super().version()
