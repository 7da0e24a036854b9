# tests/integration/test_values.py — every type's values as `sluice decode` prints them against what the server itself says.
"""For each type a table (id, n, v) with every edge and seeded random values, n being the value's number; rows are
inserted, changed from each edge to each other and deleted; the decoded images of the server's own log file are compared
with the server's text (bytes: HEX) of the same rows. SLUICE_VALUES: random values a type (--deep takes 120);
SLUICE_SEED: where they begin."""

import base64
import json
import os
import random
import struct
import subprocess

import fleet as fleet_module
import pytest
from sluice_servers import MariaDB, MySQL

SERVERS = {"mariadb": MariaDB, "mysql": MySQL}
BOTH = ("mariadb", "mysql")
RANDOM_VALUES = int(os.environ.get("SLUICE_VALUES", "8"))
NULL_NUMBER = 100000
EDGES_CROSSED = 12  # of a type's edges, those that are changed into each other


class Case:
    """One column type: its values as SQL, the server's own text of it, and how the two are compared."""

    def __init__(self, name, sql_type, values, oracle="CAST(v AS CHAR)", compare="text", on=BOTH, draw=None):
        self.name, self.sql_type, self.values = name, sql_type, list(values)
        self.oracle, self.compare, self.on = oracle, compare, on
        self.edges = len(self.values)
        draws = random.Random("%s %s" % (os.environ.get("SLUICE_SEED", "1"), name))
        for _ in range(RANDOM_VALUES if draw else 0):
            self.values.append(draw(draws))


def draw_integer(low, high):
    """As often few bits as many."""
    def draw(r):
        value = r.getrandbits(r.randrange(1, 65)) * r.choice((1, -1))
        return str(min(max(value, low), high))
    return draw


def draw_decimal(precision, scale):
    def draw(r):
        whole = "".join(r.choice("0123456789") for _ in range(r.randrange(0, precision - scale + 1)))
        part = "".join(r.choice("0123456789") for _ in range(scale))
        return r.choice(("", "-")) + (whole or "0") + ("." + part if scale else "")
    return draw


def draw_fraction(r, digits):
    return "." + "".join(r.choice("0123456789") for _ in range(digits)) if digits else ""


def draw_time(digits):
    def draw(r):
        return "'%s%02d:%02d:%02d%s'" % (r.choice(("", "-")), r.randrange(0, 838), r.randrange(60), r.randrange(60),
                                         draw_fraction(r, digits))
    return draw


def draw_datetime(digits, first_year, last_year):
    def draw(r):
        return "'%04d-%02d-%02d %02d:%02d:%02d%s'" % (r.randint(first_year, last_year), r.randint(1, 12), r.randint(1, 28),
                                                      r.randrange(24), r.randrange(60), r.randrange(60),
                                                      draw_fraction(r, digits))
    return draw


def draw_double(r):
    value = struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))[0]
    return repr(value) if value == value and abs(value) < 1e308 else repr(r.uniform(-1e6, 1e6))


def draw_single(r):
    value = struct.unpack("<f", struct.pack("<I", r.getrandbits(32)))[0]
    return repr(value) if value == value and 1e-37 < abs(value) < 3e38 else repr(r.uniform(-1e6, 1e6))


def draw_bytes(longest):
    def draw(r):
        return "X'%s'" % bytes(r.getrandbits(8) for _ in range(r.randrange(0, longest + 1))).hex()
    return draw


def draw_text(longest):
    alphabet = "abcXYZ 09\\'\"\n\t\x01äßéñ€☃漢字😀𝄞"

    def draw(r):
        text = "".join(r.choice(alphabet) for _ in range(r.randrange(0, longest + 1)))
        return "CONVERT(X'%s' USING utf8mb4)" % text.encode().hex()
    return draw


