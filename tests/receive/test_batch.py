"""What a trickle body may say."""

from __future__ import annotations

import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.receive.batch import SiteMachine, parse_batch
from perfkit.receive.request import Refused

LINE = {"timestamp": 1, "subsystem": "/proc/stat", "measurement": "cpu 1 2\n"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(list(LINE)), inner, max_size=4),
    max_leaves=20,
)


def batch(*lines: object, identifier: object = "vm-a") -> bytes:
    return orjson.dumps({"identifier": identifier, "measurements": list(lines)})


def test_lines_are_written_in_one_key_order_whatever_the_sender_chose() -> None:
    """So that a line sent again is the same bytes."""
    mixed = {"measurement": "m", "monotonic": 1.5, "extra": [1], "subsystem": "s", "nanosecond": 7, "timestamp": 3}
    (line,) = parse_batch(batch(mixed), 10).lines
    assert line.text == b'{"timestamp":3,"nanosecond":7,"monotonic":1.5,"subsystem":"s","measurement":"m"}'
    assert line.instant == (3, 7)


def test_a_measurement_survives_byte_for_byte() -> None:
    text = 'cpu  1 2\n\t"quoted" <&> \u2028 \U0001f600 \\ end\u0000'
    (line,) = parse_batch(batch(LINE | {"measurement": text}), 10).lines
    assert b"\n" not in line.text
    assert orjson.loads(line.text)["measurement"] == text


def test_go_sends_null_for_no_measurements() -> None:
    assert parse_batch(b'{"identifier":"a","measurements":null}', 10).lines == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not an object"),
        (b'{"measurements":[]}', "identifier is missing"),
        (batch(LINE, identifier=7), "identifier is missing"),
        (batch(LINE, identifier="a" * 201), "longer than 200"),
        (batch(LINE, identifier="a\u0000b"), "control"),
        (batch(LINE, identifier="a\u202eb"), "control"),
        (b'{"identifier":"\\ud800"}', "not JSON"),
        (b'{"identifier":"a","measurements":{}}', "not a list"),
        (batch(7), "measurements[0]: not an object"),
        (batch(LINE, {"timestamp": 1}), "measurements[1]: not an object"),
        (batch(LINE | {"timestamp": "1"}), "timestamp is not"),
        (batch(LINE | {"timestamp": True}), "timestamp is not"),
        (batch(LINE | {"timestamp": -1}), "timestamp is not"),
        (batch(LINE | {"timestamp": 10**12}), "timestamp is not"),
        (batch(LINE | {"nanosecond": 10**9}), "nanosecond is not"),
        (batch(LINE | {"monotonic": "1"}), "monotonic is not"),
        (batch(LINE | {"monotonic": -1}), "monotonic is not"),
        (batch(LINE | {"monotonic": 1e300}), "monotonic is not"),
        (batch(LINE | {"subsystem": ""}), "subsystem is not"),
        (batch(LINE | {"measurement": {"a": 1}}), "measurement is not"),
    ],
)
def test_what_is_no_batch_is_refused_with_400_and_the_reason(body: bytes, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_batch(body, 10)
    assert refused.value.status == 400
    assert sentence in refused.value.sentence


def test_too_many_lines_are_refused_with_413() -> None:
    with pytest.raises(Refused) as refused:
        parse_batch(batch(*[LINE] * 11), 10)
    assert refused.value.status == 413


@given(st.binary(max_size=200) | json_values.map(lambda value: orjson.dumps(value, default=str) if _fits(value) else b""))
def test_no_body_does_anything_but_parse_or_be_refused(body: bytes) -> None:
    try:
        parsed = parse_batch(body, 10)
    except Refused as refused:
        assert refused.status in (400, 413)
    else:
        assert all(orjson.loads(line.text)["timestamp"] == line.instant[0] for line in parsed.lines)


def _fits(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@given(st.text(min_size=1))
def test_no_identifier_names_anything_outside_its_folder(identifier: str) -> None:
    identifier = identifier.encode("utf-8", "replace").decode()
    for machine in (SiteMachine.of(identifier, None), SiteMachine.of("vm", identifier)):
        folder, _, file = machine.day_file("2026-01-31").partition("/")
        assert folder == machine.folder()
        for part in (folder, file):
            assert part.isascii()
            assert not part.startswith((".", "-"))
            assert not set(part) & set("/\\\0\n: ")
            assert len(part) <= 150


def test_machines_that_look_alike_stay_apart_on_every_file_system() -> None:
    """Also where names are compared without case (macOS) or in one Unicode form."""
    names = ["a/b", "a-b", "a b", "A-b", "A-B", "../a-b", "a-b.", "a\u00e9b", "a\u00e8b", "ae\u0301b", "\u212bb", "\u00c5b"]
    machines = [
        SiteMachine.of(name, site) for name in names for site in (None, "Berlin", "berlin", "BERLIN", "Be\u0301rlin", "B\u00e9rlin")
    ]
    folders = {unicodedata.normalize("NFKC", machine.folder()).casefold() for machine in machines}
    assert len(folders) == len(machines)


def test_a_key_without_a_site_speaks_for_the_default_site() -> None:
    assert SiteMachine.of("vm", None) == SiteMachine.of("vm", "") == SiteMachine.of("vm", "default")
    assert SiteMachine.of("a-b", "c").folder() != SiteMachine.of("a", "b-c").folder()
