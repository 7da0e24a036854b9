# tests/integration/test_places.py — where a stream may begin: a time, the beginning, and what a purged log says.
"""Times are the server's own: SET timestamp puts transactions, and files, into the past."""

import pytest
from one_source import Source
from sluice_servers import MariaDB, MySQL
from sluice_servers.process import wait_until

SERVERS = {"mariadb": (MariaDB, True), "mysql": (MySQL, True), "mysql without GTIDs": (MySQL, False)}
T0 = 1767225600  # 2026-01-01T00:00:00Z


@pytest.fixture(params=sorted(SERVERS))
def source(scratch, need_sluice, request):  # pylint: disable=unused-argument
    server, gtid = SERVERS[request.param]
    return Source(scratch, server, gtid=gtid)


def ids(source, start):
    return [row["id"] for row in source.rows(start=start)[0]]


def test_a_time_is_the_first_transaction_at_or_after_it(source):
    """Five files; the rows' times ascend within the one that is being written, whose own is now."""
    source.run("CREATE TABLE t (id INT PRIMARY KEY)")
    now = int(source.server.query("SELECT UNIX_TIMESTAMP()")[0][0])
    for i in range(10):
        source.run("SET timestamp = %d" % (now + 1000 + 10 * i), "INSERT INTO t VALUES (%d)" % i)
        if i % 2:
            source.run("FLUSH BINARY LOGS")
    assert ids(source, str(now - 100)) == list(range(10))
    for i in (0, 3, 6):
        assert ids(source, str(now + 1000 + 10 * i)) == list(range(i, 10))
        assert ids(source, str(now + 1000 + 10 * i + 1)) == list(range(i + 1, 10))
    assert ids(source, str(now + 9999)) == []
    assert ids(source, "2026-01-01T00:00:00Z") == list(range(10))


def test_a_time_in_a_purged_log_is_refused(source):
    source.run("CREATE TABLE t (id INT PRIMARY KEY)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (1)")
    last = source.server.query("SHOW BINARY LOGS")[-1][0]

    def purged():
        source.run("PURGE BINARY LOGS TO '%s'" % last)
        return len(source.server.query("SHOW BINARY LOGS")) == 1

    wait_until(purged, 30, "the server to leave the older files")  # MariaDB keeps one for a moment
    _, said = source.stream(start=str(T0), ok=False)
    assert "purged" in said and last in said and "beginning" in said, said
    assert ids(source, "beginning") == [1]


def test_words_that_are_no_place_are_refused(source):
    for word in ("yesterday", "2026-13-01T00:00:00Z", "-5"):
        assert source.refused(start=word)
