# tests/integration/test_reading_faults.py — networks, logins, certificates and servers that fail while a stream is read.
"""Every row is said once and in order, or the stream ends with an error that names the cause and its cure."""

import os
import shutil
import subprocess
import threading

import pymysql
import pytest
from live_stream import LiveStream, Proxy, configuration, dumps, here, kill_dumps, words
from sluice_servers import MariaDB, MariaDB11, MySQL, ServerError
from sluice_servers.debian_tree import DebianTree
from sluice_servers.process import wait_until
import fleet as fleet_module

SERVERS = {"mariadb": MariaDB, "mysql": MySQL}
BOTH = sorted(SERVERS)
FAILED_SOURCE = 3  # exit code

pytestmark = pytest.mark.usefixtures("need_sluice")


@pytest.fixture
def start(scratch):
    """Called with a flavour and options: a server with an empty table t."""
    def make(flavour, name="source", **options):
        server = scratch.start(SERVERS.get(flavour) or flavour, name, databases=["shop"], **options)
        server.query("CREATE TABLE shop.t (id INT PRIMARY KEY, v LONGTEXT)")
        return server
    return make


def insert(server, *ids, text="x"):
    for number in ids:
        server.query("INSERT INTO shop.t VALUES (%s, %s)", (number, text))


def ended(stream, *texts):
    code, said = stream.wait_end()
    assert code == FAILED_SOURCE, said
    for text in texts:
        assert text in said, said
    return said


# ---- the network ----


@pytest.mark.parametrize("flavour", BOTH)
def test_a_stream_in_small_pieces(start, scratch, flavour):
    server = start(flavour)
    begin = here(server)
    insert(server, *range(20), text="y" * 5000)
    with Proxy(("127.0.0.1", server.port), piece_bytes=11) as proxy:
        with LiveStream(scratch, "a", words(configuration(scratch, "a", proxy.address), "--from", begin)) as stream:
            stream.wait_for(range(20))
            assert all(r["after"]["v"] == "y" * 5000 for r in stream.records)


@pytest.mark.parametrize("flavour", BOTH)
def test_a_stalled_connection_is_left_for_another(start, scratch, flavour):
    server = start(flavour)
    with Proxy(("127.0.0.1", server.port)) as proxy:
        command = words(configuration(scratch, "a", proxy.address), "--from", here(server))
        with LiveStream(scratch, "a", command) as stream:
            insert(server, 1)
            stream.wait_for([1])
            proxy.stall()
            insert(server, 2, 3)
            stream.wait_for([1, 2, 3])
            assert "silent" in stream.said()


@pytest.mark.parametrize("flavour", BOTH)
def test_a_server_that_searches_its_files_is_waited_for(start, scratch, flavour):
    """Before its first event a dump may be silent for longer than two heartbeat periods."""
    server = start(flavour)
    begin = here(server)
    insert(server, 1, 2)
    with Proxy(("127.0.0.1", server.port), hold_dumps=True) as proxy:
        command = words(configuration(scratch, "a", proxy.address, tls="mode: DISABLED"), "--from", begin)
        with LiveStream(scratch, "a", command) as stream:
            wait_until(lambda: proxy.dumps_seen, 30, "a dump")
            late = threading.Timer(4, proxy.release)  # twice two periods of the stream's heartbeat
            late.start()
            stream.wait_for([1, 2])
            assert not late.is_alive()
            assert proxy.dumps_seen == 1


def test_a_name_that_changes_its_address_is_resolved_again(start, scratch):
    server = start("mariadb")
    hosts = scratch.path("hosts")

    def point_to(address):
        with open(hosts, "w", encoding="ascii") as out:
            out.write("127.0.0.1 localhost\n%s source.test\n" % address)

    point_to("127.0.0.1")
    old = Proxy(("127.0.0.1", server.port))
    bound = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run(bound + ["true"], check=False, capture_output=True).returncode:
        pytest.skip("a hosts file of its own needs root")
    config = configuration(scratch, "a", "source.test:%d" % old.port, tls="mode: PREFERRED")
    command = words(config, "--from", here(server))
    with old, LiveStream(scratch, "a", bound + command) as stream:
        insert(server, 1)
        stream.wait_for([1])
        with Proxy(("127.0.0.1", server.port), host="127.0.0.2", port=old.port) as new:
            point_to("127.0.0.2")
            old.close()
            insert(server, 2)
            stream.wait_for([1, 2])
            assert new.links