def draw_document(r, depth=0):
    """JSON text; as the server prints it is the oracle's business."""
    kind = r.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return "[%s]" % ",".join(draw_document(r, depth + 1) for _ in range(r.randrange(6)))
    if kind == 7:
        names = r.sample(["a", "bb", "", "ü", "long name", "z" * 40, "1"], r.randrange(6))
        return "{%s}" % ",".join("%s:%s" % (json.dumps(name), draw_document(r, depth + 1)) for name in names)
    return [lambda: "null", lambda: r.choice(("true", "false")), lambda: str(r.getrandbits(r.randrange(1, 64))),
            lambda: str(-r.getrandbits(r.randrange(1, 63))), lambda: repr(r.uniform(-1e9, 1e9)),
            lambda: json.dumps("".join(r.choice("ab\"\\\n ü😀") for _ in range(r.choice((3, 30, 300)))))][kind]()


def draw_json(r):
    return "'%s'" % draw_document(r).replace("\\", "\\\\").replace("'", "''")


def integers(name, bits):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return [Case(name, name, [low, low + 1, -1, 0, 1, high], compare="number", draw=draw_integer(low, high)),
            Case(name + "_unsigned", name + " UNSIGNED", [0, 1, high, high + 1, 2 * high + 1],
                 compare="number", draw=draw_integer(0, 2 * high + 1))]


def decimals():
    wide = "9" * 35 + "." + "9" * 30
    return [Case("decimal_%d_%d" % (p, s), "DECIMAL(%d,%d)" % (p, s), values, draw=draw_decimal(p, s)) for p, s, values in [
        (1, 0, ["9", "-9", "0"]), (9, 0, ["999999999", "-1"]), (10, 0, ["1234567890", "-1000000000"]),
        (10, 2, ["12.30", "-12.30", "0.00", "-0.01", "99999999.99"]), (18, 9, ["123456789.123456789", "-0.000000001"]),
        (19, 10, ["-123456789.0123456789", "1.5"]), (5, 5, ["0.12345", "-0.00001", "0"]),
        (65, 30, [wide, "-" + wide, "0", "0.000000000000000000000000000001"]), (65, 0, ["9" * 65, "-" + "9" * 65]),
        (30, 20, ["-1234567890.12345678901234567890"])]]


def temporals():
    made = [Case("date", "DATE", ["'0000-00-00'", "'1000-01-01'", "'2024-02-29'", "'9999-12-31'",
                                  "'2020-00-15'", "'2020-05-00'", "'0001-01-01'"],
                 draw=lambda r: "'%04d-%02d-%02d'" % (r.randint(1, 9999), r.randint(0, 12), r.randint(0, 28))),
            Case("year", "YEAR", ["0", "1901", "2000", "2155"], oracle="v+0", compare="number",
                 draw=lambda r: str(r.randint(1901, 2155)))]
    for digits in range(7):
        part = "." + "987654"[:digits] if digits else ""
        one = "." + "000001"[6 - digits:] if digits else ""
        made += [
            Case("time_%d" % digits, "TIME(%d)" % digits,
                 ["'%s'" % v for v in ("00:00:00", "-838:59:59", "838:59:59", "12:34:56" + part, "-00:00:00" + one,
                                       "-12:34:56" + part, "-100:00:00" + one, "23:59:59" + part, "-00:00:01")],
                 draw=draw_time(digits)),
            Case("datetime_%d" % digits, "DATETIME(%d)" % digits,
                 ["'%s'" % v for v in ("0000-00-00 00:00:00", "1000-01-01 00:00:00", "9999-12-31 23:59:59" + part,
                                       "2024-02-29 12:34:56" + one, "2020-00-00 01:02:03" + part)],
                 draw=draw_datetime(digits, 1, 9999)),
            Case("timestamp_%d" % digits, "TIMESTAMP(%d) NULL" % digits,
                 ["'%s'" % v for v in ("0000-00-00 00:00:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07" + part,
                                       "2024-02-29 12:34:56" + one)],
                 draw=draw_datetime(digits, 1971, 2037))]
    return made


