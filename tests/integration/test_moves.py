# tests/integration/test_moves.py — whole moves on real servers while an application writes.
"""Move, split, turn back, copy reference tables: and every acknowledged write is where it belongs."""

import json

import fleet as fleet_module
import pytest

TABLES = ",".join(fleet_module.MOVED_TABLES)
VARIANTS = [
    pytest.param({"flavour": "mariadb", "fence": "trigger"}, id="mariadb-trigger"),
    pytest.param({"flavour": "mariadb", "fence": "rename"}, id="mariadb-rename"),
    pytest.param({"flavour": "mysql", "fence": "trigger"}, id="mysql-trigger"),
    pytest.param({"flavour": "mysql", "fence": "rename", "gtid": False}, id="mysql-rename-no-gtid"),
]


def start_move(fleet):
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables", TABLES)
    fleet.wait_running("movetables", "c2c")


def start_split(fleet):
    fleet.workflow("reshard", "split", "create", "--source-shards", "-", "--target-shards",
                   "-80,80-")
    fleet.wait_running("reshard", "split")


def turn(fleet, kind, name, verb):
    fleet.workflow(kind, name, verb)
    fleet.wait_acknowledged(40)


def vdiff(fleet, name):
    fleet.sluice("vdiff", "--workflow", name, "--target-keyspace", "customer", "create", "--wait")


@pytest.fixture
def writing(make_fleet, need_sluice):
    """Called with Fleet's options: a fleet with a daemon and an application that writes."""

    def make(rows=4000, rate=200, **options):
        fleet = make_fleet(rows=rows, **options)
        fleet.start_writer(rate=rate)
        fleet.start_daemon()
        fleet.wait_acknowledged(20)
        return fleet

    return make


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_move_and_a_split_under_writes_lose_nothing(writing, variant):
    fleet = writing(**variant)
    start_move(fleet)
    vdiff(fleet, "c2c")
    for verb in ("switchtraffic", "reversetraffic", "switchtraffic"):
        turn(fleet, "movetables", "c2c", verb)
    fleet.workflow("movetables", "c2c", "complete")
    start_split(fleet)
    vdiff(fleet, "split")
    for verb in ("switchtraffic", "reversetraffic", "switchtraffic"):
        turn(fleet, "reshard", "split", verb)
    fleet.workflow("reshard", "split", "complete")
    fleet.wait_acknowledged(40)
    fleet.stop_writer()
    figures = fleet.assert_nothing_lost()
    assert figures["rows"]["customers"] > 0


def test_reference_tables_follow_on_every_shard(writing):
    fleet = writing()
    fleet.workflow("materialize", "refs", "create", "--source-keyspace", "commerce",
                   "--reference-tables", "products")
    fleet.wait_running("materialize", "refs")
    fleet.wait_acknowledged(100)
    fleet.stop_writer()
    wanted = fleet.server("commerce").query("SELECT MAX(version) FROM products",
                                            database="commerce")[0][0]
    fleet.server("customer").wait_for_query("SELECT MAX(version) FROM products", wanted,
                                            database="customer")
    fleet.assert_nothing_lost(references=["products=customer"])


def test_a_cancelled_move_leaves_the_source_as_it_was(writing):
    fleet = writing()
    start_move(fleet)
    fleet.workflow("movetables", "c2c", "cancel")
    fleet.wait_acknowledged(20)
    fleet.stop_writer()
    assert fleet.server("customer").query("SHOW TABLES", database="customer") == ()
    fleet.assert_nothing_lost()


@pytest.mark.parametrize("side", ["commerce", "customer"])
def test_a_server_killed_while_rows_are_copied_is_survived(writing, side):
    fleet = writing(rows=20000)
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables", TABLES)
    victim = fleet.server(side)
    victim.kill9()
    victim.restart()
    fleet.wait_running("movetables", "c2c")
    turn(fleet, "movetables", "c2c", "switchtraffic")
    fleet.stop_writer()
    fleet.assert_nothing_lost()


