"""The store's figures, each beside its limit: import, size, overview data, percentiles of any window, live appends.

    flock /tmp/bench.lock build/venv/bin/python tests/bench/store.py [import] [read] [live]

Import: 24 h at 1 s of a processed folder (all components) against `sqlite-utils insert host.csv --csv` of host.csv alone, rows a second.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from perfkit.catalog import INTEGER, TABLES, TEXT, Table, table  # noqa: E402
from perfkit.store import open_database, series  # noqa: E402
from perfkit.store.importing import import_input  # noqa: E402
from perfkit.store.percentiles import of_window  # noqa: E402
from perfkit.store.schema import LEVELS  # noqa: E402

START = 1767225600
DAY = 86_400
DEVICES = {
    "cpu": ("all", "0", "1", "2", "3"),
    "disk": ("sda", "sda1", "sda2", "sdb"),
    "network": ("eth0", "lo"),
    "filesystem": ("/",),
    "pressure": ("cpu", "io", "memory"),
    "containers": ("0123456789ab",),
}


def line(name: str, figure: str, limit: str, good: bool) -> None:
    print(f"{name:62s} {figure:>22s}   {limit:22s} {'ok' if good else 'MISSED'}", flush=True)


def best(run: Callable[[], object], times: int = 5) -> float:
    """Milliseconds of the fastest and of the median run."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def make_folder(folder: Path, seconds: int, start: int = START) -> Path:
    """A processed folder with invented numbers: idle machines have many zeros, so a third of the values are 0."""
    folder.mkdir()
    con = duckdb.connect()
    for known in TABLES:
        con.execute(f"COPY ({select(known, seconds, start)}) TO '{folder / known.name}.csv' (HEADER)")
    return folder


def select(known: Table, seconds: int, start: int) -> str:
    values = []
    for column in known.values:
        number = "if(random() < 0.33, 0, random() * 100)" if column.type != INTEGER else "(random() * 16000000)::BIGINT"
        values.append(f'{number} AS "{column.name}"')
    keys = [f"{'device' if i == 0 else repr(c.name)} AS {c.name}" for i, c in enumerate(known.keys) if c.type == TEXT]
    when = f"strftime(make_timestamp(({start} + second) * 1000000), '%Y-%m-%dT%H:%M:%SZ') AS timestamp"
    devices = ", ".join(f"('{name}')" for name in DEVICES.get(known.name, ("",)))
    every = " WHERE second % 10 = 0" if known.name == "filesystem" else ""
    return (
        f"SELECT {', '.join([when, *keys, *values])} FROM range({seconds}) t(second), (VALUES {devices}) d(device){every} ORDER BY second"
    )


def bench_import(place: Path) -> None:
    folder = make_folder(place / "day", DAY)
    ours, theirs = [], []
    for number in range(3):
        db = place / f"day{number}.db"
        start = time.perf_counter()
        [found] = import_input(db, folder, collector_name="vm-a")
        ours.append(found.rows / (time.perf_counter() - start))
        start = time.perf_counter()
        peer = place / f"peer{number}.db"
        subprocess.run(
            [Path(sys.executable).with_name("sqlite-utils"), "insert", peer, "host", folder / "host.csv", "--csv"],
            check=True,
            capture_output=True,
        )
        theirs.append(DAY / (time.perf_counter() - start))
    mine, peers = max(ours), max(theirs)
    line(f"import of 24 h at 1 s, {found.rows:,} rows", f"{mine:,.0f} rows/s", f">= 5x {peers:,.0f} (sqlite-utils)", mine >= 5 * peers)
    print(f"  {'runs':60s} {', '.join(f'{r:,.0f}' for r in ours)} against {', '.join(f'{r:,.0f}' for r in theirs)} rows/s")
    con = open_database(place / "day0.db", read_only=True)
    pages = dict(con.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()) if has_dbstat(con) else {}
    csv = (folder / "host.csv").stat().st_size
    host = pages.get("host_metrics", 0) + pages.get("host_metrics_iso", 0)
    if host:
        line("host table and its index against host.csv", f"{host / csv:.2f}x of {csv / 2**20:.1f} MiB", "<= 1.5x", host <= 1.5 * csv)
    whole = sum(path.stat().st_size for path in folder.glob("*.csv"))
    rollups = sum(size for name, size in pages.items() if name.endswith(tuple(LEVELS)))
    columns = sum(path.stat().st_size for path in Path(f"{place / 'day0.db'}.columns").iterdir())
    size = (place / "day0.db").stat().st_size
    figures = (size, rollups, columns, whole)
    print("  database {:.0f} MiB (rollups {:.0f}), by column {:.0f} MiB, CSV files {:.0f} MiB".format(*(n / 2**20 for n in figures)))