def floats():
    doubles = ["0", "-1.5", "1e100", "1e15", "123456789012345678", "1.7976931348623157e308", "2.2250738585072014e-308",
               "4.9406564584124654e-324", "0.1", "1e-14", "1e-15", "1e-16", "100", "3.141592653589793", "-1e-300", "-0e0"]
    singles = ["0", "-1.5", "1e10", "3.4028234e38", "1.17549435e-38", "1e-45", "0.1", "16777217", "1234567", "1e-7", "-0e0"]
    return [Case("double", "DOUBLE", doubles, oracle="v", compare="double", draw=draw_double),
            Case("float", "FLOAT", singles, oracle="v * 1e0", compare="float", draw=draw_single)]


def strings():
    text = ["''", "'a'", "'héllo'", "'😀 ☃'", "'line\\n\\ttab \"q\" \\\\ \\0 end'", "REPEAT('x', 200)"]
    latin = ["''", "'café €'", "'plain'", "X'80'"]
    made = [Case("char_10", "CHAR(10)", ["''", "'a'", "'héllo'", "'trail   '"], compare="string", draw=draw_text(10)),
            Case("char_255", "CHAR(255)", text[:5], compare="string", draw=draw_text(255)),
            Case("varchar_200", "VARCHAR(200)", text, compare="string", draw=draw_text(200)),
            Case("varchar_2000", "VARCHAR(2000)", text + ["REPEAT('ä', 1999)"], compare="string", draw=draw_text(2000))]
    for kind in ("TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT"):
        made.append(Case(kind.lower(), kind, text, compare="string", draw=draw_text(60)))
    for charset in ("latin1", "latin2", "cp1251", "koi8r", "greek", "hebrew", "cp1250", "cp850", "macroman"):
        values = latin if charset == "latin1" else ["'abc'", "''", "CONVERT(X'E1F2E3' USING %s)" % charset]
        made.append(Case("text_" + charset, "VARCHAR(50) CHARACTER SET " + charset, values,
                         oracle="CONVERT(v USING utf8mb4)", compare="string",
                         draw=lambda r: "'%s'" % "".join(r.choice("abc XYZ 019") for _ in range(r.randrange(40)))))
    for charset, literal in (("ucs2", "'ü☃'"), ("utf16", "'😀a'"), ("utf32", "'😀a'"), ("sjis", "'日本'"),
                             ("gbk", "'中文'"), ("big5", "'中文'"), ("euckr", "'한국'"), ("ujis", "'日本'"),
                             ("gb2312", "'中文'"), ("cp932", "'日本'"), ("utf16le", "'😀a'"), ("utf8mb3", "'ü☃'")):
        made.append(Case("text_" + charset, "VARCHAR(50) CHARACTER SET " + charset, [literal, "''", "'abc'"],
                         oracle="CONVERT(v USING utf8mb4)", compare="string"))
    return made


def binaries():
    values = ["X''", "X'00'", "X'00FF10'", "X'DEADBEEF00'"]
    made = [Case("binary_8", "BINARY(8)", values, oracle="HEX(v)", compare="hex", draw=draw_bytes(8)),
            Case("binary_255", "BINARY(255)", values, oracle="HEX(v)", compare="hex", draw=draw_bytes(255)),
            Case("varbinary_20", "VARBINARY(20)", values, oracle="HEX(v)", compare="hex", draw=draw_bytes(20)),
            Case("varbinary_300", "VARBINARY(300)", values + ["REPEAT(X'AB', 300)"], oracle="HEX(v)", compare="hex", draw=draw_bytes(300))]
    for kind in ("TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"):
        more = [] if kind == "TINYBLOB" else ["REPEAT(X'0102', 5000)"]
        made.append(Case(kind.lower(), kind, values + more, oracle="HEX(v)", compare="hex", draw=draw_bytes(250)))
    return made


