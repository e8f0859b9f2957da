"""The trader's own choices of columns: their names, their file, and what is wrong with either, in words.

The configuration (``[screen.presets]``) and the column editor's own file are checked by the same functions. Nothing
here needs numpy or the terminal: `tickertui config check` reads it too.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from tickertui.frozen import frozen
from tickertui.process.atomic_write import write_atomically

COLUMN_NAMES: Final = (
    "bar", "oi", "oi_change", "mark_oi", "volume", "mark_volume", "iv", "delta", "gamma", "theta", "vega", "bid",
    "bid_qty", "ask", "ask_qty", "spread", "change", "change_pct", "mark_ltp", "average", "high", "low", "ltp",
)  # fmt: skip
"""Every column by its name, in the order of the column editor."""
BUILT_IN: Final = ("oi", "price", "greeks", "full")
"""Presets that are always there, in the order of their key."""
MARK_PRESET: Final = "mark"
"""The changes since the mark; in the ring only while there is a mark."""
UNSAVED: Final = "own"
"""The columns that the editor was closed with and that were not saved under a name."""

_HEADERS: Final = {
    "doi": "oi_change", "vol": "volume", "dlt": "delta", "chg": "change", "chg%": "change_pct", "bidq": "bid_qty",
    "askq": "ask_qty", "sprd": "spread", "avg": "average", "oi±m": "mark_oi", "ltp±m": "mark_ltp",
    "vol±m": "mark_volume",
}  # fmt: skip
"""What stands above a column on the screen -> its name: both may be written."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
_TITLE: Final = "# Written by the column editor of tickertui. Presets of your own making belong into config.toml.\n\n"


def column_name(text: str) -> str:
    """Return the name of a column, also for what stands above it on the screen (``dOI``).

    Raises:
        ValueError: With the nearest name, or all of them.
    """
    lower = text.strip().lower()
    if lower in COLUMN_NAMES:
        return lower
    if lower in _HEADERS:
        return _HEADERS[lower]
    near = difflib.get_close_matches(lower, (*COLUMN_NAMES, *_HEADERS), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COLUMN_NAMES)}"
    raise ValueError(f"is no column; {hint}")


def column_choice(columns: Iterable[str]) -> tuple[str, ...]:
    """Return names of columns as they are shown: each once, ``ltp`` left out (it is always there, innermost).

    Raises:
        ValueError: When a column is unknown or named twice, or when there is none.
    """
    names: list[str] = []
    for text in columns:
        try:
            name = column_name(text)
        except ValueError as error:
            raise ValueError(f"{text!r} {error}") from None
        if name in names:
            raise ValueError(f"names the column {name!r} twice")
        names.append(name)
    if not names:
        raise ValueError("names no column")
    return tuple(name for name in names if name != "ltp")


def preset_name(text: str) -> str:
    """Return the name of an own preset.

    Raises:
        ValueError: When it is taken by a built-in one or cannot be a name.
    """
    if text in (*BUILT_IN, MARK_PRESET, UNSAVED):
        raise ValueError(f"{text!r} is built in; choose another name")
    if not _NAME.fullmatch(text):
        raise ValueError("a name is a letter, then up to 15 letters, digits, - and _")
    return text


@frozen
class SavedPresets:
    """What the column editor's file holds.

    Attributes:
        presets: Name -> columns from the outside in.
        problems: One sentence for each thing that cannot be used, with file and key.
    """

    presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_presets(path: Path) -> SavedPresets:
    """Read the column editor's file; one that is not there holds nothing, and what is wrong in it is told, not raised.

    Args:
        path: A TOML file with the table ``[presets]``.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return SavedPresets()
    except OSError as error:
        return SavedPresets(problems=(f"{path}: cannot be read: {error.strerror}",))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8 text"
        return SavedPresets(problems=(f"{path}: is not valid TOML: {reason}",))
    table = document.get("presets", {})
    unknown = [
        f"{path}: {key}: is not expected here; presets stand in [presets]" for key in document if key != "presets"
    ]
    if not isinstance(table, dict):
        return SavedPresets(problems=(*unknown, f"{path}: presets: must be a table"))
    presets: dict[str, tuple[str, ...]] = {}
    for name, columns in table.items():
        try:
            if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
                raise ValueError('must be a list of columns, ["oi", "doi", ...]')
            presets[preset_name(name)] = column_choice(columns)
        except ValueError as error:
            unknown.append(f"{path}: presets.{name}: {error}")
    return SavedPresets(presets, tuple(unknown))


def write_presets(path: Path, presets: Mapping[str, tuple[str, ...]]) -> None:
    """Write the column editor's file; whatever happens, there is the old one or the new one, never half of one.

    Raises:
        OSError: When it cannot be written.
    """
    import tomli_w

    path.parent.mkdir(parents=True, exist_ok=True)
    text = tomli_w.dumps({"presets": {name: list(columns) for name, columns in presets.items()}})
    write_atomically(path, _TITLE + text)
