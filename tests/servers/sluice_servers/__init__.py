# tests/servers/sluice_servers/__init__.py — what tests import: the three servers and the scratch place.
"""Real servers for tests: MariaDB of the system, MySQL 9.7 and Kafka from the cache."""

from .kafka import Kafka
from .mariadb import MariaDB
from .mysql import MySQL
from .process import ServerError, Scratch

__all__ = ["Kafka", "MariaDB", "MySQL", "ServerError", "Scratch"]
