"""The collectors that run on this machine, found by their command lines: perfkit's and pcc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Collector(NamedTuple):
    """A running collector; `collection` is empty in trickle mode or where it cannot be told."""

    pid: int
    mode: str
    collection: str


def running(proc: Path = Path("/proc")) -> list[Collector]:
    """The collectors that this user may see, lowest pid first."""
    pids = sorted(int(entry) for entry in os.listdir(proc) if entry.isdigit() and int(entry) != os.getpid())
    found = (_collector(proc / str(pid), pid) for pid in pids)
    return [one for one in found if one is not None]


def _collector(folder: Path, pid: int) -> Collector | None:
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return None
    if not words or not (_is_perfkit(words) or Path(words[0]).name == "pcc"):
        return None
    environment = _environment(folder)
    mode = _option(words, "mode") or environment.get("PCC_MODE") or ("local" if _is_perfkit(words) else "trickle")
    collection = "" if mode == "trickle" else _option(words, "collection") or environment.get("PCC_COLLECTION", "")
    return Collector(pid, mode, collection)


def _is_perfkit(words: list[str]) -> bool:
    return "collect" in words[1:] and any("perfkit" in word for word in words[: words.index("collect", 1)])


def _option(words: list[str], name: str) -> str:
    for word, following in zip(words, [*words[1:], ""]):
        flag, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and flag == name:
            return value if equals else following
    return ""


def _environment(folder: Path) -> dict[str, str]:
    try:
        pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if pair.startswith("PCC_") and "=" in pair)
