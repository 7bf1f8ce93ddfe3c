"""The receiver under load: IDENTIFIERS collectors at one sample a second in batches of five, beside a bare append-and-fsync loop.

    python tests/bench/receiver.py [--identifiers 1000] [--seconds 60] [--gzip] [--heavy]
    python tests/bench/receiver.py --identifiers 50 --seconds 600      memory is to be flat within 2 % from the second minute on

Runs `perfkit serve` on loopback with a new data folder, two client processes that send real samples over kept-alive connections,
and prints each figure beside its limit. `--heavy` asks the dashboard for expensive queries all the while. Not run by pytest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from perfkit.receive.keys import KeyFile  # noqa: E402 - found by the line above

SAMPLES = ROOT.parent / "shared" / "pcc-samples" / "host-azure" / "collection.json"
BATCH = 5
HEAVY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT sum(i * i % 7) FROM n"


def read_samples() -> list[list[bytes]]:
    """Each sample of a real collection as JSON measurements that lack only their timestamp."""
    if not SAMPLES.exists():
        from support import invent

        path = Path(tempfile.mkdtemp()) / "invented.json"
        invent.write(path, seconds=130)
    else:
        path = SAMPLES
    samples: dict[int, list[bytes]] = {}
    for text in path.read_text().splitlines():
        record = json.loads(text)
        rest = {key: record[key] for key in ("subsystem", "measurement")}
        samples.setdefault(record["timestamp"], []).append(json.dumps(rest)[1:].encode())
    return list(samples.values())


def body(identifier: str, samples: list[list[bytes]], first: int, timestamp: int) -> bytes:
    lines = [
        b'{"timestamp":%d,%s' % (timestamp + number, rest) for number in range(BATCH) for rest in samples[(first + number) % len(samples)]
    ]
    return b'{"identifier":"%s","measurements":[%s]}' % (identifier.encode(), b",".join(lines))


class Client:
    """One kept-alive connection that sends batches and reads answers."""

    def __init__(self, port: int, key: str, packed: bool) -> None:
        self._port, self._head = port, f"POST /v1/trickle HTTP/1.1\r\nHost: 127.0.0.1\r\napikey: {key}\r\n".encode()
        self._packed = packed
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, content: bytes) -> int:
        """The answer's status; 0 if there was none."""
        if self._packed:
            content, encoding = gzip.compress(content, 1), b"Content-Encoding: gzip\r\n"
        else:
            encoding = b""
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(self._head + encoding + b"Content-Length: %d\r\n\r\n" % len(content) + content)
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await self._reader.readexactly(length)
            return int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            self._writer = None
            return 0


async def collector(
    client: Client, number: int, count: int, samples: list[list[bytes]], began: float, seconds: int, took: list[float]
) -> int:
    """Sends every batch until it is acknowledged; returns how many lines were. Latencies, retries included, go to `took`."""
    lines, identifier = 0, f"vm-{number:04d}"
    due = began + BATCH * number / count
    first = number % 60
    while due < began + seconds:
        await asyncio.sleep(due - time.time())
        content = body(identifier, samples, first, int(due) - BATCH)
        sent = time.perf_counter()
        while await client.send(content) != 200:
            await asyncio.sleep(0.2)
        took.append(time.perf_counter() - sent)
        lines += sum(len(samples[(first + each) % len(samples)]) for each in range(BATCH))
        first, due = first + BATCH, due + BATCH
    return lines


def client_process(pipe: Connection, port: int, key: str, numbers: list[int], count: int, began: float, seconds: int, packed: bool) -> None:
    async def run() -> tuple[int, list[float]]:
        samples, took = read_samples(), []
        work = [collector(Client(port, key, packed), number, count, samples, began, seconds, took) for number in numbers]
        return sum(await asyncio.gather(*work)), took

    pipe.send(asyncio.run(run()))


