#!/usr/bin/env bash
# quickstart.sh — from a fresh clone to moved, resharded and published tables, while an application writes.
#
# usage: ./quickstart.sh [--fast] [--mysql] [--kafka HOST:PORT] [--keep] [--build-only]
#   --fast             a small sample and short phases (under a minute after the build)
#   --mysql            MySQL 9.7 instead of MariaDB
#   --kafka HOST:PORT  publish into this broker, not into a mock cluster in a process of its own
#   --keep             leave servers, daemon and files when all is done, and say how to go on by hand
#   --build-only       install the packages and build build/sluice, then stop
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    sed -n '4,9s/^# \{0,1\}//p' "$0"
    exit "$1"
}

build_only=
pass_on=()
while [ $# -gt 0 ]; do
    case $1 in
    --build-only) build_only=1 ;;
    --fast | --mysql | --keep) pass_on+=("$1") ;;
    --kafka)
        [ $# -ge 2 ] || usage 2
        pass_on+=(--kafka "$2")
        shift
        ;;
    --kafka=*) pass_on+=(--kafka "${1#--kafka=}") ;;
    -h | --help) usage 0 ;;
    *)
        printf 'quickstart: unknown option %s\n' "$1" >&2
        usage 2
        ;;
    esac
    shift
done

if [ -n "$build_only" ]; then
    tools/install_deps.sh build
else
    tools/install_deps.sh build run
fi

echo "quickstart: building build/sluice"
log=build/quickstart-build.log
mkdir -p build
{ cmake --preset dev && ninja -C build sluice sluice_test_writer sluice_test_kafka sluice_test_consumer; } >"$log" 2>&1 ||
    {
        grep -E 'error:|FAILED:|undefined reference' "$log" | head -20 >&2 || tail -20 "$log" >&2
        echo "quickstart: the build failed, see $log" >&2
        exit 1
    }
if [ -n "$build_only" ]; then
    echo "quickstart: build/sluice is built; try build/sluice --help"
    exit 0
fi
exec /usr/bin/python3 tests/support/quickstart.py "${pass_on[@]}"
