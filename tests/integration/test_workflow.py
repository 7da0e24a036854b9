# tests/integration/test_workflow.py — what the switch promises: refused, undone, taken over, reported; never lost.
"""Faults are armed in the daemon's environment (SLUICE_FAULT). A second daemon has a state directory and a
socket of its own and the same servers."""

import contextlib
import copy
import json
import os
import shutil
import signal
import subprocess

import pytest
from sluice_servers.process import PATIENCE_S, wait_until

TABLES = "customers,orders,order_items"


@pytest.fixture
def moved(make_fleet, need_sluice):  # pylint: disable=unused-argument
    """A fleet with a writer whose tables are copied and followed; `fault` arms the daemon."""

    def make(fault=None, rate=80, **options):
        fleet = make_fleet(rows=800, **options)
        fleet.start_writer(rate=rate)
        fleet.start_daemon(fault=fault)
        create(fleet)
        fleet.wait_running("movetables", "c2c")
        return fleet

    return make


def create(fleet, name="c2c", tables=TABLES, expect=0):
    return fleet.workflow("movetables", name, "create", "--source-keyspace", "commerce", "--tables",
                          tables, expect=expect)


def state(fleet, name="c2c"):
    return fleet.status("movetables", name)["state"]


def attempt(fleet, verb, *words, name="c2c"):
    return fleet.try_sluice("movetables", "--workflow", name, "--target-keyspace", "customer", verb,
                            *words)


def second_daemon(fleet):
    """The same installation from another state directory."""
    other = copy.copy(fleet)
    other.state_dir = fleet.path("state2")
    other.config_path = fleet.path("sluice2.yaml")
    with open(fleet.config_path, encoding="utf-8") as text:
        config = text.read()
    config = config.replace("state: " + fleet.state_dir, "state: " + other.state_dir)
    other.api_path = fleet.path("api2.sock")
    config = config.replace(fleet.api_path, other.api_path)
    config = config.replace("900000-900999", "901000-901999")
    with open(other.config_path, "w", encoding="utf-8") as out:
        out.write(config)
    other.start_daemon()
    return other


