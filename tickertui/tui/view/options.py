"""How the trader wants it: what the screens need of the configuration, without the configuration's own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from tickertui.frozen import frozen
from tickertui.market.chain import ReferenceKind


@frozen
class ScreenOptions:
    """Options of the terminal interface.

    Attributes:
        theme: Name of a theme; an unknown one falls back to the default with a notice.
        ascii_glyphs: Whether only ASCII drawing characters are used.
        underlying: Chain to show first.
        header: Indices that the first line shows beside the chain's own, where they are subscribed.
        preset: Column preset to start with: oi, price, greeks, full or one of the trader's own.
        presets: Choices of columns by name, of the configuration, checked
            (`tickertui.tui.chain_grid.columns.user_preset`).
        saved_presets: Likewise, of the column editor.
        presets_file: Where the column editor keeps them, None to keep none.
        notices: Said once at the start: what could not be used of files that the program keeps.
        units: Units to start with: lots, contracts or lakh.
        reference: What the at-the-money strike is measured from.
        frames_per_second: Of the display; the feed does not depend on it.
        keymap: The user's own keys by action id, checked.
        themes_dir: The user's own themes, None for none.
        pictures_dir: Where screenshots go.
        convention: How implied volatility and Greeks are computed, in words.
        model_name: The same where there is little room.
        simulated: Whether the broker is a simulator, so that no price is the exchange's.
        live_frames: False in tests that draw frame by frame.
    """

    theme: str = "cvd-dark"
    ascii_glyphs: bool = False
    underlying: str = "NIFTY"
    header: tuple[str, ...] = ("INDIA VIX", "BANKNIFTY", "SENSEX")
    preset: str = "oi"
    presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    saved_presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    presets_file: Path | None = None
    notices: tuple[str, ...] = ()
    units: str = "lakh"
    reference: ReferenceKind = ReferenceKind.SPOT
    frames_per_second: float = 10.0
    keymap: Mapping[str, str] = field(default_factory=dict)
    themes_dir: Path | None = None
    pictures_dir: Path | None = None
    convention: str = "Black-76"
    model_name: str = "B76"
    simulated: bool = False
    live_frames: bool = True
