# tests/servers/sluice_servers/accounts.py — the only place that says which privileges each test account has.
"""Accounts of a test server.

root    by the unix socket without a password: for the harness alone.
sluice  what sluice needs, and nothing more; the same grants that `sluice doctor` asks for.
app     the application: plain DML on its own databases, so that a fence can stop it.
"""

SLUICE_USER, SLUICE_PASSWORD = "sluice", "sluice-tests-only"
APP_USER, APP_PASSWORD = "app", "app-tests-only"
META_DATABASE = "_sluice"

_TABLE_PRIVILEGES = ("SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, "
                     "LOCK TABLES, TRIGGER")
_META_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, LOCK TABLES"
_APP_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE"

_GLOBAL = {
    # BINLOG MONITOR is what MariaDB calls REPLICATION CLIENT; PROCESS names who blocks a switch.
    "mariadb": ["GRANT REPLICATION SLAVE, BINLOG MONITOR, PROCESS ON *.* TO {sluice}"],
    "mysql": ["GRANT REPLICATION SLAVE, REPLICATION CLIENT, PROCESS ON *.* TO {sluice}",
              "GRANT XA_RECOVER_ADMIN ON *.* TO {sluice}"],
}


def account(user):
    return "'%s'@'127.0.0.1'" % user


def account_statements(flavour):
    """CREATE USER and the global grants of `flavour`, 'mariadb' or 'mysql'."""
    made = ["CREATE USER %s IDENTIFIED BY '%s'" % (account(user), password)
            for user, password in ((SLUICE_USER, SLUICE_PASSWORD), (APP_USER, APP_PASSWORD))]
    made += [text.format(sluice=account(SLUICE_USER)) for text in _GLOBAL[flavour]]
    made.append("GRANT %s ON `%s`.* TO %s" % (_META_PRIVILEGES, META_DATABASE.replace("_", r"\_"),
                                              account(SLUICE_USER)))
    return made


def database_statements(name):
    """CREATE DATABASE `name` with the grants of both accounts on it."""
    pattern = name.replace("_", r"\_")
    return ["CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4" % name,
            "GRANT %s ON `%s`.* TO %s" % (_TABLE_PRIVILEGES, pattern, account(SLUICE_USER)),
            "GRANT %s ON `%s`.* TO %s" % (_APP_PRIVILEGES, pattern, account(APP_USER))]
