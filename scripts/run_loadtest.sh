#!/usr/bin/env bash
# Records this machine while a load runs, proves before the load that it is being recorded, and sums up afterwards.
#
#   run_loadtest.sh [--open] [DURATION]      minutes (1, 0.5) or with a unit (20s, 10m, 2h); default 1
#
# Needs bash, Python >= 3.9, and perfkit.pyz beside it or in ../dist (in a checkout it is built if it is missing).
#
#   LOAD='k6 run x.js'    run this instead of the built-in load; it decides itself how long it takes
#   SYSBENCH_THREADS=4    threads of the built-in load; default one a CPU
#   SKIP_CONTAINERS=1     leave containers alone: neither record them nor run load inside them
#   FREQUENCY=1s          distance of the samples
#   RESULTS=DIR           where the results go; default ~/results/<timestamp>
#   PERFKIT_PYZ=FILE      which perfkit.pyz;  PYTHON=python3.12  which Python
#
# Exit code: that of the load, or 1 where the recording failed, or 2 for wrong usage.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self="$here/$(basename "${BASH_SOURCE[0]}")"

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
abort() { # CODE SENTENCE
  printf 'run_loadtest: %s\n' "$2" >&2
  exit "$1"
}

# ---- the built-in load -------------------------------------------------------------------------------------------

busy() { # SECONDS THREADS: computes, where sysbench is not installed
  "$PYTHON" - "$1" "$2" <<'PYTHON'
import multiprocessing, sys, time
def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))
workers = [multiprocessing.Process(target=spin, args=(float(sys.argv[1]),)) for _ in range(int(sys.argv[2]))]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
PYTHON
}

fill() { # SECONDS THREADS: writes memory
  "$PYTHON" - "$1" "$2" <<'PYTHON'
import multiprocessing, sys, time
def churn(seconds):
    end, block = time.monotonic() + seconds, bytearray(64 << 20)
    while time.monotonic() < end:
        block[:] = bytes(len(block))
workers = [multiprocessing.Process(target=churn, args=(float(sys.argv[1]),)) for _ in range(int(sys.argv[2]))]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
PYTHON
}

scribble() { # SECONDS FOLDER: writes and forces to disk, 32 MiB at a time
  local end=$((SECONDS + $1))
  while ((SECONDS < end)); do
    dd if=/dev/zero of="$2/scribble" bs=1M count=32 conv=fsync status=none
  done
}

load_cpu() {
  if command -v sysbench >/dev/null; then sysbench cpu --threads="$THREADS" --time="$1" run; else busy "$1" "$THREADS"; fi
}

load_memory() {
  if command -v sysbench >/dev/null; then
    sysbench memory --threads="$THREADS" --memory-total-size=1000T --time="$1" run
  else fill "$1" "$THREADS"; fi
}

load_disk() {
  local folder
  folder=$(mktemp -d "$RESULTS/disk.XXXXXX")
  if command -v sysbench >/dev/null; then
    (
      cd "$folder"
      sysbench fileio --file-num=4 --file-total-size=128M prepare >/dev/null
      sysbench fileio --file-num=4 --file-total-size=128M --file-test-mode=rndrw --threads="$THREADS" --time="$1" run
    )
  else scribble "$1" "$folder"; fi
  rm -r "$folder"
}

phase() { # NAME COMMAND...: the command between a start and an end mark
  local name=$1 code=0
  shift
  say "phase $name"
  perfkit mark "$name" --collection "$COLLECTION" --kind start >/dev/null
  "$@" || code=$?
  perfkit mark "$name" --collection "$COLLECTION" --kind end >/dev/null
  return "$code"
}

# Run by preflight, inside the proof: everything that makes load.
phases() { # SECONDS
  local each=$(($1 / 4)) edge
  edge=$((each > 20 ? 10 : each / 2))
  ((edge > 0)) || edge=1
  ((each > 2 * edge / 3)) && each=$((($1 - 2 * edge) / 3))
  ((each > 0)) || each=1
  phase baseline sleep "$edge"
  if [[ -n ${LOAD:-} ]]; then
    phase load bash -c "$LOAD"
  else
    phase cpu load_cpu "$each"
    phase memory load_memory "$each"
    phase disk load_disk "$each"
  fi
  phase cooldown sleep "$edge"
}

# ---- set-up ------------------------------------------------------------------------------------------------------

