# tests/integration/test_vindexes.py — rows placed by vindexes of several columns, and found by lookup tables.
"""Where the rows are is the servers' word; which keyspace id each has is compared with Vitess in tests/golden."""

import copy
import json

PLACES = """CREATE TABLE places (tenant INT NOT NULL, name VARCHAR(40) CHARACTER SET utf8mb4 NOT NULL,
            mail VARCHAR(40) CHARACTER SET latin1, PRIMARY KEY (tenant, name))"""
LOOKUP = {"table": "commerce.mails", "from": "mail", "to": "kid"}
NAMES = ["Zoë", "ångström", "STRASSE", "Ελλάδα", "Żółw", "naïve", "漢字", "한글", "เกาะ", "plain"]


def is_loose(fleet):
    """Was the program built with the weights of unicode_loose_*?"""
    return "CREATE-ERR" not in fleet.sluice("vindex", "unicode_loose_md5", "--type", "VARCHAR", "x")


def place(fleet, **lookup):
    name = "unicode_loose_md5" if is_loose(fleet) else "xxhash"
    vindexes, tables = fleet.vschema["vindexes"], fleet.vschema["tables"]
    vindexes["of_two"] = {"type": "multicol", "params": {"column_count": "2", "column_bytes": "1",
                                                         "column_vindex": "hash," + name}}
    vindexes["by_mail"] = {"type": "consistent_lookup_unique", "owner": "nobody", "params": dict(LOOKUP, **lookup)}
    tables["places"] = {"column_vindexes": [{"columns": ["tenant", "name"], "name": "of_two"},
                                            {"column": "mail", "name": "by_mail"}]}
    tables["mailed"] = {"column_vindexes": [{"column": "mail", "name": "by_mail"}]}
    fleet.write_configuration()


def fill(fleet):
    commerce, customer = fleet.server("commerce"), fleet.server("customer")
    customer.query(PLACES, database="customer")
    for table in ("mails", "mailed"):
        commerce.query("CREATE TABLE %s (mail VARCHAR(40) CHARACTER SET utf8mb4 PRIMARY KEY, kid VARBINARY(128))" % table,
                       database="commerce")
    rows = ", ".join("(%d, '%s', 'é%d%s@x')" % (t, n, t, i) for t in range(1, 9) for i, n in enumerate(NAMES))
    customer.query("INSERT INTO places VALUES " + rows, database="customer")


def shards_of(said):
    return [line.split(" is on ")[1].split(" ")[0] for line in said.splitlines()]


def route(fleet, *words):
    return shards_of(fleet.sluice("route", "customer.places", *words))


def rows_on(fleet, shard):
    return set(fleet.server("customer", shard).query("SELECT tenant, name, mail FROM places", database="customer"))


def test_rows_of_two_columns_are_split_and_found(make_fleet, need_sluice):  # pylint: disable=unused-argument
    fleet = make_fleet(rows=5)
    place(fleet)
    fill(fleet)
    fleet.start_daemon()
    lookup_places_no_row(fleet)
    vschema = in_force(fleet)
    vschema["vindexes"]["of_two"]["params"]["column_bytes"] = "2"
    assert applied(fleet, vschema, "--dry-run").returncode == 0, "one shard may hold any row"
    fleet.workflow("reshard", "r", "create", "--source-shards", "-", "--target-shards", "-80,80-")
    fleet.wait_running("reshard", "r")
    fleet.workflow("reshard", "r", "switchtraffic")
    parts = {"customer/" + shard: rows_on(fleet, shard) for shard in ("-80", "80-")}
    assert all(parts.values()) and not set.intersection(*parts.values())
    assert set.union(*parts.values()) == rows_on(fleet, "-")
    spelt = str.swapcase if is_loose(fleet) else str
    for where, rows in parts.items():
        for tenant, name, _ in sorted(rows)[:4]:
            assert route(fleet, "--key", "%s,%s" % (tenant, spelt(name))) == [where]
            assert route(fleet, "--key", str(tenant)) == [where], "its first byte is the tenant's"
    look_up(fleet, parts)
    apply_vschemas(fleet)


def lookup_places_no_row(fleet):
    """What a lookup table says now places no row of the log."""
    done = fleet.try_sluice("movetables", "--workflow", "m", "--target-keyspace", "customer", "create",
                            "--source-keyspace", "commerce", "--tables", "mailed")
    assert done.returncode == 5 and "by_mail" in done.stderr and "table mailed" in done.stderr
    assert "functional vindex" in done.stderr


def look_up(fleet, parts):
    """The lookup table has what somebody wrote there; it is asked as its collation compares."""
    db = fleet.server("commerce")
    for where, rows in parts.items():
        _, _, mail = sorted(rows)[0]
        kid = "10" if where.endswith("-80") else "ff"
        db.query("INSERT INTO mails VALUES ('%s', x'%s')" % (mail, kid), database="commerce")
        assert route(fleet, "--column", "mail", "--key", mail) == [where]
        assert route(fleet, "--column", "MAIL", "--key", mail.upper()) == [where]
    gone = fleet.try_sluice("route", "customer.places", "--column", "mail", "--key", "nobody")
    assert gone.returncode == 1 and "mails has no row for mail=nobody" in gone.stderr
    place(fleet, write_only="true")
    assert sorted(route(fleet, "--column", "mail", "--key", "nobody")) == ["customer/-80", "customer/80-"]


def applied(fleet, vschema, *words):
    with open(fleet.path("new.json"), "w", encoding="utf-8") as out:
        json.dump(vschema, out)
    return fleet.try_sluice("vschema", "apply", "--keyspace", "customer", "--vschema-file", fleet.path("new.json"), *words)


def in_force(fleet):
    with open(fleet.path("customer.vschema.json"), encoding="utf-8") as file:
        return json.load(file)


def apply_vschemas(fleet):
    """Where rows are on several shards, nothing that decides their place is replaced."""
    before = in_force(fleet)
    for change, says in ((lambda v: v["vindexes"]["of_two"]["params"].update(column_bytes="2"), "vindex of_two: multicol(2:"),
                         (lambda v: v["tables"]["places"]["column_vindexes"][0]["columns"].reverse(), "over name, tenant"),
                         (lambda v: v["tables"].pop("places"), "not placed")):
        vschema = copy.deepcopy(before)
        change(vschema)
        done = applied(fleet, vschema)
        assert done.returncode == 5 and "table places has rows" in done.stderr and says in done.stderr, done.stderr
        assert in_force(fleet) == before
    vschema = copy.deepcopy(before)
    vschema["tables"]["later"] = {"column_vindexes": [{"column": "id", "name": "by_customer"}]}
    vschema["tables"]["mailed"] = {"type": "reference"}  # has no rows
    vschema["vindexes"]["by_customer"]["params"] = {"unheard": "of"}
    done = applied(fleet, vschema, "--strict")
    assert done.returncode == 2 and "by_customer" in done.stderr and "unheard" in done.stderr
    assert applied(fleet, vschema, "--dry-run").returncode == 0 and in_force(fleet) == before
    done = applied(fleet, vschema)
    assert done.returncode == 0 and done.stdout.startswith("version 2 ") and "unheard" in done.stderr, done
    assert in_force(fleet) == vschema
    assert applied(fleet, vschema).stdout.startswith("version 2 "), "the same is no new version"
    history = json.loads(fleet.sluice("vschema", "get", "--keyspace", "customer", "--history"))
    assert [one["version"] for one in history] == [1, 2] and [one["vschema"] for one in history] == [before, vschema]
