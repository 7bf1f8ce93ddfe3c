"""Entry of `python3 perfkit.pyz` and of `python3 -m perfkit`: which tier is asked for, and where it runs."""

from __future__ import annotations

import gc
import signal
import sys

from perfkit.bootstrap import interrupt, program_file
from perfkit.errors import PerfkitError

# Loading modules makes tens of thousands of objects that stay: searched for garbage after each 700, as is usual, a short command takes a
# twentieth longer (November 2026).
_NEW_OBJECTS = 10_000


def main(argv: list[str]) -> int:
    """Run `argv` (without the program's name) and return the exit code: 0, 1 or 2.

    Inside a zip, a command of the desk tier is handed to a fresh interpreter on the unpacked packages and this call does not return.
    """
    if "perfkit_collect" in sys._xoptions:  # the second stage of `collect`, see perfkit.collect.launch
        from perfkit.collect.__main__ import main as collect

        return collect()
    if any(word.startswith(("--apikey", "-apikey")) for word in argv):
        from perfkit import apikey

        apikey.hide(argv)
    archive = program_file()
    if archive is not None:
        from perfkit.bootstrap import tier

        if tier.wanted(argv):
            return _run_unpacked(archive, argv)
    if argv in (["--version"], ["-V"]):  # without typer, which takes a third of the time
        from perfkit.bootstrap import tier

        print(tier.version(archive))
        return 0
    if hasattr(gc, "set_threshold"):  # PyPy has none
        gc.set_threshold(_NEW_OBJECTS)
    try:
        from perfkit import cli
    except Exception:
        return _mended()
    return cli.main(argv)


def _mended() -> int:
    """Say that unpacked files had changed on the disk, and are as they should be again; raises the error that is handled if none had."""
    from perfkit.bootstrap import tier

    if not (sentence := tier.mended()):
        raise  # noqa: PLE0704 - what `main` handles
    print(f"perfkit: {sentence}", file=sys.stderr)
    return 1


def _run_unpacked(archive: str, argv: list[str]) -> int:
    """Hand `argv` to the desk tier; returns only if that failed. Errors print as `perfkit.cli.main` prints them, without loading it."""
    from perfkit.bootstrap import tier

    try:
        tier.run(archive, argv)
    except PerfkitError as error:
        if "--debug" in argv:
            raise
        sentence, code = str(error), error.exit_code
    except KeyboardInterrupt:
        sentence, code = "interrupted.", 1
    print(f"perfkit: {sentence}", file=sys.stderr)
    return code


def run() -> None:
    """Run this process's command line and exit. Ctrl-C ends it with a sentence, whenever it comes."""
    try:
        interrupt.take()
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        print("perfkit: interrupted.", file=sys.stderr)
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter's own end is not to be interrupted
    sys.exit(code)


if __name__ == "__main__":
    run()