def flat_out(port: int, key: str, start: int, seconds: float = 3.0, connections: int = 16) -> float:
    """MB/s acknowledged, with every connection sending its next batch as soon as the last was acknowledged, of instants from `start` on."""

    async def one(number: int, samples: list[list[bytes]], end: float) -> int:
        client, done, first = Client(port, key, packed=False), 0, 0
        while time.perf_counter() < end:
            content = body(f"flat-{number}", samples, first, start + first)
            if await client.send(content) == 200:
                done += len(content)
            first += BATCH
        return done

    async def run() -> int:
        samples, end = read_samples(), time.perf_counter() + seconds
        return sum(await asyncio.gather(*(one(number, samples, end) for number in range(connections))))

    began = time.perf_counter()
    return asyncio.run(run()) / (time.perf_counter() - began) / 1e6


def bare_loop(folder: Path, size: int, group: int, seconds: float = 1.0) -> tuple[float, float]:
    """MB/s, and milliseconds an fsync, of a loop that appends `group` batches of `size` bytes and syncs."""
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    content, began, count = os.urandom(size) * group, time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        os.write(descriptor, content)
        os.fsync(descriptor)
        count += 1
    took = time.perf_counter() - began
    os.close(descriptor)
    (folder / "bare").unlink()
    return count * len(content) / took / 1e6, took / count * 1e3


