#!/usr/bin/env bash
# Run every test of perfkit: a virtual environment from requirements.lock, the built pyz, then pytest (style and types are tests too).
# What is there is not made again, so a second run starts at once. Arguments go to pytest: scripts/test.sh tests/store -k rollup
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE # some images set it; every command that a test starts would compile all of perfkit again

say() { printf '\n== %s\n' "$*"; }

fitting_python() { # the machine's own if it will do
    local python
    for python in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "test.sh: Python 3.11 or later with venv is needed (Debian, Ubuntu: apt-get install python3-venv)." >&2
    return 2
}

# Command, then the package that has it. Tests that miss one skip, and say so.
system_packages="chromium-headless-shell:chromium-headless-shell sar:sysstat shellcheck:shellcheck sysbench:sysbench wrk:wrk sqlite3:sqlite3 pg_ctlcluster:postgresql pypy3:pypy3 zsh:zsh fish:fish firefox-esr:firefox-esr"

install_system_packages() {
    local pair missing=()
    for pair in $system_packages; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "not installed, and this user cannot: ${missing[*]} (the tests that need them will skip)"
        return 0
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >build/apt.log 2>&1 || true
    apt-get install -qq -y --no-install-recommends "${missing[@]}" >>build/apt.log 2>&1 && return 0
    local package # one that this release does not have must not keep the others out
    for package in "${missing[@]}"; do
        apt-get install -qq -y --no-install-recommends "$package" >>build/apt.log 2>&1 ||
            say "apt-get could not install $package, see build/apt.log (the tests that need it will skip)"
    done
}

make_environment() { # in build/, so that a developer's own .venv is left alone
    local stamp
    stamp="$("$python" -V) $(sha256sum requirements.lock)"
    [ "$(cat build/venv/stamp 2>/dev/null)" != "$stamp" ] || return 0
    say "virtual environment: $stamp"
    rm -rf build/venv
    "$python" -m venv build/venv
    build/venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements.lock 2> >(grep -v '^WARNING: Location' >&2)
    echo "$stamp" >build/venv/stamp
}

mkdir -p build
python=$(fitting_python)
if [ "${1:-}" = --environment ]; then # what scripts/check.sh needs, and no more
    make_environment
    exit
fi
install_system_packages & # beside the environment and the build, which need none of them
packages=$!
scripts/biome.sh --fetch & # the tests that need it skip where it cannot be had
biome=$!
make_environment
compiled=
if [ ! -d tests/support/__pycache__ ]; then # else every worker compiles all tests, and what they import, at the same time
    build/venv/bin/python -m pytest --collect-only -q >/dev/null 2>&1 &
    compiled=$!
fi
audit=
musl=
if [ -n "${CI:-}" ]; then # elsewhere scripts/musl.py is for who wants it; the tests skip without
    build/venv/bin/python scripts/musl.py &
    musl=$!
    # a weakness becomes known without a change here: it is told, and fails nothing
    scripts/audit.sh >build/audit.log 2>&1 &
    audit=$!
fi

say "build"
build/venv/bin/python build_zipapp.py
wait "$packages"
wait "$biome" || true
[ -z "$compiled" ] || wait "$compiled" || true # what is wrong the tests below tell
[ -z "$musl" ] || wait "$musl" || true

say "tests"
code=0
build/venv/bin/python -m pytest -n 4 --dist worksteal -rfEs --no-fold-skipped "$@" || code=$?
if [ -n "$audit" ]; then
    wait "$audit" || true
    cat build/audit.log
fi
exit "$code"
