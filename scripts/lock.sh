#!/usr/bin/env bash
# Resolve pyproject.toml's dependencies anew and write requirements.lock: every version once, with the hashes of all its files,
# so that one lock serves every platform and Python; and scripts/*.lock for what scripts install for themselves. Run it after a change to pyproject.toml; the build and the tests only read it.
set -euo pipefail
cd "$(dirname "$0")/.."

work=build/lock
mkdir -p "$work"
[ -x "$work/venv/bin/uv" ] || { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet uv; }

# datasette names pip and setuptools for its own installer of plugins, which perfkit does not offer.
echo "youplot==1.0.0" >"$work/static.in"

known=(pip setuptools)

resolve() { # PYTHON OUTPUT, then what to resolve
    local python=$1 output=$2
    shift 2
    "$work/venv/bin/uv" pip compile --quiet --no-config --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --generate-hashes --python-platform x86_64-manylinux_2_28 --python-version "$python" --python "$work/venv/bin/python" \
        --constraint "$work/target.txt" "${known[@]/#/--no-emit-package=}" \
        --output-file "$output" "$@" 2> >(grep -v '^warning: The requested Python version' >&2)
}

section() { # NAME TITLE PYTHON, then what to resolve; what an earlier section has is not repeated
    local name=$1 title=$2 python=$3
    shift 3
    resolve "$python" "$work/$name.txt" "$@"
    printf '\n# [%s] %s\n' "$name" "$title"
    cat "$work/$name.txt"
    mapfile -t -O "${#known[@]}" known < <(sed -n 's/^\([a-z0-9._-]*\)==.*/\1/p' "$work/$name.txt")
}

rm -f "$work"/*.txt.new "$work"/{target,desk,static,test,bench}.txt
echo "click==8.1.8" >"$work/target.txt" # a constraint of the first round already
{
    echo "# Every dependency of perfkit, pinned and hashed. Written by scripts/lock.sh; do not edit."
    echo "# Install with: pip install --no-deps --require-hashes -r requirements.lock"
    section target "pure Python, starts from the zip on Python 3.9 and later" 3.9 pyproject.toml
    section desk "Python 3.11 and later, unpacked from the pyz" 3.11 pyproject.toml
    section static "wheels that are only read: build_zipapp.py takes uPlot's two files out of this one" 3.11 --no-deps "$work/static.in"
    section test "what scripts/test.sh runs" 3.11 --extra postgres --extra test pyproject.toml
    section bench "what tests/bench compares with" 3.11 --extra postgres --extra test --extra bench pyproject.toml
} >"$work/requirements.lock"
mv "$work/requirements.lock" requirements.lock
echo "requirements.lock: $(grep -c == requirements.lock) packages"

tool() { # SCRIPT PACKAGE: what a script installs for itself
    {
        echo "# What scripts/$1.sh installs, pinned and hashed. Written by scripts/lock.sh; do not edit."
        "$work/venv/bin/uv" pip compile --quiet --no-config --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
            --generate-hashes --python-version 3.11 - <<<"$2"
    } >"$work/$1.lock"
    mv "$work/$1.lock" "scripts/$1.lock"
}

tool docs mkdocs-material
tool audit pip-audit
tool coverage coverage
