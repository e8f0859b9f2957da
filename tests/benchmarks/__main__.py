"""Run the benchmarks: ``python -m tests.benchmarks [NAME ...] [--json FILE]``.

NAME is the part after ``bench_`` in the module's name; without names all run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.harness import Result

PREFIX = "bench_"
COLUMNS = ("what", "figure", "unit", "peer", "peer's", "ratio", "target")


def available() -> list[str]:
    """Return the names of the benchmark modules beside this file."""
    return sorted(path.stem.removeprefix(PREFIX) for path in Path(__file__).parent.glob(f"{PREFIX}*.py"))


def run(name: str) -> list[Result]:
    """Run one benchmark module and return its rows."""
    module = importlib.import_module(f"tests.benchmarks.{PREFIX}{name}")
    rows: list[Result] = module.run()
    return rows


def table(rows: Sequence[Result]) -> str:
    """Lay rows out in aligned columns."""
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    numeric = {1, 4, 5}
    return "\n".join(
        "  ".join(
            text.rjust(width) if i in numeric else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def _cells(row: Result) -> tuple[str, ...]:
    return (
        row.name,
        _figure(row.value),
        row.unit,
        row.peer or "",
        _figure(row.peer_value),
        "" if row.ratio is None else f"{row.ratio:.1f}x",
        row.target,
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, print a table each, and write them as JSON when asked."""
    names = available()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(names)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(names)}")
    results: dict[str, list[Result]] = {}
    for name in options.names or names:
        results[name] = run(name)
        print(f"\n{name}\n{table(results[name])}", flush=True)
    if options.json is not None:
        _write_json(options.json, results)
    return 0


def _write_json(path: Path, results: dict[str, list[Result]]) -> None:
    document = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "benchmarks": {name: [asdict(row) for row in rows] for name, rows in results.items()},
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
