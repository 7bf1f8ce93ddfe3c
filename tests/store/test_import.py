"""Imports: what goes in is there, once, whatever the form, the order and the overlaps; and all of it or nothing."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.catalog import HOST, TABLES
from perfkit.errors import BadInput, PerfkitError
from perfkit.process.pipeline import process
from perfkit.store import open_database
from perfkit.store.importing import import_input
from perfkit.store.inputs import parts
from perfkit.store.live import Live, LiveBatch
from support import invent
from support.database import START, check_rollups, copy_database, dump, iso, write_folder, write_table

pytestmark = pytest.mark.usefixtures("never_judged")
WRITTEN = HOST.columns[: HOST.written]
FEW = ("/proc/stat", "/proc/meminfo")  # sources of a recording where it is not the matter what was read
COLUMNS = ", ".join(c.name for c in WRITTEN)


def rows_of(path: Path) -> list[tuple]:
    """host.csv as (timestamp in ms, values...), by the csv module."""
    from datetime import datetime

    with path.open(newline="") as file:
        return [
            (
                int(datetime.fromisoformat(r["timestamp"].replace("Z", "+00:00")).timestamp() * 1000),
                *(float(r[c.name]) for c in WRITTEN),
            )
            for r in csv.DictReader(file)
        ]


def test_a_lone_host_csv_comes_in_value_by_value(tmp_path: Path, db: Path, query) -> None:
    path = write_table(tmp_path / "host.csv", "host", seconds=90)
    [found] = import_input(db, path, collector_name="vm-a")
    assert query(f"SELECT timestamp, {COLUMNS} FROM host_metrics WHERE collector_id = 1 ORDER BY timestamp") == rows_of(path)
    assert (found.certificate.samples, found.new_samples, found.new_rows, found.already) == (90, 90, 90, False)
    assert (found.first, found.last, found.certificate.coverage) == (START * 1000, (START + 89) * 1000, 100.0)
    assert query("SELECT machinename, sitename, samples, period_ms FROM collectors") == [("vm-a", "default", 90, 1000.0)]


def test_the_portals_older_form_has_unix_seconds_and_kilobytes(tmp_path: Path, db: Path, query) -> None:
    path = tmp_path / "host.csv"
    header = ["timestamp", *(f"{c.name}_kb" if c.name.startswith("mem_") else c.name for c in WRITTEN)]
    values = [2048 if name.startswith("mem_") else 7.5 for name in header[1:]]
    path.write_text("\n".join(",".join(map(str, row)) for row in (header, [START, *values], [START + 1.5, *values])))
    import_input(db, path, collector_name="vm-a")
    assert query("SELECT timestamp, cpu_user, mem_total, mem_cached FROM host_metrics") == [
        (START * 1000, 7.5, 2.0, 2.0),
        (START * 1000 + 1500, 7.5, 2.0, 2.0),
    ]


def test_a_processed_folder_comes_in_with_every_component(tmp_path: Path, db: Path, query) -> None:
    import_input(db, write_folder(tmp_path / "run", seconds=45), collector_name="vm-a")
    for table in TABLES:
        with (tmp_path / "run" / f"{table.name}.csv").open(newline="") as file:
            columns = table.columns[: table.written]
            expected = sorted(tuple(row[c.name] for c in columns) for row in csv.DictReader(file))
        names = ", ".join(f'"{c.name}"' for c in columns)
        found = sorted(tuple(map(text, row)) for row in query(f"SELECT {names} FROM {table.database_name}"))
        assert found == [tuple(map(text, row)) for row in expected], table.name


def text(value: object) -> str:
    """Numbers alike whether written 5 or 5.0."""
    try:
        return repr(float(value))  # type: ignore[arg-type]
    except ValueError:
        return str(value)


def test_a_collection_comes_in_with_its_machine_marks_and_gaps(tmp_path: Path, db: Path, query) -> None:
    path = invent.write(tmp_path / "c.json", hostname="vm-z", seconds=120, gaps=[(50, 10)])
    [found] = import_input(db, path)
    assert (found.machinename, found.sitename) == ("vm-z", "default")
    [(system, kernel, model, cpus, memory)] = query("SELECT operating_system, kernel, cpu_model, cpus, memory_mb FROM collectors")
    assert (system, cpus) == ("Debian GNU/Linux 12 (bookworm)", 4)
    assert kernel and model and memory > 1000
    assert query("SELECT kind, missed FROM quality_events WHERE kind = 'gap'") == [("gap", 10)]
    assert query("SELECT count(*) FROM percentiles WHERE range = 'all' AND metric LIKE 'host.%'") == [(19,)]
    [(coverage, samples, expected)] = query("SELECT coverage, samples, samples_expected FROM collections")
    assert coverage == pytest.approx(100 * 110 / 120)
    assert (samples, expected) == (110, 120)


def test_the_same_input_twice_changes_nothing(tmp_path: Path, db: Path) -> None:
    for path in (write_folder(tmp_path / "run", seconds=30), write_table(tmp_path / "host.csv", "host", seconds=30)):
        import_input(db, path, collector_name="vm-a")
        before = dump(db)
        [again] = import_input(db, path, collector_name="vm-a")
        assert again.already
        assert again.new_rows == 0
        assert dump(db) == before


def test_overlapping_inputs_merge_by_timestamp_and_the_first_stays(tmp_path: Path, db: Path, query) -> None:
    first = write_table(tmp_path / "a.csv", "host", seconds=100, seed=1)
    second = write_table(tmp_path / "b.csv", "host", start=START + 60, seconds=100, seed=2)
    import_input(db, first, collector_name="vm-a")
    [found] = import_input(db, second, collector_name="vm-a")
    assert (found.certificate.samples, found.new_samples) == (100, 60)
    assert query(f"SELECT timestamp, {COLUMNS} FROM host_metrics ORDER BY timestamp") == rows_of(first) + rows_of(second)[40:]
    assert query("SELECT samples, first_timestamp, last_timestamp FROM collectors") == [(160, START * 1000, (START + 159) * 1000)]
    check_rollups(query)
    [(low, high)] = query("SELECT min, max FROM percentiles WHERE range = 'all' AND metric = 'host.cpu_user'")
    assert [(low, high)] == query("SELECT min(cpu_user), max(cpu_user) FROM host_metrics")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=["in order", "backwards", "middle first"])
def test_rollups_are_the_samples_aggregates_in_whatever_order_inputs_come(tmp_path: Path, db: Path, query, order: tuple[int, ...]) -> None:
    starts = (
        START + 540,
        START + 700,
        START + 90_000,
    )  # a bucket of 10 minutes ends within the first
    # The same statements are made for each table: all of them in order, and of each kind one in other orders.
    tables = () if order == (0, 1, 2) else ("host", "disk", "containers", "processes")
    for number in order:
        folder = write_folder(tmp_path / f"{number}", start=starts[number], seconds=70, seed=number, only=tables)
        import_input(db, folder, collector_name="vm-a")
    check_rollups(query)
    assert query("SELECT count(*) FROM host_metrics_10s")[0][0] >= 3 * 6


def test_the_same_machine_at_another_site_is_another_collector(tmp_path: Path, db: Path, query) -> None:
    path = write_table(tmp_path / "host.csv", "host", seconds=10)
    for site in ("east", "west"):
        import_input(db, path, collector_name="vm-a", site_name=site)
    assert query("SELECT id, machinename, sitename FROM collectors_collector") == [(1, "vm-a", "east"), (2, "vm-a", "west")]
    assert query("SELECT collector_id, count(*) FROM host_metrics GROUP BY 1") == [(1, 10), (2, 10)]


Lines = list[str]
DAMAGE: dict[str, Callable[[Lines], Lines]] = {
    "a column twice": lambda lines: [lines[0].replace("cpu_user", "cpu_idle"), *lines[1:]],
    "no column of ours": lambda lines: ["timestamp,x", *(f"{line.split(',')[0]},1" for line in lines[1:])],
    "no number": lambda lines: [*lines[:3], lines[3].replace(lines[3].split(",")[2], "much", 1)],
    "no timestamp": lambda lines: [*lines[:3], "yesterday," + lines[3].split(",", 1)[1]],
    "short line": lambda lines: [*lines[:3], iso(START + 2)],
    "machines named": lambda lines: [f"{line},{name}" for line, name in zip(lines, ["hostname", "a", "a", "b", "b", "b"])],
    "machines mixed": lambda lines: [*lines, ",".join([lines[1].split(",")[0], *reversed(lines[1].split(",")[1:])])],
    "empty": lambda lines: lines[:0],
}


def bad(kind: str, path: Path) -> Path:
    target = path / "bad.csv"
    if kind in DAMAGE:
        good = write_table(path / "host.csv", "host", seconds=5)
        target.write_text("\n".join(DAMAGE[kind](good.read_text().splitlines())))
    elif kind == "binary":
        target.write_bytes(bytes(range(256)) * 20)
    elif kind == "no collection":
        target = path / "x.json"
        target.write_text('{"some": "json"}')
    elif kind == "folder without host.csv":
        target = path / "sub"
        target.mkdir()
    elif kind == "quality":
        target = write_folder(path / "run", seconds=5)
        (target / "quality.json").write_text("{half")
    return target


@pytest.fixture(scope="module")
def five_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of five seconds of vm-a; not to be changed."""
    folder = tmp_path_factory.mktemp("good")
    import_input(folder / "perfkit.db", write_table(folder / "good.csv", "host", seconds=5), collector_name="vm-a")
    return folder / "perfkit.db"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("a column twice", "has the column cpu_idle twice"),
        ("no column of ours", "its first line must be timestamp,cpu_user"),
        ("no number", "line 4: 'much' in column cpu_system is not a number"),
        ("no timestamp", "line 4 ('yesterday'): the timestamp is neither"),
        ("short line", "line 4 does not have the columns"),
        ("machines named", "mixes rows of several machines (a, b)"),
        ("machines mixed", "different rows for the same instant, such as 2026-01-01T00:00:00.000Z"),
        ("empty", "its first line must be timestamp,cpu_user"),
        ("binary", "cannot be read as CSV"),
        ("missing", "there is no"),
        ("no collection", "neither a collection nor a host.csv"),
        ("folder without host.csv", "has no host.csv"),
        ("quality", "quality.json is not JSON"),
    ],
)
def test_a_bad_input_is_one_sentence_and_changes_nothing(tmp_path: Path, db: Path, five_seconds: Path, kind: str, says: str) -> None:
    before = dump(copy_database(five_seconds, db))
    with pytest.raises(BadInput) as error:
        import_input(db, bad(kind, tmp_path), collector_name="vm-b")
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert dump(db) == before