def fences(fleet, keyspace):
    rows = fleet.server(keyspace).query(
        "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_NAME LIKE '%sluice_f%'")
    hidden = fleet.server(keyspace).query(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE '%sluice_f%'")
    return rows[0][0] + hidden[0][0]


def end(fleet):
    fleet.wait_acknowledged(20)
    fleet.stop_writer()
    fleet.assert_nothing_lost()


@pytest.mark.parametrize("fence", ["trigger", "rename"])
@pytest.mark.parametrize("point", ["after_hold", "after_wait", "after_fence", "before_decision"])
def test_a_switch_that_fails_before_its_decision_is_undone(moved, fence, point):
    fleet = moved(fault="switch.%s:fail" % point, fence=fence)
    done = attempt(fleet, "switchtraffic")
    assert done.returncode != 0 and state(fleet) == "running", done.stderr
    assert fences(fleet, "commerce") == 0
    fleet.wait_acknowledged(20)
    fleet.workflow("movetables", "c2c", "switchtraffic")
    assert fences(fleet, "commerce") > 0
    end(fleet)


@pytest.mark.parametrize("point", ["after_decision", "after_journal", "after_enable", "after_routing"])
def test_a_switch_that_fails_after_its_decision_goes_on_by_itself(moved, point):
    fleet = moved(fault="switch.%s:fail" % point)
    done = attempt(fleet, "switchtraffic")
    assert done.returncode != 0 and "decided" in done.stderr
    wait_until(lambda: state(fleet) == "switched", 30, "the roll-forward")
    end(fleet)


def test_the_same_command_again_says_that_it_is_done(moved):
    fleet = moved()
    for verb in ("switchtraffic", "switchtraffic", "reversetraffic", "reversetraffic",
                 "switchtraffic", "complete", "complete"):
        assert attempt(fleet, verb).returncode == 0, verb
    end(fleet)


def test_a_prepared_xa_transaction_holds_the_switch_and_is_named(moved):
    fleet = moved()
    source = fleet.server("commerce")
    holder = source.connect(database="commerce")
    with holder.cursor() as cursor:
        cursor.execute("XA START 'forgotten'")
        cursor.execute("INSERT INTO orders SELECT * FROM orders ORDER BY customer_id LIMIT 0")
        cursor.execute("UPDATE customers SET email = email, version = version + 0 LIMIT 1")
        cursor.execute("UPDATE customers SET balance = balance + 1 ORDER BY customer_id DESC LIMIT 1")
        cursor.execute("XA END 'forgotten'")
        cursor.execute("XA PREPARE 'forgotten'")
    holder.close()
    done = attempt(fleet, "switchtraffic", "--timeout", "5s")
    assert done.returncode == 7 and "forgotten" in done.stderr, done.stderr
    assert state(fleet) == "running" and fences(fleet, "commerce") == 0
    source.query("XA ROLLBACK 'forgotten'")
    fleet.workflow("movetables", "c2c", "switchtraffic")
    end(fleet)


def test_a_stream_that_stalls_under_the_lock_does_not_hold_the_writers(moved):
    fleet = moved()
    target = fleet.server("customer").connect(database="customer")
    with target.cursor() as cursor:
        cursor.execute("BEGIN")
        for table in TABLES.split(","):
            cursor.execute("SELECT COUNT(*) FROM %s FOR UPDATE" % table)
    begun = fleet.acknowledged()
    switch = subprocess.Popen(  # pylint: disable=consider-using-with
        fleet.words("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "switchtraffic"))
    wait_until(lambda: fleet.daemon_log().count("writers go on until the next attempt") >= 2, 30,
               "two attempts that were given up")
    assert fleet.acknowledged() > begun and switch.poll() is None
    target.rollback()
    target.close()
    assert switch.wait(PATIENCE_S) == 0 and state(fleet) == "switched"
    end(fleet)


@pytest.mark.parametrize("point,after", [("after_hold", "running"), ("after_fence", "running"),
                                         ("before_decision", "running"),
                                         ("after_decision", "switched")])
def test_a_daemon_that_sleeps_through_its_lease_is_fenced(moved, point, after):
    fleet = moved(fault="switch.%s:stop" % point)
    command = fleet.words("movetables", "--workflow", "c2c", "--target-keyspace", "customer",
                          "switchtraffic")
    import subprocess  # pylint: disable=import-outside-toplevel

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        wait_until(lambda: stopped(fleet.daemon.pid), 30, "the daemon to stop at " + point)
        other = second_daemon(fleet)
        wait_until(lambda: state(other) == after, 60, "the other daemon to take over")
        if after == "running":
            assert fences(fleet, "commerce") == 0
        fleet.wait_acknowledged(20)
        fleet.daemon.send_signal(signal.SIGCONT)
        assert client.wait(PATIENCE_S) != 0
    fleet.wait_acknowledged(20)
    assert state(other) == after
    done = attempt(fleet, "stop")
    assert done.returncode == 5 and "belongs to" in done.stderr, done.stderr
    other.workflow("movetables", "c2c", "switchtraffic")
    end(fleet)
    other.stop_daemon()


def stopped(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as text:
        return text.read().rsplit(")", 1)[1].split()[0] == "T"


def test_an_older_state_directory_does_no_harm(moved):
    fleet = moved()
    fleet.stop_daemon()
    shutil.copytree(fleet.state_dir, fleet.path("older"))
    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "switchtraffic")
    before = fleet.routing_version()
    fleet.stop_daemon()
    shutil.rmtree(fleet.state_dir)
    os.rename(fleet.path("older"), fleet.state_dir)
    os.unlink(fleet.routing_path)
    fleet.start_daemon()
    assert state(fleet) == "switched"
    done = attempt(fleet, "cancel")
    assert done.returncode == 5 and "switched write traffic" in done.stderr
    wait_until(lambda: fleet.routing_version() >= before, 30, "the routing version")
    end(fleet)


def test_a_create_that_died_is_taken_up_or_cancelled(make_fleet, need_sluice):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=300)
    fleet.start_daemon(fault="create.after_table:kill:2")
    create_dies(fleet)
    fleet.start_daemon(fault="create.before_running:kill")
    create_dies(fleet)
    fleet.start_daemon()
    assert state(fleet) == "creating"
    other = fleet.try_sluice("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "create",
                             "--source-keyspace", "commerce", "--tables", "customers")
    assert other.returncode == 5 and "already exists" in other.stderr
    fleet.workflow("movetables", "c2c", "cancel")
    assert fleet.server("customer").query("SHOW TABLES", database="customer") == ()
    fleet.stop_daemon()
    a_copy_that_cannot_write_says_so(fleet)


def a_copy_that_cannot_write_says_so(fleet):
    fleet.start_daemon(fault="copy.before_insert:fail:*")
    create(fleet)

    def says_why():
        shards = fleet.status("movetables", "c2c")["shard_streams"].values()
        return any(stream["status"] == "Copying" and "copy.before_insert" in stream["info"]
                   for shard in shards for stream in shard["streams"])

    wait_until(says_why, 30, "the status")
    fleet.stop_daemon()
    fleet.start_daemon()
    fleet.wait_running("movetables", "c2c")


@pytest.mark.parametrize("point", ["after_stop", "after_drop", "after_target", "after_forget", "after_row"])
def test_a_cancel_that_died_goes_on(moved, point):
    fleet = moved(fault="cancel.%s:kill" % point)
    assert attempt(fleet, "cancel").returncode != 0 and fleet.daemon.wait(PATIENCE_S) == -9
    fleet.start_daemon()
    done = attempt(fleet, "cancel")
    assert done.returncode == 0, done.stderr
    assert fleet.server("customer").query("SHOW TABLES", database="customer") == ()
    assert fleet.sluice_json("workflow", "--keyspace", "customer", "list") == []
    create(fleet)
    fleet.wait_running("movetables", "c2c")
    end(fleet)


def create_dies(fleet):
    done = fleet.try_sluice("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "create",
                            "--source-keyspace", "commerce", "--tables", TABLES)
    assert done.returncode != 0
    assert fleet.daemon.wait(PATIENCE_S) == -9


def test_a_write_that_goes_round_the_fence_is_reported(moved):
    fleet = moved()
    fleet.workflow("movetables", "c2c", "switchtraffic")
    source = fleet.server("commerce")
    refused = source.connect(database="commerce")
    with pytest.raises(Exception, match="table moved by workflow"):
        refused.cursor().execute("DELETE FROM orders LIMIT 1")
    refused.close()
    name = source.query("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_TABLE = "
                        "'orders' AND EVENT_MANIPULATION = 'DELETE'")[0][0]
    source.query("DROP TRIGGER `%s`" % name, database="commerce")
    source.query("DELETE FROM orders ORDER BY customer_id, order_id LIMIT 1", database="commerce")
    wait_until(lambda: "WRITE_AFTER_FENCE" in fleet.status("movetables", "c2c").get("alarm", ""), 30,
               "the alarm")
    end(fleet)


@pytest.mark.parametrize("flag,left", [("--keep-data", {"customers", "orders", "order_items"}),
                                       ("--rename-tables", {"_customers_old", "_orders_old",
                                                            "_order_items_old"})])
@pytest.mark.parametrize("fence", ["trigger", "rename"])
def test_complete_keeps_or_renames_the_source(moved, flag, left, fence):
    fleet = moved(fence=fence)
    fleet.workflow("movetables", "c2c", "switchtraffic")
    fleet.workflow("movetables", "c2c", "complete", flag)
    tables = {row[0] for row in fleet.server("commerce").query("SHOW TABLES", database="commerce")}
    assert left <= tables and fences(fleet, "commerce") == 0
    end(fleet)


REFUSED = [
    ("CREATE TABLE nokey (a INT)", "nokey", "no primary key"),
    ("CREATE TABLE child (id INT PRIMARY KEY, customer_id BIGINT, order_id BIGINT, KEY (customer_id), "
     "CONSTRAINT leaves FOREIGN KEY (customer_id) REFERENCES customers (customer_id))", "child",
     "leaves the set"),
    ("CREATE TABLE noentry (id INT PRIMARY KEY)", "noentry", "no primary vindex"),
]


@pytest.mark.parametrize("ddl,table,words", REFUSED)
def test_a_refused_create_changes_nothing(make_fleet, need_sluice, ddl, table, words):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=100)
    with open(fleet.path("customer.vschema.json"), encoding="utf-8") as text:
        vschema = json.load(text)
    vindex = {"column": "customer_id", "name": "by_customer"}
    vschema["tables"]["child"] = {"column_vindexes": [vindex]}
    vschema["tables"]["nokey"] = {"column_vindexes": [dict(vindex, column="a")]}
    with open(fleet.path("customer.vschema.json"), "w", encoding="utf-8") as out:
        json.dump(vschema, out)
    fleet.server("commerce").query(ddl, database="commerce")
    fleet.start_daemon()
    done = fleet.try_sluice("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "create",
                            "--source-keyspace", "commerce", "--tables", table)
    assert done.returncode == 5 and words in done.stderr, done.stderr
    assert fleet.server("customer").query("SHOW TABLES", database="customer") == ()
    assert fleet.server("customer").query("SHOW DATABASES LIKE '\\_sluice'") == ()
    assert fleet.sluice_json("workflow", "--keyspace", "customer", "list") == []


def test_a_narrower_target_column_is_refused_by_name(make_fleet, need_sluice):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=100)
    shown = fleet.server("commerce").query("SHOW CREATE TABLE customers", database="commerce")[0][1]
    fleet.server("customer").query(shown.replace("`email` varchar(", "`email` varchar(1"),
                                   database="customer")
    fleet.server("customer").query("ALTER TABLE customers MODIFY email VARCHAR(3)", database="customer")
    fleet.start_daemon()
    done = fleet.try_sluice("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "create",
                            "--source-keyspace", "commerce", "--tables", "customers")
    assert done.returncode == 5 and "customers.email" in done.stderr, done.stderr


