# tests/integration/test_harness.py — the writer and the judge themselves: without a move nothing is lost, and a planted loss is found.
"""The instruments are tried before anything is measured with them."""

import json

import pytest
import sample
import verify


def write_routing(fleet, shards, keyspace="commerce", rules=()):
    """A routing document by hand: `shards` are (server, name, start, end)."""
    document = {"version": 1, "routing_rules": list(rules), "keyspaces": {keyspace: {"shards": [
        {"name": name, "key_range": {"start": start, "end": end}, "serving": True,
         "primary": server.address, "database": keyspace}
        for server, name, start, end in shards]}}}
    with open(fleet.routing_path, "w", encoding="utf-8") as out:
        json.dump(document, out)


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_a_killed_server_loses_no_acknowledged_write(make_fleet, flavour):
    fleet = make_fleet(flavour=flavour, rows=2000)
    commerce = fleet.server("commerce")
    write_routing(fleet, [(commerce, "-", "", "")])
    fleet.start_writer(rate=400)
    fleet.wait_acknowledged(200)
    commerce.kill9()
    commerce.restart()
    fleet.wait_acknowledged(200)
    summary = fleet.stop_writer()
    assert summary["retries"] > 0
    fleet.assert_nothing_lost()


def test_planted_faults_are_counted(make_fleet):
    fleet = make_fleet(rows=2000)
    commerce = fleet.server("commerce")
    write_routing(fleet, [(commerce, "-", "", "")])
    fleet.start_writer(rate=400)
    fleet.wait_acknowledged(100)
    fleet.stop_writer()
    commerce.query("DELETE FROM orders LIMIT 1", database="commerce")
    commerce.query("UPDATE customers SET balance = balance + 0.01 LIMIT 2", database="commerce")
    commerce.query("INSERT INTO order_items VALUES ('planted', 1, 1, 1, 1, 0)", database="commerce")
    findings, _ = fleet.verify()
    assert findings.line() == "1 lost, 1 doubled, 2 differences"


def test_a_fence_is_waited_out(make_fleet):
    fleet = make_fleet(rows=2000)
    commerce = fleet.server("commerce")
    write_routing(fleet, [(commerce, "-", "", "")])
    fleet.start_writer(rate=400)
    fleet.wait_acknowledged(50)
    commerce.query("CREATE TRIGGER fence BEFORE UPDATE ON orders FOR EACH ROW"
                   " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='fenced'", database="commerce")
    commerce.query("RENAME TABLE customers TO hidden", database="commerce")
    before = fleet.acknowledged()
    commerce.query("DO SLEEP(0.3)")
    commerce.query("RENAME TABLE hidden TO customers", database="commerce")
    commerce.query("DROP TRIGGER fence", database="commerce")
    fleet.wait_acknowledged(200)
    summary = fleet.stop_writer()
    assert fleet.acknowledged() > before
    assert summary["longest_ms"] > 100 and summary["retries"] > 0
    assert "1644" in summary["refused"] or "1146" in summary["refused"]
    fleet.assert_nothing_lost()


def keep_own_rows(server, owns):
    """Deletes what the other shard has."""
    connection = server.connect(database="customer")
    with connection.cursor() as cursor:
        cursor.execute("SELECT customer_id FROM customers")
        foreign = [str(row[0]) for row in cursor.fetchall() if not owns(verify.keyspace_id(row[0]))]
        for table in ("customers", "orders", "order_items"):
            cursor.execute("DELETE FROM %s WHERE customer_id IN (%s)" % (table, ",".join(foreign)))
    connection.close()


def test_orders_move_between_shards(make_fleet):
    fleet = make_fleet(rows=2000)
    low, high = fleet.server("customer", "-80"), fleet.server("customer", "80-")
    for server in (low, high):
        connection = server.connect(database="customer")
        sample.load(connection, fleet.rows, ("customers", "orders", "order_items"))
        connection.close()
    keep_own_rows(low, lambda identifier: identifier[0] < 0x80)
    keep_own_rows(high, lambda identifier: identifier[0] >= 0x80)
    rules = [{"from_table": table, "to_tables": ["customer." + table]}
             for table in ("customers", "orders", "order_items")]
    write_routing(fleet, [(low, "-80", "", "80"), (high, "80-", "80", "")], "customer", rules)
    with open(fleet.routing_path, encoding="utf-8") as text:
        document = json.load(text)
    document["keyspaces"]["commerce"] = {"shards": [
        {"name": "-", "serving": True, "primary": fleet.server("commerce").address,
         "database": "commerce"}]}
    with open(fleet.routing_path, "w", encoding="utf-8") as out:
        json.dump(document, out)
    fleet.start_writer(rate=500)
    fleet.wait_acknowledged(1000)
    fleet.stop_writer()
    figures = fleet.assert_nothing_lost()
    assert figures["transactions"] >= 1000