@pytest.mark.parametrize("flavour", BOTH)
def test_a_slow_consumer_whose_dump_is_killed_loses_nothing(start, scratch, flavour):
    server = start(flavour)
    command = words(configuration(scratch, "a", server.address), "--from", here(server))
    with LiveStream(scratch, "a", command, paused=True) as stream:
        insert(server, *range(300), text="z" * 200000)
        for number in dumps(server):
            server.query("KILL %d" % number)
        insert(server, *range(300, 310))
        with open("/proc/%d/status" % stream.process.pid, encoding="ascii") as status:
            resident_kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert resident_kib < 256 * 1024
        stream.may_read.set()
        stream.wait_for(range(310))


@pytest.mark.parametrize("tls", ["DISABLED", "REQUIRED"])
@pytest.mark.parametrize("flavour", BOTH)
def test_compressed_connections_say_the_same_in_fewer_bytes(start, scratch, certificates, flavour, tls):
    server = start(flavour, args=["--max-allowed-packet=67108864"] + [
        "--ssl-%s=%s" % (what, certificates / "good" / (what + ".pem")) for what in ("cert", "key")])
    begin = here(server)
    text = "many times the same " * 50000
    with Proxy(("127.0.0.1", server.port)) as proxy:
        config = configuration(scratch, "a", proxy.address, tls="mode: " + tls, login=", compress: true")
        with LiveStream(scratch, "a", words(config, "--from", begin)) as stream:
            insert(server, *range(10), text=text)
            kill_dumps(server)
            insert(server, *range(10, 20), text=text)
            # A value that fills packets, and one that does not compress.
            server.query("INSERT INTO shop.t VALUES (20, REPEAT('0123456789abcdef', 2500000)), (21, SHA2('x', 512))")
            stream.wait_for(range(22))
            assert [r["after"]["v"] for r in stream.records[:20]] == [text] * 20
            assert stream.records[20]["after"]["v"] == "0123456789abcdef" * 2500000
        assert proxy.bytes_down < 4000000  # of 60 million
        with LiveStream(scratch, "copy", words(config, "--copy", "--until-idle", "700ms")) as stream:
            assert stream.wait_end()[0] == 0, stream.said()
            assert stream.ids() == [] and len(stream.records) == 22


def test_who_waits_for_idleness_is_told_that_nobody_answers(scratch):
    start_of_all = '[{"keyspace":"shop","shard":"-","gtid":"MariaDB/0-1-5"}]'
    config = configuration(scratch, "a", "127.0.0.1:1")  # nobody listens there
    with LiveStream(scratch, "a", words(config, "--from", start_of_all, "--until-idle", "300ms")) as stream:
        ended(stream, "DB_CONNECT", "127.0.0.1:1")


# ---- logins ----


@pytest.mark.parametrize("flavour", BOTH)
def test_two_installations_with_the_same_server_ids_both_go_on(start, scratch, flavour):
    server = start(flavour)
    begin = here(server)
    # A stream begins in the upper half of its range, which is one id here.
    first, second = (configuration(scratch, name, server.address, server_ids="910000-910001") for name in "ab")
    with LiveStream(scratch, "a", words(first, "--from", begin)) as one:
        insert(server, 1)
        one.wait_for([1])
        with LiveStream(scratch, "b", words(second, "--from", begin)) as two:
            two.wait_for([1])
            wait_until(lambda: "SRC_SERVER_ID" in one.said() + two.said(), 30, "a word about the server id")
            for number in range(2, 8):
                insert(server, number)
            one.wait_for(range(1, 8))
            two.wait_for(range(1, 8))


