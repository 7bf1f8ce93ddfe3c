#!/usr/bin/env bash
# The quick checks of the style tests, without the tests: what .pre-commit-config.yaml runs before a commit. Names choose some of them:
#   scripts/check.sh [lint] [format] [types] [shell] [sql] [pages]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/test.sh --environment

check() {
    case $1 in
    lint) build/venv/bin/ruff check --quiet . ;;
    format) build/venv/bin/ruff format --quiet --check . ;;
    types) build/venv/bin/mypy --no-error-summary ;;
    shell)
        if command -v shellcheck >/dev/null; then
            shellcheck scripts/*.sh completions/perfkit.bash .ci/run
        else
            echo "check.sh: shellcheck is not installed; the shell scripts were not checked." >&2
        fi
        ;;
    sql) build/venv/bin/python -m pytest -q --no-header -p no:cacheprovider tests/docs/test_lint.py -k sql ;;
    pages) build/venv/bin/python -m pytest -q --no-header -p no:cacheprovider tests/docs/test_lint.py -k 'not sql' ;;
    *) echo "check.sh: there is no check $1; there are lint, format, types, shell, sql and pages." >&2 && return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- lint format types shell sql pages
for name in "$@"; do check "$name"; done
