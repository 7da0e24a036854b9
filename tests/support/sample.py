#!/usr/bin/python3
# tests/support/sample.py — the sample shop: its tables, and its rows as a pure function of their number.
"""Creates and fills the sample tables, the same on MariaDB and MySQL.

  sample.py --socket PATH [--database commerce] [--rows 200000]

Row i of a table is computed from i alone, so that a verifier knows every row without asking.
All values are kept as the text that a server prints for them.
"""

import argparse
import json
import time

import pymysql

CUSTOMERS = """CREATE TABLE customers (
  customer_id BIGINT NOT NULL,
  name VARCHAR(200) NOT NULL,
  email VARCHAR(120) NOT NULL,
  balance DECIMAL(14,2) NOT NULL,
  meta JSON,
  created_at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00',
  updated_at DATETIME(6) NOT NULL,
  version BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (customer_id),
  UNIQUE KEY email (email),
  KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

ORDERS = """CREATE TABLE orders (
  customer_id BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  status ENUM('new','paid','packed','shipped','returned') NOT NULL,
  total DECIMAL(12,2) NOT NULL,
  note TEXT,
  placed_at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00',
  updated_at DATETIME(6) NOT NULL,
  version BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (customer_id, order_id),
  KEY status (status, placed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

ORDER_ITEMS = """CREATE TABLE order_items (
  sku VARCHAR(40) NOT NULL,
  customer_id BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  quantity INT UNSIGNED NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  version BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (sku, customer_id, order_id),
  KEY customer (customer_id, order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

PRODUCTS = """CREATE TABLE products (
  sku VARCHAR(40) NOT NULL,
  title VARCHAR(120) NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  weight DOUBLE NOT NULL,
  attributes JSON,
  updated_at DATETIME(6) NOT NULL,
  version BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (sku)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

CREATE = {"customers": CUSTOMERS, "orders": ORDERS, "order_items": ORDER_ITEMS,
          "products": PRODUCTS}
KEYS = {"customers": ("customer_id",), "orders": ("customer_id", "order_id"),
        "order_items": ("sku", "customer_id", "order_id"), "products": ("sku",)}
COLUMNS = {
    "customers": ("customer_id", "name", "email", "balance", "meta", "created_at", "updated_at",
                  "version"),
    "orders": ("customer_id", "order_id", "status", "total", "note", "placed_at", "updated_at",
               "version"),
    "order_items": ("sku", "customer_id", "order_id", "quantity", "price", "version"),
    "products": ("sku", "title", "price", "weight", "attributes", "updated_at", "version"),
}
JSON_COLUMNS = {"meta", "attributes"}
ROWS_DEFAULT = 200000

_FAMILIES = ("Tee", "Ägg", "BIKE", "本")
_FIRST = ("Anna", "Björn", "Chloé", "Đorđe", "Éva", "Fatih", "Γιώργος", "Håkon", "Ivana", "José",
          "Kübra", "Łukasz", "María", "Nguyễn", "Özge", "Пётр", "Quim", "Renée", "Søren", "太郎")
_LAST = ("Ångström", "Brown", "Çelik", "D'Angelo", "Eriksen", "Fischer", "Gómez", "Horák", "Ito",
         "Jović", "Kowalski", "Lefèvre", "Müller", "Núñez", "O\\Neil", "Papadopoulos", "Smith",
         "Třeštík", "李", "😀 Vale")
_STATUS = ("new", "paid", "packed", "shipped", "returned")
_NOTES = (None, "", "leave at the door", "appelez d'abord", "Klingel: Grüße", "rush \"now\"",
          "back\\slash", "ring\ttwice\n", "日本語のメモ", "100% cotton_x 😀")


def sku_text(number):
    return "%s-%06d" % (_FAMILIES[number % 4], number)


def counts(rows):
    """How many customers, orders, items and products make `rows` rows together."""
    products = max(20, rows // 100)
    customers = max(50, rows * 15 // 100)
    orders = max(100, rows * 35 // 100)
    return {"customers": customers, "orders": orders, "products": products,
            "order_items": max(100, rows - products - customers - orders)}


def _mix(number, salt):
    value = (number * 0x9E3779B1 + salt * 0x85EBCA77) & 0xFFFFFFFF
    value ^= value >> 15
    value = (value * 0x2C1B3C6D) & 0xFFFFFFFF
    return value ^ (value >> 12)


def _moment(number, salt):
    day, second = _mix(number, salt) % 1500, _mix(number, salt + 1) % 86400
    return "%04d-%02d-%02d %02d:%02d:%02d" % (2021 + day // 336, day // 28 % 12 + 1, day % 28 + 1,
                                              second // 3600, second // 60 % 60, second % 60)


def _money(number, salt, whole):
    return "%d.%02d" % (_mix(number, salt) % whole, _mix(number, salt + 1) % 100)


def _customers(count, _):
    for i in range(1, count + 1):
        h = _mix(i, 1)
        meta = '{"tier": %d, "tags": ["%s", "n%d"], "vip": %s}' % (
            h % 5, _FIRST[h % 20], h % 97, "true" if h & 8 else "false")
        yield (str(i), "%s %s" % (_FIRST[h % 20], _LAST[h // 20 % 20]), "user%07d@example.org" % i,
               _money(i, 2, 1000000), meta, _moment(i, 4), _moment(i, 6) + ".%06d" % (h % 1000000),
               "0")


def order_customer(order, customers):
    return _mix(order, 9) % customers + 1


def _orders(count, totals):
    for i in range(1, count + 1):
        h = _mix(i, 10)
        yield (str(order_customer(i, totals["customers"])), str(i), _STATUS[h % 5],
               _money(i, 11, 90000), _NOTES[h // 5 % 10], _moment(i, 13),
               _moment(i, 15) + ".%06d" % (h % 1000000), "0")


def _items(count, totals):
    # Item j belongs to order j mod orders; its round makes the sku another one each time.
    orders, products = totals["orders"], totals["products"]
    for j in range(count):
        order, turn = j % orders + 1, j // orders
        h = _mix(j, 20)
        yield (sku_text((order * 7 + turn * 13) % products + 1),
               str(order_customer(order, totals["customers"])), str(order), str(h % 9 + 1),
               _money(j, 21, 5000), "0")


def _products(count, _):
    for i in range(1, count + 1):
        h = _mix(i, 30)
        yield (sku_text(i), "%s %s" % (_LAST[h % 20], sku_text(i)), _money(i, 31, 5000),
               "%d.%d" % (h % 40, h % 2 * 5), '{"colour": "%s", "size": %d}' % (_FIRST[h % 20], h % 50),
               _moment(i, 33) + ".000000", "0")


_MAKERS = {"customers": _customers, "orders": _orders, "order_items": _items,
           "products": _products}


def rows_of(table, rows):
    """All rows of `table` in a sample of `rows` rows, as tuples of text in COLUMNS' order."""
    totals = counts(rows)
    return _MAKERS[table](totals[table], totals)


def _literal(text):
    if text is None:
        return "NULL"
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fill(cursor, table, rows, batch_rows=2000):
    head = "INSERT INTO %s (%s) VALUES " % (table, ",".join(COLUMNS[table]))
    batch = []
    total = 0
    for row in rows_of(table, rows):
        batch.append("(" + ",".join(map(_literal, row)) + ")")
        if len(batch) == batch_rows:
            cursor.execute(head + ",".join(batch))
            total += len(batch)
            batch = []
    if batch:
        cursor.execute(head + ",".join(batch))
    return total + len(batch)


def load(connection, rows=ROWS_DEFAULT, tables=tuple(CREATE)):
    """Creates and fills `tables` in the connection's database; returns the rows of each."""
    loaded = {}
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone='+00:00'")
        for table in tables:
            cursor.execute(CREATE[table])
            cursor.execute("BEGIN")
            loaded[table] = _fill(cursor, table, rows)
            cursor.execute("COMMIT")
    return loaded


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--database", default="commerce")
    parser.add_argument("--rows", type=int, default=ROWS_DEFAULT)
    options = parser.parse_args()
    begun = time.monotonic()
    connection = pymysql.connect(unix_socket=options.socket, user="root", charset="utf8mb4",
                                 database=options.database, autocommit=True)
    loaded = load(connection, options.rows)
    connection.close()
    print(json.dumps({"rows": loaded, "total": sum(loaded.values()),
                      "seconds": round(time.monotonic() - begun, 2)}))


if __name__ == "__main__":
    main()
