"""The collection format: what is written can be read, by anyone's JSON parser and by the tolerant reader."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.collection import Reader, decode, encode, looks_like

SAMPLES = Path(__file__).parents[3] / "shared" / "pcc-samples"


@given(st.binary(max_size=300), st.integers(0, 2**33), st.integers(0, 999_999_999), st.floats(0, 1e9))
def test_any_text_makes_one_valid_json_line(text: bytes, timestamp: int, nanosecond: int, monotonic: float) -> None:
    line = encode(timestamp, nanosecond, monotonic, "/proc/x", text)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    found = json.loads(line)
    assert found["measurement"] == text.decode("utf-8", "replace")
    assert (found["timestamp"], found["nanosecond"]) == (timestamp, nanosecond)
    assert found["monotonic"] == pytest.approx(monotonic, abs=1e-6)


@given(st.text(max_size=50), st.text(max_size=200).filter(lambda t: t == t.encode("utf-8", "replace").decode()))
def test_decoding_gives_back_what_was_encoded(subsystem: str, text: str) -> None:
    subsystem = subsystem.encode("utf-8", "replace").decode()
    line = decode(encode(1, 2, 3.5, subsystem, text.encode()))
    assert (line.timestamp, line.nanosecond, line.monotonic, line.subsystem, line.measurement) == (1, 2, 3.5, subsystem, text)


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b'"x"', b'{"timestamp":"1","subsystem":"a","measurement":"b"}',
     b'{"timestamp":true,"subsystem":"a","measurement":""}',
     b'{"timestamp":1,"subsystem":"a"}', b'{"timestamp":1,"subsystem":"a","measurement":{}}', b"\xff\xfe", b"[" * 100_000,
     b'{"timestamp":1,"nanosecond":"x","subsystem":"a","measurement":"b"}'],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_measurement_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        decode(line)


def numbered(count: int) -> list[bytes]:
    return [encode(n, 0, float(n), "/proc/loadavg", b"0.00 %d\n" % n * 3) for n in range(count)]


def test_unreadable_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = numbered(5)
    (tmp_path / "c.json").write_bytes(b"".join([*lines[:2], b"garbage\n", b"\n", b"\x00\x01\n", *lines[2:], b'{"timestamp":9,"sub']))
    reader = Reader(tmp_path / "c.json")
    assert [line.timestamp for line in reader] == [0, 1, 2, 3, 4]
    assert (reader.damaged, reader.first_damaged, reader.truncated) == (2, 3, True)


def test_a_last_line_without_newline_counts_if_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(b"".join(numbered(3))[:-1])
    reader = Reader(tmp_path / "c.json")
    assert (len(list(reader)), reader.truncated) == (3, False)


def flushed(lines: list[bytes]) -> tuple[bytes, list[int]]:
    """A gzip stream flushed after every line, without its end; and where each line is complete in it."""
    deflater, data, ends = zlib.compressobj(6, zlib.DEFLATED, 31), b"", []
    for line in lines:
        data += deflater.compress(line) + deflater.flush(zlib.Z_SYNC_FLUSH)
        ends.append(len(data))
    return data, ends


def test_a_gzip_stream_cut_anywhere_keeps_every_line_that_was_flushed(tmp_path: Path) -> None:
    data, ends = flushed(numbered(12))
    for cut in range(len(data) + 1):
        (tmp_path / "c.json.gz").write_bytes(data[:cut])
        reader = Reader(tmp_path / "c.json.gz")
        found = [line.timestamp for line in reader]
        whole = sum(end <= cut for end in ends)
        assert found[:whole] == list(range(whole)), cut
        assert reader.damaged == 0


def test_gzip_members_follow_each_other_and_damage_costs_only_its_own(tmp_path: Path) -> None:
    parts = [gzip.compress(line) for line in numbered(4)]
    parts[1] = parts[1][:12] + b"\xff" * 8 + parts[1][20:]
    (tmp_path / "c.json.gz").write_bytes(b"".join(parts))
    reader = Reader(tmp_path / "c.json.gz")
    assert [line.timestamp for line in reader] == [0, 2, 3]
    assert reader.truncated


def test_the_reader_survives_every_single_byte_being_wrong(tmp_path: Path) -> None:
    data = b"".join(numbered(3))
    for at in range(0, len(data), 3):
        (tmp_path / "c.json").write_bytes(data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :])
        list(Reader(tmp_path / "c.json"))


@pytest.mark.parametrize("size", [1, 2, 3, 19, 20, 21, 22, 47, 512])
def test_parts_in_other_encodings_are_read_wherever_a_chunk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Text of any language, as PowerShell's >> and cat put it together."""
    monkeypatch.setattr("perfkit.collection.opening._CHUNK", size)
    text = "ä 漢字漢字漢字漢字 \U0001f600 \u0a40\u0a0d"
    lines = [f'{{"timestamp":{n},"subsystem":"x","measurement":"{text}"}}\n' for n in range(14)]
    parts = ["utf-8", "utf-8", "utf-16-le", "utf-16-le", "utf-8-sig", "utf-8-sig", "utf-16-be", "utf-16-be", "utf-8", "utf-16", "utf-16"]
    parts += ["utf-8-sig", "utf-16-le", "utf-8"]
    (tmp_path / "c.json").write_bytes(b"".join(line.encode(encoding) for line, encoding in zip(lines, parts)))
    reader = Reader(tmp_path / "c.json")
    assert [(line.timestamp, line.measurement) for line in reader] == [(n, text) for n in range(14)]
    assert (reader.damaged, reader.truncated) == (0, False)


def test_a_collection_is_known_by_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(b'{"name":"x"}\n')
    (tmp_path / "run.json").write_bytes(numbered(1)[0])
    assert looks_like(tmp_path / "run.json")
    assert not looks_like(tmp_path / "package.json")
    assert not looks_like(tmp_path / "missing.json")


@pytest.mark.skipif(not SAMPLES.exists(), reason="the sample collections are not there")
@pytest.mark.parametrize("name", ["containers-oci", "host-azure", "host-cpuinfo"])
def test_collections_of_the_go_collector_are_read_whole(name: str) -> None:
    path = SAMPLES / name / "collection.json"
    reader = Reader(path)
    assert sum(1 for _ in reader) == sum(1 for line in path.read_bytes().splitlines() if line)
    assert (reader.damaged, reader.truncated) == (0, False)
