"""The glyphs of the application that a widget is in: Unicode, or ASCII where the trader wants that."""

from __future__ import annotations

from textual.widget import Widget

from tickertui.tui.look.format import UNICODE, GlyphSet


def glyphs_of(widget: Widget) -> GlyphSet:
    """Return the glyphs of the application a widget is in."""
    glyphs: GlyphSet = getattr(widget.app, "glyphs", UNICODE)
    return glyphs
