"""Foregrounds and backgrounds of the chain grid, and the table of ready styles that its rows index.

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


class Foreground(IntEnum):
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
    # The same with foreground and background exchanged: the partial cell of a bar that grows to the left.
    GAIN_TURNED = 11
    LOSS_TURNED = 12
    BAR_CALL_TURNED = 13


class Background(IntEnum):
    """Backgrounds of cells."""

    PLAIN = 0
    ITM = 1
    ATM = 2
    CURSOR = 3
    FLASH_UP = 4
    FLASH_DOWN = 5
    HEADER = 6


FOREGROUNDS: Final = len(Foreground)

_VARIABLES: Final[Mapping[Foreground, str]] = {
    Foreground.TEXT: "text-cell",
    Foreground.MUTED: "quiet",
    Foreground.GAIN: "gain",
    Foreground.LOSS: "loss",
    Foreground.STALE: "stale",
    Foreground.SNAP: "snap",
    Foreground.MOCK: "mock",
    Foreground.ERROR: "error",
    Foreground.STRIKE: "strike",
    Foreground.BAR_CALL: "bar-call",
    Foreground.BAR_PUT: "bar-put",
    Foreground.GAIN_TURNED: "gain",
    Foreground.LOSS_TURNED: "loss",
    Foreground.BAR_CALL_TURNED: "bar-call",
}
_BACKGROUNDS: Final[Mapping[Background, str]] = {
    Background.PLAIN: "ground",
    Background.ITM: "itm",
    Background.ATM: "atm",
    Background.CURSOR: "cursor",
    Background.FLASH_UP: "flash-up",
    Background.FLASH_DOWN: "flash-down",
    Background.HEADER: "header",
}
_TURNED: Final = frozenset((Foreground.GAIN_TURNED, Foreground.LOSS_TURNED, Foreground.BAR_CALL_TURNED))
_OWN_FOREGROUND: Final[Mapping[Background, str]] = {
    Background.CURSOR: "cursor-text",
    Background.FLASH_UP: "flash-text",
    Background.FLASH_DOWN: "flash-text",
    Background.HEADER: "header-text",
}
"""Backgrounds with one foreground for everything, so that it can be read."""
_BOLD: Final = frozenset((Background.CURSOR, Background.FLASH_UP, Background.FLASH_DOWN))


def style_index(foreground: Foreground, background: Background) -> int:
    """Return the place of a combination in a palette."""
    return background * FOREGROUNDS + foreground


def build_palette(variables: Mapping[str, str], *, dimmed: bool = False) -> tuple[Style, ...]:
    """Return a style for every combination, by `style_index`.

    Args:
        variables: The theme's variables, name -> colour.
        dimmed: Whether every foreground is the stale one: a chain that waits for its successor's data.
    """
    styles = []
    for background in Background:
        colour = _rich(variables[_BACKGROUNDS[background]])
        for foreground in Foreground:
            name = (
                "stale"
                if dimmed and background is not Background.CURSOR
                else _OWN_FOREGROUND.get(background, _VARIABLES[foreground])
            )
            styles.append(
                Style(
                    color=_rich(variables[name]),
                    bgcolor=colour,
                    bold=True if background in _BOLD or foreground is Foreground.STRIKE else None,
                    reverse=True if foreground in _TURNED else None,
                )
            )
    return tuple(styles)


def _rich(colour: str) -> RichColor:
    return Color.parse(colour).rich_color
