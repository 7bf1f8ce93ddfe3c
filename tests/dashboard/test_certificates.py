"""One certificate: every door of the desk gives the table of tests/support/certificates.py, whose figures preflight and collect give.

All cases go through each door at once, each as a machine of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perfkit.cli import import_ as import_command
from perfkit.cli import process as process_command
from perfkit.collection.certificate import Certificate
from perfkit.dashboard import api
from perfkit.process import findings, quality
from perfkit.process.engine import Cut
from perfkit.process.findings import Judged
from perfkit.process.pipeline import ProcessOptions, Result, process
from perfkit.store import columnar, importing, open_database
from perfkit.store import findings as stored_findings
from perfkit.store.importing import Imported, import_input
from support import asking
from support.certificates import CASES, START_MS, Case

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
NAMES = {case.name: f"m-{number:02}" for number, case in enumerate(CASES)}
GAP = next(case for case in CASES if case.name == "a gap")
WHOLE = [case for case in CASES if case.window is None]
WINDOWS = [case for case in CASES if case.window is not None]


def expected(case: Case) -> dict[str, Any]:
    """The table's certificate of the case, under the name of its machine here."""
    ended = case.expected["ended"].replace("vm-a", NAMES[case.name])
    return pytest.approx(case.expected | {"ended": ended})


@dataclass(frozen=True)
class Doors:
    """What each door said: of the cases by name, of windows by the case's name."""

    results: dict[str, Result]
    windows: dict[str, Result]
    imported: dict[str, Imported]
    of_folders: dict[str, Imported]
    files: str  # the dashboard over the imported files
    folders: str  # the one over the imported folders
    held_by: int


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, serve_while):
    folder = tmp_path_factory.mktemp("certificates")
    patch = pytest.MonkeyPatch()
    patch.setattr(api, "now", lambda: START_MS + 40_000)  # as when they were recorded
    # No certificate needs them.
    for module, costly in ((findings, "rules"), (importing, "_roll_up"), (columnar, "write"), (stored_findings, "refresh")):
        patch.setattr(module, costly, lambda *arguments: ())
    patch.setattr(stored_findings, "_judge", lambda con, machine, windows: {window.name: Judged((), {}) for window in windows})
    files = {}
    for case in WHOLE:
        file = files[case.name] = folder / f"{NAMES[case.name]}.json"
        file.write_bytes(case.content.replace(b"vm-a", NAMES[case.name].encode()))
    held = next(files[case.name] for case in WHOLE if case.held)
    apart = {name: file for name, file in files.items() if file == held or b"perfkit/session" not in file.read_bytes()}
    with tarfile.open(folder / "all.tar", "w") as archive:
        for file in (file for name, file in files.items() if name not in apart):
            archive.add(file, file.name)
    database, of_folders = folder / "files.db", folder / "folders.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, held], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        results = {result.folder.name: result for result in process(list(files.values()), folder / "out")}
        for case in (case for case in WHOLE if case.earlier):
            half = folder / "half.json"
            half.write_bytes(files[case.name].read_bytes()[: case.earlier])
            import_input(database, half)
        imported = import_input(database, folder / "all.tar")
        for name, file in apart.items():
            imported += import_input(database, file, collector_name=NAMES[name])
        holder.stdin.close()
        pid = holder.pid
    windows = {
        case.name: process([files[GAP.name]], folder / NAMES[case.name], ProcessOptions(window=Cut(*case.window)))[0] for case in WINDOWS
    }
    for one in (*results.values(), *windows.values()):
        for table in one.folder.glob("*.csv"):
            if table.read_bytes().count(b"\n") == 1:  # the certificate is not of the tables without a row, each of which an import reads
                table.unlink()
    in_folders = [import_input(of_folders, result.folder, collector_name=name)[0] for name, result in results.items()]
    for case in WINDOWS:
        in_folders += import_input(of_folders, windows[case.name].folder, collector_name=NAMES[case.name])
    names = {machine: name for name, machine in NAMES.items()}
    with serve_while(database) as one, serve_while(of_folders) as other:
        yield Doors(
            {names[machine]: result for machine, result in results.items()},
            windows,
            {names[found.machinename]: found for found in imported},
            {names[found.machinename]: found for found in in_folders},
            one.url,
            other.url,
            pid,
        )
    patch.undo()


