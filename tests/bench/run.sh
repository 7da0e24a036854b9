#!/usr/bin/env bash
# tests/bench/run.sh — builds the release and measures floor, peer and sluice, interleaved in one run.
#
# usage: tests/bench/run.sh B1|B2|B3|B4|B11|B13|all... [--json [FILE]] [--rounds N] [--scale F] [--durable]
#   --json       the figures as JSON, to the standard output or into FILE
#   --rounds N   rounds of floor, peer, ours (default 7)
#   --scale F    a fraction of the data, for slow machines (default 1)
#   --durable    innodb_flush_log_at_trx_commit=1 and sync_binlog=1
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -eq 0 ]; then
    sed -n '4,8s/^# \{0,1\}//p' "$0"
    exit 2
fi
tools/install_deps.sh build run >&2
mkdir -p build
{ cmake --preset release && ninja -C build/release; } >build/release.log 2>&1 ||
    { tail -30 build/release.log >&2; exit 1; }
SLUICE_BUILD=${SLUICE_BUILD:-$PWD/build/release} exec /usr/bin/python3 tests/bench/bench.py "$@"
