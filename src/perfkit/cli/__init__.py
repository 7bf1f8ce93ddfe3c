"""The commands: parse the options, call one function, print its result.

Each command lives in a module of its own that is imported when the command is used, so that `collect` on a target loads
nothing that it does not need. typer and rich are used here and nowhere below.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click
import typer
from typer.core import TyperGroup

from perfkit.commands import COMMANDS
from perfkit.errors import BadInput, PerfkitError
from perfkit.originals import ONE_DASH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class _Unknown(click.UsageError):
    """A command that there is not, and those that are spelled nearly so."""

    def __init__(self, message: str, possibilities: Sequence[str], ctx: click.Context) -> None:
        super().__init__(message, ctx)
        self.possibilities = possibilities


class Group(TyperGroup):
    """Commands below a command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            raise _Unknown(f"No such command {args[0]!r}.", get_close_matches(args[0], self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


# What every command's own app is made with: plain help (rich is slow to load), no shell completion to install.
APP_SETTINGS: dict[str, Any] = {
    "cls": Group,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "add_completion": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def examples(*lines: str) -> str:
    """The end of a command's help: command lines that can be typed as they are."""
    return "\n".join(["\b", "Examples:", *(f"  perfkit {line}" for line in lines)])


def next_step(sentence: str) -> None:
    """Tell a person at a terminal what comes next; what goes into files and pipes stays as it is."""
    if sys.stderr.isatty():
        print(f"Next: {sentence}", file=sys.stderr)


def chosen(ctx: click.Context, argument: Path | None, option: Path | None, name: str) -> Path | None:
    """The file named as an argument, else by the option `name` or its variable. Raises BadInput where both are typed, and differ."""
    from click.core import ParameterSource

    if argument and option and argument != option and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        raise BadInput(f"{argument} and --{name} {option} are two files; name one.")
    return argument or option


class _Commands(Group):
    """The commands of COMMANDS, each imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = typer.main.get_command(importlib.import_module(COMMANDS[name][1]).app)
        command.name = name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


app = typer.Typer(
    no_args_is_help=True,
    epilog=examples("collect --duration 30m", "preflight -- k6 run test.js", "process", "import", "serve --open", "help collect"),
    **{**APP_SETTINGS, "cls": _Commands},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from perfkit.bootstrap import program_file, tier

        print(tier.version(program_file()))
        raise typer.Exit


@app.callback()
def _perfkit(
    version: bool = typer.Option(
        False, "--version", "-V", callback=_print_version, is_eager=True, help="Print the version, the file's digest and what it carries."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks; works behind a command too."),
) -> None:
    """Record a Linux machine during a load test, and know that it was recorded."""


def main(argv: list[str]) -> int:
    """Run the command line `argv` (without the program's name) and return its exit code: 0, 1 or 2.

    Errors print as one sentence on stderr. A traceback appears only with `--debug` anywhere before a `--`.
    """
    ours = argv[: argv.index("--")] if "--" in argv else argv
    debug = "--debug" in ours or bool(os.environ.get("PERFKIT_DEBUG"))
    argv = _with_two_dashes([word for word in ours if word != "--debug"]) + argv[len(ours) :]
    try:
        return _run(argv)
    except PerfkitError as error:
        if debug:
            raise
        return _complain(str(error), error.exit_code)
    except click.UsageError as error:
        return _complain(_usage(error, argv), 2)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted.", 1)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): not an error, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        return _complain(*_unexpected(error))


def _unexpected(error: Exception) -> tuple[str, int]:
    """What to say of an error that nothing expected, and the exit code: a library that the system lacks is its owner's matter, not ours."""
    library, missing, _ = str(error).partition(": cannot open shared object file")
    if isinstance(error, ImportError) and missing:
        return f"{library} is not on this system, and this command needs it; install it (Debian, Ubuntu: apt-get install libstdc++6).", 2
    from perfkit.bootstrap import tier

    package = (error.name or "").partition(".")[0].lstrip("_") if isinstance(error, ModuleNotFoundError) else ""
    is_missing = package not in ("", "perfkit")
    if is_missing and (why := tier.too_old()):
        return f"this command {why}", 2
    if mended := tier.mended():
        return mended, 1
    if is_missing:
        return f"this command needs the package {package}, which is not installed; pip and pipx install it with perfkit's wheel.", 2
    return f"internal error ({type(error).__name__}: {error}); run it again with --debug and report what it shows.", 1


def _run(argv: list[str]) -> int:
    """Not `app(argv)`: typer would make an exit code of its own of Ctrl-C, and say nothing."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("perfkit", argv) as ctx:
            return command.invoke(ctx) or 0
    except click.exceptions.Exit as done:
        return done.exit_code


def _usage(error: click.UsageError, argv: list[str]) -> str:
    """What is wrong with the command line, what may have been meant, and where to look."""
    where = error.ctx.command_path if error.ctx else " ".join(["perfkit", *(word for word in argv[:1] if word in COMMANDS)])
    meant = getattr(error, "possibilities", None)
    if not meant:
        return f"{error.format_message().rstrip('.')}; see {where} --help."
    return f"{error.message.rstrip('.')}; did you mean {' or '.join(meant)}? See {where} --help."


def _with_two_dashes(argv: list[str]) -> list[str]:
    """`argv` with `-collection` as `--collection`, for the commands whose originals had their options with one dash."""
    command = next((word for word in argv if not word.startswith("-")), "")
    if command not in ONE_DASH or all(word.startswith("--") or not word.startswith("-") for word in argv):
        return argv
    known = typer.main.get_command(importlib.import_module(COMMANDS[command][1]).app).params
    names = {name for option in known for name in (*option.opts, *option.secondary_opts)}
    return [f"-{word}" if f"-{word.partition('=')[0]}" in names else word for word in argv]


def _complain(sentence: str, exit_code: int) -> int:
    print(f"perfkit: {sentence}", file=sys.stderr)
    return exit_code
