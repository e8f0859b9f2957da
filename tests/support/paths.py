"""Where tests find files: the repository, and the optional folder of shared broker data beside it."""

from __future__ import annotations

import gzip
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_data(name: str) -> Path | None:
    """Return a file of the shared data folder beside the checkout, or None where it is not there."""
    path = REPOSITORY.parent / "shared" / "data" / name
    return path if path.exists() else None


def sample(name: str) -> Path:
    """Return a file of `tests/data`: published values in the broker's form, see `tests.data.write_samples`."""
    return REPOSITORY / "tests" / "data" / name


LISTING = "contracts_2026-08-18.csv"
REAL_LISTING = shared_data("kite-instruments-options-2026-08-18.csv.gz")
LISTINGS = [sample(LISTING), *([REAL_LISTING] if REAL_LISTING else [])]
"""Index contracts of 18 Aug 2026: a few of each chain, and the broker's whole dump where it is beside this checkout."""


def listing(path: Path) -> bytes:
    """Return the CSV of a listing."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content
