#!/usr/bin/python3
# tests/support/runner.py — runs groups of tests, counts their cases alike, and prints the one last line.
"""Called by test.sh with what to run; see there for the groups.

A cmocka case, a pytest case and a check script each count as one. Every skip's reason and every
failure's output stands above the last line, which is `N passed, N failed, N skipped`.
"""

import argparse
import concurrent.futures
import contextlib
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "servers"))

from sluice_servers import MariaDB, MySQL, Scratch, ServerError  # noqa: E402

CMOCKA_GROUPS = ("unit", "golden", "component")
PYTEST_GROUPS = ("integration", "fault")
PROGRAM_TIMEOUT_S = 300
MODEL_TIMEOUT_S = 1800
SLOW_CHECKS = ("check_tidy",)
LEDGER = os.path.join(ROOT, "tests", "fault", "results", "ledger.tsv")
LEDGER_COLUMNS = ("kills", "lost", "ddl_seeds", "fuzz_executions")
# Begun first: what takes longest, and mostly waits.
LONG_PROGRAMS = ("test_sink_driver", "test_cdc_reader", "test_schema_tracker", "test_cdc_byte_replay", "test_state_store")


class Tally:
    """What was counted so far, and the texts to show for it."""

    def __init__(self):
        self.passed = self.failed = 0
        self.skips = []
        self.failures = []
        self.facts = {}  # column of the ledger: what the tests counted themselves

    def count(self, column, number):
        self.facts[column] = self.facts.get(column, 0) + number

    def add(self, passed, failed, skips, name, output=""):
        self.passed += passed
        self.failed += failed
        self.skips += ["%s: %s" % (name, reason) for reason in skips]
        if failed:
            self.failures.append("%s\n%s" % (name, output[-6000:]))

    def report(self, out):
        for text in self.failures:
            print("\n--- failed: " + text, file=out)
        for text in self.skips:
            print("skipped: " + text, file=out)
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, len(self.skips)),
              file=out, flush=True)


def say(word, name, seconds, text):
    print("%-4s %-52s %6.1f s  %s" % (word, name, seconds, text), flush=True)


# --- cmocka -----------------------------------------------------------------------------------------


def ctest_programs(build, groups):
    """(group, name, path) of every test program of `build` in the groups."""
    shown = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                           capture_output=True, text=True).stdout
    found = []
    for test in json.loads(shown)["tests"]:
        labels = [value for item in test["properties"] if item["name"] == "LABELS"
                  for value in item["value"]]
        if labels and labels[0] in groups:
            command = test.get("command") or [os.path.join(build, test["name"])]
            found.append((labels[0], test["name"], command))
    return found


def skip_reasons(output):
    """The last line `skipped: reason` before each skipped case, or the case's name."""
    reasons, reason = [], None
    for line in output.splitlines():
        text = re.sub(r"^\[[^]]*\]\s*", "", line)
        if line.startswith("skipped: "):
            reason = line[len("skipped: "):]
        elif line.startswith("[ RUN"):
            reason = None
        elif line.startswith("[  SKIPPED ] ") and "listed below" not in line:
            reasons.append("%s: %s" % (text, reason or "no reason given"))
        if line.startswith("[==========]") and "run." in line:
            break
    return reasons


LIVE_ACCOUNT = ("everything", "tests-only")


@contextlib.contextmanager
def live_servers(jobs):
    """The environment that names a MariaDB and a MySQL, when one of the programs wants them."""
    environment = {}
    with Scratch() as scratch:
        for server_class, variable in ((MariaDB, "SLUICE_TEST_MARIADB"), (MySQL, "SLUICE_TEST_MYSQL")):
            if not any(is_live(job[1]) for job in jobs):
                break
            try:
                server = scratch.start(server_class, server_class.flavour)
            except ServerError as error:
                print("no %s: %s" % (server_class.flavour, error), flush=True)
                continue
            account = "'%s'@'127.0.0.1'" % LIVE_ACCOUNT[0]
            server.query("CREATE USER %s IDENTIFIED BY '%s'" % (account, LIVE_ACCOUNT[1]))
            server.query("GRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION" % account)
            environment[variable] = "127.0.0.1:%d:%s:%s" % ((server.port,) + LIVE_ACCOUNT)
        yield environment


def is_live(name):
    return "_live" in name


