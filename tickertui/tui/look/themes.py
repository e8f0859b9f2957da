"""Themes: the shipped ones and the trader's own, as TOML files of named colours, each checked before it is used.

A colour has a meaning, not a place: ``gain``, ``stale``, ``mock``. Every meaning has a default, so that a theme may
name only what it changes. A broken file costs its own theme and one sentence, never the program. Called by the app.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final

from textual.color import Color, ColorParseError
from textual.theme import Theme

from tickertui.frozen import frozen

DEFAULT_THEME: Final = "cvd-dark"
SHIPPED: Final = ("cvd-dark", "cvd-light", "classic", "classic-asia", "mono", "high-contrast")
"""Names of the themes that come with the program, in the order of the picker."""

INTERFACE: Final = (
    "primary", "secondary", "accent", "warning", "error", "success", "foreground", "background", "surface", "panel",
)  # fmt: skip
"""Keys of the table ``[interface]``: Textual's own colours."""

MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gain": "rising prices, positive changes",
        "loss": "falling prices, negative changes",
        "text-cell": "ordinary numbers",
        "strike": "the strike column",
        "quiet": "ages, missing values, secondary columns",
        "stale": "values of a silent socket",
        "snap": "values of a REST answer",
        "closed": "values of a shut market",
        "cas": "an index frozen by the closing auction",
        "mock": "synthetic values and their banner",
        "replay": "recorded values and their banner",
        "warn": "banners and fields that need a look",
        "error": "refusals",
        "ground": "background of the grid",
        "itm": "background of legs in the money",
        "atm": "background of the row at the money",
        "cursor": "background of the cell under the cursor",
        "cursor-text": "text of that cell",
        "flash-up": "background of a price that has just risen",
        "flash-down": "background of a price that has just fallen",
        "flash-text": "text of such a price",
        "header": "background of column headers and the status bar",
        "header-text": "text there",
        "bar-call": "bars of the calls",
        "bar-put": "bars of the puts",
    }
)
"""Keys of the table ``[colours]`` and what each one means."""

_TOP: Final = ("name", "dark", "interface", "colours")


class ThemeError(ValueError):
    """A theme file that cannot be used; the text names the file, the key and the way out."""


@frozen
class ThemeFailure:
    """A theme file that was passed over.

    Attributes:
        path: The file.
        reason: One sentence with the key.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        """Return one line for the notice at the start."""
        return f"{self.path.name}: {self.reason}"


def themes_directory() -> Path:
    """Return where the shipped themes are: inside the installed package, or at the top of a checkout."""
    inside = Path(str(files("tickertui.tui.look"))) / "themes"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[3] / "themes"


def load_themes(user_directory: Path | None = None) -> tuple[dict[str, Theme], list[ThemeFailure]]:
    """Return the shipped themes and the trader's own, which may replace a shipped one by its name.

    Args:
        user_directory: Where the trader's ``*.toml`` files are; None or an absent directory means none.

    Returns:
        Themes by name, the shipped ones first, and what could not be used.
    """
    directory = themes_directory()
    loaded: dict[str, Theme] = {}
    failed: list[ThemeFailure] = []
    paths = [directory / f"{name}.toml" for name in SHIPPED]
    if user_directory is not None and user_directory.is_dir():
        paths += sorted(user_directory.glob("*.toml"))
    for path in paths:
        try:
            theme = read_theme(path)
        except ThemeError as error:
            failed.append(ThemeFailure(path, str(error)))
        else:
            loaded[theme.name] = theme
    return loaded, failed


def read_theme(path: Path) -> Theme:
    """Read one theme file.

    Raises:
        ThemeError: When it cannot be read or a key or colour in it is wrong; the text names the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ThemeError(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ThemeError("is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(f"is not TOML: {error}") from error
    _check_keys("", document, _TOP)
    name = document.get("name", path.stem)
    if not isinstance(name, str) or not name:
        raise ThemeError(f"name is {name!r}; it must be a word in quotes")
    dark = document.get("dark", True)
    if not isinstance(dark, bool):
        raise ThemeError(f"dark is {dark!r}; it must be true or false")
    interface = _colours("interface", document.get("interface", {}), INTERFACE)
    colours = _colours("colours", document.get("colours", {}), MEANINGS)
    base = _DARK if dark else _light()
    return Theme(
        name=name,
        dark=dark,
        variables={**base.colours, **colours},
        **{**base.interface, **interface},  # type: ignore[arg-type]  # every value is a colour
    )


def _check_keys(table: str, found: Mapping[str, object], known: Iterable[str]) -> None:
    known = list(known)
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ThemeError(f"unknown key {table + '.' if table else ''}{key}; {hint}")


def _colours(table: str, found: object, known: Iterable[str]) -> dict[str, str]:
    """Return a table's colours as ``#RRGGBB``; transparency would make contrast a matter of luck."""
    if not isinstance(found, dict):
        raise ThemeError(f"{table} is {found!r}; it must be a table of colours")
    _check_keys(table, found, known)
    colours = {}
    for key, value in found.items():
        try:
            colour = Color.parse(value) if isinstance(value, str) else None
        except ColorParseError:
            colour = None
        if colour is None or colour.a != 1 or colour.ansi is not None:
            raise ThemeError(f'{table}.{key} is {value!r}; it must be an opaque colour such as "#4DA3FF"')
        colours[key] = colour.hex6
    return colours


def variable_defaults() -> dict[str, str]:
    """Return a value for every meaning, for themes (such as Textual's own) that do not name it."""
    return dict(_DARK.colours)


@frozen
class _Base:
    """What a theme that names nothing looks like."""

    interface: Mapping[str, str]
    colours: Mapping[str, str]


# The shipped default, here too: a theme is complete before any file has been read. A test holds both equal.
_DARK: Final = _Base(
    interface={
        "primary": "#4DA3FF", "secondary": "#39D0D8", "accent": "#F2D13C", "warning": "#F2D13C", "error": "#FF6B6B",
        "success": "#4DA3FF", "foreground": "#E6EAF0", "background": "#0B0E14", "surface": "#141924",
        "panel": "#1B2230",
    },
    colours={
        "gain": "#4DA3FF", "loss": "#FF9E3D", "text-cell": "#E6EAF0", "strike": "#FFFFFF", "quiet": "#9AA3B2",
        "stale": "#98A0AE", "snap": "#C9B458", "closed": "#C4CBD6", "cas": "#9AD0FF", "mock": "#E58CFF",
        "replay": "#39D0D8", "warn": "#F2D13C", "error": "#FF7D7D", "ground": "#0B0E14", "itm": "#131A26",
        "atm": "#233049", "cursor": "#E6EAF0", "cursor-text": "#0B0E14", "flash-up": "#0F3E75",
        "flash-down": "#6B3500", "flash-text": "#FFFFFF", "header": "#1B2230", "header-text": "#C4CBD6",
        "bar-call": "#7385A8", "bar-put": "#7385A8",
    },
)  # fmt: skip


def _light() -> _Base:
    """Return the base of the trader's own light themes: the shipped light one."""
    document = tomllib.loads((themes_directory() / "cvd-light.toml").read_text(encoding="utf-8"))
    return _Base(document["interface"], document["colours"])
