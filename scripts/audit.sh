#!/usr/bin/env bash
# Ask for known weaknesses of the packages in requirements.lock with pip-audit. Exit code 1 if there are any. A registry that does not
# answer, or does not know a package, is a warning: it says nothing about the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

warn() {
    echo "audit.sh: warning: $*" >&2
    exit 0
}

stamp="$(sha256sum scripts/audit.lock)"
if [ "$(cat build/audit/stamp 2>/dev/null)" != "$stamp" ]; then
    rm -rf build/audit
    python=${PYTHON:-build/venv/bin/python}
    "$python" -m venv --without-pip build/audit
    timeout 120 "$python" -m pip --python build/audit/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps --require-hashes \
        -r scripts/audit.lock 2>/dev/null ||
        warn "pip-audit could not be installed; nothing was audited."
    echo "$stamp" >build/audit/stamp
fi

timeout 60 build/audit/bin/pip-audit --disable-pip --no-deps --requirement requirements.lock --progress-spinner off --format json \
    >build/audit/answer.json 2>build/audit/log || true # its code does not tell a weakness from silence; its answer does
[ -s build/audit/answer.json ] || warn "the registry did not answer (build/audit/log); nothing was audited."
build/venv/bin/python - <<'PYTHON'
import json
found = json.load(open("build/audit/answer.json"))["dependencies"]
unknown = [one["name"] for one in found if "skip_reason" in one]
weak = [f"{one['name']} {one['version']}: {', '.join(v['id'] for v in one['vulns'])}" for one in found if one.get("vulns")]
if unknown:
    print(f"audit.sh: warning: the registry says nothing of {len(unknown)} of {len(found)} packages.")
print(f"audit.sh: {len(found) - len(unknown)} packages audited, {len(weak)} with known weaknesses.", *weak, sep="\n")
raise SystemExit(bool(weak))
PYTHON
