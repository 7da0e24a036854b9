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

Each is compiled in a copy of the tree (ccache makes that quick) and its test must FAIL there. A mutant that
survives, does not compile or no longer applies is a failure of this run.
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIELDS = ("rule", "file", "from", "to", "test")


def load(path):
    mutant = {"path": path, "name": os.path.basename(path)[:-7]}
    with open(path, encoding="utf-8") as text:
        for line in text:
            name, colon, value = line.rstrip("\n").partition(":")
            if colon and name in FIELDS:
                mutant[name] = value[1:] if value.startswith(" ") else value
    missing = [field for field in FIELDS if field not in mutant]
    if missing:
        raise ValueError("%s lacks %s" % (path, ", ".join(missing)))
    for field in ("from", "to"):
        mutant[field] = mutant[field].replace("\\n", "\n").replace("\\t", "\t")
    return mutant


def copy_tree(to):
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.splitlines()
    for name in tracked:
        source = os.path.join(ROOT, name)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
        shutil.copy2(source, os.path.join(to, name))


def quiet(words, cwd, timeout_s=600, env=None):
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=timeout_s,
                          stdin=subprocess.DEVNULL, check=False, env=env)


class Copy:
    """The tree in a folder of its own, built once, with one mutant at a time."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sluice-mutants-")
        copy_tree(self.dir)
        self.build = os.path.join(self.dir, "build")
        done = quiet(["cmake", "-S", self.dir, "-B", self.build, "-G", "Ninja",
                      "-DCMAKE_BUILD_TYPE=Debug"], self.dir)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def compile(self, target):
        return quiet(["ninja", "-C", self.build, *target], self.dir)

    def run(self, kind, words):
        """The test's exit code and output."""
        if kind == "pytest":
            done = self.compile(["sluice", "sluice_test_writer"])
            if done.returncode:
                return None, done.stdout
            env = dict(os.environ, SLUICE_BUILD=self.build, PYTHONDONTWRITEBYTECODE="1")
            done = quiet(["/usr/bin/python3", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
                          *words], self.dir, env=env)
            return done.returncode, done.stdout
        program = "model_copy" if kind == "model" else words[0]
        arguments = words if kind == "model" else []
        done = self.compile([program])
        if done.returncode:
            return None, done.stdout
        env = dict(os.environ)
        if len(words) > 1 and kind != "model":
            env["CMOCKA_TEST_FILTER"] = words[1]
        path = next(iter(glob.glob(os.path.join(self.build, "**", program), recursive=True)))
        env.setdefault("SLUICE_FIXTURES", os.path.join(os.path.dirname(ROOT), "shared", "fixtures"))
        done = quiet([path, *arguments], self.dir, env=env)
        return done.returncode, done.stdout + done.stderr


def try_mutant(copy, mutant):
    """"" when the mutant is found, else why not."""
    path = os.path.join(copy.dir, mutant["file"])
    with open(path, encoding="utf-8") as text:
        original = text.read()
    if original.count(mutant["from"]) != 1:
        return "its text occurs %d times in %s" % (original.count(mutant["from"]), mutant["file"])
    words = mutant["test"].split()
    try:
        with open(path, "w", encoding="utf-8") as out:
            out.write(original.replace(mutant["from"], mutant["to"]))
        code, output = copy.run(words[0], words[1:])
    except subprocess.TimeoutExpired:
        return ""  # a test that hangs has noticed, too
    finally:
        with open(path, "w", encoding="utf-8") as out:
            out.write(original)
    if code is None:
        return "it does not compile:\n" + output[-1500:]
    return "" if code != 0 else "it survives `%s`" % mutant["test"]


def check_unchanged(copy, mutants):
    """Each named test passes without a mutant: else finding one would mean nothing."""
    broken = []
    for test in sorted({mutant["test"] for mutant in mutants}):
        code, output = copy.run(test.split()[0], test.split()[1:])
        if code != 0:
            broken.append("%s fails without any mutant:\n%s" % (test, output[-1500:]))
    return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", default="", help="only mutants whose name contains this")
    options = parser.parse_args()
    mutants = [load(path) for path in sorted(glob.glob(os.path.join(HERE, "*.mutant")))
               if options.k in os.path.basename(path)]
    copy = Copy()
    failures = []
    try:
        failures = check_unchanged(copy, mutants)
        for problem in failures:
            print(problem)
        for mutant in mutants if not failures else []:
            begun = time.monotonic()
            why = try_mutant(copy, mutant)
            print("%-7s %-34s %-40s %5.1f s" % ("found" if not why else "SURVIVES", mutant["name"],
                                                mutant["test"], time.monotonic() - begun), flush=True)
            if why:
                print("  rule: %s\n  %s" % (mutant["rule"], why))
                failures.append(mutant["name"])
    finally:
        copy.close()
    print("%d passed, %d failed, 0 skipped" % (len(mutants) - len(failures), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
