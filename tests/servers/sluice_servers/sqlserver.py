# tests/servers/sluice_servers/sqlserver.py — what MariaDB and MySQL servers have in common.
"""A MySQL-protocol server on 127.0.0.1 with a data directory copied from a cached template.

Initialising a data directory takes seconds; it is done once per version and set of accounts, the
result kept in the cache, and every start copies it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile

import pymysql
import pymysql.constants.CLIENT

from . import accounts
from .process import Process, ServerError, cache_dir, free_port, wait_until

SOCKET_PATH_MAX = 100


def own_tmpdir(datadir):
    """A folder beside the data: a MariaDB that starts deletes all temporary tables in its tmpdir, also
    those of other servers."""
    path = datadir + ".tmp"
    os.makedirs(path, exist_ok=True)
    return path


class SqlServer(Process):
    """Base of MariaDB and MySQL. `databases` are created with the grants of both accounts."""

    flavour = None
    lendable = True

    def __init__(self, directory, port=None, databases=(), args=(), gtid=True, metadata="FULL"):
        super().__init__(directory)
        self.kind = self.flavour
        self.port = port or free_port()
        self.databases = list(databases)
        self.args = list(args)
        self.gtid = gtid
        self.metadata = metadata
        self.datadir = os.path.join(self.dir, "data")
        self.socket = self._socket_path()

    def _socket_path(self):
        path = os.path.join(self.dir, "mysql.sock")
        if len(path) <= SOCKET_PATH_MAX:
            return path
        digest = hashlib.sha1(self.dir.encode()).hexdigest()[:12]
        return os.path.join(tempfile.gettempdir(), "sluice-%s.sock" % digest)

    # What the two servers do differently.
    def version(self):
        raise NotImplementedError

    def initialise(self, datadir, log_path):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def ready_texts(self):
        raise NotImplementedError

    def prepare(self):
        """Fetches what is missing; does nothing when the server is there."""

    def account_statements(self):
        return accounts.account_statements(self.flavour)

    def describe(self):
        return dict(super().describe(), port=self.port, socket=self.socket, args=self.args,
                    gtid=self.gtid, metadata=self.metadata, databases=self.databases,
                    version=self.version())

    def _template(self):
        """The initialised data directory for this version and these accounts, made when missing."""
        recipe = repr((self.version(), self.account_statements())).encode()
        name = "%s-%s" % (self.flavour, hashlib.sha1(recipe).hexdigest()[:12])
        path = os.path.join(cache_dir(), "datadir", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(path):
                fresh = path + ".new"
                shutil.rmtree(fresh, ignore_errors=True)
                self.initialise(fresh, path + ".log")
                os.rename(fresh, path)
        return path

    def launch(self, detached=False):
        """Starts the process without waiting; `finish_start` waits. Several can start together."""
        self.prepare()
        if not os.path.isdir(self.datadir):
            subprocess.run(["cp", "-a", "--sparse=always", self._template(), self.datadir], check=True)
        self._forget_socket()
        self.spawn(self.command(), detached=detached)

    def _forget_socket(self):
        # MySQL refuses a lock file whose pid still exists, even as a zombie that nobody has reaped.
        for path in (self.socket, self.socket + ".lock"):
            if os.path.exists(path):
                os.unlink(path)

    def finish_start(self, timeout_s=60):
        self.wait_for_log(self.ready_texts(), timeout_s)
        for name in self.databases:
            self.create_database(name)

    def start(self, detached=False):
        self.launch(detached)
        self.finish_start()
        return self

    def restart(self):
        """Starts again on the same data and port, after stop() or kill9()."""
        if self.alive():
            raise ServerError("%s on port %d still runs" % (self.kind, self.port))
        return self.start()

    def create_database(self, name):
        with self.connect() as root:
            for statement in accounts.database_statements(name):
                root.cursor().execute(statement)
        if name not in self.databases:
            self.databases.append(name)

    def connect(self, user="root", database=None, **options):
        """A pymysql connection: root by the socket, the others over TCP. autocommit is on."""
        where = {"unix_socket": self.socket}
        password = ""
        if user != "root":
            where = {"host": "127.0.0.1", "port": self.port}
            password = {accounts.SLUICE_USER: accounts.SLUICE_PASSWORD,
                        accounts.APP_USER: accounts.APP_PASSWORD}[user]
        settings = dict(where, user=user, password=password, database=database, autocommit=True,
                        charset="utf8mb4", client_flag=pymysql.constants.CLIENT.FOUND_ROWS)
        settings.update(options)
        return pymysql.connect(**settings)

    def query(self, sql, args=None, database=None, user="root"):
        """Runs one statement on a connection of its own and returns all rows."""
        connection = self.connect(user=user, database=database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, args)
                return cursor.fetchall()
        finally:
            connection.close()

    def wait_for_query(self, sql, expected, timeout_s=30, database=None):
        """Waits until the first column of the first row equals `expected`."""
        wait_until(lambda: self.query(sql, database=database)[0][0] == expected, timeout_s, sql)

    def wait_for_next_second(self):
        """Waits until the server's clock shows another second than now: what stands in its log is older then."""
        now = self.query("SELECT UNIX_TIMESTAMP()")[0][0]
        wait_until(lambda: self.query("SELECT UNIX_TIMESTAMP()")[0][0] > now, 30, "the next second")

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port
