#!/usr/bin/env bash
# Records this machine while a load runs, proves before the load that it is being recorded, and sums up afterwards.
#
#   run_loadtest.sh [--open] [DURATION]      minutes (1, 0.5) or with a unit (20s, 10m, 2h); default 1
#
# Needs bash, Python >= 3.9, and perfkit.pyz beside it or in ../dist (in a checkout it is built if it is missing).
# --open shows the results in the browser afterwards.
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

case ${SKIP_CONTAINERS:-} in 0 | [Ff]alse | FALSE | [Nn]o | NO | [Oo]ff | OFF) SKIP_CONTAINERS='' ;; esac

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
abort() { # CODE SENTENCE
  printf 'run_loadtest: %s\n' "$2" >&2
  exit "$1"
}

# ---- the built-in load: sysbench where it is installed, else Python and dd ----------------------------------------

python_load() { # SECONDS THREADS BYTES: computes in every thread, or fills a block of memory over and over if BYTES > 0
  "$PYTHON" - "$@" <<'PYTHON'
import os, sys, time
seconds, threads, size = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
children = []
for _ in range(threads):
    child = os.fork()
    if child == 0:
        end, block = time.monotonic() + seconds, bytearray(size)
        while time.monotonic() < end:
            if size:
                block[:] = bytes(size)
            else:
                sum(range(10_000))
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
PYTHON
}

load_cpu() { # SECONDS
  if command -v sysbench; then sysbench cpu --threads="$THREADS" --report-interval=1 --time="$1" run; else python_load "$1" "$THREADS" 0; fi
}

load_memory() { # SECONDS
  if command -v sysbench; then
    sysbench memory --threads="$THREADS" --report-interval=1 --memory-total-size=1000T --time="$1" run
  else
    python_load "$1" "$THREADS" 33554432
  fi
}

load_disk() ( # SECONDS
  folder=$(mktemp -d "$RESULTS/disk.XXXXXX")
  trap 'rm -r "$folder"' EXIT
  cd "$folder"
  if command -v sysbench; then
    sysbench fileio --file-num=4 --file-total-size=128M prepare >/dev/null
    sysbench fileio --file-num=4 --file-total-size=128M --file-test-mode=rndrw --threads="$THREADS" \
      --report-interval=1 --time="$1" run
  else
    end=$(($(date +%s%N) + $1 * 1000000000))
    while (($(date +%s%N) < end)); do dd if=/dev/zero of=block bs=1M count=32 conv=fsync status=none; done
  fi
)

in_container() { # RUNTIME NAME SECONDS: sysbench inside, where the image has it, else a shell that computes
  # shellcheck disable=SC2016  # expanded by the container's shell
  "$1" exec "$2" sh -c 'if command -v sysbench >/dev/null; then exec sysbench cpu --threads=1 --time="$0" run; fi
    end=$(($(date +%s) + $0)); while [ "$(date +%s)" -lt "$end" ]; do i=0; while [ "$i" -lt 20000 ]; do i=$((i + 1)); done; done' "$3"
}

load_containers() { # SECONDS: in all running containers at once
  local runtime name job jobs=()
  while read -r runtime _ name; do
    in_container "$runtime" "$name" "$1" >"$RESULTS/logs/load-$name.log" 2>&1 &
    jobs+=($!)
  done <"$RESULTS/containers.txt"
  for job in "${jobs[@]}"; do wait "$job" || say "load failed inside one container; see $RESULTS/logs"; done
}

# ---- phases: run by preflight, inside the proof -------------------------------------------------------------------

phase() { # NAME COMMAND...: between a start and an end mark
  local name=$1 code=0
  shift
  say "phase $name"
  perfkit mark "$name" --collection "$COLLECTION" --kind start >/dev/null
  "$@" || code=$?
  perfkit mark "$name" --collection "$COLLECTION" --kind end >/dev/null
  return "$code"
}

logged() { # NAME COMMAND...: its output goes to a log of its own; the log's end is shown if it fails
  local log="$RESULTS/logs/$1.log"
  date -u +%Y-%m-%dT%H:%M:%SZ >"$RESULTS/logs/$1.start"
  shift
  "$@" >"$log" 2>&1 || {
    local code=$?
    tail -n 20 "$log" >&2
    return "$code"
  }
}

shown() {
  date -u +%Y-%m-%dT%H:%M:%SZ >"$RESULTS/logs/load.start"
  bash -c "$LOAD" 2>&1 | tee "$RESULTS/logs/load.log"
}