def bits_and_labels():
    made = [Case("bit_%d" % n, "BIT(%d)" % n, ["0", "1", str((1 << n) - 1), str(1 << (n - 1))], oracle="v+0",
                 compare="number", draw=draw_integer(0, (1 << n) - 1)) for n in (1, 2, 7, 8, 9, 15, 16, 17, 24, 32, 33, 63, 64)]
    many = ",".join("'label%d'" % i for i in range(300))
    all64 = ",".join("'m%d'" % i for i in range(64))
    made += [Case("enum", "ENUM('red','gr''een','','b,c','ü')", ["'red'", "'gr''een'", "''", "'b,c'", "'ü'", "0"], compare="string"),
             Case("enum_300", "ENUM(%s)" % many, ["'label0'", "'label255'", "'label299'"], compare="string"),
             Case("set_3", "SET('a','b','ü')", ["''", "'a'", "'a,ü'", "'a,b,ü'"], compare="string"),
             Case("set_64", "SET(%s)" % all64, ["'m0'", "'m63'", "'m0,m31,m32,m63'", "18446744073709551615"], compare="string"),
             Case("enum_latin1", "ENUM('café','x') CHARACTER SET latin1", ["'café'", "'x'"], oracle="CONVERT(v USING utf8mb4)", compare="string")]
    return made


def documents():
    texts = ['{}', '[]', 'null', 'true', '1', '-1', '"x"', '1.5', '1e100', '1e15', '0.1', '100.0', '18446744073709551615',
             '-9223372036854775808', '32768', '-32769', '2147483648', '65536', '{"b":1,"a":[1,2.0,"x",null,true,false]}', '{"":""}',
             '"q\\"\\\\ \\u0001 \\n \\u00fc \\ud83d\\ude00"', '[[[[[[]]]]]]', '{"long key name":{"nested":{"deep":[{"x":1}]}}}',
             '1e-15', '1e-14', '123456789012345678', '-0.0', "[" * 100 + "]" * 100]
    values = ["'%s'" % t.replace("\\", "\\\\").replace("'", "''") for t in texts]
    values += ["JSON_OBJECT('big', REPEAT('x', 70000), 'n', 1, 'i', 100000)", "JSON_ARRAY(REPEAT('y', 200))"]
    opaque = ["JSON_OBJECT('d', CAST('2024-02-29' AS DATE))", "JSON_ARRAY(CAST('12:34:56.5' AS TIME(3)))",
              "JSON_ARRAY(CAST('-100:00:00.000001' AS TIME(6)))", "JSON_ARRAY(CAST('2024-02-29 01:02:03.4' AS DATETIME(6)))",
              "JSON_ARRAY(CAST('%s' AS DECIMAL(65,0)), CAST('%s.%s' AS DECIMAL(65,30)))" % ("9" * 65, "9" * 35, "9" * 30),
              "JSON_ARRAY(CAST('1234567890123456.8' AS DOUBLE), CAST('1000000000000000.1' AS DOUBLE))",
              "JSON_ARRAY(CAST('12.30' AS DECIMAL(10,2)), CAST('-0.01' AS DECIMAL(10,2)))", "JSON_ARRAY(X'00FF')",
              "JSON_ARRAY(CAST(2147483648 AS UNSIGNED), CAST(-5 AS SIGNED))", "JSON_ARRAY(b'101')"]
    return [Case("json", "JSON", values + opaque, on=("mysql",), compare="raw", draw=draw_json),
            Case("json_text", "JSON", values[:10], on=("mariadb",), compare="string", draw=draw_json)]


def geometries():
    shapes = ["POINT(1 2)", "LINESTRING(0 0,1 1,2 0)", "POLYGON((0 0,4 0,4 4,0 0))", "MULTIPOINT((1 1),(2 2))",
              "MULTILINESTRING((0 0,1 1),(2 2,3 3))", "MULTIPOLYGON(((0 0,4 0,4 4,0 0)))",
              "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))"]
    values = ["ST_GeomFromText('%s')" % s for s in shapes] + ["ST_GeomFromText('POINT(1 2)', 4326)"]
    return [Case("geometry", "GEOMETRY", values, oracle="HEX(v)", compare="geometry"),
            Case("point", "POINT", values[:1], oracle="HEX(v)", compare="geometry")]