def test_a_dry_run_does_nothing(make_fleet, need_sluice):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=20)
    fleet.start_daemon()
    options = ("--source-keyspace", "commerce", "--tables", TABLES)
    planned = attempt(fleet, "create", *options, "--dry-run")
    assert planned.returncode == 0 and "Create table customers" in planned.stdout, planned.stderr
    assert not fleet.server("customer").query("SHOW TABLES", database="customer")
    create(fleet)
    fleet.wait_running("movetables", "c2c")
    refused = attempt(fleet, "stop", "--dry-run")
    assert refused.returncode == 2 and "does not take --dry-run" in refused.stderr, refused.stderr
    planned = attempt(fleet, "start", "--dry-run")
    assert planned.returncode == 0 and "Start the vreplication streams" in planned.stdout, planned.stderr
    planned = attempt(fleet, "cancel", "--dry-run")
    assert planned.returncode == 0 and "Drop table customers" in planned.stdout, planned.stderr
    assert state(fleet) == "running"
    assert len(fleet.server("customer").query("SHOW TABLES", database="customer")) == 3


@contextlib.contextmanager
def switch_stopped_at(fleet, point, *words):
    """A switchtraffic whose daemon has stopped at a fault point; it goes on, and ends, behind the block."""
    command = fleet.words("movetables", "--workflow", "c2c", "--target-keyspace", "customer",
                          "switchtraffic", *words)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        wait_until(lambda: stopped(fleet.daemon.pid), 30, "the daemon to stop at " + point)
        try:
            yield client
        finally:
            fleet.daemon.send_signal(signal.SIGCONT)