find_python() {
  PYTHON=${PYTHON:-python3}
  command -v "$PYTHON" >/dev/null || abort 2 "there is no $PYTHON; install Python >= 3.9, or name one with PYTHON=."
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || abort 2 "$PYTHON is $("$PYTHON" --version 2>&1); Python >= 3.9 is needed."
}

find_pyz() {
  local place
  for place in "${PERFKIT_PYZ:-}" "$here/perfkit.pyz" "$here/../dist/perfkit.pyz"; do
    if [[ -n $place && -f $place ]]; then PYZ=$(cd "$(dirname "$place")" && pwd)/$(basename "$place") && return; fi
  done
  [[ -z ${PERFKIT_PYZ:-} ]] || abort 2 "there is no $PERFKIT_PYZ."
  [[ -f $here/../build_zipapp.py ]] || abort 2 "there is no perfkit.pyz beside $self; copy it there."
  say "building perfkit.pyz (once)"
  (cd "$here/.." && "$PYTHON" build_zipapp.py) || abort 1 "perfkit.pyz could not be built; see above."
  PYZ=$(cd "$here/../dist" && pwd)/perfkit.pyz
}

perfkit() { "$PYTHON" "$PYZ" "$@"; }

seconds_of() { # DURATION
  local text=$1 unit=${1##*[0-9]}
  case $unit in
    '' | m) awk -v n="${text%m}" 'BEGIN { printf "%d", n * 60 }' ;;
    s) printf '%d' "${text%s}" ;;
    h) awk -v n="${text%h}" 'BEGIN { printf "%d", n * 3600 }' ;;
    *) return 1 ;;
  esac
}

# ---- the run -----------------------------------------------------------------------------------------------------

stop_collector() { # ends the collector that this script has started, and no other
  if [[ -n ${collector:-} ]]; then
    kill -TERM "$collector" 2>/dev/null || true
    wait "$collector" 2>/dev/null || true
    collector=
  fi
}

start_collector() {
  local containers=--containers
  [[ -z ${SKIP_CONTAINERS:-} ]] || containers=--no-containers
  perfkit collect --mode local --collection "$COLLECTION" --duration "$(($1 + 600))s" --frequency "${FREQUENCY:-1s}" "$containers" \
    >"$RESULTS/collect.log" 2>&1 &
  collector=$!
}

summarise() {
  perfkit process --collection "$COLLECTION" --outdir "$RESULTS/processed"
  perfkit import --file "$COLLECTION"
}

has_desk() {
  "$PYTHON" -c 'import sys, zipfile
sys.exit(sys.version_info < (3, 11) or not any(name.startswith("desk/") for name in zipfile.ZipFile(sys.argv[1]).namelist()))' "$PYZ"
}

main() {
  local open='' length=1 seconds code=0 word
  for word in "$@"; do
    case $word in
      --open) open=1 ;;
      -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$self" && exit 0 ;;
      -*) abort 2 "there is no option $word; see $self --help." ;;
      *) length=$word ;;
    esac
  done
  [[ $length =~ ^[0-9]+(\.[0-9]+)?[smh]?$ ]] || abort 2 "$length is not a duration; write minutes (1) or 20s, 10m, 2h."
  seconds=$(seconds_of "$length")
  ((seconds >= 5)) || abort 2 "$length is too short; 5s is the least."
  find_python
  find_pyz
  THREADS=${SYSBENCH_THREADS:-$(nproc)}
  RESULTS=${RESULTS:-$HOME/results/$(date -u +%Y%m%dT%H%M%SZ)}
  mkdir -p "$RESULTS"
  COLLECTION=$RESULTS/$(uname -n).json
  export PYTHON PYZ THREADS RESULTS COLLECTION

  say "results in $RESULTS"
  trap stop_collector EXIT
  start_collector "$seconds"
  say "collector started (pid $collector)"
  perfkit preflight --collection "$COLLECTION" -- "$self" --phases "$seconds" || code=$?
  stop_collector
  if ((code)); then
    tail -n 20 "$RESULTS/collect.log" >&2
    abort "$code" "the load test failed (exit code $code); the collector's last messages are above."
  fi
  if has_desk; then
    summarise
    say "to see it: $PYTHON $PYZ serve --open"
    [[ -z $open ]] || exec "$PYTHON" "$PYZ" serve --open
  else
    say "to evaluate it, copy $RESULTS to a machine with Python >= 3.11 and the full perfkit.pyz"
  fi
}

if [[ ${1:-} == --phases ]]; then phases "$2"; else main "$@"; fi
