"""Entry of `python3 perfkit.pyz` and of `python3 -m perfkit`."""

from __future__ import annotations

import sys

from perfkit.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