def specials():
    return [Case("vector", "VECTOR(3)", ["STRING_TO_VECTOR('[1.1,2.2,3.3]')", "STRING_TO_VECTOR('[0,-1,1e10]')"],
                 oracle="HEX(v)", compare="vector", on=("mysql",)),
            Case("uuid", "UUID", ["'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"],
                 oracle="HEX(CAST(v AS BINARY(16)))", compare="hex", on=("mariadb",)),
            Case("inet6", "INET6", ["'::'", "'2001:db8::ff00:42:8329'", "'::ffff:1.2.3.4'"],
                 oracle="HEX(CAST(v AS BINARY(16)))", compare="hex", on=("mariadb",)),
            Case("inet4", "INET4", ["'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'"],
                 oracle="HEX(CAST(v AS BINARY(4)))", compare="hex", on=("mariadb",)),
            Case("varchar_compressed", "VARCHAR(1000) COMPRESSED", ["''", "'short'", "REPEAT('abc', 300)"], compare="string", on=("mariadb",)),
            Case("blob_compressed", "BLOB COMPRESSED", ["X''", "X'00FF'", "REPEAT(X'0102', 3000)"], oracle="HEX(v)", compare="hex", on=("mariadb",))]


CASES = (integers("TINYINT", 8) + integers("SMALLINT", 16) + integers("MEDIUMINT", 24) + integers("INT", 32) + integers("BIGINT", 64)
         + decimals() + temporals() + floats() + strings() + binaries() + bits_and_labels() + documents() + geometries() + specials())


def same(case, raw, said):
    """Whether the record's text of a value is what the server said."""
    if said is None:
        return raw == "null"
    said = said.decode() if isinstance(said, bytes) else str(said)
    if case.compare == "raw":
        return raw == said
    value = float(raw) if case.compare in ("double", "float") else json.loads(raw)  # json takes -0 for an integer
    if case.compare == "number":
        return value == int(said)
    if case.compare == "text":
        return value == said
    if case.compare == "string":
        return value == said
    if case.compare == "double":
        return struct.pack("<d", value) == struct.pack("<d", float(said))
    if case.compare == "float":
        return struct.pack("<f", value) == struct.pack("<f", float(said)) and float(struct.unpack("<f", struct.pack("<f", value))[0]) == float(said)
    if case.compare == "hex":
        return base64.b64decode(value).hex().upper() == said
    if case.compare == "geometry":
        return (struct.pack("<I", value["srid"]) + base64.b64decode(value["wkb"])).hex().upper() == said
    return b"".join(struct.pack("<f", v) for v in value).hex().upper() == said  # vector


def change_edges(cursor, table, case):
    """One row's value becomes each edge after each other edge; n says which one it is."""
    edges = list(range(min(case.edges, EDGES_CROSSED))) + [NULL_NUMBER]
    cursor.execute("INSERT INTO `%s` VALUES (1000000, %d, NULL)" % (table, NULL_NUMBER))
    updates, now = 0, NULL_NUMBER
    for number in [number for one in edges for other in edges if one != other for number in (one, other)]:
        if number == now:
            continue
        value = "NULL" if number == NULL_NUMBER else case.values[number]
        cursor.execute("UPDATE `%s` SET n = %d, v = %s WHERE id = 1000000" % (table, number, value))
        updates, now = updates + 1, number
    return 1 + 2 * updates


