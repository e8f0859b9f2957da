"""Chain rules to contracts: which strikes of which expiries a rule means at this moment.

Pure; the `SubscriptionReconciler` calls it. A rule follows the spot with hysteresis, in two ways:

- Its centre moves only when the strike at the money is `FollowSettings.strikes` away from it, and has been for a while.
  Between two centres lies a dead band: a spot that swings about the boundary of two strikes moves nothing.
- When the centre has moved, strikes that fall out of the range are kept until they are `FollowSettings.margin` strikes
  beyond it, so that a spot that comes back finds its legs still there.

Strikes that are listed during the day are taken in wherever they lie within what a rule holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.instruments import ChainRows
from tickertui.market.subscriptions import ChainRule

Integers = NDArray[np.int64]

_NO_LEGS: Final = np.zeros(0, dtype=np.int64)


@frozen
class FollowSettings:
    """How a rule follows the spot.

    Attributes:
        strikes: How many strikes the money must be away from the centre; at most the rule's own range, so that the
            strike at the money is always among its legs.
        seconds: How long it must be so.
        margin: Strikes beyond the range that are kept when the centre moves.
    """

    strikes: int = 2
    seconds: float = 5.0
    margin: int = 4

    def __post_init__(self) -> None:
        if self.strikes < 1 or self.seconds < 0 or self.margin < 0:
            raise ValueError(f"a rule follows the spot by at least one strike, after some time, with a margin: {self}")

    def threshold(self, rule: ChainRule) -> int:
        """Return the strikes by which the money must have moved for a rule."""
        return max(1, min(self.strikes, rule.strikes or 0))


@frozen
class RuleState:
    """What a rule holds in the plan in force; the next expansion starts from it.

    Attributes:
        underlying: Of the rule.
        strikes: Of the rule.
        anchor: The spot at which it was centred.
        is_guess: Whether no spot was known: it is centred anew as soon as there is one.
        windows: Expiry -> lowest and highest strike that are held.
    """

    underlying: str
    strikes: int | None
    anchor: float
    is_guess: bool = False
    windows: Mapping[date, tuple[float, float]] = field(default_factory=dict)

    def fits(self, rule: ChainRule) -> bool:
        """Whether it is about the same underlying and range; else the rule was changed and starts anew."""
        return (self.underlying, self.strikes) == (rule.underlying, rule.strikes)


@frozen(slots=False, eq=False)
class Expansion:
    """The option legs of a rule, as columns of equal length n.

    Attributes:
        tokens: int64[n], no token twice.
        distances: int64[n], strikes between the leg and the strike at the centre.
        places: int64[n], number of the expiry, the nearest is 0.
        expiries: int64[n], ordinals.
        centre: Strike at the centre in the nearest expiry, None without legs.
        state: What the next expansion starts from.
    """

    tokens: Integers
    distances: Integers
    places: Integers
    expiries: Integers
    centre: float | None
    state: RuleState

    def __len__(self) -> int:
        return len(self.tokens)


def expand(
    rule: ChainRule,
    chains: Sequence[ChainRows],
    anchor: float,
    previous: RuleState | None,
    settings: FollowSettings,
    *,
    is_guess: bool = False,
) -> Expansion:
    """Return the legs of a rule.

    Args:
        rule: The rule.
        chains: Its expiries, nearest first.
        anchor: Price to centre it on, in rupees.
        previous: What it held before; None, or that of another range, is as if it had held nothing.
        settings: See `FollowSettings`.
        is_guess: Whether ``anchor`` is no spot.
    """
    if previous is not None and not previous.fits(rule):
        previous = None
    held = {} if previous is None else previous.windows
    has_moved = previous is None or previous.anchor != anchor
    columns: list[tuple[Integers, Integers, Integers, Integers]] = []
    windows: dict[date, tuple[float, float]] = {}
    for place, chain in enumerate(chains):
        if rule.strikes is None:
            low, high = 0, len(chain.strikes) - 1
        else:
            margin = settings.margin if has_moved else len(chain.strikes)
            low, high = _window(chain.strikes, anchor, rule.strikes, held.get(chain.expiry), margin)
        windows[chain.expiry] = (float(chain.strikes[low]), float(chain.strikes[high]))
        columns.append(_legs(chain, low, high, nearest(chain.strikes, anchor), place))
    tokens, distances, places, expiries = (
        (np.concatenate(column) for column in zip(*columns, strict=True)) if columns else (_NO_LEGS,) * 4
    )
    return Expansion(
        tokens=tokens,
        distances=distances,
        places=places,
        expiries=expiries,
        centre=float(chains[0].strikes[nearest(chains[0].strikes, anchor)]) if chains else None,
        state=RuleState(rule.underlying, rule.strikes, anchor, is_guess, windows),
    )


def nearest(strikes: NDArray[np.float64], price: float) -> int:
    """Return the place of the strike next to a price; of two equally near ones the lower."""
    above = int(np.searchsorted(strikes, price))
    if above == 0:
        return 0
    if above == len(strikes) or price - strikes[above - 1] <= strikes[above] - price:
        return above - 1
    return above


def moved_strikes(strikes: NDArray[np.float64], anchor: float, spot: float) -> int:
    """Return by how many strikes the money has moved away from where a rule is centred."""
    return abs(nearest(strikes, spot) - nearest(strikes, anchor))


def _window(
    strikes: NDArray[np.float64], anchor: float, reach: int, held: tuple[float, float] | None, margin: int
) -> tuple[int, int]:
    """Return the first and last place of the strikes that a rule holds."""
    centre, last = nearest(strikes, anchor), len(strikes) - 1
    low, high = max(0, centre - reach), min(last, centre + reach)
    if held is None:
        return low, high
    held_low = int(np.searchsorted(strikes, held[0]))
    held_high = int(np.searchsorted(strikes, held[1], side="right")) - 1
    kept_low, kept_high = max(held_low, centre - reach - margin), min(held_high, centre + reach + margin)
    # What is held and what is wanted must touch: after a jump there is nothing in between to keep.
    if kept_low <= kept_high and kept_low <= high + 1 and kept_high >= low - 1:
        return max(0, min(low, kept_low)), min(last, max(high, kept_high))
    return low, high


def _legs(
    chain: ChainRows, low: int, high: int, centre: int, place: int
) -> tuple[Integers, Integers, Integers, Integers]:
    tokens = np.concatenate([chain.call_tokens[low : high + 1], chain.put_tokens[low : high + 1]])
    distances = np.tile(np.abs(np.arange(low, high + 1) - centre), 2)
    listed = tokens >= 0
    count = int(listed.sum())
    return (
        tokens[listed],
        distances[listed].astype(np.int64),
        np.full(count, place, dtype=np.int64),
        np.full(count, chain.expiry.toordinal(), dtype=np.int64),
    )
