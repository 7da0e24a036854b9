#!/usr/bin/env bash
# tools/install_deps.sh — installs the Debian 12 packages that building, running and testing need.
#
# usage: tools/install_deps.sh [build] [run] [test] [kafka]      (no word: build run)
#   build  compiler, cmake and the libraries that sluice links
#   run    MariaDB server and client, the Python of the quickstart and of the server harness
#   test   everything ./test.sh wants besides: clang, its tools, cmocka, pytest, linters
#   kafka  Java and Maven, for the tests against a real Kafka broker
# Asks apt for nothing when every package is there. Works as root, else through sudo.
set -euo pipefail

BUILD=(build-essential python3 cmake ninja-build pkg-config ccache git
       libmariadb-dev librdkafka-dev libjansson-dev libyaml-dev libevent-dev libsqlite3-dev
       libzstd-dev libxxhash-dev zlib1g-dev libcurl4-openssl-dev libssl-dev libcmocka-dev)
RUN=(mariadb-server-core mariadb-client python3 python3-pymysql python3-cryptography kcat
     debian-archive-keyring)
TEST=(clang clang-format clang-tidy universal-ctags libclang-rt-14-dev llvm-14 cppcheck shellcheck libavro-dev
      python3-pytest)
KAFKA=(maven openjdk-17-jdk-headless)

say() { printf 'install_deps: %s\n' "$*"; }
die() { printf 'install_deps: %s\n' "$*" >&2; exit 1; }

wanted=()
[ $# -gt 0 ] || set -- build run
for set_name in "$@"; do
    case $set_name in
    build) wanted+=("${BUILD[@]}") ;;
    run) wanted+=("${RUN[@]}") ;;
    test) wanted+=("${TEST[@]}") ;;
    kafka) wanted+=("${KAFKA[@]}") ;;
    *) die "unknown set '$set_name'; one of: build run test kafka" ;;
    esac
done

command -v apt-get >/dev/null || die "apt-get not found: this script knows Debian only; see the package lists in $0"

installed=" $(dpkg-query -W -f='${db:Status-Abbrev}${binary:Package}\n' | sed -n 's/^ii *\([^:]*\).*/\1/p' | tr '\n' ' ') "
missing=()
for package in "${wanted[@]}"; do
    case $installed in
    *" $package "*) ;;
    *) missing+=("$package") ;;
    esac
done
if [ ${#missing[@]} -eq 0 ]; then
    say "all ${#wanted[@]} packages of '$*' are installed"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; as root run: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
say "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}
# An index that does not answer only matters if a package is then not found.
run_apt update || say "apt-get update was not complete; going on with what is known"
run_apt --no-install-recommends install "${missing[@]}" ||
    { tail -20 "$log" >&2; die "apt-get install failed; the packages: ${missing[*]}"; }
say "done"
