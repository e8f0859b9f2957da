"""Keep the tables of keys equal to the registry of actions: all of them in docs/keys.md, a dozen in the README.

    python scripts/readme_keys.py --check    # 1 when a table is not current
    python scripts/readme_keys.py --write

A table stands between two markers; a test runs the check.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tickertui.tui.keys.actions import ACTIONS, key_table  # noqa: E402

BEGIN, END = "<!-- keys:begin -->", "<!-- keys:end -->"

FIRST_KEYS: Final = (
    "help", "next-pane", "pick-underlying", "previous-expiry", "next-expiry", "chain-to-atm", "next-columns",
    "next-view", "why", "leg", "reload-plan", "login", "quit",
)  # fmt: skip
"""Ids of the actions that a trader needs on the first day, in the order of the README's table."""

_BY_ID: Final = {action.id: action for action in ACTIONS}

TABLES: Final = {
    Path("README.md"): key_table(_BY_ID[action_id] for action_id in FIRST_KEYS),
    Path("docs", "keys.md"): key_table(),
}
"""The table of each file, by its path from the top of the repository."""


class MarkersMissingError(Exception):
    """The file has no place for the table."""


def with_table(text: str, table: str) -> str:
    """Return the text of a file with the table in its place.

    Raises:
        MarkersMissingError: Unless each marker stands there once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise MarkersMissingError(f"it needs the lines {BEGIN!r} and {END!r} once each, in this order")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main(arguments: list[str], repository: Path = REPOSITORY) -> int:
    """Check or write; 1 when a table is not current or has no place, with a line for each such file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true")
    mode.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    exit_code = 0
    for path, table in TABLES.items():
        file = repository / path
        text = file.read_text(encoding="utf-8")
        try:
            wanted = with_table(text, table)
        except MarkersMissingError as missing:
            print(f"{path}: {missing}", file=sys.stderr)
            exit_code = 1
            continue
        if options.write:
            file.write_text(wanted, encoding="utf-8")
        elif text != wanted:
            print(f"{path}: its keys are not current: python scripts/readme_keys.py --write", file=sys.stderr)
            exit_code = 1
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
