#!/usr/bin/python3
# tests/support/coverage.py — what of the sources the cmocka tests ran: lines and branches by file, and
# groups of files against their goals.
"""Called by test.sh --cov after the programs of a build with SLUICE_COVERAGE were run: clang's
source-based coverage, both sides of each condition counted as branches. Each goal is one case."""

import argparse
import fnmatch
import glob
import json
import os
import subprocess
import sys

import runner

# The decoders read bytes from outside: nearly all of their refusals have to be seen working.
GOALS = tuple((group, 95.0, 90.0) for group in
              ("cdc/log/decode*", "cdc/log/value*", "cdc/log/jsonb*", "state/gtid*"))


def tool(name):
    """Debian gives the tools their version's number."""
    for word in (name + "-14", name):
        if any(os.access(os.path.join(folder, word), os.X_OK)
               for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)):
            return word
    raise SystemExit("coverage.py: %s not found" % name)


def merged(build):
    """All profiles of the run as one file."""
    profile = os.path.join(build, "all.profdata")
    raw = glob.glob(os.path.join(build, "profile", "*.profraw"))
    if not raw:
        raise SystemExit("coverage.py: no program left a profile in %s/profile" % build)
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", profile] + raw, check=True)
    return profile


def figures(build):
    """{path: (lines, lines seen, branches, branches seen)} of the program's own sources."""
    programs = sorted(path for path in glob.glob(os.path.join(build, "test_*"))
                      if os.path.isfile(path) and os.access(path, os.X_OK))
    words = [tool("llvm-cov"), "export", "-summary-only", "-instr-profile", merged(build),
             "-ignore-filename-regex", "/tests/", programs[0]]
    for program in programs[1:]:
        words += ["-object", program]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = {}
    for entry in json.loads(done.stdout)["data"][0]["files"]:
        lines, branches = entry["summary"]["lines"], entry["summary"]["branches"]
        if lines["count"]:
            found[os.path.relpath(entry["filename"], runner.ROOT)] = (
                lines["count"], lines["covered"], branches["count"], branches["covered"])
    return found


def added(rows):
    return tuple(map(sum, zip(*rows))) if rows else (0, 0, 0, 0)


def percent(seen, count):
    return 100.0 * seen / count if count else 100.0


def show(name, row, verdict=""):
    print("%-30s %6d %6d %6.1f %%  %6d %6d %6.1f %%  %s" % (
        name, row[0], row[1], percent(row[1], row[0]), row[2], row[3], percent(row[3], row[2]),
        verdict), flush=True)


def judge(found, tally, count):
    for group, lines_goal, branches_goal in GOALS:
        row = added([found[path] for path in found if fnmatch.fnmatch(path, group)])
        met = (row[0] > 0 and percent(row[1], row[0]) >= lines_goal and
               percent(row[3], row[2]) >= branches_goal)
        goal = "goal %g %% and %g %%" % (lines_goal, branches_goal)
        show(group, row, goal + (": met" if met else ": MISSED"))
        if count:
            tally.add(int(met), int(not met), [], "coverage/" + group, goal)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--name", default="", help="not all tests were run: goals are shown only")
    parser.add_argument("--into", required=True)
    options = parser.parse_args()
    found, tally = figures(options.build), runner.Tally()
    print("%-30s %6s %6s %8s  %6s %6s %8s" % ("file", "lines", "seen", "", "branches", "seen", ""))
    for path in sorted(found):
        show(path, found[path])
    show("all", added(list(found.values())))
    judge(found, tally, not options.name)
    runner.carry(tally, options.into)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