@pytest.mark.parametrize("flavour", BOTH)
def test_streams_with_server_ids_of_their_own_leave_each_other_alone(start, scratch, flavour):
    server = start(flavour)
    begin = here(server)
    first = words(configuration(scratch, "a", server.address, server_ids="910000-910009"), "--from", begin)
    second = words(configuration(scratch, "b", server.address, server_ids="910010-910019"), "--from", begin)
    with LiveStream(scratch, "a", first) as one, LiveStream(scratch, "b", second) as two:
        for number in range(10):
            insert(server, number)
            one.wait_for(range(number + 1))
            two.wait_for(range(number + 1))
        assert len(dumps(server)) == 2
        assert one.said() + two.said() == ""


@pytest.mark.parametrize("flavour", BOTH)
def test_a_wrong_password_ends_a_stream_at_once(start, scratch, flavour):
    server = start(flavour)
    config = configuration(scratch, "a", server.address, password="wrong")
    with LiveStream(scratch, "a", words(config, "--from", here(server))) as stream:
        said = ended(stream, "DB_AUTH", "check user and password")
    assert "retry" not in said


@pytest.mark.parametrize("flavour", BOTH)
def test_a_password_may_change_while_its_stream_runs(start, scratch, flavour):
    server = start(flavour)
    config = configuration(scratch, "a", server.address)
    with LiveStream(scratch, "a", words(config, "--from", here(server))) as stream:
        insert(server, 1)
        stream.wait_for([1])
        server.query("ALTER USER 'sluice'@'127.0.0.1' IDENTIFIED BY 'canary-second'")
        for number in dumps(server):
            server.query("KILL %d" % number)
        wait_until(lambda: "denied" in stream.said(), 30, "a refused login")
        insert(server, 2)
        with open(scratch.path("a.password"), "w", encoding="utf-8") as out:
            out.write("canary-second")
        stream.wait_for([1, 2])
        assert "canary-second" not in stream.said()


# ---- servers that are not what they were ----


def replica_of(scratch, primary, *args):
    """A replica without a history of its own, by GTID."""
    replica = type(primary)(scratch.path("replica"), args=list(args))
    scratch.servers.append(replica)
    replica.start()
    primary.query("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl-tests-only'")
    primary.query("GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'")
    start_of_all = "" if primary.flavour == "mysql" else primary.query("SELECT BINLOG_GTID_POS('binlog.000001', 4)")[0][0]
    for statement in {"mariadb": ["RESET MASTER", "SET GLOBAL gtid_slave_pos = '%s'" % (start_of_all or ""),
                                  "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='repl', "
                                  "MASTER_PASSWORD='repl-tests-only', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
                                  % primary.port, "START SLAVE"],
                      "mysql": ["RESET BINARY LOGS AND GTIDS",
                                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='repl', "
                                "SOURCE_PASSWORD='repl-tests-only', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
                                % primary.port, "START REPLICA"]}[primary.flavour]:
        replica.query(statement)
    return replica


def has_row(server, number):
    try:
        return server.query("SELECT COUNT(*) FROM shop.t WHERE id = %d" % number)[0][0] == 1
    except pymysql.err.MySQLError:
        return False  # database or table has not arrived


def promote(replica):
    words_of = {"mariadb": ("STOP SLAVE", "RESET SLAVE ALL"), "mysql": ("STOP REPLICA", "RESET REPLICA ALL")}
    for statement in words_of[replica.flavour]:
        replica.query(statement)


def fail_over(scratch, primary, proxy, last):
    """The replica has everything and takes the primary's place."""
    replica = replica_of(scratch, primary)
    wait_until(lambda: has_row(replica, last), 60, "row %d at the replica" % last)
    primary.kill9()
    promote(replica)
    proxy.upstream = ("127.0.0.1", replica.port)
    proxy.cut()
    return replica