def make_rows(cursor, cases):
    """Creates, fills, changes and empties the tables; returns what the server says of each value, and how many images
    the log must have."""
    said, images = {}, 0
    for case in cases:
        table = "t_" + case.name
        cursor.execute("CREATE TABLE `%s` (id INT NOT NULL PRIMARY KEY, n INT NOT NULL, v %s)" % (table, case.sql_type))
        for number, value in enumerate(case.values):
            cursor.execute("INSERT INTO `%s` VALUES (%d, %d, %s)" % (table, number, number, value))
        cursor.execute("INSERT INTO `%s` VALUES (%d, %d, NULL)" % (table, NULL_NUMBER, NULL_NUMBER))
        cursor.execute("SELECT n, %s FROM `%s`" % (case.oracle, table))
        said[table] = (case, dict(cursor.fetchall()))
        cursor.execute("UPDATE `%s` SET id = id + 2000000" % table)
        cursor.execute("DELETE FROM `%s`" % table)
        images += 4 * (len(case.values) + 1) + change_edges(cursor, table, case)
    return said, images


def decode(server, *options):
    names = sorted(n for n in os.listdir(server.datadir) if n.startswith("binlog.0"))
    words = [fleet_module.program("sluice"), "decode", *options] + [os.path.join(server.datadir, n) for n in names]
    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def raw_value(line, image):
    """The record's text of column v in an image: the rest of the object behind "v":."""
    at = line.index('"%s":{"id":' % image)
    begin = line.index(',"v":', at) + 5
    end = line.index(',"after":', begin) if image == "before" else len(line) - 1
    return line[begin:end - 1]


def check(said, lines):
    wrong, compared = [], 0
    for line in lines:
        record = json.loads(line)
        if record["op"] not in "cud" or record.get("table") not in said:
            continue
        case, rows = said[record["table"]]
        for image in ("before", "after"):
            if record[image] is None:
                continue
            compared += 1
            number = record[image]["n"]
            raw = raw_value(line, image)
            if not same(case, raw, rows[number]):
                wrong.append("%s %s %s: %s, the server says %r" % (case.name, record["op"], image, raw[:200], rows[number]))
    return wrong, compared


def run_cases(scratch, flavour, cases, *args):
    server = scratch.start(SERVERS[flavour], "values", args=list(args), databases=["d"])
    connection = server.connect(database="d")
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode='', time_zone='+00:00'")
        said, images = make_rows(cursor, cases)
        cursor.execute("FLUSH BINARY LOGS")
    connection.close()
    wrong, compared = check(said, decode(server))
    assert not wrong, "\n".join(wrong[:40])
    assert compared == images
    print("%s: %d values of %d types, %d images compared, 0 different" % (
        flavour, sum(len(c.values) for c in cases), len(cases), compared))


def cases_of(flavour):
    return [c for c in CASES if flavour in c.on]


@pytest.mark.parametrize("flavour", BOTH)
def test_values_are_the_servers(scratch, need_sluice, flavour):
    run_cases(scratch, flavour, cases_of(flavour))


def test_values_in_compressed_events(scratch, need_sluice):
    run_cases(scratch, "mariadb", cases_of("mariadb"), "--log-bin-compress=1", "--log-bin-compress-min-len=10")


def test_values_in_compressed_transactions(scratch, need_sluice):
    run_cases(scratch, "mysql", cases_of("mysql"), "--binlog-transaction-compression=ON")


def test_partial_json_gives_the_whole_document(scratch, need_sluice):
    server = scratch.start(MySQL, "partial", args=["--binlog-row-value-options=PARTIAL_JSON"], databases=["d"])
    connection = server.connect(database="d")
    changes = ["JSON_SET(v, '$.a', 2)", "JSON_REMOVE(v, '$.b[0]')", "JSON_SET(v, '$.c', 'new')", "JSON_REPLACE(v, '$.\"k k\"', CAST('[1,{\"x\":2}]' AS JSON))",
               "JSON_ARRAY_INSERT(v, '$.b[1]', 'in')", "JSON_SET(v, '$.b[9]', 'end')", "JSON_REMOVE(v, '$.a')"]
    said = []
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v JSON, w JSON)")
        filler = "x" * 500
        cursor.execute("INSERT INTO t VALUES (1, %s, '{\"z\": 1}')", ('{"a":1,"b":[1,2,3],"k k":5,"fill":"%s"}' % filler,))
        for change in changes:
            cursor.execute("UPDATE t SET v = %s" % change)
            cursor.execute("SELECT CAST(v AS CHAR) FROM t")
            said.append(cursor.fetchone()[0])
        cursor.execute("FLUSH BINARY LOGS")
    connection.close()
    updates = [line for line in decode(server) if line.startswith('{"op":"u"')]
    for line, text in zip(updates, said, strict=True):
        assert ',"after":{"id":1,"v":%s,"w":{"z": 1}}' % text in line
    assert "PARTIAL_UPDATE_ROWS_EVENT (39)" in stats(server)


