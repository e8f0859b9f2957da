"""Numbered SQL files that bring a database from one schema version to the next; never back.

``sqlite/0001_first.sql`` makes version 1 out of an empty database, and so on. A file that was released is never
changed; a new version is a new file.
"""

from __future__ import annotations

from importlib import resources

from tickertui.frozen import frozen
from tickertui.store.protocol import StoreNewer


@frozen
class Migration:
    """One step.

    Attributes:
        version: Schema version after it.
        name: Of its file.
        sql: Statements.
    """

    version: int
    name: str
    sql: str


def load_migrations(kind: str) -> tuple[Migration, ...]:
    """Return all steps of "sqlite" or "postgres", ascending, the first of which makes version 1."""
    found = sorted(
        (entry for entry in (resources.files(__name__) / kind).iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    steps = tuple(
        Migration(int(entry.name.partition("_")[0]), entry.name, entry.read_text(encoding="utf-8")) for entry in found
    )
    assert [step.version for step in steps] == list(range(1, len(steps) + 1)), "migrations are numbered without gaps"
    return steps


def pending(steps: tuple[Migration, ...], version: int, label: str) -> tuple[Migration, ...]:
    """Return the steps that a database of a version still needs.

    Raises:
        StoreNewer: When the database is newer than this program.
    """
    if version > len(steps):
        raise StoreNewer(
            f"{label} was written by a newer tickertui (schema {version}, this one knows {len(steps)}); "
            "update tickertui, or choose another place with store.url"
        )
    return steps[version:]