@pytest.mark.parametrize("flavour", BOTH)
def test_a_failover_by_gtid_goes_on(start, scratch, flavour):
    """Another file, another position, another server id in what follows."""
    primary = start(flavour)
    with Proxy(("127.0.0.1", primary.port)) as proxy:
        command = words(configuration(scratch, "a", proxy.address), "--from", here(primary))
        with LiveStream(scratch, "a", command) as stream:
            insert(primary, 1, 2)
            stream.wait_for([1, 2])
            primary.query("FLUSH BINARY LOGS")
            insert(primary, 3)
            replica = fail_over(scratch, primary, proxy, 3)
            insert(replica, 4, 5)
            stream.wait_for([1, 2, 3, 4, 5])


@pytest.mark.parametrize("flavour", BOTH)
def test_a_failover_by_file_and_position_is_refused(start, scratch, flavour):
    primary = start(flavour)
    with Proxy(("127.0.0.1", primary.port)) as proxy:
        command = words(configuration(scratch, "a", proxy.address), "--from", here(primary, "file"))
        with LiveStream(scratch, "a", command) as stream:
            insert(primary, 1)
            stream.wait_for([1])
            replica = fail_over(scratch, primary, proxy, 1)
            insert(replica, 2, 3, 4, 5)
            ended(stream, "is now server", "copy anew")
            assert stream.ids() == [1]


@pytest.mark.parametrize("flavour", BOTH)
def test_a_source_that_lost_what_it_had_sent_is_found(start, scratch, flavour):
    server = start(flavour)
    insert(server, 1)
    begin = here(server)
    server.stop()
    subprocess.run(["cp", "-a", "--sparse=always", server.datadir, scratch.path("older")], check=True)
    server.restart()
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", begin)) as stream:
        insert(server, 2, 3, 4)
        stream.wait_for([2, 3, 4])
        server.kill9()
        shutil.rmtree(server.datadir)
        shutil.move(scratch.path("older"), server.datadir)
        server.restart()
        said = ended(stream, "lacks transactions that were read before")
        # A file that was begun in the very second of the lost one is told by its end, not by its time.
        assert "SRC_IDENTITY" in said or "SRC_AHEAD" in said, said


@pytest.mark.parametrize("flavour", BOTH)
@pytest.mark.parametrize("rows", [2, 40])
def test_a_log_that_was_reset_is_found(start, scratch, flavour, rows):
    """Its GTIDs begin again at 1: after forty rows the new log has every number of the old one."""
    server = start(flavour)
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", here(server))) as stream:
        insert(server, 1, 2, 3)
        stream.wait_for([1, 2, 3])
        server.query("RESET BINARY LOGS AND GTIDS" if flavour == "mysql" else "RESET MASTER")
        insert(server, *range(10, 10 + rows))
        for number in dumps(server):
            server.query("KILL %d" % number)
        said = ended(stream)
        assert "SRC_IDENTITY" in said or "SRC_AHEAD" in said, said
        assert stream.ids() == [1, 2, 3]


@pytest.mark.parametrize("flavour", BOTH)
def test_a_server_that_is_restarted_is_read_on(start, scratch, flavour):
    """A server that shuts down ends its dumps as if the log had ended."""
    server = start(flavour)
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", here(server))) as stream:
        for number in range(1, 4):
            insert(server, number)
            stream.wait_for(range(1, number + 1))
            server.stop()
            server.restart()
        insert(server, 4)
        stream.wait_for([1, 2, 3, 4])


def test_a_promoted_replica_begins_at_what_its_own_log_has(start, scratch):
    """What it replicated without logging is in gtid_current_pos and in no log."""
    primary = start("mariadb")
    insert(primary, 1, 2)
    replica = replica_of(scratch, primary, "--log-slave-updates=OFF")
    wait_until(lambda: has_row(replica, 2), 60, "row 2 at the replica")
    done = subprocess.run([fleet_module.program("sluice"), "doctor", "--config",
                           configuration(scratch, "doctor", replica.address)], capture_output=True, text=True, check=False)
    assert done.returncode and "log_slave_updates" in done.stdout + done.stderr
    promote(replica)
    insert(replica, 3)
    assert replica.query("SELECT @@gtid_binlog_pos")[0][0]
    with LiveStream(scratch, "a", words(configuration(scratch, "a", replica.address), "--from", "current")) as stream:
        wait_until(lambda: dumps(replica), 30, "a dump")
        insert(replica, 4)
        kill_dumps(replica)
        insert(replica, 5)
        stream.wait_for([4, 5])


