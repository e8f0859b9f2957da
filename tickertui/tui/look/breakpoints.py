"""The sizes of the screen, in cells and lines, from which on more is shown; every widget and pane takes them from here.

A width is that of the whole line or pane unless something else is said.
"""

from __future__ import annotations

from typing import Final

LEAST_WIDTH: Final = 40
LEAST_HEIGHT: Final = 10
"""Below these a sentence takes the place of everything."""

WIDE: Final = 110
"""From this width on lines say more than the least, in whole words."""
WIDEST: Final = 180
"""From this width on there is room for everything that a line can say, and for the rail."""

PANELS_HEIGHT: Final = 34
"""Lines of the screen from which on the small panels stand under a chain that is `WIDE`."""
RAIL_HEIGHT: Final = 46
"""Lines of the screen from which on the rail stands beside a chain that is `WIDEST`."""

TOTALS_HEIGHT: Final = 22
"""Lines of the chain from which on the totals have one (a banner takes theirs at 80x24)."""
RULE_HEIGHT: Final = 20
"""Lines of the rows from which on a rule stands under the header, where they are `WIDE`."""
SUMMARY_HEIGHT: Final = 12
"""Lines of the chain from which on it has a summary."""
STRIP_HEIGHT: Final = 8
"""Lines of the chain from which on it has the strip of expiries."""

COST_BESIDE_WIDTH: Final = 120
"""From this width on a rule's cost stands beside it, not below."""
WIDE_PANEL: Final = 58
"""Width of a small panel from which on it has more of its pane: load bars, ages and tokens; the coverage by day."""
