"""Real collections of the Go collector, against what its own converter made of them.

Its first row spans two intervals, so the comparison begins with its second.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from perfkit.process.pipeline import ProcessOptions, process, read_names

SAMPLES = Path(__file__).parents[3] / "shared" / "pcc-samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder ../shared/pcc-samples is not there")

HOSTS = ("host-azure", "host-cpuinfo")
Row = dict[str, str]


def _rows(file: Path) -> list[Row]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def _seconds(instant: str) -> str:
    return str(int(datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp()))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("pcc")

    def output(sample: str) -> Path:
        if not (folder / sample).exists():
            names = SAMPLES / sample / "container_names.json"
            options = ProcessOptions(container_names=read_names(names) if names.exists() else {})
            process([SAMPLES / sample / "collection.json"], folder / sample, options)
        return folder / sample

    return output


def _expected(sample: str, name: str) -> list[Row]:
    """The rows after the first instant, each with the key `at`."""
    rows = [{"at": row.pop("#timestamp"), **row} for row in _rows(SAMPLES / sample / "expected" / f"{name}.csv")]
    return [row for row in rows if row["at"] != rows[0]["at"]]


def _ours(folder: Path, table: str, key: str | None = None) -> dict[tuple[str, str], Row]:
    return {(_seconds(row["timestamp"]), row[key] if key else ""): row for row in _rows(folder / f"{table}.csv")}


def _agree(theirs: str, ours: str, scale: float = 1.0) -> None:
    assert float(ours) == pytest.approx(float(theirs) * scale, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("sample", HOSTS)
def test_cpu_shares_agree(outputs: Callable[[str], Path], sample: str) -> None:
    """The converter subtracts shares in floating point, so an untouched CPU shows noise of 1e-9 in its tables."""
    ours = _ours(outputs(sample), "cpu", "cpu")
    columns = {"%usr": "user", "%nice": "nice", "%system": "system", "%iowait": "iowait", "%steal": "steal", "%idle": "idle"}
    rows = _expected(sample, "stat")
    for row in rows:
        for theirs, column in columns.items():
            _agree(row[theirs], ours[row["at"], "all" if row["CPU"] == "-1" else row["CPU"]][column])
    assert len(rows) > 50


@pytest.mark.parametrize("sample", HOSTS)
def test_memory_agrees(outputs: Callable[[str], Path], sample: str) -> None:
    ours = _ours(outputs(sample), "memory")
    columns = {
        **{"kbmemfree": "free_kb", "kbavail": "available_kb", "kbmemused": "sysstat_used_kb", "kbbuffers": "buffers_kb"},
        **{"kbcached": "cached_kb", "kbcommit": "committed_kb", "kbactive": "active_kb", "kbinact": "inactive_kb", "kbdirty": "dirty_kb"},
    }
    rows = _expected(sample, "meminfo")
    for row in rows:
        for theirs, column in columns.items():
            assert int(row[theirs]) == int(ours[row["at"], ""][column])
    assert len(rows) > 10


@pytest.mark.parametrize("sample", HOSTS)
def test_disk_rates_agree(outputs: Callable[[str], Path], sample: str) -> None:
    """Its discards are in sectors too. Devices that it leaves out are in our table all the same."""
    ours = _ours(outputs(sample), "disk", "device")
    columns = {"rtps": ("read_ops", 1), "wtps": ("write_ops", 1), "dtps": ("discard_ops", 1)}
    columns |= {"bread/s": ("read_bytes", 512), "bwrtn/s": ("write_bytes", 512), "bdscd/s": ("discard_bytes", 512)}
    rows = _expected(sample, "diskstats")
    for row in rows:
        for theirs, (column, scale) in columns.items():
            _agree(row[theirs], ours[row["at"], row["DEV"]][column], scale)
    assert len(rows) > 50


@pytest.mark.parametrize("sample", HOSTS)
def test_network_rates_agree(outputs: Callable[[str], Path], sample: str) -> None:
    ours = _ours(outputs(sample), "network", "interface")
    columns = {"rxpck/s": ("rx_packets", 1), "txpck/s": ("tx_packets", 1), "rxkB/s": ("rx_bytes", 1024), "txkB/s": ("tx_bytes", 1024)}
    rows = _expected(sample, "net_dev")
    for row in rows:
        for theirs, (column, scale) in columns.items():
            _agree(row[theirs], ours[row["at"], row["IFACE"]][column], scale)
    assert len(rows) > 50


def test_filesystem_use_agrees(outputs: Callable[[str], Path]) -> None:
    """`use` is our used share rounded to whole percent."""
    ours = _ours(outputs("host-azure"), "filesystem", "mount")
    rows = _expected("host-azure", "statfs")
    for row in rows:
        mine = ours[row["at"], row["mount"]]
        assert int(row["use"]) == round(float(mine["used_percent"]))
        assert int(row["blockstotal"]) * int(row["blocksize"]) == int(mine["size_bytes"])
        assert int(row["blocksavail"]) * int(row["blocksize"]) == int(mine["available_bytes"])
    assert len(rows) > 100


def test_containers_agree(outputs: Callable[[str], Path]) -> None:
    """Row by row, the first included; the converter rounds percentages to two places."""
    ours = _ours(outputs("containers-oci"), "containers", "container_id")
    rows = _rows(SAMPLES / "containers-oci" / "expected_containers.csv")
    assert len(rows) == len(ours)
    for row in rows:
        mine = ours[row.pop("timestamp"), row["container_id"]]
        for column, value in row.items():
            if column.endswith("percent"):
                assert (mine[column] == "") == (value == "")
                assert value == "" or float(mine[column]) == pytest.approx(float(value), abs=0.005 + 1e-6)
            else:
                assert mine[column] == value


def test_container_names_are_those_given(outputs: Callable[[str], Path]) -> None:
    given = json.loads((SAMPLES / "containers-oci" / "container_names.json").read_bytes())
    assert json.loads((outputs("containers-oci") / "container_names.json").read_bytes()) == given


def test_system_info_is_the_same(outputs: Callable[[str], Path]) -> None:
    expected = json.loads((SAMPLES / "host-cpuinfo" / "expected" / "system_info.json").read_bytes())
    assert json.loads((outputs("host-cpuinfo") / "system_info.json").read_bytes()) == expected


@pytest.mark.parametrize("sample", HOSTS)
def test_host_total_counts_each_byte_once(outputs: Callable[[str], Path], sample: str) -> None:
    """host.csv is the whole disks' sum, without their partitions, and eth0 alone."""
    disks, network = _ours(outputs(sample), "disk", "device"), _ours(outputs(sample), "network", "interface")
    for (at, _), row in _ours(outputs(sample), "host").items():
        _agree(row["disk_write_bytes"], str(sum(float(disks[at, name]["write_bytes"]) for name in ("sda", "sdb"))))
        _agree(row["net_rx_bytes"], network[at, "eth0"]["rx_bytes"])
        assert sum(float(row[f"cpu_{part}"]) for part in ("user", "system", "iowait", "idle", "steal")) == pytest.approx(100)
