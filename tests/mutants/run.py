#!/usr/bin/python3
# tests/mutants/run.py — applies each mutant to a copy of the tree and shows the test that finds it.
"""A mutant is a file *.mutant of `name: value` lines:

  rule:  the rule of the design that it breaks
  file:  the source file
  from:  a text that occurs exactly once in it (\\n and \\t are understood)
  to:    what takes its place
  test:  unit|component|golden NAME [CASE]   a cmocka program, and maybe the case that must fail
         pytest PATH::NAME                   a test with real servers
         model ARGS                          tests/model's program
  cpu:   flags of /proc/cpuinfo without which its code does not run (optional): it is skipped there

Each is compiled in a copy of the tree (ccache makes that quick) and its test must FAIL there: the named case,
where there is one, or the program by hanging or dying; it hangs when it takes many times as long as without a
mutant. A mutant that survives, does not compile or no longer
applies is a failure of this run. With --dir the copy stays, so that the next run compiles only what changed.
"""

import argparse
import contextlib
import filecmp
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "servers")]

from mutant import lacks, load_all, read_target  # noqa: E402
from sluice_servers import MariaDB, Scratch  # noqa: E402

COMPILE_S = 1800
TEST_S = 180
HANGS_S, HANGS_TIMES = 10, 4  # a mutant's test may take so long, and so many times what it takes without
CMOCKA = ("unit", "component", "golden")
ACCOUNT = ("everything", "tests-only")


def same_bytes(a, b):
    return os.path.isfile(b) and filecmp.cmp(a, b, shallow=False)


def copy_tree(to):
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.splitlines()
    for name in tracked:
        source = os.path.join(ROOT, name)
        if not os.path.isfile(source) or same_bytes(source, os.path.join(to, name)):
            continue
        os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
        shutil.copy(source, os.path.join(to, name))


def quiet(words, cwd, timeout_s, env=None):
    """Runs it to its end; what hangs is ended with all that it started."""
    child = subprocess.Popen(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, env=env, start_new_session=True)
    try:
        out, err = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise
    return subprocess.CompletedProcess(words, child.returncode, out, err)


class Copy:
    """The tree in a folder of its own, built once, with one mutant at a time."""

    def __init__(self, folder, servers=None):
        self.kept = bool(folder)
        self.dir = os.path.abspath(folder) if folder else tempfile.mkdtemp(prefix="sluice-mutants-")
        copy_tree(self.dir)
        self.build = os.path.join(self.dir, "build")
        self.limits = {}  # seconds by test line, once it ran without a mutant
        # Compilations of another copy are found again: paths count from the copy's own folder.
        self.env = dict(os.environ, CCACHE_BASEDIR=self.dir, CCACHE_NOHASHDIR="1",
                        SLUICE_BUILD=self.build, PYTHONDONTWRITEBYTECODE="1", **(servers or {}))
        self.env.setdefault("SLUICE_FIXTURES", os.path.join(os.path.dirname(ROOT), "shared", "fixtures"))
        done = quiet(["cmake", "-S", self.dir, "-B", self.build, "-G", "Ninja",
                      "-DCMAKE_BUILD_TYPE=Debug"], self.dir, COMPILE_S, self.env)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def close(self):
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def compile(self, targets):
        return quiet(["ninja", "-C", self.build, *targets], self.dir, COMPILE_S, self.env)

    def run_pytest(self, words, limit_s):
        return quiet(["/usr/bin/python3", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *words],
                     self.dir, limit_s, self.env)

    def run_program(self, name, arguments, limit_s):
        found = glob.glob(os.path.join(self.build, "**", name), recursive=True)
        return quiet([next(path for path in found if os.access(path, os.X_OK) and os.path.isfile(path)),
                      *arguments], self.dir, limit_s, self.env)

    def run(self, test):
        """A Result of the test line; raises DoesNotCompile."""
        kind, *words = test.split()
        program = "model_copy" if kind == "model" else words[0]
        targets = ["sluice", "sluice_test_writer", "sluice_test_stream"] if kind == "pytest" else [program]
        compiled = self.compile(targets)
        if compiled.returncode:
            raise DoesNotCompile(compiled.stdout[-1500:])
        limit_s = self.limits.get(test, TEST_S)
        begun = time.monotonic()
        try:
            if kind == "pytest":
                done = self.run_pytest(words, limit_s)
            else:
                done = self.run_program(program, words if kind == "model" else [], limit_s)
        except subprocess.TimeoutExpired:
            return Result(True, "", "it hangs")
        case = words[1] if kind in CMOCKA and len(words) > 1 else ""
        return Result(done.returncode != 0, case, done.stdout + done.stderr,
                      min(TEST_S, HANGS_S + HANGS_TIMES * (time.monotonic() - begun)))


