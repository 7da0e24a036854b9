#!/usr/bin/python3
# tests/support/fuzz.py — runs each libFuzzer target for a while; a crash is a failed case.
"""Each target starts from tests/fuzz/corpus/NAME; what it finds besides stays in the build directory."""

import argparse
import concurrent.futures
import glob
import os
import subprocess
import sys
import time

import runner


def fuzz_one(program, seconds):
    """Runs one target; (exit code, what it said, its seconds)."""
    name = os.path.basename(program)
    found = program + ".corpus"
    os.makedirs(found, exist_ok=True)
    corpus = os.path.join(runner.ROOT, "tests", "fuzz", "corpus", name[len("fuzz_"):])
    words = [program, "-max_total_time=%d" % seconds, "-rss_limit_mb=2048", "-timeout=25",
             "-artifact_prefix=%s.crash-" % program, "-verbosity=0", "-print_final_stats=1", found]
    begun = time.monotonic()
    done = subprocess.run(words + ([corpus] if os.path.isdir(corpus) else []), check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace"), time.monotonic() - begun


def count(name, code, output, seconds, tally):
    executed = [line.split()[-1] for line in output.splitlines() if "number_of_executed_units" in line]
    failed = int(code != 0)
    runner.say("FAIL" if failed else "ok", "fuzz/" + name, seconds, "%s executions" % (executed[0] if executed else "?"))
    tally.add(1 - failed, failed, [], "fuzz/" + name, output)
    tally.count("fuzz_executions", int(executed[0]) if executed else 0)


def targets(build, wanted):
    """Paths of the programs whose name contains `wanted`."""
    named = [(os.path.basename(path), path) for path in sorted(glob.glob(os.path.join(build, "fuzz_*")))]
    return [path for name, path in named if os.access(path, os.X_OK) and "." not in name and wanted in name]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--name", default="", help="only targets whose name contains this")
    parser.add_argument("--into", required=True)
    options = parser.parse_args()
    tally = runner.Tally()
    programs = targets(options.build, options.name)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:  # each keeps one core busy
        for program, said in zip(programs, pool.map(lambda path: fuzz_one(path, options.seconds), programs)):
            count(os.path.basename(program), *said, tally)
    runner.carry(tally, options.into)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
