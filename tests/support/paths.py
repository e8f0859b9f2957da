"""Where tests find files: the repository, and the optional folder of shared broker data beside it."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_data(name: str) -> Path | None:
    """Return a file of the shared data folder beside the checkout, or None where it is not there."""
    path = REPOSITORY.parent / "shared" / "data" / name
    return path if path.exists() else None
