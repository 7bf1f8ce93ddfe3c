"""What one machine costs the desk, for docs/scale.md: PYTHONPATH=src:tests python tests/bench/scale.py [--seconds 3600] [--senders 50]

* file: bytes of an hour at one sample a second, as JSON, gzip, lake and database, and the CPU seconds of `process --lake` and `import`
* stream: bytes that a sample is on its way, and the CPU seconds of the receiver and of the importer for a machine's hour

CPU seconds are user and system of all threads; others that use the machine change them less than the time on the clock. The invented
machine has four CPUs, two disks, two containers, two services and a few processes; larger ones cost more. Not run by pytest.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from perfkit.collect.receiver_client import TAKEN, ReceiverClient
from support import invent
from support.running import ENVIRONMENT
from support.served import Served

HOUR = 3600
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(*words: str) -> float:
    """CPU seconds of a perfkit command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "perfkit", *words], env=ENVIRONMENT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def file(folder: Path, seconds: int) -> None:
    collection = invent.write(folder / "vm.json", seconds=seconds, containers=2, users=True)
    short = invent.write(folder / "short.json", seconds=10, containers=2, users=True)
    share = HOUR / seconds
    text = collection.stat().st_size * share / 1e6
    packed = len(gzip.compress(collection.read_bytes(), 1)) * share / 1e6
    print(f"file: an hour is {text:.1f} MB of JSON, {packed:.2f} MB as .gz")
    for name, words, place in (
        ("process --lake", ["process", "--lake", str(folder / "lake"), "--site", "lab"], folder / "lake"),
        ("import", ["import", "--db", str(folder / "p" / "p.db"), "--site-name", "lab", "--file"], folder / "p"),
    ):
        (folder / "p").mkdir(exist_ok=True)
        start = cpu_of(*words, str(short))
        before = size(place)
        spent = cpu_of(*words, str(collection))
        more = (size(place) - before) * share / 1e6
        print(f"file: {name}: {more:.2f} MB, {(spent - start) * share:.2f} CPU seconds an hour, and {start:.2f} for each command")


def batches(collection: Path) -> Iterator[list[bytes]]:
    for _, lines in groupby(collection.read_bytes().splitlines(), key=lambda line: json.loads(line)["timestamp"]):
        yield list(lines)


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def stream(folder: Path, senders: int, seconds: int) -> None:
    """Each sender sends its samples one by one, as fast as they are taken."""
    machine = invent.write(folder / "stream.json", seconds=seconds, containers=2, users=True, start=int(time.time()) - seconds)
    sent = list(batches(machine))
    wire = [len(zlib.compress(b",".join(lines), 6)) for lines in sent[1:]]
    served = Served(folder / "served", dashboard=False)
    try:
        children = served.children()
        clients = [ReceiverClient(served.url, served.key, f"vm-{number}") for number in range(senders)]
        for client in clients:
            assert client.send(sent[0]).meaning == TAKEN
        time.sleep(5)
        before = {name: cpu(pid) for name, pid in children.items()}
        for lines in sent[1:]:
            began = time.monotonic()
            for client in clients:
                assert client.send(lines).meaning == TAKEN
            time.sleep(max(0.0, began + 1 - time.monotonic()))
        time.sleep(10)
        hours = senders * (len(sent) - 1) / HOUR
        spent = {name: (cpu(children[name]) - before[name]) / hours for name in ("receiver", "importer")}
        for client in clients:
            client.close()
    finally:
        served.stop()
    print(f"stream: {sum(wire) / len(wire):.0f} bytes a sample as gzip; {senders} senders, one sample a second, for {seconds} s:")
    print("stream: " + ", ".join(f"{name} {value:.1f} CPU seconds for a machine's hour" for name, value in spent.items()))
    print("stream: two numbers of senders tell what each second costs, whatever it brings, from what each machine costs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=HOUR)
    parser.add_argument("--senders", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.senders:
            stream(Path(folder), options.senders, 60)
        if options.seconds:
            file(Path(folder), options.seconds)


if __name__ == "__main__":
    main()