class DoesNotCompile(Exception):
    pass


class Result:
    """What a test said: `failed` asks for the named case, where the program lived to tell of cases."""

    def __init__(self, failed, case, output, limit_s=TEST_S):
        self.output = output
        self.ended_badly = failed
        self.limit_s = limit_s
        passed = set(re.findall(r"^\[       OK \] (\S+)", output, re.M))
        failures = set(re.findall(r"^\[  FAILED  \] (\S+)", output, re.M))
        self.known = not case or case in passed | failures
        self.failed = failed and (not case or case in failures or case not in passed)

    def of_case(self, case):
        return Result(self.ended_badly, case, self.output, self.limit_s)


def try_mutant(copy, mutant):
    """"" when the mutant is found, else why not."""
    path = os.path.join(copy.dir, mutant["file"])
    try:
        original = read_target(mutant, copy.dir)
    except ValueError as why:
        return str(why)
    try:
        with open(path, "w", encoding="utf-8") as out:
            out.write(original.replace(mutant["from"], mutant["to"]))
        result = copy.run(mutant["test"])
    except DoesNotCompile as why:
        return "it does not compile:\n%s" % why
    finally:
        with open(path, "w", encoding="utf-8") as out:
            out.write(original)
    return "" if result.failed else "it survives `%s`" % mutant["test"]


def check_unchanged(copy, mutants):
    """Each named test passes without a mutant: else finding one would mean nothing."""
    broken, ran = [], {}
    for test in sorted({mutant["test"] for mutant in mutants}):
        kind, *words = test.split()
        once = (kind, words[0]) if kind in CMOCKA else test  # one run tells of all its cases
        try:
            result = ran[once].of_case(" ".join(words[1:])) if once in ran else copy.run(test)
            ran.setdefault(once, result)
            copy.limits.setdefault(test, result.limit_s)
        except DoesNotCompile as why:
            broken.append("%s does not compile without any mutant:\n%s" % (test, why))
            continue
        if result.failed:
            broken.append("%s fails without any mutant:\n%s" % (test, result.output[-1500:]))
        elif not result.known:
            broken.append("%s: there is no such case" % test)
    return broken


@contextlib.contextmanager
def live_server(mutants):
    """The environment that names a MariaDB, when a test of *_live.c wants it."""
    if not any("_live" in mutant["test"].split()[1] for mutant in mutants if mutant["test"] != "model"):
        yield {}
        return
    with Scratch() as scratch:
        server = scratch.start(MariaDB, "mariadb")
        server.query("CREATE USER '%s'@'127.0.0.1' IDENTIFIED BY '%s'" % ACCOUNT)
        server.query("GRANT ALL PRIVILEGES ON *.* TO '%s'@'127.0.0.1' WITH GRANT OPTION" % ACCOUNT[0])
        yield {"SLUICE_TEST_MARIADB": "127.0.0.1:%d:%s:%s" % ((server.port,) + ACCOUNT)}


def run_all(copy, mutants):
    """Names of what failed."""
    failures = check_unchanged(copy, mutants)
    for problem in failures:
        print(problem)
    for mutant in mutants if not failures else []:
        begun = time.monotonic()
        why = try_mutant(copy, mutant)
        print("%-8s %-38s %5.1f s  %s" % ("survives" if why else "found", mutant["name"],
                                          time.monotonic() - begun, mutant["test"]), flush=True)
        if why:
            print("  rule: %s\n  %s" % (mutant["rule"], why))
            failures.append(mutant["name"])
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", default="", help="only mutants whose name contains this")
    parser.add_argument("--dir", default="", help="make and keep the copy here")
    options = parser.parse_args()
    mutants = [mutant for mutant in load_all() if options.k in os.path.basename(mutant["path"])]
    skipped = [mutant for mutant in mutants if lacks(mutant)]
    for mutant in skipped:
        print("skipped: %s: this CPU has no %s" % (mutant["name"], " ".join(lacks(mutant))))
    mutants = [mutant for mutant in mutants if mutant not in skipped]
    with live_server(mutants) as servers:
        copy = Copy(options.dir, servers)
        try:
            failures = run_all(copy, mutants)
        finally:
            copy.close()
    print("%d passed, %d failed, %d skipped" % (max(0, len(mutants) - len(failures)), len(failures), len(skipped)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