def run_cmocka(command, environment):
    """Runs a program to its end; returns what it counted, its output and its seconds."""
    begun = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=PROGRAM_TIMEOUT_S)
        code, output = done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        code, output = -1, "no end within %d s\n%s" % (
            PROGRAM_TIMEOUT_S, (late.stdout or b"").decode("utf-8", "replace"))
    except OSError as error:
        code, output = -1, "cannot be run: %s" % error
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    skips = skip_reasons(output)
    failed = sum(map(int, re.findall(r"^\[  FAILED  \] (\d+) test\(s\), listed below", output, re.M)))
    # A sanitizer's report, a crash or a program without a case is a failure too.
    if failed == 0 and (code != 0 or passed + len(skips) == 0):
        failed = 1
    return passed, failed, skips, output, time.monotonic() - begun


def run_programs(options, tally):
    environment = dict(os.environ, SLUICE_DEEP="1" if options.deep else "",
                       ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
                       UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
                       TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1")
    groups = [group for group in options.groups if group in CMOCKA_GROUPS]
    jobs = []
    for build in options.build:
        for group, name, command in ctest_programs(build, groups):
            if not options.name or options.name in name:
                jobs.append((group, name, command, os.path.basename(os.path.normpath(build))))
    # Programs named *_live* share one database on each server, and so run one after the other.
    with live_servers(jobs) as servers, concurrent.futures.ThreadPoolExecutor(
            max_workers=os.cpu_count() or 2) as pool, concurrent.futures.ThreadPoolExecutor(max_workers=1) as live:
        environment.update(servers)
        runs = {(live if is_live(job[1]) else pool).submit(run_cmocka, job[2], environment): job
                for job in sorted(jobs, key=lambda job: job[1] not in LONG_PROGRAMS)}
        for run in concurrent.futures.as_completed(runs):
            group, name, _, build = runs[run]
            passed, failed, skips, output, seconds = run.result()
            label = "%s/%s [%s]" % (group, name, "dev" if build == "build" else build)
            say("FAIL" if failed else "ok", label, seconds, "%d passed%s" % (
                passed, ", %d failed" % failed if failed else ""))
            tally.add(passed, failed, skips, label, output)


# --- the model ---------------------------------------------------------------------------------------


def run_model(options):
    """tests/model's program, which keeps one core busy: [(name, its exit code, what it said, its seconds)]."""
    said = []
    for _, name, command in ctest_programs(options.build[0], ("model",)):
        begun = time.monotonic()
        done = subprocess.run(command + (["--deep"] if options.deep else []), cwd=ROOT, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=MODEL_TIMEOUT_S)
        said.append((name, done.returncode, done.stdout.decode("utf-8", "replace"), time.monotonic() - begun))
    return said


def count_model(name, code, output, seconds, tally):
    """One case for each line that it begins with ok or FAIL."""
    passed = len(re.findall(r"^ok ", output, re.M))
    failed = len(re.findall(r"^FAIL", output, re.M))
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
    say("FAIL" if failed else "ok", "model/" + name, seconds, "%d passed" % passed)
    tally.add(passed, failed, [], "model/" + name, output)


def run_programs_and_model(options, tally):
    """The cmocka programs, and beside them the model."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as beside:
        model = beside.submit(run_model, options) if "model" in options.groups else None
        if any(group in CMOCKA_GROUPS for group in options.groups):
            run_programs(options, tally)
        for said in model.result() if model else []:
            count_model(*said, tally)


# --- pytest -----------------------------------------------------------------------------------------


def read_junit(text, label, tally):
    tree = xml.etree.ElementTree.fromstring(text)
    for case in tree.iter("testcase"):
        name = "%s/%s" % (label, case.get("name"))
        for fact in case.iter("property"):
            if fact.get("name") in LEDGER_COLUMNS:
                tally.count(fact.get("name"), int(fact.get("value")))
        skipped = case.find("skipped")
        broken = case.find("failure") if case.find("failure") is not None else case.find("error")
        if broken is not None:
            tally.add(0, 1, [], name, (broken.get("message") or "") + "\n" + (broken.text or ""))
        elif skipped is not None:
            tally.add(0, 0, [skipped.get("message") or "no reason given"], name)
        else:
            tally.add(1, 0, [], name)


def pytest_words(group, options, report, marks):
    words = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short", "-m", marks,
             "-o", "junit_family=xunit1", "--junitxml=" + report, os.path.join(ROOT, "tests", group)]
    return words + (["-k", options.name] if options.name else [])


def pytest_environment(options):
    environment = dict(os.environ, SLUICE_BUILD=os.path.abspath(options.build[0]),
                       SLUICE_KILLS=str(options.kills), PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
    if options.deep:
        environment.update(SLUICE_VALUES="120", SLUICE_DEEP="1")
    return environment


def show_worker(process, lock):
    """What a worker says about each test comes at once, the rest in one piece at its end."""
    held = []
    for line in process.stdout:
        if held or line.startswith("=") and "session starts" not in line:
            held.append(line)
        elif "::" in line:
            with lock:
                print(line, end="", flush=True)
    process.wait()
    with lock:
        print("".join(held), end="", flush=True)


def run_workers(group, options, count, marks):
    """Runs the group's marked tests in `count` processes that share them out; (exit codes, reports' texts)."""
    with tempfile.TemporaryDirectory() as place:
        reports = [os.path.join(place, "%d.xml" % i) for i in range(count)]
        environment = dict(pytest_environment(options), SLUICE_CLAIMS=place)
        workers = [subprocess.Popen(pytest_words(group, options, report, marks), cwd=ROOT, env=environment,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, errors="replace") for report in reports]
        lock = threading.Lock()
        shown = [threading.Thread(target=show_worker, args=(worker, lock)) for worker in workers]
        for thread in shown:
            thread.start()
        for thread in shown:
            thread.join()
        return [worker.returncode for worker in workers], [read_text(report) for report in reports]


def read_text(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as text:
        return text.read()


def run_pytest(group, options, tally):
    """The tests that share the machine, by several workers, then those marked `alone`."""
    if not glob.glob(os.path.join(ROOT, "tests", group, "test_*.py")):
        return
    begun, before = time.monotonic(), (tally.passed, tally.failed)
    for count, marks in ((options.jobs, "not alone"), (1, "alone")):
        codes, reports = run_workers(group, options, count, marks)
        failed = tally.failed
        for report in filter(None, reports):
            read_junit(report, group, tally)
        # 5: no test was selected, which -k may well do. 1: tests failed. The rest is pytest's own end.
        if any(code not in (0, 1, 5) for code in codes) or 1 in codes and tally.failed == failed:
            tally.add(0, 1, [], group, "pytest ended with %s" % codes)
    say("FAIL" if tally.failed > before[1] else "ok", group, time.monotonic() - begun,
        "%d passed" % (tally.passed - before[0]))


# --- checks -----------------------------------------------------------------------------------------


def run_checks(options, tally):
    """Every tools/check_* is one case; the slow ones only when asked for."""
    paths = [path for path in sorted(glob.glob(os.path.join(ROOT, "tools", "check_*")))
             if options.name in os.path.basename(path) and (options.deep or os.path.basename(path) not in SLOW_CHECKS)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for path, (done, seconds) in zip(paths, pool.map(run_check, paths)):
            name, failed = "checks/" + os.path.basename(path), int(done.returncode != 0)
            say("FAIL" if failed else "ok", name, seconds, "")
            tally.add(1 - failed, failed, [], name, done.stdout.decode("utf-8", "replace"))


def run_check(path):
    begun = time.monotonic()
    done = subprocess.run([path], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done, time.monotonic() - begun


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*")
    parser.add_argument("--build", action="append", required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 2) + 1,
                        help="processes that share the tests on servers: most of their time is waiting")
    parser.add_argument("--into", help="adds the figures to this JSON file instead of printing them")
    parser.add_argument("--report", help="prints what --into has collected in this file")
    return parser.parse_args()


def carry(tally, path):
    """Adds what an earlier call left in `path`, and leaves the sum there."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as text:
            stored = json.load(text)
        tally.passed += stored["passed"]
        tally.failed += stored["failed"]
        tally.skips = stored["skips"] + tally.skips
        tally.failures = stored["failures"] + tally.failures
        for column, number in stored["facts"].items():
            tally.count(column, number)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(vars(tally), out)


