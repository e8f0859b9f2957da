"""Inks and grounds of the chain grid, and the table of ready styles that its rows index.

A style is an integer while a row is put together, so that neighbours of the same style merge with one comparison; it
becomes a `rich.style.Style` by a look into the palette. A palette is rebuilt only when the theme changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color


class Ink(IntEnum):
    """Colours of text."""

    TEXT = 0
    MUTED = 1
    GAIN = 2
    LOSS = 3
    STALE = 4
    SNAP = 5
    MOCK = 6
    ERROR = 7
    STRIKE = 8
    BAR_CALL = 9
    BAR_PUT = 10
    # The same with ground and ink exchanged: the partial cell of a bar that grows to the left.
    GAIN_TURNED = 11
    LOSS_TURNED = 12
    BAR_CALL_TURNED = 13


class Ground(IntEnum):
    """Backgrounds of cells."""

    PLAIN = 0
    ITM = 1
    ATM = 2
    CURSOR = 3
    FLASH_UP = 4
    FLASH_DOWN = 5
    HEADER = 6


INKS: Final = len(Ink)

_VARIABLES: Final[Mapping[Ink, str]] = {
    Ink.TEXT: "text-cell",
    Ink.MUTED: "quiet",
    Ink.GAIN: "gain",
    Ink.LOSS: "loss",
    Ink.STALE: "stale",
    Ink.SNAP: "snap",
    Ink.MOCK: "mock",
    Ink.ERROR: "error",
    Ink.STRIKE: "strike",
    Ink.BAR_CALL: "bar-call",
    Ink.BAR_PUT: "bar-put",
    Ink.GAIN_TURNED: "gain",
    Ink.LOSS_TURNED: "loss",
    Ink.BAR_CALL_TURNED: "bar-call",
}
_GROUNDS: Final[Mapping[Ground, str]] = {
    Ground.PLAIN: "ground",
    Ground.ITM: "itm",
    Ground.ATM: "atm",
    Ground.CURSOR: "cursor",
    Ground.FLASH_UP: "flash-up",
    Ground.FLASH_DOWN: "flash-down",
    Ground.HEADER: "header",
}
_TURNED: Final = frozenset((Ink.GAIN_TURNED, Ink.LOSS_TURNED, Ink.BAR_CALL_TURNED))
_OWN_INK: Final[Mapping[Ground, str]] = {
    Ground.CURSOR: "cursor-text",
    Ground.FLASH_UP: "flash-text",
    Ground.FLASH_DOWN: "flash-text",
    Ground.HEADER: "header-text",
}
"""Grounds on which every ink is the same, so that it can be read."""
_BOLD: Final = frozenset((Ground.CURSOR, Ground.FLASH_UP, Ground.FLASH_DOWN))


def style_index(ink: Ink, ground: Ground) -> int:
    """Return the place of a combination in a palette."""
    return ground * INKS + ink


def build_palette(variables: Mapping[str, str], *, dimmed: bool = False) -> tuple[Style, ...]:
    """Return a style for every combination, by `style_index`.

    Args:
        variables: The theme's variables, name -> colour.
        dimmed: Whether every ink is the stale one: a chain that waits for its successor's data.
    """
    styles = []
    for ground in Ground:
        background = _rich(variables[_GROUNDS[ground]])
        for ink in Ink:
            name = "stale" if dimmed and ground is not Ground.CURSOR else _OWN_INK.get(ground, _VARIABLES[ink])
            styles.append(
                Style(
                    color=_rich(variables[name]),
                    bgcolor=background,
                    bold=True if ground in _BOLD or ink is Ink.STRIKE else None,
                    reverse=True if ink in _TURNED else None,
                )
            )
    return tuple(styles)


def _rich(colour: str) -> RichColor:
    return Color.parse(colour).rich_color
