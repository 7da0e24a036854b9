#!/usr/bin/env bash
# test.sh — installs what tests need, builds, runs them, and ends with `N passed, N failed, N skipped`.
#
# usage: ./test.sh [checks|unit|golden|component|model|integration|fault|fuzz]... [options]
#   no group      checks, unit, golden, component (dev and asan builds), model, integration,
#                 40 seeded kills, 10 s of fuzzing for each target
#   --deep        500 seeded kills, 200 seeds of altered moves, a larger model, longer fuzzing, the slow
#                 checks; leaves a line in tests/fault/results/ledger.tsv
#   -k NAME       only programs and tests whose name contains NAME
#   --asan, --tsan, --clang   unit, golden and component tests in that build alone
#   --libmysqlclient          the same, built on MySQL's client library (fetched into the cache)
#   --mutants     applies each patch of tests/mutants and shows the test that finds it
#   --cov         lines and branches that the cmocka tests cover; fails where the decoders' goals are missed
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    sed -n '4,13s/^# \{0,1\}//p' "$0"
    exit "$1"
}

groups=()
presets=()
deep=
name=
mutants=
coverage=
while [ $# -gt 0 ]; do
    case $1 in
    checks | unit | golden | component | model | integration | fault | fuzz) groups+=("$1") ;;
    --deep) deep=1 ;;
    --mutants) mutants=1 ;;
    --cov) coverage=1 ;;
    --asan | --tsan | --clang | --libmysqlclient) presets+=("${1#--}") ;;
    -k)
        [ $# -ge 2 ] || usage 2
        name=$2
        shift
        ;;
    -h | --help) usage 0 ;;
    *)
        printf 'test.sh: unknown word %s\n' "$1" >&2
        usage 2
        ;;
    esac
    shift
done
if [ ${#groups[@]} -eq 0 ]; then
    if [ ${#presets[@]} -gt 0 ] || [ -n "$coverage" ]; then
        groups=(unit golden component)
    else
        groups=(checks unit golden component model integration fault fuzz)
    fi
fi

wants() { case " ${groups[*]} " in *" $1 "*) return 0 ;; *) return 1 ;; esac }

if [ ${#presets[@]} -eq 0 ]; then
    presets=(dev)
    if wants unit || wants golden || wants component; then presets+=(asan); fi
fi

packages=(build run test)
! wants integration || packages+=(kafka)
tools/install_deps.sh "${packages[@]}"

build_dir() { if [ "$1" = dev ]; then echo build; else echo "build/$1"; fi; }

# The folder of the other client library, fetched when a build wants it.
mysql_root() {
    local root
    root=$(/usr/bin/python3 tests/servers/servers.py fetch libmysqlclient) || {
        printf 'test.sh: libmysqlclient could not be fetched\n0 passed, 1 failed, 0 skipped\n'
        exit 1
    }
    export SLUICE_MYSQL_ROOT=$root
}

# A preset, or only some targets of it; what the compiler said is shown only when it fails.
build() {
    local dir log
    dir=$(build_dir "$1")
    log=build/$1.log
    mkdir -p build
    printf 'building %s\n' "$1"
    [ "$1" != libmysqlclient ] || mysql_root
    { cmake --preset "$1" && ninja -C "$dir" "${@:2}"; } >"$log" 2>&1 || {
        grep -E 'error:|FAILED:|undefined reference' "$log" | head -30 || tail -30 "$log"
        printf 'test.sh: the build of %s failed, see %s\n0 passed, 1 failed, 0 skipped\n' "$1" "$log"
        exit 1
    }
}

if [ -n "$mutants" ]; then
    exec /usr/bin/python3 tests/mutants/run.py ${name:+-k "$name"}
fi
if [ -n "$coverage" ]; then
    presets=(cov)
    rm -rf build/cov/profile
    export LLVM_PROFILE_FILE="$PWD/build/cov/profile/%p-%m.profraw"
fi

# Real servers and the model are driven by the first build.
dirs=()
for preset in "${presets[@]}"; do
    build "$preset"
    dirs+=(--build "$(build_dir "$preset")")
done
if wants fuzz; then
    build fuzz
fi
# test_matrix.py wants the program on both client libraries.
if wants integration && { [[ matrix == *"$name"* ]] || [[ $name == *matrix* ]]; }; then
    build libmysqlclient sluice
fi

options=("${dirs[@]}" --name "$name" --kills 40)
[ -z "$deep" ] || options=("${dirs[@]}" --name "$name" --kills 500 --deep)
sum=$(mktemp -d)
trap 'rm -rf "$sum"' EXIT
status=0
if wants fuzz; then
    /usr/bin/python3 tests/support/fuzz.py --build build/fuzz --seconds "$([ -n "$deep" ] && echo 300 || echo 10)" \
        --name "$name" --into "$sum/all.json" || status=1
fi
/usr/bin/python3 tests/support/runner.py "${groups[@]}" "${options[@]}" --into "$sum/all.json" || status=1
if [ -n "$coverage" ]; then
    /usr/bin/python3 tests/support/coverage.py --build build/cov --name "$name" --into "$sum/all.json" || status=1
fi
/usr/bin/python3 tests/support/runner.py --build build --report "$sum/all.json" ${deep:+--deep} || status=1
exit $status
