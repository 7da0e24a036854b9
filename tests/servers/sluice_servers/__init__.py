# tests/servers/sluice_servers/__init__.py — what tests import: the servers and the scratch place.
"""Real servers for tests: MariaDB of the system; MariaDB 11.8, MySQL 9.7 and Kafka from the cache."""

from .kafka import Kafka
from .lender import Lender
from .mariadb import MariaDB, MariaDB11
from .mysql import MySQL
from .process import ServerError, Scratch

__all__ = ["Kafka", "Lender", "MariaDB", "MariaDB11", "MySQL", "ServerError", "Scratch"]