class Watch(threading.Thread):
    """Looks at the server's processes ten times a second, and at its metrics once.

    In each second's step the importer's memory rises and falls by 15 MB: a look a second would meet now its top, now its floor.
    """

    def __init__(self, parent: int, port: int) -> None:
        super().__init__(daemon=True)
        self.parent, self.port, self.most, self.own, self.lags, self.cpu = parent, port, {}, {}, [], {}
        self.resident: dict[str, list[tuple[float, int]]] = {}
        """By process: when, and kB."""

    def run(self) -> None:
        while True:
            pids = [str(self.parent), *self._children()]
            for _ in range(10):
                for pid in pids:
                    self._look_at(pid)
                time.sleep(0.1)
            with contextlib.suppress(OSError):
                text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5).read().decode()
                self.lags.append(float(text.split("\nperfkit_importer_lag_seconds ")[1].split()[0]))

    def _look_at(self, pid: str) -> None:
        with contextlib.suppress(OSError, KeyError):
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
            self.most[pid] = max(self.most.get(pid, 0), int(status["VmRSS"].split()[0]) // 1024)
            self.resident.setdefault(pid, []).append((time.monotonic(), int(status["VmRSS"].split()[0])))
            self.own[pid] = max(self.own.get(pid, 0), int(status["RssAnon"].split()[0]) // 1024)
            self.cpu[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _children(self) -> list[str]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rsplit(") ", 1)[1].split()[1]) == self.parent:
                    found.append(stat.parent.name)
        return found


def seen_by_server(port: int, name: str) -> str:
    """The bucket of the server's own histogram `name` that holds its 99th percentile."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    buckets = [
        line.split() for line in text.splitlines() if line.startswith(f"{name}_bucket") and ("trickle" in line or "path" not in line)
    ]
    total = float(buckets[-1][1])
    return next(bucket[0].split('le="')[1].split('"')[0] for bucket in buckets if float(bucket[1]) >= 0.99 * total)


def ask_heavy(port: int, stop: threading.Event) -> int:
    asked = 0
    while not stop.is_set():
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/perfkit.json?sql={urllib.parse.quote(HEAVY)}", timeout=20).read()
        asked += 1
    return asked


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=1).read()
            return
        time.sleep(0.1)
    raise SystemExit("the server ended")


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identifiers", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--heavy", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the data goes; default a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        measure(asked, Path(folder))


def measure(asked: argparse.Namespace, folder: Path) -> None:
    port, front = free_port(), free_port()
    key = KeyFile(folder / "keys.json").add("bench")
    command = [sys.executable, "-m", "perfkit", "serve", "--db", str(folder / "perfkit.db"), "--keys", str(folder / "keys.json")]
    command += ["--receive", f"127.0.0.1:{port}", "--listen", f"127.0.0.1:{front}"]
    server = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    try:
        wait_for(f"http://127.0.0.1:{port}/-/healthz", server)
        watch = Watch(server.pid, port)
        watch.start()
        stop = threading.Event()
        if asked.heavy:
            threading.Thread(target=ask_heavy, args=(front, stop), daemon=True).start()
        lines, took = run_clients(asked, port, key)
        stop.set()
        lag_at_end = watch.lags[-1]
        time.sleep(3)
        report(asked, folder, watch, lines, took, lag_at_end)
        for name in ("perfkit_request_seconds", "perfkit_commit_seconds"):
            print(f"{name}, p99 as the server saw it: at most {seen_by_server(port, name)} s")
        size, yesterday = len(body("vm-0000", read_samples(), 0, int(time.time()))), int(time.time()) - 86_400
        ours: list[float] = []
        bare: dict[int, list[tuple[float, float]]] = {1: [], 4: [], 16: []}
        for turn in range(5):  # in turn, so that a busy machine slows all alike; the medians count
            ours.append(flat_out(port, key, yesterday + 10_000 * turn))
            for group, found in bare.items():
                found.append(bare_loop(folder, size, group))
        speed = statistics.median(ours)
        print(f"flat out, 16 connections     {speed:8.1f} MB/s acknowledged ({speed * 1e6 / size:.0f} batches/s; limit 20 MB/s)")
        for group, found in bare.items():
            speed, each = statistics.median(found)
            print(f"bare append + fsync, groups of {group:<2} {speed:6.1f} MB/s ({each:.2f} ms a sync)")
    finally:
        server.send_signal(signal.SIGTERM)
        print(f"SIGTERM: exit code {server.wait(60)}")


def run_clients(asked: argparse.Namespace, port: int, key: str) -> tuple[int, list[float]]:
    began, results = time.time() + 2, []
    for half in (0, 1):
        mine, theirs = multiprocessing.Pipe()
        numbers = list(range(half, asked.identifiers, 2))
        arguments = (theirs, port, key, numbers, asked.identifiers, began, asked.seconds, asked.gzip)
        multiprocessing.Process(target=client_process, args=arguments, daemon=True).start()
        results.append(mine)
    answers = [pipe.recv() for pipe in results]
    return sum(answer[0] for answer in answers), [each for answer in answers for each in answer[1]]


def report(asked: argparse.Namespace, folder: Path, watch: Watch, lines: int, took: list[float], lag_at_end: float) -> None:
    kind = ", gzip" if asked.gzip else ""
    print(f"{asked.identifiers} identifiers, {asked.seconds} s, {len(took)} batches acknowledged, {lines} lines{kind}")
    p50, p99, most = (percentile(took, share) * 1e3 for share in (0.5, 0.99, 1.0))
    print(f"acknowledgement p50 {p50:.1f} ms, p99 {p99:.1f} ms (limit 250), max {most:.1f} ms")
    print(f"importer lag, largest {max(watch.lags):.1f} s (limit 5), at the end {lag_at_end:.1f} s")
    names = dict(zip(sorted(watch.most, key=int), ("parent", "receiver", "importer", "uploader", "dashboard"), strict=False))
    for pid, name in names.items():
        share = watch.cpu[pid] / (asked.seconds + 5) * 100
        print(f"{name:10} RSS {watch.most[pid]:4d} MB ({watch.own[pid]:3d} MB not shared with a file), CPU {share:5.1f} %")
    for pid, name in names.items():
        found = watch.resident[pid]
        minutes = [[kb for at, kb in found if 60 * minute <= at - found[0][0] < 60 * minute + 60] for minute in range(asked.seconds // 60)]
        if len(minutes) > 2:
            middles = [statistics.median(each) for each in minutes if each]
            change = 100 * (max(middles[1:]) / min(middles[1:]) - 1)
            print(f"{name:10} RSS by minute {' '.join(f'{kb / 1024:.1f}' for kb in middles)} MB: within {change:.1f} % (limit 2)")
    print(f"RSS together {sum(watch.most.values())} MB (limit 400)")
    stored = sum(path.read_bytes().count(b"\n") for path in (folder / "perfkit-received" / "collections").glob("vm-*/*.json"))
    print(f"lines in collections {stored} of {lines}")
    with contextlib.suppress(sqlite3.Error):
        con = sqlite3.connect(folder / "perfkit.db")
        print("rows in host_metrics", *con.execute("SELECT count(*), count(DISTINCT collector_id) FROM host_metrics").fetchone())


if __name__ == "__main__":
    random.seed(1)
    main()
