#!/usr/bin/env bash
# Build the documentation as a site, build/site/index.html: the generated pages anew, then mkdocs, which checks every link and heading.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x build/venv/bin/python ] || { echo "docs.sh: run scripts/test.sh --version first; it makes build/venv." >&2; exit 2; }
stamp="$(sha256sum scripts/docs.lock)"
if [ "$(cat build/docs/stamp 2>/dev/null)" != "$stamp" ]; then
    rm -rf build/docs
    build/venv/bin/python -m venv build/docs
    build/docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r scripts/docs.lock
    echo "$stamp" >build/docs/stamp
fi
PYTHONPATH=src build/venv/bin/python scripts/reference.py
NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --quiet --strict --config-file scripts/mkdocs.yml
echo "build/site/index.html: $(find build/site -name '*.html' | wc -l) pages"