phases() { # SECONDS
  local edge=$(($1 / 10)) kinds=(cpu memory disk) kind each
  ((edge >= 1)) || edge=1
  ((edge <= 30)) || edge=30
  [[ ! -s $RESULTS/containers.txt ]] || kinds+=(containers)
  each=$((($1 - 2 * edge) / ${#kinds[@]}))
  ((each >= 1)) || each=1
  phase warmup sleep "$edge"
  if [[ -n ${LOAD:-} ]]; then
    phase steady shown
  else
    for kind in "${kinds[@]}"; do phase "$kind" logged "$kind" "load_$kind" "$each"; done
  fi
  phase cooldown sleep "$edge"
}

# ---- set-up --------------------------------------------------------------------------------------------------------

find_python() {
  local name=${PYTHON:-python3}
  PYTHON=$(command -v "$name") || abort 2 "there is no $name; install Python >= 3.9, or name one with PYTHON=."
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    abort 2 "$PYTHON is $("$PYTHON" --version 2>&1); Python >= 3.9 is needed, name one with PYTHON=."
}

find_pyz() {
  local place
  [[ -z ${PERFKIT_PYZ:-} || -f $PERFKIT_PYZ ]] || abort 2 "there is no $PERFKIT_PYZ."
  for place in "${PERFKIT_PYZ:-}" "$here/perfkit.pyz" "$here/../dist/perfkit.pyz"; do
    if [[ -n $place && -f $place ]]; then PYZ=$(cd "$(dirname "$place")" && pwd)/$(basename "$place") && return; fi
  done
  [[ -f $here/../build_zipapp.py ]] || abort 2 "there is no perfkit.pyz beside $self; copy it there."
  say "building perfkit.pyz, once"
  (cd "$here/.." && "$PYTHON" build_zipapp.py) || abort 1 "perfkit.pyz could not be built; see above."
  PYZ=$(cd "$here/../dist" && pwd)/perfkit.pyz
}

perfkit() { "$PYTHON" "$PYZ" "$@"; }

seconds_of() { # DURATION
  case $1 in
    *s) awk -v n="${1%s}" 'BEGIN { printf "%d", n }' ;;
    *h) awk -v n="${1%h}" 'BEGIN { printf "%d", n * 3600 }' ;;
    *) awk -v n="${1%m}" 'BEGIN { printf "%d", n * 60 }' ;;
  esac
}

find_containers() { # writes lines of: runtime id name
  local runtime
  : >"$RESULTS/containers.txt"
  [[ -z ${SKIP_CONTAINERS:-} ]] || return 0
  for runtime in docker podman; do
    if command -v "$runtime" >/dev/null && timeout 10 "$runtime" ps --no-trunc --format '{{.ID}} {{.Names}}' >"$RESULTS/ps" 2>/dev/null; then
      sed "s/^/$runtime /" "$RESULTS/ps" >>"$RESULTS/containers.txt"
    fi
  done
  rm -f "$RESULTS/ps"
}

describe_system() {
  {
    uname -a
    cat /etc/os-release /proc/cpuinfo /proc/meminfo /proc/mounts
    df -k
  } >"$RESULTS/system.txt" 2>/dev/null || true
}

# ---- the run -------------------------------------------------------------------------------------------------------

collector='' guard=''

stop_collector() { # ends the collector that this script has started, and no other
  [[ -n $collector ]] || return 0
  kill -TERM "$collector" 2>/dev/null || true
  wait "$collector" 2>/dev/null || true
  collector=
}

start_collector() { # SECONDS
  local containers=--containers spare=600
  [[ -z ${LOAD:-} ]] || spare=86400
  [[ -z ${SKIP_CONTAINERS:-} ]] || containers=--no-containers
  "$PYTHON" "$PYZ" collect --mode local --collection "$COLLECTION" --duration "$(($1 + spare))s" --frequency "${FREQUENCY:-1s}" \
    "$containers" >"$RESULTS/logs/collect.log" 2>&1 &
  collector=$!
}

run_load() { # SECONDS; returns the load's exit code
  local code=0 screen
  exec {screen}> >(tee -i "$RESULTS/logs/loadtest.log")
  local tee=$!
  "$PYTHON" "$PYZ" preflight --collection "$COLLECTION" --label loadtest -- "$self" --phases "$1" >&"$screen" 2>&1 &
  guard=$!
  wait "$guard" || code=$?
  guard=
  exec {screen}>&-
  wait "$tee" 2>/dev/null || true
  return "$code"
}

interrupted() { # CODE: ends the load, which still gets its certificate, then the script
  trap '' INT TERM HUP
  if [[ -n $guard ]]; then
    kill -TERM "$guard" 2>/dev/null || true
    wait "$guard" || true
  fi
  abort "$1" "interrupted; what there is lies in $RESULTS."
}