def stats(server):
    names = sorted(n for n in os.listdir(server.datadir) if n.startswith("binlog.0"))
    done = subprocess.run([fleet_module.program("sluice"), "decode", "--stats"] + [os.path.join(server.datadir, n) for n in names],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stderr.decode()


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
@pytest.mark.parametrize("flavour", BOTH)
def test_absent_columns_are_absent(scratch, need_sluice, flavour, image):
    server = scratch.start(SERVERS[flavour], "images", args=["--binlog-row-image=" + image], databases=["d"])
    connection = server.connect(database="d")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT, c INT)")
        cursor.execute("INSERT INTO t (id, a, b) VALUES (1, NULL, 'text')")
        cursor.execute("UPDATE t SET c = 5 WHERE id = 1")
        cursor.execute("DELETE FROM t")
        cursor.execute("FLUSH BINARY LOGS")
    connection.close()
    records = [json.loads(line) for line in decode(server, "--tables", "d.t")]
    insert, update, delete = [r for r in records if r["op"] in "cud"]
    assert insert["after"]["b"] == "text" and insert["after"]["a"] is None
    assert update["after"]["c"] == 5 and "b" not in update["after"]
    assert "b" not in update["before"] and "b" not in delete["before"]
    assert ("a" in update["before"]) == (image == "NOBLOB")
    assert update["key"] == {"id": 1} and delete["key"] == {"id": 1}


@pytest.mark.parametrize("flavour", BOTH)
def test_transactions_and_ddl(scratch, need_sluice, flavour):
    server = scratch.start(SERVERS[flavour], "words", databases=["d"])
    connection = server.connect(database="d")
    with connection.cursor() as cursor:
        for sql in ("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT s",
                    "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO SAVEPOINT s", "INSERT INTO t VALUES (3, 3)", "COMMIT",
                    "BEGIN", "INSERT INTO t VALUES (9, 9)", "ROLLBACK", "CREATE TEMPORARY TABLE tt (a INT)", "INSERT INTO tt VALUES (1)",
                    "DROP TEMPORARY TABLE tt", "CREATE TABLE c2 (PRIMARY KEY (id)) AS SELECT * FROM t", "TRUNCATE TABLE t", "XA START 'x'",
                    "INSERT INTO t VALUES (20, 20)", "XA END 'x'", "XA PREPARE 'x'"):
            cursor.execute(sql)
    other = server.connect(database="d")
    with other.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (21, 21)")
        cursor.execute("XA COMMIT 'x'" if flavour == "mysql" else "SELECT 1")
    if flavour == "mariadb":
        with connection.cursor() as cursor:
            cursor.execute("XA COMMIT 'x'")
    with other.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
    records = [json.loads(line) for line in decode(server, "--tables", "d.*")]
    rows = [(r["table"], r["after"]["id"], r["seq"]) for r in records if r["op"] == "c" and r["db"] == "d"]
    assert rows == [("t", 1, 0), ("t", 3, 1), ("c2", 1, 0), ("c2", 3, 1), ("t", 21, 0), ("t", 20, 0)]
    ddl = [r["sql"] for r in records if r["op"] == "ddl" and r["db"] == "d"]
    assert not any("TEMPORARY" in sql for sql in ddl)
    assert [r["table"] for r in records if r["op"] == "t"] == ["t"]
