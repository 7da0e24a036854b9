# tests/integration/test_accounts.py — an account that has what `sluice doctor --grants` prints, and nothing else, moves tables.
"""As on a managed server: no SUPER, triggers only with it (1419), a log that is kept for an hour."""

import pytest
from sluice_servers import accounts


def printed_grants(fleet, account):
    """{(keyspace, shard): statements} of `sluice doctor --grants` for the account."""
    found, statements = {}, None
    for line in fleet.sluice("doctor", "--grants").splitlines():
        if line.startswith("-- ") and " 127.0.0.1:" in line:
            keyspace, shard = line.split()[1].split("/", 1)
            statements = found.setdefault((keyspace, shard), [])
        elif line.startswith("GRANT "):
            statements.append(line.replace("'%s'@'%%'" % accounts.SLUICE_USER, account).rstrip(";"))
    return found


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_what_doctor_prints_is_enough(make_fleet, need_sluice, flavour):
    fleet = make_fleet(rows=300, flavour=flavour)
    account = accounts.account(accounts.SLUICE_USER)
    for server in fleet.servers.values():
        server.query("DROP USER %s" % account)
        server.query("CREATE USER %s IDENTIFIED BY '%s'" % (account, accounts.SLUICE_PASSWORD))
        server.query("SET GLOBAL log_bin_trust_function_creators = OFF")
        server.query("SET GLOBAL %s" % ("expire_logs_days = 1" if flavour == "mariadb"
                                        else "binlog_expire_logs_seconds = 3600"))
    before = fleet.try_sluice("doctor")
    assert before.returncode == 5 and "GRANT REPLICATION SLAVE" in before.stdout
    for place, statements in printed_grants(fleet, account).items():
        assert len(statements) == 3
        for sql in statements:
            fleet.server(*place).query(sql)
    assert fleet.try_sluice("doctor").returncode == 0

    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables",
                   "customers,orders,order_items")
    fleet.wait_running("movetables", "c2c")
    for verb in ("switchtraffic", "reversetraffic", "switchtraffic", "complete"):
        fleet.workflow("movetables", "c2c", verb)


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_grants_are_printed_without_an_account_and_run_as_printed(make_fleet, need_sluice, flavour):
    fleet = make_fleet(rows=1, flavour=flavour)
    for server in fleet.servers.values():
        server.query("DROP USER %s" % accounts.account(accounts.SLUICE_USER))
    done = fleet.try_sluice("doctor", "--grants", "--role", "stream")
    assert done.returncode == 0
    assert "if it is MariaDB" in done.stdout and "GRANT SELECT ON `commerce`.* TO 'sluice'@'%'" in done.stdout
    assert "TRIGGER" not in done.stdout
    statements = [line.rstrip(";") for line in done.stdout.splitlines() if not line.startswith("-- ")]
    for server in fleet.servers.values():
        server.query("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'" % (accounts.SLUICE_USER, accounts.SLUICE_PASSWORD))
        for sql in statements:
            server.query(sql)
    assert fleet.try_sluice("doctor", "--role", "stream").returncode == 0