def test_what_comes_after_the_triggers_were_made_is_held_too(moved):
    fleet = moved(fault="switch.after_arm:stop")
    source = fleet.server("commerce")
    with switch_stopped_at(fleet, "switch.after_arm", "--timeout", "2s") as client:
        holder = source.connect(database="commerce")
        with holder.cursor() as cursor:
            cursor.execute("XA START 'late'")
            cursor.execute("UPDATE customers SET balance = balance + 1 ORDER BY customer_id DESC LIMIT 1")
            cursor.execute("XA END 'late'")
            cursor.execute("XA PREPARE 'late'")
        holder.close()
    assert client.wait(PATIENCE_S) == 7
    wait_until(lambda: state(fleet) == "running" and fences(fleet, "commerce") == 0, 30,
               "the switch to be undone")
    source.query("XA ROLLBACK 'late'")
    end(fleet)


def test_a_table_that_is_replaced_under_its_triggers_is_not_switched(moved):
    """Not logged, so that the stream does not stop at the RENAME before the fence has a look."""
    fleet = moved(fault="switch.after_arm:stop")
    fleet.stop_writer()  # what it wrote between the two copies of the table it would miss later
    with switch_stopped_at(fleet, "switch.after_arm") as client:
        connection = fleet.server("commerce").connect(database="commerce")
        with contextlib.closing(connection), connection.cursor() as cursor:
            for sql in ("SET SESSION sql_log_bin = 0", "CREATE TABLE fresh LIKE order_items",
                        "INSERT INTO fresh SELECT * FROM order_items",
                        "RENAME TABLE order_items TO gone, fresh TO order_items"):
                cursor.execute(sql)
    assert client.returncode == 5 and state(fleet) == "running"
    with open(fleet.path("daemon.log"), encoding="utf-8") as log:
        assert "table order_items lost its fence triggers" in log.read()


