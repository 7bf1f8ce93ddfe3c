"""Where Python starts perfkit.pyz, and the unpacked desk tier. In the syntax of any Python, so that an old one gets a sentence."""

try:  # part of the interpreter, while the module `signal` takes milliseconds, in which Ctrl-C would be a traceback
    import _signal
except ImportError:  # as on Python 2
    import signal as _signal
import os
import sys


def interrupted(*_):
    os.write(2, b"perfkit: interrupted.\n")
    os._exit(1)


if _signal.getsignal(_signal.SIGINT) is not _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, interrupted)  # Ctrl-C before a command has begun: there is nothing to clean up

if "perfkit_program" in getattr(sys, "_xoptions", ()):  # perfkit.bootstrap.tier held it back while this interpreter started
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])

if sys.version_info < (3, 9):  # noqa: UP036 - the file meets Pythons that pyproject.toml does not know
    found = "%d.%d" % sys.version_info[:2]  # noqa: UP031 - an old Python knows no f-strings
    sys.stderr.write("perfkit: Python 3.9 or later is needed, and this is Python " + found + "; start it as `python3.x perfkit.pyz`.\n")
    sys.exit(2)

archive = getattr(__loader__, "archive", None)
if archive is not None:
    # The modules of the start, compiled for this Python if the file has them; the rest of the path follows.
    sys.path.insert(0, archive + "/bytecode/" + str(sys.implementation.cache_tag))

from perfkit.__main__ import run  # noqa: E402 - only now may the import use newer syntax

run()
