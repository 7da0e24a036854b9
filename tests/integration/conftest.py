# tests/integration/conftest.py — fixtures of the tests on real servers, and the report that test.sh reads.
"""Fixtures: `make_fleet` starts four servers with their files; everything is stopped at the end."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import fleet as fleet_module  # noqa: E402
from sluice_servers import Scratch  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--keep", action="store_true", help="leave servers and files after the tests")


def pytest_configure(config):
    config.matrix_cells = {}  # (client library, server, position): what became of it


def pytest_terminal_summary(terminalreporter, config):
    """The cells of test_matrix.py: a line for each server and kind of position, a column for each library."""
    cells = config.matrix_cells
    if not cells:
        return
    clients = sorted({key[0] for key in cells})
    terminalreporter.section("matrix: client libraries, servers, positions")
    form = "%-15s %-10s" + " %-22s" * len(clients)
    terminalreporter.write_line(form % (("server", "position") + tuple(clients)))
    for server, mode in dict.fromkeys(key[1:] for key in cells):
        terminalreporter.write_line(form % ((server, mode) + tuple(
            cells.get((client, server, mode), "-") for client in clients)))


@pytest.fixture
def scratch(request):
    """A directory whose servers are stopped, and which is removed, when the test ends."""
    place = Scratch(keep=request.config.getoption("--keep"))
    yield place
    place.close()


@pytest.fixture
def make_fleet(scratch):
    """Called with Fleet's options: starts the servers, loads the sample, writes the configuration."""
    made = []

    def make(**options):
        fleet = fleet_module.Fleet(scratch, **options)
        made.append(fleet)
        fleet.start_servers()
        fleet.load_sample()
        fleet.write_configuration()
        return fleet

    yield make
    for fleet in made:
        fleet.close()


@pytest.fixture
def need_sluice():
    """Skips, by name, where the program has not been built."""
    if not os.path.exists(fleet_module.program("sluice")):
        pytest.skip("build/sluice is not built")