container_logs() {
  local runtime name
  [[ -s $RESULTS/containers.txt ]] || return 0
  while read -r runtime _ name; do
    timeout 60 "$runtime" logs --tail 10000 "$name" >"$RESULTS/logs/container-$name.log" 2>&1 || true
  done <"$RESULTS/containers.txt"
  awk 'BEGIN { printf "{" } { printf "%s\n  \"%s\": \"%s\"", (NR > 1 ? "," : ""), $2, $3 } END { print "\n}" }' \
    "$RESULTS/containers.txt" >"$RESULTS/container_names.json"
}

has_desk() {
  "$PYTHON" - "$PYZ" <<'PYTHON'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
sys.exit(sys.version_info < (3, 11) or not any(name.startswith("desk/") for name in names))
PYTHON
}

evaluate() {
  local names=()
  [[ ! -f $RESULTS/container_names.json ]] || names=(--container-names "$RESULTS/container_names.json")
  perfkit process --collection "$COLLECTION" --outdir "$RESULTS/processed" ${names[@]+"${names[@]}"}
  perfkit import --quiet --file "$COLLECTION"
  import_loads
  perfkit report "$COLLECTION" --out "$RESULTS/report.html" || say "no report was written"
}

import_loads() { # the load tools' own timelines, where what was run is one that perfkit knows
  local name
  for name in cpu memory disk load; do
    if [[ -f $RESULTS/logs/$name.log ]] && perfkit import --load "$RESULTS/logs/$name.log" --load-start "$(cat "$RESULTS/logs/$name.start")" \
      >>"$RESULTS/logs/import.log" 2>&1; then say "imported the timeline of load $name"; fi
  done
}

pack() {
  local name
  name=$(basename "$RESULTS")
  tar -czf "$RESULTS.tar.gz" -C "$(dirname "$RESULTS")" "$name"
  say "packed: scp $(id -un)@$(uname -n):$RESULTS.tar.gz ."
}

prepare() { # SECONDS
  [[ -z ${PCC_BINARY:-} ]] || say "PCC_BINARY is not used: perfkit records by itself; PERFKIT_PYZ names its file"
  find_python
  find_pyz
  THREADS=${SYSBENCH_THREADS:-$(nproc)}
  RESULTS=${RESULTS:-$HOME/results/$(date -u +%Y%m%dT%H%M%SZ)}
  [[ $THREADS =~ ^[1-9][0-9]*$ ]] || abort 2 "SYSBENCH_THREADS=$THREADS is no number of threads."
  mkdir -p "$RESULTS/logs" || abort 2 "the results cannot be written to $RESULTS; name another folder with RESULTS=."
  RESULTS=$(cd "$RESULTS" && pwd)
  COLLECTION=$RESULTS/$(uname -n).json
  [[ ! -e $COLLECTION ]] || abort 2 "$COLLECTION is there already; name another folder with RESULTS=."
  export PYTHON PYZ THREADS RESULTS COLLECTION
  say "results in $RESULTS"
  (cd "$RESULTS" && perfkit preflight --machine) || abort 1 "this machine cannot be recorded; see above."
  find_containers
  describe_system
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
  [[ $length =~ ^[0-9]+(\.[0-9]+)?[smh]?$ ]] || abort 2 "$length is not a duration; write minutes (1), or 20s, 10m, 2h."
  seconds=$(seconds_of "$length")
  ((seconds >= 5)) || abort 2 "$length is too short; 5s is the least."
  prepare
  trap stop_collector EXIT
  trap 'interrupted 130' INT
  trap 'interrupted 143' TERM
  trap 'interrupted 129' HUP
  start_collector "$seconds"
  run_load "$seconds" || code=$?
  stop_collector
  container_logs
  if ((code)); then
    printf -- '---- %s\n' "$RESULTS/logs/collect.log" >&2
    tail -n 20 "$RESULTS/logs/collect.log" >&2
    abort "$code" "stopped (exit code $code): the proof or the load failed, see above; what there is lies in $RESULTS."
  fi
  if has_desk; then
    evaluate
    pack
    say "to see it: $PYTHON $PYZ serve --open"
    [[ -z $open ]] || exec "$PYTHON" "$PYZ" serve --open
  else
    pack
    say "to evaluate it elsewhere (Python >= 3.11, full perfkit.pyz): perfkit.pyz import $(basename "$RESULTS").tar.gz"
  fi
}

if [[ ${1:-} == --phases ]]; then phases "$2"; else main "$@"; fi