def test_an_input_of_two_machines_is_taken_apart_whatever_its_form(
    tmp_path: Path, db: Path, query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfkit.process.findings.of_engine", lambda *arguments: {})  # they are not imported
    both = [invent.write(tmp_path / f"{name}.json", hostname=name, seconds=5, only=FEW) for name in ("vm-a", "vm-b")]
    mixed = tmp_path / "mixed.json"
    mixed.write_bytes(b"".join(path.read_bytes() for path in both))
    assert [one.machinename for one in import_input(db, mixed)] == ["vm-a", "vm-b"]
    assert query("SELECT machinename, samples FROM collectors") == [("vm-a", 5), ("vm-b", 5)]
    with pytest.raises(BadInput, match="mixes recordings of several machines"):
        import_input(db, mixed, collector_name="vm-c")
    process(both, tmp_path / "out")
    found = [one for part in parts(tmp_path / "out") for one in import_input(db, part)]
    assert [(one.machinename, one.new_samples) for one in found] == [("vm-a", 0), ("vm-b", 0)]


def test_clones_that_share_a_name_are_not_mixed(tmp_path: Path, db: Path) -> None:
    """Two machines that recorded at the same time under one name: the second is refused, and comes in under another."""
    for number in (1, 2):
        path = invent.write(tmp_path / f"{number}.json", hostname="vm", seconds=5, only=FEW)
        path.write_bytes(re.sub(rb"(boot_id[^0-9a-f]{1,8})[0-9a-f]{4}", rb"\g<1>%04d" % number, path.read_bytes()))
    import_input(db, tmp_path / "1.json")
    before = dump(db)
    with pytest.raises(BadInput, match="another machine of that name"):
        import_input(db, tmp_path / "2.json")
    assert dump(db) == before
    import_input(db, tmp_path / "2.json", collector_name="vm-2")


PORTAL_FORMS = {
    "fewer columns": (
        "timestamp,cpu_user,cpu_idle",
        [7.5, 90],
        "cpu_user = 7.5 AND cpu_iowait IS NULL AND cpu_busy = 10 AND mem_total IS NULL",
    ),
    "pcc's portal": ("timestamp,cpu_user,mem_total_kb,mem_free_kb", [7.5, 2048, 1024], "mem_total = 2 AND mem_used IS NULL"),
    "a column that nobody knows": ("timestamp,cpu_user,gpu", [7.5, 1], "cpu_user = 7.5"),
}


@pytest.mark.parametrize("form", PORTAL_FORMS)
def test_a_portals_csv_comes_in_with_what_it_has(tmp_path: Path, db: Path, query, form: str) -> None:
    header, values, holds = PORTAL_FORMS[form]
    path = tmp_path / "vm_performance.csv"
    path.write_text("\n".join([header, *(",".join(map(str, [START + second, *values])) for second in range(4))]) + "\n")
    [found] = import_input(db, path, collector_name="vm-a")
    assert query(f"SELECT count(*) FROM host_metrics WHERE {holds}") == [(4,)]
    assert any("it is not known: gpu" in note for note in found.notes) == (form == "a column that nobody knows")
    assert any("the file lacks it: " in note for note in found.notes)


CSV = "Timestamp,cpu_user,cpu_idle\n" + "".join(f"{START + second},7.5,90\n" for second in range(4))
CSV_FILES = {
    "utf-16": (CSV.replace("\n", "\r\n").encode("utf-16"), 4, None),
    "gzip": (gzip.compress(CSV.encode()), 4, None),
    "zeros at its end": (CSV.encode() + bytes(300), 4, "its end is cut"),
    "cut": (CSV.encode()[:-6], 3, "its end is cut"),
    "an index without a name": (
        "".join(f"{n or ''},{line}" for n, line in enumerate(CSV.splitlines(keepends=True))).encode(),
        4,
        "not known: column 1",
    ),
    "commas behind": (CSV.replace("\n", ",\n").encode(), 4, "not known: column 4"),
    "infinite": (CSV.encode() + b"%d,inf,\n" % (START + 9), 4, "cannot be: cpu_user (1)"),
    "semicolons": (CSV.replace(",", ";").encode(), 4, None),
    "semicolons and decimal commas": (
        CSV.replace(",", ";").replace(".", ",").replace("\n", "\r\n").encode(),
        4,
        "commas in its numbers are taken for decimal points",
    ),
    "tabs": (CSV.replace(",", "\t").encode(), 4, None),
    "tabs in UTF-16": (CSV.replace(",", "\t").encode("utf-16"), 4, None),
    "cut with semicolons": (CSV.replace(",", ";").encode()[:-6], 3, "its end is cut"),
    "quoted with semicolons": (
        CSV.replace("7.5", '"7,5"').replace("cpu_user", '"cpu_user"').replace(",", ";").replace("7;5", "7,5").encode(),
        4,
        None,
    ),
    "instants with commas": (
        b"Timestamp;cpu_user;cpu_idle\n" + b"".join(b"2026-01-01 00:00:0%d,250;7,5;90\n" % second for second in range(4)),
        4,
        "taken for decimal points",
    ),
    "words for nothing": (CSV.encode() + b"%d,None,N/A\n" % (START + 9), 4, None),
}


@pytest.mark.parametrize("form", CSV_FILES)
def test_a_csv_comes_in_as_people_have_it(tmp_path: Path, db: Path, query, form: str) -> None:
    content, known, note = CSV_FILES[form]
    path = tmp_path / "host.csv"
    path.write_bytes(content)
    [found] = import_input(db, path, collector_name="vm-a")
    assert query("SELECT count(*) FROM host_metrics WHERE cpu_user = 7.5 AND cpu_idle = 90") == [(known,)]
    assert note is None or any(note in sentence for sentence in found.notes)


def test_a_machine_that_was_known_by_its_id_stays_one_collector(tmp_path: Path, db: Path, query) -> None:
    """As pcc's senders and the portal's uploads call a machine. What another sends or uploads takes nobody's place: it may name any id."""
    for name in ("vm-a", "vm-b", "vm-c"):
        path = invent.write(tmp_path / f"{name}.json", hostname=name, seconds=5, only=FEW)
        machine_id = json.loads(json.loads(path.read_bytes().splitlines()[0])["measurement"])["machine_id"]
        import_input(db, write_table(tmp_path / f"{name}.csv", "host", seconds=5), collector_name=machine_id)
        if name == "vm-a":
            import_input(db, path)
        elif name == "vm-b":
            import_input(db, path, collector_name=name)
        else:
            with closing(Live(db)) as live:
                live.feed([LiveBatch(name, None, START * 1000, path.read_bytes())], journal="j", position="1")
    names = [name for (name,) in query("SELECT machinename FROM collectors ORDER BY id")]
    assert [names[0], names[2], names[4]] == ["vm-a", "vm-b", "vm-c"]
    assert len(set(names)) == 5


def test_a_cell_that_cannot_be_is_empty_and_named(tmp_path: Path, db: Path, query) -> None:
    (path := tmp_path / "vm.csv").write_text(
        "timestamp,cpu_user,cpu_idle,mem_total,net_rx_bytes\n"
        f"{START},150,50,1e30,9223372036854775807\n{START + 1},5,-5,100,7\n{START + 2},5,100.2,100,7\n"
    )
    [found] = import_input(db, path, collector_name="vm-a")
    assert query("SELECT cpu_user, cpu_idle, mem_total, net_rx_bytes FROM host_metrics ORDER BY timestamp") == [
        (None, 50, None, None),
        (5, None, 100, 7),
        (5, 100.2, 100, 7),
    ]
    assert "vm.csv: made empty, because it cannot be: cpu_user (1), cpu_idle (1), mem_total (1), net_rx_bytes (1)" in found.notes
    told = (
        "SELECT subject, from_timestamp / 1000 - ?, to_timestamp / 1000 - ?, missed FROM quality_events WHERE kind = 'unusable' ORDER BY 1"
    )
    assert query(told, START, START) == [("cpu_idle", 1, 1, 1), ("cpu_user", 0, 0, 1), ("mem_total", 0, 0, 1), ("net_rx_bytes", 0, 0, 1)]


def test_so_it_is_in_the_files_of_a_folder(tmp_path: Path, db: Path, query) -> None:
    """As other programs write them; what a clock is behind by, and what is not attributed to processes, may be below 0."""
    at = f"{START}"
    (folder := tmp_path / "vm").mkdir()
    (folder / "host.csv").write_text(f"timestamp,cpu_user,net_rx_bytes\n{at},inf,-5\n{START + 1},5,7\n")
    (folder / "disk.csv").write_text(
        f"timestamp,device,read_ops,read_bytes,util_percent\n{at},sda,-1,9223372036854775807,500\n{at},sdb,1,2,3\n"
    )
    (folder / "limits.csv").write_text(f"timestamp,clock_offset_ms,open_files\n{at},-5,-5\n")
    (folder / "processes.csv").write_text(f"timestamp,pid,command,service,cpu_percent\n{at},0,(not attributed),,-2\n")
    import_input(db, folder, collector_name="vm-a")
    assert query("SELECT cpu_user, net_rx_bytes FROM host_metrics ORDER BY timestamp") == [(None, None), (5, 7)]
    assert query("SELECT read_ops, read_bytes, util_percent FROM disk_metrics ORDER BY device") == [(None, None, None), (1, 2, 3)]
    assert query("SELECT clock_offset_ms, open_files FROM limit_metrics") == [(-5, None)]
    assert query("SELECT cpu_percent FROM process_metrics") == [(-2,)]
    told = query("SELECT subject, missed FROM quality_events WHERE kind = 'unusable' ORDER BY 1")
    wrong = ("cpu_user", "disk read_bytes", "disk read_ops", "disk util_percent", "limits open_files", "net_rx_bytes")
    assert told == [(name, 1) for name in wrong]


def test_a_time_before_1970_is_refused(tmp_path: Path, db: Path) -> None:
    """Go's zero time, where a program never set it."""
    (path := tmp_path / "vm.csv").write_text(f"timestamp,cpu_user\n0001-01-01T00:00:00Z,5\n{START},5\n")
    with pytest.raises(BadInput, match="before 1970 in 1 of its rows"):
        import_input(db, path, collector_name="vm-a")


def test_an_input_that_names_no_machine_needs_a_name(tmp_path: Path, db: Path) -> None:
    with pytest.raises(BadInput, match="--collector-name"):
        import_input(db, write_table(tmp_path / "host.csv", "host", seconds=5))


def test_no_space_is_one_sentence_and_nothing_changed(tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_input(db, write_table(tmp_path / "a.csv", "host", seconds=5), collector_name="vm-a")
    before = dump(db)
    from perfkit.store import importing

    def nearly_full(path: Path):
        con = open_database(path)
        pages = con.execute("PRAGMA page_count").fetchone()[0]
        con.execute(f"PRAGMA max_page_count = {pages + 4}")
        return con

    monkeypatch.setattr(importing, "open_database", nearly_full)
    with pytest.raises(PerfkitError, match="no space is left"):
        import_input(db, write_table(tmp_path / "b.csv", "host", start=START + 100, seconds=1000), collector_name="vm-a")
    assert dump(db) == before


KILLED = """
import sys; from pathlib import Path; from perfkit.store import findings, importing
copy, copied, until = importing._copy_samples, [], sys.argv[3]
def wait():
    print("here", flush=True); sys.stdin.read()
def slowly(*args):
    copied.append(copy(*args))
    if until == str(len(copied)): wait()
    return copied[-1]
importing._copy_samples = slowly
findings.refresh = lambda *args, **options: wait()
importing.import_input(Path(sys.argv[1]), Path(sys.argv[2]), collector_name="vm-a")
"""


def test_an_import_that_is_killed_leaves_the_database_as_it_was(tmp_path: Path, db: Path, five_seconds: Path) -> None:
    """After the first table, after some, and when all that is left is to commit."""
    before = dump(copy_database(five_seconds, db))
    run = write_folder(tmp_path / "run", start=START + 100, seconds=800)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for until in ("1", "9", "the end"):
        command = [sys.executable, "-c", KILLED, db, run, until]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
            assert process.stdout and process.stdout.readline() == "here\n", until
            process.send_signal(signal.SIGKILL)
        assert dump(db) == before, until
    assert import_input(db, run, collector_name="vm-a")[0].new_samples == 800