def append_to_ledger(tally):
    """One line a deep run: the commit (+ with changes that are not in it) and what it counted."""
    git = ["git", "-C", ROOT]
    commit = subprocess.run(git + ["rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run(git + ["diff", "--quiet", "HEAD"], check=False).returncode != 0
    line = [commit.stdout.strip() + "+" * changed] + [str(tally.facts.get(c, "-")) for c in LEDGER_COLUMNS]
    os.makedirs(os.path.dirname(LEDGER), exist_ok=True)
    is_new = not os.path.exists(LEDGER)
    with open(LEDGER, "a", encoding="utf-8") as out:
        if is_new:
            print("commit", *LEDGER_COLUMNS, sep="\t", file=out)
        print(*line, sep="\t", file=out)


def main():
    options = arguments()
    tally = Tally()
    if options.report:
        if os.path.exists(options.report):
            carry(tally, options.report)
        if options.deep and tally.facts:
            append_to_ledger(tally)
        tally.report(sys.stdout)
        return 1 if tally.failed or tally.passed == 0 else 0
    if "checks" in options.groups:
        run_checks(options, tally)
    run_programs_and_model(options, tally)
    for group in PYTEST_GROUPS:
        if group in options.groups:
            run_pytest(group, options, tally)
    if options.into:
        carry(tally, options.into)
    else:
        tally.report(sys.stdout)
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