@pytest.mark.alone  # it measures how long writers are held
def test_readers_and_old_snapshots_do_not_get_round_or_hold_a_switch(moved):
    fleet = moved(fault="switch.after_arm:stop")
    source = fleet.server("commerce")
    writer = source.connect(database="commerce", autocommit=False)
    reader = source.connect(database="commerce", autocommit=False)
    with switch_stopped_at(fleet, "switch.after_arm") as client:
        with writer.cursor() as cursor:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    assert client.wait(PATIENCE_S) == 0 and state(fleet) == "switched"
    with pytest.raises(Exception, match="table moved by workflow"):
        writer.cursor().execute("DELETE FROM orders LIMIT 1")
    writer.close()
    with reader.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM customers")
    done = attempt(fleet, "reversetraffic", "--timeout", "5s", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["blocked_ms"] < 2000 and fences(fleet, "commerce") > 0
    reader.close()
    done = attempt(fleet, "switchtraffic")
    assert done.returncode == 0, done.stderr
    end(fleet)


def rows_of(fleet, keyspace, table):
    return sorted(fleet.server(keyspace).query("SELECT * FROM " + table, database=keyspace))


def recopy(fleet, *words):
    return fleet.try_sluice("workflow", "--keyspace", "customer", "--workflow", "c2c", *words)


@pytest.mark.parametrize("flavour,point", [("mariadb", "after_forget"), ("mysql", "after_table")])
def test_a_stream_that_stands_at_a_ddl_goes_on_after_a_new_copy(moved, flavour, point):
    fleet = moved(fault="recopy.%s:kill" % point, flavour=flavour)
    source = fleet.server("commerce")
    fleet.stop_writer()
    for sql in ("CREATE TABLE fresh LIKE order_items", "INSERT INTO fresh SELECT * FROM order_items",
                "DELETE FROM fresh LIMIT 5", "RENAME TABLE order_items TO gone, fresh TO order_items"):
        source.query(sql, database="commerce")
    wait_until(lambda: "without row events" in json.dumps(fleet.status("movetables", "c2c")), 30, "the stream stops")
    running = recopy(fleet, "start", "--recopy")
    assert running.returncode != 0 and "stop it first" in running.stderr
    assert rows_of(fleet, "customer", "order_items") == rows_of(fleet, "commerce", "gone")
    assert recopy(fleet, "stop").returncode == 0
    assert recopy(fleet, "start", "--recopy").returncode != 0 and fleet.daemon.wait(PATIENCE_S) == -9
    fleet.start_daemon()
    assert state(fleet) == "stopped"
    again = recopy(fleet, "start")
    assert again.returncode == 0, again.stderr
    fleet.wait_running("movetables", "c2c")
    for table in TABLES.split(","):
        assert rows_of(fleet, "customer", table) == rows_of(fleet, "commerce", table)
    fleet.workflow("movetables", "c2c", "switchtraffic")
    after = recopy(fleet, "start", "--recopy")
    assert after.returncode != 0 and "has been switched" in after.stderr
    assert rows_of(fleet, "customer", "orders")


def copied(fleet):
    """How many rows copiers have read of each table, by this daemon."""
    lines = [line for line in fleet.api("/metrics")[1].splitlines() if line.startswith("sluice_copy_rows_total")]
    return {line.split('table="')[1].split('"')[0]: float(line.split()[-1]) for line in lines}


def hex_rows(fleet, keyspace, table):
    server = fleet.server(keyspace)
    columns = [row[0] for row in server.query("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
                                              " AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION", (keyspace, table))]
    return sorted(server.query("SELECT %s FROM %s" % (", ".join("HEX(CAST(`%s` AS BINARY))" % c for c in columns), table),
                               database=keyspace))


def add_partition(fleet):
    """In partitions, of which one has rows that no writer knows."""
    for sql in ("ALTER TABLE order_items PARTITION BY RANGE (customer_id) (PARTITION mine VALUES LESS THAN (0), "
                "PARTITION others VALUES LESS THAN MAXVALUE)",
                "INSERT INTO order_items SELECT sku, -1, order_id, 1, 1, 0 FROM order_items LIMIT 50"):
        fleet.server("commerce").query(sql, database="commerce")


@pytest.mark.parametrize("flavour,fault", [("mariadb", "copy.waiting.passed:kill:2"), ("mysql", "recopy.after_forget:kill")])
def test_one_table_is_copied_anew_past_a_ddl_and_the_others_are_kept(make_fleet, need_sluice, flavour, fault):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=400, flavour=flavour)
    source = fleet.server("commerce")
    add_partition(fleet)
    fleet.start_writer(rate=40)
    fleet.start_daemon(fault=fault)
    create(fleet)
    fleet.wait_running("movetables", "c2c")
    source.query("ALTER TABLE order_items DROP PARTITION mine", database="commerce")
    wait_until(lambda: "start --recopy order_items" in json.dumps(fleet.status("movetables", "c2c")), 30, "the stream stops")
    assert recopy(fleet, "stop").returncode == 0
    unknown = recopy(fleet, "start", "--recopy", "order_item")
    assert unknown.returncode != 0 and "is it order_items" in unknown.stderr, unknown.stderr
    planned = recopy(fleet, "start", "--recopy", "order_items", "--dry-run")
    assert "Empty table order_items" in planned.stdout and "Keep the rows of table orders" in planned.stdout, planned.stderr
    recopy(fleet, "start", "--recopy", "order_items")
    assert fleet.daemon.wait(30) == -9
    fleet.start_daemon()
    assert state(fleet) != "stopped" or recopy(fleet, "start").returncode == 0
    fleet.wait_running("movetables", "c2c")
    counted = copied(fleet)
    assert [table for table in counted if counted[table] > 0] == ["order_items"], counted
    fleet.stop_writer()
    wait_until(lambda: all(hex_rows(fleet, "customer", table) == hex_rows(fleet, "commerce", table)
                           for table in TABLES.split(",")), 20, "the same rows on both sides")
    assert not fleet.server("customer").query("SELECT * FROM order_items WHERE customer_id < 0", database="customer")
    assert attempt(fleet, "switchtraffic").returncode == 0


def compared(fleet):
    return fleet.try_sluice("vdiff", "--workflow", "c2c", "--target-keyspace", "customer", "create", "--wait").returncode


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_a_target_table_that_lost_its_rows_is_not_switched_to(moved, flavour):
    fleet = moved(flavour=flavour)
    target = fleet.server("customer")
    assert recopy(fleet, "stop").returncode == 0
    target.query("TRUNCATE TABLE order_items", database="customer")
    assert recopy(fleet, "start").returncode == 0
    wait_until(lambda: "is not the one" in json.dumps(fleet.status("movetables", "c2c")), 30, "the stream stops")
    assert attempt(fleet, "switchtraffic").returncode == 5
    assert recopy(fleet, "stop").returncode == 0 and recopy(fleet, "start", "--recopy").returncode == 0
    fleet.wait_running("movetables", "c2c")
    target.query("ALTER TABLE customers FORCE", database="customer")  # nobody else knows that the rows are there
    refused = attempt(fleet, "switchtraffic")
    assert refused.returncode == 5 and "customers" in refused.stderr and "vdiff" in refused.stderr, refused.stderr
    assert compared(fleet) == 0
    assert attempt(fleet, "switchtraffic").returncode == 0
    end(fleet)
