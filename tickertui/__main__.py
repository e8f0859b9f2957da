"""Entry point of ``python -m tickertui`` and of the ``tickertui`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return the process exit code."""
    from tickertui.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
