# tests/fault/test_troubles.py — a zombie daemon, an older state directory, a full disk, a prepared XA: nothing is lost.
"""Each trouble is a clear error with its cure, and the work goes on when the cause is gone."""

import os
import shutil
import signal
import subprocess
import time

import fleet as fleet_module
import pytest
from sluice_servers.process import wait_until

TABLES = ",".join(fleet_module.MOVED_TABLES)
CREATE = ("--source-keyspace", "commerce", "--tables", TABLES)

pytestmark = pytest.mark.usefixtures("need_sluice")


def move(fleet, fault=None):
    fleet.start_writer(rate=150)
    fleet.start_daemon(fault=fault)
    fleet.workflow("movetables", "c2c", "create", *CREATE)
    return fleet


@pytest.fixture
def moving(make_fleet):
    """A fleet with a running movetables workflow and an application that writes."""
    fleet = move(make_fleet(rows=2000))
    fleet.wait_running("movetables", "c2c")
    return fleet


def finish(fleet):
    fleet.wait_acknowledged(30)
    fleet.stop_writer()
    fleet.assert_nothing_lost()


def second_daemon(fleet, name="second"):
    """Another daemon of the same installation, on another machine as it were: a state of its own."""
    path = fleet.path(name + ".yaml")
    with open(fleet.config_path, encoding="utf-8") as text:
        config = text.read()
    config = config.replace("state: " + fleet.state_dir, "state: " + fleet.path(name))
    config = config.replace("unix:" + fleet.path("api.sock"), "unix:" + fleet.path(name + ".sock"))
    config = config.replace("900000-900999", "901000-901999")
    with open(path, "w", encoding="utf-8") as out:
        out.write(config)
    log = open(fleet.path(name + ".log"), "ab")
    process = subprocess.Popen([fleet_module.program("sluice"), "serve", "--config", path],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return process, path


def command(path, *words):
    return subprocess.run([fleet_module.program("sluice"), *words, "--config", path],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
                          check=False)


def verb(path, name):
    return command(path, "movetables", "--workflow", "c2c", "--target-keyspace", "customer", name)


def is_suspended(process):
    with open("/proc/%d/stat" % process.pid, encoding="ascii") as text:
        return text.read().rsplit(")", 1)[1].split()[0] == "T"


def test_a_zombie_daemon_is_fenced(make_fleet):
    """The first daemon sleeps beyond its lease, inside a transaction whose locks the second one needs.

    The second takes over once the server has ended that session, and switches; the first wakes up.
    """
    moving = move(make_fleet(rows=2000), fault="apply.before_commit:stop:40")
    wait_until(lambda: is_suspended(moving.daemon), 60, "a daemon suspended before a commit")
    process, path = second_daemon(moving)
    try:
        wait_until(lambda: verb(path, "switchtraffic").returncode == 0, 120,
                   "switch by the second daemon", step_s=0.5)
        moving.daemon.send_signal(signal.SIGCONT)
        moving.wait_acknowledged(100)
        done = verb(path, "reversetraffic")
        assert done.returncode == 0, done.stdout + done.stderr
        finish(moving)
    finally:
        moving.daemon.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


def test_two_daemons_do_not_both_write(moving):
    process, path = second_daemon(moving)
    try:
        wait_until(lambda: command(path, "status").returncode == 0, 30, "the second daemon")
        done = verb(path, "switchtraffic")
        assert done.returncode == 5, done.stdout + done.stderr
        moving.workflow("movetables", "c2c", "switchtraffic")
        finish(moving)
    finally:
        process.terminate()
        process.wait(30)


def test_an_older_state_directory_does_no_harm(moving):
    moving.stop_daemon()
    shutil.copytree(moving.state_dir, moving.path("older"))
    moving.start_daemon()
    moving.workflow("movetables", "c2c", "switchtraffic")
    moving.wait_acknowledged(20)
    moving.stop_daemon()
    shutil.rmtree(moving.state_dir)
    shutil.copytree(moving.path("older"), moving.state_dir)
    moving.start_daemon()
    status = moving.status("movetables", "c2c")
    assert status["traffic_state"].endswith("Writes Switched"), status
    moving.wait_acknowledged(20)
    moving.workflow("movetables", "c2c", "reversetraffic")
    finish(moving)


def test_a_lost_state_directory_does_no_harm(moving):
    moving.workflow("movetables", "c2c", "switchtraffic")
    moving.kill_daemon()
    shutil.rmtree(moving.state_dir)
    moving.start_daemon()
    moving.wait_acknowledged(20)
    words = ("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "reversetraffic")
    # Without its state a daemon is a new one: the lease of the killed one has to run out.
    wait_until(lambda: moving.try_sluice(*words).returncode == 0, 120, "reversetraffic", step_s=0.5)
    finish(moving)


def test_a_prepared_xa_holds_the_switch_and_is_named(moving):
    source = moving.server("commerce")
    connection = source.connect(user="app", database="commerce")
    with connection.cursor() as cursor:
        cursor.execute("XA START 'held'")
        cursor.execute("UPDATE orders SET total = total + 0 LIMIT 1")
        cursor.execute("INSERT INTO order_items VALUES ('xa', 1, 1, 1, 1, 0)")
        cursor.execute("XA END 'held'")
        cursor.execute("XA PREPARE 'held'")
    connection.close()
    words = ("movetables", "--workflow", "c2c", "--target-keyspace", "customer", "switchtraffic",
             "--timeout", "4s")
    done = moving.try_sluice(*words)
    assert done.returncode in (5, 7), done.stdout + done.stderr
    assert "held" in done.stderr or "XA" in done.stderr, done.stderr
    source.query("XA ROLLBACK 'held'")
    wait_until(lambda: moving.try_sluice(*words[:-2]).returncode == 0, 60, "switch after the rollback")
    finish(moving)


def test_a_full_disk_pauses_a_sink_and_is_survived(make_fleet):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    fleet = make_fleet(rows=500)
    os.makedirs(fleet.state_dir, mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k,mode=0700", "tmpfs", fleet.state_dir],
                             check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        run_full_disk(fleet)
    finally:
        if fleet.daemon is not None and fleet.daemon.poll() is None:
            fleet.stop_daemon()
        subprocess.run(["umount", "-l", fleet.state_dir], check=False)


def run_full_disk(fleet):
    out_path = fleet.path("records.ndjson")
    fleet.start_daemon()
    fleet.start_writer(rate=200)
    fleet.sluice("sink", "create", "records", "--keyspace", "commerce", "--tables", TABLES, "--to",
                 "file:" + out_path, "--from", "beginning")
    wait_until(lambda: os.path.exists(out_path) and os.path.getsize(out_path) > 0, 30, "records")
    ballast = os.path.join(fleet.state_dir, "ballast")
    with open(ballast, "wb", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * 512)
        except OSError:
            pass
    wait_until(lambda: "DISK_FULL" in fleet.daemon_log() or "full" in fleet.sluice("sink", "show", "records"),
               60, "the full disk is said", step_s=0.5)
    assert fleet.daemon.poll() is None
    os.unlink(ballast)
    before = os.path.getsize(out_path)
    wait_until(lambda: os.path.getsize(out_path) > before, 60, "the sink goes on")
    fleet.stop_writer()
    fleet.wait_for_stream(out_path, "commerce", timeout_s=60)


@pytest.mark.alone
def test_stop_is_clean_and_quick_under_load(moving):
    begun = time.monotonic()
    code = moving.stop_daemon(30)
    assert code == 0
    assert time.monotonic() - begun < 10
    moving.start_daemon()
    moving.workflow("movetables", "c2c", "switchtraffic")
    finish(moving)