@pytest.mark.parametrize("flavour", BOTH)
@pytest.mark.parametrize("by", ["gtid", "file"])
def test_a_purged_position_ends_with_the_way_out(start, scratch, flavour, by):
    server = start(flavour)
    begin = here(server, by)
    insert(server, 1)
    server.query("FLUSH BINARY LOGS")
    last = server.query("SHOW BINARY LOGS")[-1][0]

    def purged():
        server.query("PURGE BINARY LOGS TO '%s'" % last)
        return server.query("SHOW BINARY LOGS")[0][0] == last

    wait_until(purged, 60, "the purge")
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", begin)) as stream:
        ended(stream, "purged", "SRC_PURGED")
        assert stream.records == []


def test_anonymous_transactions_behind_others_are_read_on_by_file_and_position(start, scratch):
    """gtid_mode was ON and is on its way to OFF: the sets in the log stand still."""
    server = start("mysql")
    insert(server, 1)
    for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE"):
        server.query("SET GLOBAL gtid_mode = " + mode)
    server.query("FLUSH BINARY LOGS")
    insert(server, 2)
    command = words(configuration(scratch, "a", server.address), "--from", here(server, "file"))
    with LiveStream(scratch, "a", command) as stream:
        insert(server, 3)
        server.query("FLUSH BINARY LOGS")
        insert(server, 4)
        stream.wait_for([3, 4])
        kill_dumps(server)
        insert(server, 5)
        stream.wait_for([3, 4, 5])


# ---- what is in the log ----


@pytest.mark.parametrize("flavour", BOTH)
def test_a_statement_of_one_session_stops_the_stream_by_name(start, scratch, flavour):
    server = start(flavour)
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", here(server))) as stream:
        insert(server, 1)
        db = server.connect(database="shop")
        with db.cursor() as cursor:
            try:
                cursor.execute("SET SESSION binlog_format = STATEMENT")
            except pymysql.err.MySQLError as gone:
                pytest.skip("this server logs rows only: %s" % gone.args[1])
            cursor.execute("UPDATE t SET v = 'changed'")
        db.close()
        ended(stream, "shop.t", "binlog_format=ROW")
        assert stream.ids() == [1]


def test_triggers_that_the_account_may_not_see_prove_nothing(start, scratch):
    """MariaDB: which triggers an account without TRIGGER is shown differs by version; the cure's grant is enough."""
    server = start("mariadb")
    for sql in ("CREATE DATABASE other", "CREATE TABLE other.o (id INT PRIMARY KEY)",
                "GRANT SELECT, INSERT ON other.* TO 'sluice'@'127.0.0.1'"):
        server.query(sql)
    at = here(server)
    with server.connect(autocommit=True) as db, db.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = STATEMENT")
        cursor.execute("INSERT INTO other.o VALUES (1)")
    insert(server, 1)
    command = words(configuration(scratch, "a", server.address), "--from", at)
    with LiveStream(scratch, "a", command) as stream:
        ended(stream, "may have triggers", "GRANT TRIGGER ON `other`.*")
    server.query("GRANT TRIGGER ON other.* TO 'sluice'@'127.0.0.1'")
    with LiveStream(scratch, "b", command) as stream:
        stream.wait_for([1])


