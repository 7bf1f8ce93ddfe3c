"""Getting from the command line to a process that does nothing but collect.

The command line is parsed with typer, which costs memory for ever. So the same program is started again in its place, as a bare
interpreter (`-I -S`) that knows its options already: they come through an inherited pipe, never through the argument list or
the environment, because every user can read those and the API key is among the options.
"""

from __future__ import annotations

import os
import sys

import perfkit
from perfkit.collect.options import Options

FLAG = "perfkit_collect"  # the interpreter's -X option that carries the pipe's number
_SECRETS = ("--apikey",)


def argv_without_secrets(argv: list[str]) -> list[str]:
    """`argv` with the values of secret options left out, for everyone to see in `ps`."""
    shown, skip = [], False
    for word in argv:
        name, equals, _ = word.partition("=")
        if not skip:
            shown.append(f"{name}=..." if name in _SECRETS and equals else word)
        skip = name in _SECRETS and not equals and not skip
    return shown


def program() -> list[str]:
    """The file that an interpreter runs to become the collector: the pyz, or `collect/__main__.py` of a checkout."""
    archive = getattr(perfkit.__spec__.loader, "archive", None) if perfkit.__spec__ else None
    return [archive or os.path.join(os.path.abspath(next(iter(perfkit.__path__))), "collect", "__main__.py")]


def start(options: Options, argv: list[str]) -> None:
    """Become the collecting process; does not return. `argv` is the command line as typed, without the program's name."""
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(options.dump())
    environment = {name: value for name, value in os.environ.items() if name != "PCC_APIKEY"}
    command = [sys.executable, "-I", "-S", "-X", f"{FLAG}={reading}", *program(), *argv_without_secrets(argv)]
    os.execve(sys.executable, command, environment)  # noqa: S606 (this very program again)


def receive() -> Options:
    """The options that `start` has sent to this process."""
    with os.fdopen(int(sys._xoptions[FLAG]), "rb") as pipe:
        return Options.load(pipe.read())
