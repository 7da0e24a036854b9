# tests/integration/conftest.py — fixtures of the tests on real servers, and the report that test.sh reads.
"""Fixtures: `make_fleet` starts four servers with their files; everything is stopped at the end."""

import collections
import contextlib
import hashlib
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import fleet as fleet_module  # noqa: E402
from sluice_servers import Lender, Scratch  # noqa: E402


FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser):
    parser.addoption("--keep", action="store_true", help="leave servers and files after the tests")


def pytest_configure(config):
    config.matrix_cells = {}  # (client library, server, position): what became of it
    config.addinivalue_line("markers", "alone: measures time or memory, so nothing else runs beside it")


def unit_of(item):
    """What one worker runs of it: the function with all its parameters."""
    return item.nodeid.split("[")[0]


def claims(items, folder):
    """Yields the items that this process is the first to ask for; files in `folder` say what is taken.

    Those with most parameters come first: the longest should not be begun last.
    """
    sizes = collections.Counter(map(unit_of, items))
    mine = {}
    for item in sorted(items, key=lambda item: -sizes[unit_of(item)]):
        unit = unit_of(item)
        if unit not in mine:
            mine[unit] = taken(os.path.join(folder, hashlib.sha1(unit.encode()).hexdigest()))
        if mine[unit]:
            yield item


def taken(path):
    """True for the process that makes the file."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """With SLUICE_CLAIMS, a folder: runs what no other worker has begun, as the runner's workers share the tests."""
    folder = os.environ.get("SLUICE_CLAIMS")
    if not folder or session.testsfailed or session.config.option.collectonly:
        return None
    mine = claims(session.items, folder)
    item = next(mine, None)
    while item is not None:
        following = next(mine, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail or session.shouldstop:
            raise session.Failed(session.shouldfail or session.shouldstop)
        item = following
    return True


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or outcome.get_result().failed


@pytest.fixture(scope="session")
def lender(request):
    """Servers without options of their own are not stopped behind each test, but cleaned."""
    if request.config.getoption("--keep"):
        yield None
        return
    with contextlib.closing(Lender()) as made:
        yield made


@pytest.fixture
def scratch(request, lender):  # pylint: disable=redefined-outer-name
    """A directory whose servers are stopped, and which is removed, when the test ends."""
    place = Scratch(keep=request.config.getoption("--keep"), lender=lender)
    yield place
    place.close(failed=request.node.stash.get(FAILED, False))


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
