"""`ScreenLayout`: what of the main screen there is room for; it is asked with every change of the size or the pane."""

from __future__ import annotations

from tickertui.frozen import frozen
from tickertui.tui.look.breakpoints import LEAST_HEIGHT, LEAST_WIDTH, PANELS_HEIGHT, RAIL_HEIGHT, WIDE, WIDEST


@frozen
class ScreenLayout:
    """The room on the screen.

    Attributes:
        width: Of the terminal, cells.
        height: Of the terminal, lines.
        beside_chain: Whether the chain is shown and lets others stand beside it.
    """

    width: int
    height: int
    beside_chain: bool

    @property
    def is_tiny(self) -> bool:
        """Whether there is room for nothing but the sentence that says so."""
        return self.width < LEAST_WIDTH or self.height < LEAST_HEIGHT

    @property
    def has_long_words(self) -> bool:
        """Whether the status bar says everything in full."""
        return self.width >= WIDE

    @property
    def has_panels(self) -> bool:
        """Whether the small panels stand under the chain."""
        return self.beside_chain and self.width >= WIDE and self.height >= PANELS_HEIGHT

    @property
    def has_health(self) -> bool:
        """Whether one of the small panels begins with the program's health, and rules say what they cost."""
        return self.width >= WIDEST

    @property
    def has_rail(self) -> bool:
        """Whether the rail stands at the right of the chain."""
        return self.beside_chain and self.width >= WIDEST and self.height >= RAIL_HEIGHT

    def shown(self, *, failed: bool = False) -> dict[str, bool]:
        """Return which parts are shown, by their selectors.

        Args:
            failed: Whether something has failed in the pane, so that the box about it stands in its place.
        """
        full = not self.is_tiny
        return {
            "#panes": full and not failed, "#failure": full and failed, "#status": full, "#keys": full,
            "#too-small": self.is_tiny, "#panels": self.has_panels, "#rail": self.has_rail,
        }  # fmt: skip
