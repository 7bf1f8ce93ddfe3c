"""The collecting process itself, started by `perfkit.collect.launch` in a bare interpreter."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Collect as the options of `launch.start` say; returns the exit code."""
    from perfkit.collect.launch import receive
    from perfkit.collect.run import run
    from perfkit.errors import PerfkitError

    try:
        return run(receive())
    except PerfkitError as error:
        print(f"perfkit: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    # In a checkout this file is run by its path, and an isolated interpreter looks nowhere else.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))))
    sys.exit(main())
