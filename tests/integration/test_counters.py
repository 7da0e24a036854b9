# tests/integration/test_counters.py — ids that one side has given out are not given out again by the other.
"""Rolled back, deleted, and set by ALTER TABLE: no row carries these ids. Both ways of a move."""

import pytest

TABLE = "CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"


def given(server, database, *, rolled_back=False):
    """The id of a row that is inserted and goes again."""
    connection = server.connect(database=database, autocommit=not rolled_back)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO counted (v) VALUES (1)")
        number = cursor.lastrowid
        cursor.execute("DELETE FROM counted WHERE id = %s", (number,))
    if rolled_back:
        connection.rollback()
    connection.close()
    return number


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_ids_are_given_out_once(make_fleet, need_sluice, flavour):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=20, flavour=flavour)
    fleet.vschema["tables"]["counted"] = {"type": "reference"}
    fleet.write_configuration()
    old, new = fleet.server("commerce"), fleet.server("customer")
    old.query(TABLE, database="commerce")
    old.query("INSERT INTO counted (v) VALUES (1), (2), (3)", database="commerce")
    fleet.start_daemon()
    fleet.workflow("movetables", "c2c", "create", "--source-keyspace", "commerce", "--tables", "counted")
    fleet.wait_running("movetables", "c2c")
    old.query("ALTER TABLE counted AUTO_INCREMENT = 70000", database="commerce")
    seen = [given(old, "commerce"), given(old, "commerce", rolled_back=True)]
    fleet.wait_running("movetables", "c2c")
    fleet.workflow("movetables", "c2c", "switchtraffic")
    seen += [given(new, "customer"), given(new, "customer", rolled_back=True)]
    fleet.workflow("movetables", "c2c", "reversetraffic")
    seen.append(given(old, "commerce"))
    assert seen == sorted(set(seen)), seen
