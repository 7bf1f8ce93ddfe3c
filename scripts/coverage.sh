#!/usr/bin/env bash
# Branch coverage of src/perfkit by the tests, in all the processes that they start; fails below the floor in pyproject.toml (90 %).
# Takes about twice the time of scripts/test.sh, and is not part of it. Arguments go to pytest: with some there is no floor.
# What runs from the built perfkit.pyz, or from a copy of the tree, is not counted: the report is of the checkout alone.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/test.sh --environment
build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r scripts/coverage.lock

rm -rf build/coverage
code=0
build/venv/bin/python -m coverage run -m pytest -n 2 --dist worksteal -q "$@" || code=$?
build/venv/bin/python -m coverage combine --quiet
if [ $# -gt 0 ]; then set -- --fail-under=0; fi
build/venv/bin/python -m coverage report --ignore-errors --include="$PWD/src/perfkit/*" --skip-covered "$@" || code=$?
exit "$code"
