# tests/integration/test_refusals.py — what cannot be done is refused by name, with its cure, and nothing is changed.
"""Exit codes and messages of the refusals that an operator meets."""

import fleet as fleet_module
import pytest

TABLES = ",".join(fleet_module.MOVED_TABLES)
CREATE = ("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "create",
          "--source-keyspace", "commerce", "--tables", TABLES)


@pytest.fixture
def served(make_fleet, need_sluice):
    """A fleet with a daemon and nobody who writes."""
    fleet = make_fleet(rows=1000)
    fleet.start_daemon()
    return fleet


def refused(fleet, words, code, *texts):
    done = fleet.try_sluice(*words)
    assert done.returncode == code, done.stdout + done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr
    return done.stderr


def tables_of(fleet):
    return fleet.server("customer").query("SHOW TABLES", database="customer")


def test_a_target_that_is_not_empty(served):
    target = served.server("customer")
    target.query("CREATE TABLE orders (customer_id BIGINT PRIMARY KEY)", database="customer")
    target.query("INSERT INTO orders VALUES (1)", database="customer")
    refused(served, CREATE, 5, "orders")
    assert tables_of(served) == (("orders",),)


def test_a_table_that_does_not_exist(served):
    words = [word.replace(TABLES, "nowhere") for word in CREATE]
    refused(served, words, 5, "nowhere")
    assert tables_of(served) == ()


def test_statement_format_on_the_source(served):
    served.server("commerce").query("SET GLOBAL binlog_format=STATEMENT")
    assert "binlog_format" in refused(served, CREATE, 5, "ROW")
    assert tables_of(served) == ()


def test_a_missing_grant_is_named(served):
    served.server("commerce").query("REVOKE REPLICATION SLAVE ON *.* FROM 'sluice'@'127.0.0.1'")
    done = served.try_sluice("doctor")
    assert done.returncode != 0
    assert "REPLICATION SLAVE" in done.stdout + done.stderr


def test_a_wrong_password_is_said_and_not_shown(served):
    with open(served.path("sluice.password"), "w", encoding="utf-8") as out:
        out.write("not-the-password\n")
    done = served.try_sluice("doctor")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "password" in said.lower() or "denied" in said.lower()
    assert "not-the-password" not in said


def test_a_switch_before_the_copy_is_done_or_without_a_workflow(served):
    words = ("movetables", "--workflow", "none", "--target-keyspace", "customer", "switchtraffic")
    refused(served, words, 5, "none")


def test_what_is_left_out_of_all_tables_is_a_table_and_is_said(served):
    source = served.server("commerce")
    source.query("CREATE TABLE _orders_gho (id INT PRIMARY KEY)", database="commerce")
    source.query("CREATE TABLE _orders_ghc (id BIGINT PRIMARY KEY, last_update TIMESTAMP, "
                 "hint VARCHAR(64), value VARCHAR(4096))", database="commerce")
    words = CREATE[:-2] + ("--all-tables", "--exclude-tables")
    refused(served, words + ("order_item",), 5, "order_item", "order_items")
    refused(served, CREATE + ("--exclude-tables", "orders"), 2, "--all-tables")
    plan = served.sluice(*words, "order_items", "--dry-run")
    assert "Leave out _orders_ghc, _orders_gho" in plan and "order_items" not in plan, plan
    served.sluice(*words, "order_items")
    for verb in ("status", "show"):
        document = served.sluice_json("movetables", "--workflow", "c2c", "--target-keyspace",
                                      "customer", verb)
        said = document if verb == "status" else document["workflows"][0]
        assert said["tables_left_out"].startswith("_orders_ghc, _orders_gho"), said


def test_settings_and_engines_are_asked_again_at_the_switch(served):
    served.sluice(*CREATE)
    served.wait_running("movetables", "c2c")
    words = ("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "switchtraffic")
    for keyspace, setting, bad, good in (("customer", "binlog_row_image", "MINIMAL", "FULL"),
                                         ("commerce", "binlog_format", "MIXED", "ROW")):
        server = served.server(keyspace)
        server.query("SET GLOBAL %s=%s" % (setting, bad))
        refused(served, words, 5, keyspace + "/-", setting)
        server.query("SET GLOBAL %s=%s" % (setting, good))
    served.server("customer").query("ALTER TABLE order_items ENGINE=MyISAM", database="customer")
    refused(served, words, 5, "customer/-", "order_items", "MyISAM")


def test_an_open_transaction_holds_the_switch_and_is_named(served):
    served.sluice(*CREATE)
    served.wait_running("movetables", "c2c")
    blocker = served.server("commerce").connect(user="app", database="commerce", autocommit=False)
    with blocker.cursor() as cursor:
        cursor.execute("UPDATE orders SET total = total + 1 LIMIT 1")
        cursor.execute("SELECT CONNECTION_ID()")
        number = cursor.fetchone()[0]
    words = ("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "switchtraffic",
             "--timeout", "3s")
    done = served.try_sluice(*words)
    assert done.returncode in (5, 7), done.stdout + done.stderr
    assert str(number) in done.stderr, done.stderr
    blocker.rollback()
    blocker.close()
    served.sluice(*words[:-2])
    assert served.routing_version() > 0


def test_a_second_daemon_is_refused(served):
    done = served.try_sluice("serve", timeout_s=30)
    assert done.returncode != 0
    assert str(served.daemon.pid) in done.stderr, done.stderr


def test_an_unknown_word_names_the_nearest(served):
    assert "--workflow" in refused(served, ("movetables", "--workflwo", "c2c", "show"), 2)
    switch = ("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "switchtraffic")
    assert "not offered" in refused(served, (*switch, "--force"), 2)


def test_columns_that_changed_places_at_the_target(served):
    """An ALTER that copies no row, and that no statement of a stream fails at."""
    assert served.try_sluice(*CREATE).returncode == 0
    served.wait_running("movetables", "c2c")
    swap = "ALTER TABLE orders RENAME COLUMN order_id TO version, RENAME COLUMN version TO order_id"
    served.server("customer").query(swap, database="customer")
    refused(served, CREATE[:5] + ("switchtraffic",), 5, "orders", "columns are others", "vdiff")
    served.server("customer").query(swap, database="customer")
    assert served.try_sluice(*CREATE[:5], "switchtraffic").returncode == 0