def differing(told: dict[str, Certificate], cases: list[Case]) -> dict[str, Any]:
    """The cases of which a door says something else than the table."""
    assert set(told) >= {case.name for case in cases}
    return {case.name: told[case.name].as_dict() for case in cases if told[case.name].as_dict() != expected(case)}


def lines_of(told: str, case: Case) -> list[str]:
    """The lines of an output that say the case's certificate."""
    return [line for line in told.splitlines() if f"recorded {said(case)}" in " ".join(line.split())]


def said(case: Case) -> str:
    return str(Certificate.of_dict(case.expected | {"ended": case.expected["ended"].replace("vm-a", NAMES[case.name])}))


def test_process(doors: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """In quality.json, and in its last lines."""
    told = {name: quality.of_json((one.folder / "quality.json").read_bytes(), name) for name, one in doors.results.items()}
    assert differing({name: one.certificate for name, one in told.items()}, WHOLE) == {}
    for name, one in doors.results.items():
        assert [run.certificate for run in told[name].runs] == [run.certificate for run in one.quality.runs]
    process_command._print([Path("all")], list(doors.results.values()))
    output = capsys.readouterr().out
    assert [case.name for case in WHOLE if not lines_of(output, case)] == []
    assert f"{NAMES['still recorded']}: still being recorded by process {doors.held_by}: this is what is there so far." in output


def test_a_window_of_process(doors: Doors) -> None:
    assert differing({name: one.quality.certificate for name, one in doors.windows.items()}, WINDOWS) == {}


def test_import_of_files_and_of_folders(doors: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    assert differing({name: one.certificate for name, one in doors.imported.items()}, WHOLE) == {}
    assert differing({name: one.certificate for name, one in doors.of_folders.items()}, [*WHOLE, *WINDOWS]) == {}
    for case in WHOLE:
        import_command._print(doors.imported[case.name])
        output = capsys.readouterr().out
        assert lines_of(output, case)
        assert (f"still being recorded by process {doors.held_by}" in output) == case.held


@pytest.mark.parametrize("door", ["files", "folders"])
def test_the_pages_and_their_json(doors: Doors, door: str) -> None:
    """The trust line of a machine's pages, and the runs: each with the figures that `process` has of it, once alone those of the table."""
    url = getattr(doors, door)
    with asking.client(base_url=url, timeout=120) as client:
        numbers = {one["machinename"]: one["id"] for one in client.get("/api/v1/collectors").json()["collectors"]}
        listed = client.get("/api/v1/runs").json()["runs"]

        def trust(machine: str, **window: object) -> str:
            address = f"/api/v1/collectors/{numbers[machine]}/series"
            return client.get(address, params={"metrics": "host.cpu_user", **window}).json()["recorded"]

        of_pages = {case.name: trust(NAMES[case.name]) for case in WHOLE}
        of_windows = {case.name: trust(NAMES[GAP.name], **dict(zip(("from", "to"), case.window))) for case in WINDOWS}
        if door == "folders":  # and where the folder has the window alone
            assert {case.name: trust(NAMES[case.name]) for case in WINDOWS} == of_windows
    cases = {case.name: case for case in CASES}
    assert {**of_pages, **of_windows} == {name: f"recorded {said(case)}" for name, case in cases.items()}
    for case in WHOLE:
        runs = {one["run"]: one for one in listed if one["machine"] == NAMES[case.name]}
        of_process = {run.run: run.certificate for run in doors.results[case.name].quality.runs}
        assert {run: one["certificate"] for run, one in runs.items()} == {run: one.as_dict() for run, one in of_process.items()}
        assert {run: one["recorded"] for run, one in runs.items()} == {run: str(one) for run, one in of_process.items()}
        if len(runs) == 1:
            assert runs[1]["certificate"] == expected(case)


def test_a_second_import_counts_no_sample_twice(doors: Doors) -> None:
    with closing(open_database(Path(doors.imported[GAP.name].origin).parent / "files.db", read_only=True)) as con:
        counts = dict(
            con.execute("SELECT c.machinename, count(*) FROM samples AS s JOIN collectors AS c ON c.id = s.collector_id GROUP BY 1")
        )
    assert counts == {NAMES[case.name]: case.expected["samples"] for case in WHOLE}