def test_a_daemon_killed_between_the_verbs_goes_on(writing):
    fleet = writing(rows=10000)
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables", TABLES)
    fleet.kill_daemon()
    fleet.start_daemon()
    fleet.wait_running("movetables", "c2c")
    turn(fleet, "movetables", "c2c", "switchtraffic")
    fleet.kill_daemon()
    fleet.start_daemon()
    turn(fleet, "movetables", "c2c", "reversetraffic")
    fleet.stop_writer()
    fleet.assert_nothing_lost()


# A linear checksum does not see values that two rows, or two columns, have exchanged.
EXCHANGES = ("UPDATE swapped SET v = IF(id = 104, 'Y', 'd') WHERE id IN (104, 158)",
             "UPDATE swapped SET a = b, b = a + b - a WHERE id = 1",
             "UPDATE swapped SET v = IF(id = 200, 'a#1', 'k') WHERE id IN (200, 201)")
ODD_NAME = "odd \"name\"'s \\ table"


def report_of(done):
    assert done.returncode == 6, done.stdout + done.stderr
    return json.loads(done.stdout)["TableSummary"]


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_vdiff_finds_planted_differences(make_fleet, need_sluice, flavour):
    fleet = make_fleet(rows=2000, flavour=flavour)
    keyed = fleet.vschema["tables"]
    keyed["swapped"] = keyed["docs"] = keyed[ODD_NAME] = {"column_vindexes": [{"column": "id", "name": "xx"}]}
    fleet.vschema["vindexes"]["xx"] = {"type": "xxhash"}
    fleet.write_configuration()
    source, target = fleet.server("commerce"), fleet.server("customer")
    for sql in ("CREATE TABLE swapped (id INT PRIMARY KEY, v VARCHAR(5) CHARACTER SET latin1, a BIGINT, b BIGINT)",
                "INSERT INTO swapped VALUES (104,'d',0,0),(158,'Y',0,0),(200,'k',0,0),(201,'a#1',0,0),(1,'',3,9)",
                "CREATE TABLE docs (id INT PRIMARY KEY, j JSON)",
                """INSERT INTO docs VALUES (1, '{"a": 1.5}'), (2, '[[7]]'), (3, '["2024-01-02"]')""",
                "CREATE TABLE `%s` (id BINARY(8) PRIMARY KEY, t VARCHAR(20))" % ODD_NAME,
                "INSERT INTO `%s` VALUES ('abc', 'x')" % ODD_NAME):
        source.query(sql, database="commerce")
    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--all-tables")
    fleet.wait_running("movetables", "c2c")
    vdiff(fleet, "c2c")
    for sql in ("DELETE FROM orders ORDER BY customer_id, order_id LIMIT 1",
                "UPDATE customers SET balance = balance + 1 ORDER BY customer_id LIMIT 1",
                "INSERT INTO order_items VALUES ('planted', 1, 1, 1, 1, 0)",
                "UPDATE `%s` SET t = CONCAT('\\\\', CHAR(1), '\"')" % ODD_NAME, *EXCHANGES,
                "REPLACE INTO docs VALUES (1, JSON_OBJECT('a', CAST(1.5 AS DECIMAL(2,1))))",
                "REPLACE INTO docs VALUES (2, JSON_ARRAY(JSON_ARRAY(CAST(7 AS UNSIGNED))))",
                "REPLACE INTO docs VALUES (3, JSON_ARRAY(CAST('2024-01-02' AS DATE)))"):
        target.query(sql, database="customer")
    tables = report_of(fleet.try_sluice("vdiff", "--workflow", "c2c", "--target-keyspace", "customer",
                                        "create", "--wait", "--format", "json"))
    assert tables["orders"]["ExtraRowsSource"] == 1
    assert tables["customers"]["MismatchedRows"] == 1
    assert tables["order_items"]["ExtraRowsTarget"] == 1
    assert tables[ODD_NAME]["MismatchedRows"] == 1
    assert tables["swapped"]["MismatchedRows"] == 5
    assert tables["docs"]["MismatchedRows"] == (3 if flavour == "mysql" else 0)  # the same texts, of other types
    assert tables["products"]["MismatchedRows"] == 0


def test_the_daemon_stays_small_while_rows_move(writing):
    fleet = writing(rows=200000)
    start_move(fleet)
    peak = fleet.daemon_peak_bytes()
    fleet.stop_writer()
    assert peak < 64 << 20, "%d MiB" % (peak >> 20)
