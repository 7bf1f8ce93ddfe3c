"""The table of certificate cases through preflight's door: `preflight --json` on the file, and the watch of a load for windows."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.collection import lock
from perfkit.collection.ticks import together
from perfkit.preflight.follow import Follow
from perfkit.preflight.state import SampleRead
from support.certificates import CASES, Case
from support.running import in_process, perfkit

NOT_LOOKED_AT = {"resets": None}  # preflight reads no counters but those of the nudge
WHOLE = [case for case in CASES if case.window is None]
WINDOWS = [case for case in CASES if case.window is not None]


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """This process holds the collector's lock."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        assert lock.acquire(descriptor)
        yield
    finally:
        os.close(descriptor)


def certificate_of(file: Path, *, by_us: bool = False) -> tuple[dict[str, object], str]:
    """What `preflight --json` counts in the file, which this process may hold, and the line that says so."""
    done = (perfkit if by_us else in_process)("preflight", "--json", "--collection", file, "--wait", "50ms")
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    return report["certificate"], next(check["evidence"] for check in report["checks"] if check["name"] == "so far")


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_a_file_has_the_certificate_of_the_table(tmp_path: Path, case: Case) -> None:
    file = case.write(tmp_path / "vm-a.json")
    with held(file) if case.held else contextlib.nullcontext():
        found, said = certificate_of(file, by_us=case.held)
    assert found == pytest.approx(case.expected | NOT_LOOKED_AT, nan_ok=True)
    assert said.startswith(f"{found['samples']:,} of {found['samples_expected']:,} samples")


@pytest.mark.parametrize("case", WINDOWS, ids=lambda case: case.name)
def test_a_window_has_the_certificate_of_the_table(tmp_path: Path, case: Case) -> None:
    """A load that ran in the window of a file that is read afterwards."""
    assert case.window is not None
    since, until = (SampleRead(bound, None) for bound in case.window)
    follow = Follow(case.write(tmp_path / "vm-a.json"))
    follow.read()
    follow.close()
    ticks = follow.state.recording.ticks(since, until)
    assert together([ticks], resets=None).as_dict() == pytest.approx(case.expected | NOT_LOOKED_AT)


@pytest.mark.parametrize("name", ["vm-a.json.gz", "vm-a.json"])
def test_gzip_makes_no_difference_whatever_its_name(tmp_path: Path, name: str) -> None:
    case = next(case for case in CASES if case.name == "a gap")
    (tmp_path / name).write_bytes(gzip.compress(case.content))
    assert certificate_of(tmp_path / name)[0] == pytest.approx(case.expected | NOT_LOOKED_AT)
