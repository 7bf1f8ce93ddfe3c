"""The memory of receiver and importer does not grow with the number of batches. tests/bench/receiver.py shows the same of ten minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.served import SOURCE

# Each prints its resident kB after a first third of the batches, when all that is made once has been made, and at the end.
_BEGIN = """
import sys
from pathlib import Path
from perfkit.collection import encode
from support.sender import sample
folder = Path(sys.argv[1])

def lines(second):
    at = 1_700_000_000 + second
    return [(at, line["subsystem"], line["measurement"]) for line in sample(second)]

def resident():
    print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")))
"""
_RECEIVER = (
    _BEGIN
    + """
import orjson
from perfkit.receive.batch import SiteMachine, parse_batch
from perfkit.receive.request import ReceiverLimits
from perfkit.receive.writer import Writer
writer = Writer(folder, ReceiverLimits(keep_free=1, segment=1 << 20))
writer.start()
for second in range(1500):
    told = [{"timestamp": at, "subsystem": name, "measurement": text} for at, name, text in lines(second)]
    batch = parse_batch(orjson.dumps({"identifier": "vm", "measurements": told}), 1000)
    writer.submit(SiteMachine.of(f"vm-{second % 5}", None), batch.lines).result(60)
    if second % 100 == 0:
        writer.journal.folder.publish("kept", writer.journal.position)
        writer.sync_collections()
    if second in (499, 1499):
        resident()
writer.stop()
"""
)
_IMPORTER = (
    _BEGIN
    + """
from perfkit.receive.importer import Importer
from perfkit.receive.journal import Entry, Folder, Journal
from perfkit.store.live import Live
journal = Journal(Folder(folder / "journal"), 1 << 20)
clock = [0]
importer = Importer(folder, folder / "perfkit.db", lambda db: Live(db, now=lambda: clock[0]))
for step in range(36):
    clock[0] = (1_700_000_000 + 10 * step + 9) * 1000
    told = [line for second in range(10 * step, 10 * step + 10) for line in lines(second)]
    text = b"".join(encode(at, 0, float(at - 1_700_000_000), name, text.encode()) for at, name, text in told)
    journal.append(b"".join(Entry(f"vm-{n}", None, f"vm-{n}/x.json", 0, clock[0], False, text).encode() for n in range(3)))
    importer.step()
    if step in (11, 35):
        resident()
importer.close()
"""
)


@pytest.mark.parametrize("program", [_RECEIVER, _IMPORTER], ids=["receiver", "importer"])
def test_it_is_flat(tmp_path: Path, program: str) -> None:
    environment = os.environ | {"PYTHONPATH": f"{SOURCE}:{SOURCE.parent / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True, check=False)
    first, last = map(int, done.stdout.split())
    # Three times as many batches. What DuckDB keeps of every statement alone would be 2.7 MB.
    assert last < first * 1.01 + 512, (first, last, done.stderr)