@pytest.mark.parametrize("flavour", BOTH)
def test_signs_are_the_tables_own(start, scratch, flavour):
    """By log and by copy, where signed and unsigned columns take turns."""
    server = start(flavour)
    widths = ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT")
    server.query("CREATE TABLE shop.signs (id INT PRIMARY KEY, %s)" % ", ".join(
        "s%d %s, u%d %s UNSIGNED" % (i, width, i, width) for i, width in enumerate(widths)))
    highest = [(1 << (8 * n - 1)) - 1 for n in (1, 2, 3, 4, 8)]
    values = [1] + [v for high in highest for v in (-high - 1, 2 * high + 1)]
    server.query("INSERT INTO shop.signs VALUES (%s)" % ",".join(map(str, values)))
    for name, more in (("log", ("--from", "beginning")), ("copy", ("--copy",))):
        command = words(configuration(scratch, name, server.address), "--tables", "signs", *more, "--until-idle", "700ms")
        with LiveStream(scratch, name, command) as stream:
            assert stream.wait_end()[0] == 0, stream.said()
        assert [list(r["after"].values()) for r in stream.records if r["op"] in "cr"] == [values], name


@pytest.mark.parametrize("flavour", BOTH)
def test_a_prepared_transaction_survives_its_servers_restart(start, scratch, flavour):
    server = start(flavour)
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", here(server))) as stream:
        for name, number in (("kept", 10), ("dropped", 20)):
            db = server.connect(database="shop")
            with db.cursor() as cursor:
                for statement in ("XA START '%s'", "INSERT INTO t VALUES (%d, '%%s')" % number, "XA END '%s'", "XA PREPARE '%s'"):
                    cursor.execute(statement % name)
            db.close()
        insert(server, 1)
        stream.wait_for([1])
        server.kill9()
        server.restart()
        server.query("XA ROLLBACK 'dropped'")
        server.query("XA COMMIT 'kept'")
        insert(server, 2)
        stream.wait_for([1, 10, 2])


COMPRESSED = {"mariadb": (["--log-bin-compress=1", "--log-bin-compress-min-len=10"], "COMPRESSED"),
              "mysql": (["--binlog-transaction-compression=ON"], "TRANSACTION_PAYLOAD")}


@pytest.mark.parametrize("flavour", BOTH)
def test_compressed_logs_come_whole_over_the_wire(start, scratch, flavour):
    args, event = COMPRESSED[flavour]
    server = start(flavour, args=args)
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", here(server))) as stream:
        insert(server, *range(10), text="long enough " * 100)
        kill_dumps(server)
        insert(server, *range(10, 20), text="long enough " * 100)
        stream.wait_for(range(20))
        assert {r["after"]["v"] for r in stream.records} == {"long enough " * 100}
    log = server.query("SHOW BINARY LOGS")[-1][0]
    stats = subprocess.run([fleet_module.program("sluice"), "decode", "--stats", os.path.join(server.datadir, log)],
                           capture_output=True, text=True, check=True)
    assert event in stats.stderr, stats.stderr


PLUGINS = DebianTree("mariadb-11.8-plugins", "trixie", ["mariadb-server"], "usr/lib/mysql/plugin/file_key_management.so")


# Prints the peak KiB of a program. By a small process, because a child's peak begins with its parent's size.
PEAK = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""


