# tests/servers/sluice_servers/lender.py — servers that serve one test after the other, each time as if new.
"""A start of MySQL takes more than a second; cleaning one that runs, a tenth.

What a test leaves in databases and logs is removed. What else it may have changed, settings, accounts,
replication, prepared transactions, is compared with what stood there at the start; a server that
differs, or does not run, is not lent again.
"""

import pymysql

from .process import Scratch, ServerError, wait_until

IDLE_MAX = 6
SYSTEM_DATABASES = ("information_schema", "mysql", "performance_schema", "sys")
# What a log that begins anew says again anyway.
OF_THE_LOG = ("gtid_binlog_pos", "gtid_binlog_state", "gtid_current_pos", "gtid_executed", "gtid_purged")
ACCOUNT_TABLES = {"mariadb": ("global_priv", "db", "tables_priv", "columns_priv", "procs_priv"),
                  "mysql": ("user", "global_grants", "db", "tables_priv", "columns_priv", "procs_priv")}


def _connections(root):
    root.execute("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user NOT IN "
                 "('system user', 'event_scheduler')")
    return [row[0] for row in root.fetchall()]


def _disconnect_all(root):
    def gone():
        left = _connections(root)
        for number in left:
            try:
                root.execute("KILL %d" % number)
            except pymysql.err.MySQLError:
                pass  # it left by itself
        return not left

    wait_until(gone, 30, "the end of all connections")


def _rows(root, statement):
    root.execute(statement)
    return root.fetchall()


def _state(server, root):
    """All that a test may change besides databases and logs."""
    mysql = server.flavour == "mysql"
    return ([row for row in _rows(root, "SHOW GLOBAL VARIABLES") if row[0] not in OF_THE_LOG],
            [sorted(map(repr, _rows(root, "SELECT * FROM mysql." + table))) for table in ACCOUNT_TABLES[server.flavour]],
            _rows(root, "SHOW REPLICA STATUS" if mysql else "SHOW ALL SLAVES STATUS"), _rows(root, "XA RECOVER"))


def _clean(server, root):
    root.execute("SET SESSION lock_wait_timeout = 5")
    _disconnect_all(root)
    for (name,) in _rows(root, "SHOW DATABASES"):
        if name not in SYSTEM_DATABASES:
            root.execute("DROP DATABASE `%s`" % name.replace("`", "``"))
    root.execute("RESET BINARY LOGS AND GTIDS" if server.flavour == "mysql" else "RESET MASTER")


class Lender:
    """Lends started servers; a server's options are what tells it from another."""

    def __init__(self):
        self.scratch = Scratch(prefix="sluice-lent-")
        self.idle = []  # servers, the longest idle first
        self.made = 0
        self.births = {}  # server: (what it was asked for as, its databases, its state at the start)

    def lend(self, server_class, databases=(), **options):
        kind = repr((server_class.__name__, databases, sorted(options.items())))
        for server in reversed(self.idle):
            if self.births[server][0] == kind:
                self.idle.remove(server)
                server.databases = []
                for name in databases:
                    server.create_database(name)
                return server
        return self._make(kind, server_class, databases, options)

    def _make(self, kind, server_class, databases, options):
        self.made += 1
        server = self.scratch.start(server_class, "%d" % self.made, databases=databases, **options)
        with server.connect() as connection, connection.cursor() as root:
            self.births[server] = (kind, _state(server, root))
        return server

    def take_back(self, server, broken=False):
        if not broken and self._is_as_new(server):
            self.idle.append(server)
            for old in self.idle[:-IDLE_MAX]:
                self._discard(old)
            self.idle = self.idle[-IDLE_MAX:]
        else:
            self._discard(server)

    def _is_as_new(self, server):
        try:
            with server.connect() as connection, connection.cursor() as root:
                _clean(server, root)
                return _state(server, root) == self.births[server][1]
        except (OSError, ServerError, pymysql.err.MySQLError):
            return False

    def _discard(self, server):
        self.scratch.discard(server)
        del self.births[server]

    def close(self):
        self.scratch.close()
