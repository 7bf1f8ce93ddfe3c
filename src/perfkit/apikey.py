"""The receiver's API key: where it may come from, and how it is kept out of everybody's sight.

Every user of a machine can read the command line of every process. A key is therefore better given in PCC_APIKEY, in a file or on standard
input; where it does stand on the command line, `hide` overwrites it there. Target tier, and light to import.
"""

from __future__ import annotations

import os
import sys

from perfkit.errors import BadInput, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

OPTION = "apikey"
_HIDDEN = "..."
_LONGEST = 4096  # characters of a file's first line
_ADVICE = "give it in PCC_APIKEY, in a file (--apikey-file FILE) or on standard input (--apikey-file -)"


def without_key(argv: list[str]) -> list[str]:
    """`argv` with "..." for each key in it, for everyone to see in `ps`; what stands behind a `--` is left as it is."""
    end = argv.index("--") if "--" in argv else len(argv)
    shown, is_key = [], False
    for word in argv[:end]:
        name, equals, _ = word.partition("=")
        shown.append(_HIDDEN if is_key else f"{name}={_HIDDEN}" if equals and _is_option(name) else word)
        is_key = not is_key and not equals and _is_option(word)
    return shown + argv[end:]


def hide(argv: list[str]) -> None:
    """Overwrite each key in this process's own command line, which ends with `argv`, and warn; does nothing if there is none."""
    keys = {place: shown[: -len(_HIDDEN)] for place, shown in enumerate(without_key(argv)) if argv[place] != shown}
    if not keys:
        return
    state = "has been hidden again" if _overwrite(argv, keys) else "cannot be hidden here"
    print(f"perfkit: a key on the command line is seen by every user of this machine, and {state}; {_ADVICE}.", file=sys.stderr)


def read(given: str | None, file: str | PathLike[str] | None) -> str:
    """The key: the first line of `file` ("-" is standard input) if one is named, else as `given`; "" if there is neither.

    Raises BadInput where the file holds no key.
    """
    if file is None:
        return (given or "").strip()
    name = "standard input" if os.fspath(file) == "-" else os.fspath(file)
    try:
        with open(0 if name == "standard input" else file, encoding="utf-8-sig", closefd=name != "standard input") as lines:
            key = lines.readline(_LONGEST).strip()
    except OSError as error:
        raise BadInput(f"cannot read the key in {name}: {reason(error)}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{name} holds no key: it is not text.") from None
    if not key:
        raise BadInput(f"{name} holds no key: its first line is empty.")
    return key


def _is_option(word: str) -> bool:
    return word.startswith("-") and word.lstrip("-") == OPTION


def _overwrite(argv: list[str], keys: dict[int, str]) -> bool:
    """Overwrite keys where the kernel keeps this process's command line; False if that fails.

    `keys` are the places in `argv` that hold one, with what stands before it in its word ("--apikey=").

    proc(5): fields 48 and 49 of /proc/self/stat are where in its memory the command line begins and ends.
    """
    typed = [os.fsencode(word) + b"\0" for word in argv]
    try:
        with open("/proc/self/stat", "rb") as stat:  # noqa: PTH123 - the collecting process imports no pathlib
            begin, end = map(int, stat.read().rpartition(b")")[2].split()[45:47])
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            if not os.pread(memory, end - begin, begin).endswith(b"".join(typed)):
                return False
            for place, before in keys.items():
                at = end - len(b"".join(typed[place:])) + len(os.fsencode(before))
                os.pwrite(memory, b"*" * (len(typed[place]) - len(os.fsencode(before)) - 1), at)
        finally:
            os.close(memory)
    except (OSError, ValueError):
        return False
    return True