@pytest.mark.parametrize("flavour", BOTH)
def test_a_long_row_is_held_no_more_than_twice(start, scratch, flavour):
    """64 MiB, with --deep nearly 1 GiB, which is the most that a server sends."""
    size = (1 << 30) - (1 << 20) if os.environ.get("SLUICE_DEEP") else 64 << 20
    server = start(flavour, args=["--max-allowed-packet=1G"])
    server.query("CREATE TABLE shop.long_row (id INT PRIMARY KEY, v LONGBLOB) ENGINE=MyISAM")
    server.query("FLUSH BINARY LOGS")
    begin = here(server)
    server.query("INSERT INTO shop.long_row SELECT 1, REPEAT('x', %d)" % size)
    server.query("INSERT INTO shop.long_row VALUES (2, 'y')")
    config = configuration(scratch, "a", server.address)
    log = os.path.join(server.datadir, server.query("SHOW BINARY LOGS")[-1][0])
    for command in (words(config, "--from", begin, "--until", here(server), "--format", "none", "--stats"),
                    [fleet_module.program("sluice"), "decode", "--format", "none", "--stats", log]):
        done = subprocess.run(["/usr/bin/python3", "-c", PEAK, *command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        said = done.stderr
        assert done.returncode == 0 and ("rows=2 " in said or "2 rows, 2 transactions" in said), said
        assert int(done.stdout) * 1024 < 2.2 * size + (32 << 20), done.stdout + " KiB"


def test_encrypted_logs_are_read_over_the_wire_and_refused_as_files(start, scratch):
    try:
        PLUGINS.fetch()
    except ServerError as error:
        pytest.skip(str(error))
    keys = scratch.path("keys")
    with open(keys, "w", encoding="ascii") as out:
        out.write("1;%s\n" % ("0123456789abcdef" * 4))
    server = start(MariaDB11, args=["--plugin-dir=" + os.path.join(PLUGINS.root, "usr/lib/mysql/plugin"),
                                    "--plugin-load-add=file_key_management", "--encrypt-binlog=ON",
                                    "--file-key-management-filename=" + keys])
    with LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", here(server))) as stream:
        insert(server, 1)
        server.query("FLUSH BINARY LOGS")
        insert(server, 2)
        kill_dumps(server)
        insert(server, 3)
        stream.wait_for([1, 2, 3])
    log = server.query("SHOW BINARY LOGS")[0][0]
    done = subprocess.run([fleet_module.program("sluice"), "decode", os.path.join(server.datadir, log)],
                          capture_output=True, text=True, check=False)
    assert done.returncode and "encrypted" in done.stderr and log in done.stderr, done.stderr


def applied(records, table):
    """The table as its records tell it."""
    rows = {}
    for r in records:
        if r["op"] not in "cud" or r["table"] != table:
            continue
        if r["before"]:
            assert rows.pop(r["before"]["id"]) == r["before"]
        if r["after"]:
            assert r["after"]["id"] not in rows
            rows[r["after"]["id"]] = r["after"]
    return [tuple(rows[key].values()) for key in sorted(rows)]


@pytest.mark.parametrize("flavour", BOTH)
def test_statements_of_many_rows_and_tables_are_their_rows(start, scratch, flavour):
    server = start(flavour, args=["--local-infile=1"])
    data = scratch.path("rows.csv")
    with open(data, "w", encoding="utf-8") as out:
        out.writelines("%d\tröw %d\n" % (i, i) for i in range(1, 501))
    begin = here(server)
    with server.connect(database="shop", local_infile=True) as db, db.cursor() as cursor:
        for statement in (
                "LOAD DATA LOCAL INFILE '%s' INTO TABLE t CHARACTER SET utf8mb4" % data,
                "CREATE TABLE u (id INT PRIMARY KEY, v LONGTEXT)", "INSERT INTO u SELECT id, CONCAT(v, '!') FROM t WHERE id % 2 = 0",
                "CREATE TABLE w (PRIMARY KEY (id)) AS SELECT id, v FROM u WHERE id < 100",
                "UPDATE t JOIN u USING (id) SET t.v = 'both', u.v = 'of them' WHERE t.id < 50",
                "DELETE t, u FROM t JOIN u USING (id) WHERE t.id > 400", "REPLACE INTO t VALUES (1, 'replaced'), (1000, 'new')",
                "INSERT INTO t VALUES (2, 'x'), (1001, 'y') ON DUPLICATE KEY UPDATE v = 'was there'",
                "DELETE FROM w ORDER BY id LIMIT 3"):
            cursor.execute(statement)
    done = LiveStream(scratch, "a", words(configuration(scratch, "a", server.address), "--from", begin,
                                          "--until-idle", "700ms"))
    with done as stream:
        assert stream.wait_end()[0] == 0, stream.said()
    for table in "tuw":
        assert applied(done.records, table) == list(server.query("SELECT id, v FROM %s ORDER BY id" % table, database="shop"))


@pytest.mark.parametrize("flavour", BOTH)
def test_the_servers_own_modes_and_time_zone_change_no_value(start, scratch, flavour):
    """By copy and by log alike; each server's own session says what is right."""
    server = start(flavour, args=["--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT",
                                  "--default-time-zone=+05:30"])
    server.query("CREATE TABLE shop.`odd \"names\"` (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT, ts TIMESTAMP(3) NULL, d DATETIME(3))")
    texts = [r"back\slash", r"\\' OR 1=1; --", "it's \"quoted\" `here`", "\\", "", None]
    with server.connect(database="shop") as db, db.cursor() as cursor:
        cursor.execute("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'")
        for number, text in enumerate(texts):
            cursor.execute("INSERT INTO `odd \"names\"` VALUES (%s, %s, '2026-03-29 01:30:00.125', '2026-03-29 02:30:00.5')",
                           (number, text))
        cursor.execute("SELECT id, v, CAST(ts AS CHAR), CAST(d AS CHAR) FROM `odd \"names\"` ORDER BY id")
        said = list(cursor.fetchall())
    assert said[0] == (0, texts[0], "2026-03-29 01:30:00.125", "2026-03-29 02:30:00.500")
    for name, more in (("log", ("--from", "beginning")), ("copy", ("--copy",))):
        stream = LiveStream(scratch, name, words(configuration(scratch, name, server.address), *more, "--until-idle", "700ms"))
        with stream:
            assert stream.wait_end()[0] == 0, stream.said()
        rows = [tuple(r["after"].values()) for r in stream.records if r["op"] in "cr" and r["table"].startswith("odd")]
        assert sorted(rows, key=lambda row: row[0]) == said, name


# ---- certificates ----


def openssl(*command):
    subprocess.run(["openssl", *command], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Folders with ca.pem, cert.pem, key.pem: `good` for 127.0.0.1, `host` for another, `old` of the past, `other` of another issuer."""
    place = tmp_path_factory.mktemp("certificates")
    for issuer in ("ca", "otherca"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=" + issuer,
                "-keyout", str(place / (issuer + ".key")), "-out", str(place / (issuer + ".pem")))
    for name, issuer, host, days in (("good", "ca", "IP:127.0.0.1", "30"), ("host", "ca", "DNS:other.test", "30"),
                                     ("old", "ca", "IP:127.0.0.1", "-1"), ("other", "otherca", "IP:127.0.0.1", "30")):
        folder = place / name
        folder.mkdir()
        (folder / "ext").write_text("subjectAltName=%s\n" % host, encoding="ascii")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", str(folder / "key.pem"),
                "-out", str(folder / "csr"))
        openssl("x509", "-req", "-in", str(folder / "csr"), "-CA", str(place / (issuer + ".pem")), "-CAkey",
                str(place / (issuer + ".key")), "-set_serial", "7", "-days", days, "-extfile", str(folder / "ext"),
                "-out", str(folder / "cert.pem"))
    return place


ACCEPTED = {"good": {"REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"}, "host": {"REQUIRED", "VERIFY_CA"}, "old": {"REQUIRED"},
            "other": {"REQUIRED"}, None: set()}


@pytest.mark.parametrize("flavour", BOTH)
@pytest.mark.parametrize("certificate", list(ACCEPTED), ids=str)
def test_certificates_are_checked_as_each_mode_says(start, scratch, certificates, flavour, certificate):
    if certificate:
        args = ["--ssl-%s=%s" % (what, certificates / certificate / (what + ".pem")) for what in ("cert", "key")]
    else:
        args = ["--tls-version="] if flavour == "mysql" else ["--ssl=OFF"]
    server = start(flavour, args=args)
    begin = here(server)
    insert(server, 1)
    accepted = set()
    for mode in ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"):
        config = configuration(scratch, mode.lower(), server.address, tls="mode: %s, ca: %s" % (mode, certificates / "ca.pem"))
        done = subprocess.run(words(config, "--from", begin, "--until-idle", "500ms"), capture_output=True, text=True,
                              timeout=300, check=False)
        if done.returncode == 0:
            assert '"id":1' in done.stdout
            accepted.add(mode)
        else:
            assert done.returncode == FAILED_SOURCE and "DB_TLS" in done.stderr and done.stdout == "", done.stderr
    assert accepted == ACCEPTED[certificate]
