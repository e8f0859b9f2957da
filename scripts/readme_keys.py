"""Keep the README's table of keys equal to the registry of actions.

    python scripts/readme_keys.py --check    # 1 when the README is not current
    python scripts/readme_keys.py --write

The table stands between the two markers; a test runs the check.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tickertui.tui.keys.actions import key_table  # noqa: E402

README = REPOSITORY / "README.md"
BEGIN, END = "<!-- keys:begin -->", "<!-- keys:end -->"


class MarkersMissingError(Exception):
    """The file has no place for the table."""


def with_table(text: str) -> str:
    """Return a README with the table of the registry in its place.

    Raises:
        MarkersMissingError: Unless each marker stands there once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise MarkersMissingError(f"the README needs the lines {BEGIN!r} and {END!r} once each, in this order")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{key_table()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Check or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    text = README.read_text(encoding="utf-8")
    try:
        wanted = with_table(text)
    except MarkersMissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    if options.write:
        README.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        print("the table of keys is not current: python scripts/readme_keys.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