def has_dbstat(con) -> bool:
    try:
        return con.execute("SELECT 1 FROM dbstat LIMIT 1").fetchone() is not None
    except Exception:
        return False


def bench_read(place: Path) -> None:
    folder = make_folder(place / "week", 7 * DAY)
    db = place / "week.db"
    start = time.perf_counter()
    import_input(db, folder, collector_name="vm-a")
    print(f"  (7 d at 1 s imported in {time.perf_counter() - start:.0f} s)")
    con = open_database(db, read_only=True)
    end = (START + 7 * DAY) * 1000
    for name, span, limit in (("24 h", DAY, 100), ("7 d", 7 * DAY, 200)):
        taken = best(lambda span=span: overview(con, end - span * 1000, end))
        line(f"overview data, {name} at 1 s (host 18, cpu, disk, network)", f"{taken:.0f} ms", f"<= {limit} ms", taken <= limit)
    shift = 1000 * 1800
    for name, span, limit in (("24 h", DAY, 300), ("6 h", DAY // 4, 300), ("7 d", 7 * DAY - 3600, 0)):
        taken = best(lambda span=span: of_window(con, 1, end - shift - span * 1000, end - shift))
        line(
            f"percentiles of any {name} x 18 metrics",
            f"{taken:.0f} ms",
            f"<= {limit} ms" if limit else "(no limit)",
            not limit or taken <= limit,
        )
    taken = best(lambda: of_window(con, 1, end - shift - DAY * 1000, end - shift, [t.name for t in TABLES]))
    line("percentiles of any 24 h, every table", f"{taken:.0f} ms", "(no limit)", True)
    for sql in (
        "SELECT id, machinename, sitename FROM collectors_collector",
        "SELECT collector_id, MIN(timestamp), MAX(timestamp), COUNT(*) FROM dashboard_performancemetric GROUP BY collector_id",
        "SELECT timestamp, cpu_user, mem_used FROM dashboard_performancemetric WHERE collector_id = 1 ORDER BY timestamp LIMIT 10",
    ):
        taken = best(lambda sql=sql: con.execute(sql).fetchall())
        line(sql[:60], f"{taken:.0f} ms", "<= 1000 ms", taken <= 1000)


def overview(con, start: int, end: int) -> None:
    series(con, "host", 1, [c.name for c in table("host").values], start, end)
    series(con, "cpu", 1, ["user", "system", "iowait", "idle"], start, end)
    series(con, "disk", 1, ["read_bytes", "write_bytes", "util_percent"], start, end)
    series(con, "network", 1, ["rx_bytes", "tx_bytes"], start, end)


def bench_live(place: Path) -> None:
    from perfkit.store.live import Live, LiveBatch
    from support import invent

    collectors, seconds = 100, 30
    path = invent.write(place / "live.json", seconds=seconds)
    samples: dict[int, list[bytes]] = {}
    for raw in path.read_bytes().splitlines(keepends=True):
        samples.setdefault(int(raw.split(b'"timestamp":')[1].split(b",")[0]), []).append(raw)
    live = Live(place / "live.db")
    taken, cpu, parts = [], [], {"derive": 0.0, "append": 0.0}
    derive, append = live._derive, live._append  # the two halves, timed apart

    def timed(name: str, run: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            start = time.process_time()
            try:
                return run(*args)
            finally:
                parts[name] += time.process_time() - start

        return call

    live._derive, live._append = timed("derive", derive), timed("append", append)  # type: ignore[method-assign]
    for number, (at, lines) in enumerate(sorted(samples.items())):
        batches = [LiveBatch(f"vm-{i}", None, at * 1000, b"".join(lines)) for i in range(collectors)]
        start, busy = time.perf_counter(), time.process_time()
        live.feed(batches, journal="bench", position=str(number))
        taken.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - busy) * 1000)
    live.close()
    steady = taken[5:]
    rest = (sum(cpu) / 1000 - parts["derive"] - parts["append"]) / len(taken) * 1000
    stored = parts["append"] / len(taken) * 1000 + rest
    line("one second of 100 collectors: rows, rollups, state, commit", f"{stored:.0f} ms CPU", "<= 50 ms", stored <= 50)
    busy = statistics.median(cpu[5:])
    line("the same with parsing and derivation", f"{busy:.0f} ms CPU", "<= 100 ms", busy <= 100)
    print(f"  by the clock: median {statistics.median(steady):.0f} ms, most {max(steady):.0f}")
    print(f"  of it derive {parts['derive'] / len(taken) * 1000:.0f}, insert {parts['append'] / len(taken) * 1000:.0f}, rest {rest:.0f} ms")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["import", "read", "live"]
    with tempfile.TemporaryDirectory(prefix="perfkit-bench-") as name:
        for part in wanted:
            {"import": bench_import, "read": bench_read, "live": bench_live}[part](Path(name))
