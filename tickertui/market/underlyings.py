"""What contracts are written on, as the day's instruments tell it: which index or share, and so of which kind.

Called by the day's contracts, by the valuation's layout and by the mock. Nothing here looks into a symbol: a name is an
index's where the instruments list an index of that name (or the broker's token of it is known), a share's where they
list that.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import compress
from typing import Final

import numpy as np

from tickertui.market.calendar_data import UnderlyingKind
from tickertui.market.instruments import InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import exchange_of, listed_name

_INDEX_SEGMENT: Final = 9
"""Low byte of an index's token (Kite Connect v3, WebSocket streaming)."""

_BOMBAY, _BOMBAY_DERIVATIVES = "BSE", "BFO"


def spot_tokens(table: InstrumentTable, derivatives: Collection[str]) -> dict[str, int]:
    """Return the tokens of indices and shares by the name that their derivatives go by.

    An index goes before a share, the National Stock Exchange before the Bombay one; but of a share that both exchanges
    have derivatives on, those of the Bombay one (``BFO:NAME``) go by its own. Chains of other exchanges and of other
    terms on one underlying (`underlying_names`) have its token in common.

    Args:
        table: The day's instruments.
        derivatives: Names of the underlyings that are wanted.
    """
    wanted: dict[str, list[str]] = {}
    for derivative in derivatives:
        wanted.setdefault(listed_name(derivative), []).append(derivative)
    # Most shares have no derivatives: they are left out at C's speed, a dump has tens of thousands.
    shares = np.flatnonzero(table.kinds < InstrumentKind.INDEX).tolist()
    rows = list(compress(shares, map(wanted.__contains__, map(table.symbols.__getitem__, shares))))
    # The later entry stays.
    rows.sort(key=lambda row: (int(table.kinds[row]), table.exchanges[row] == "NSE"))
    indices = np.flatnonzero(table.kinds == InstrumentKind.INDEX).tolist()
    rows += sorted(indices, key=lambda row: table.exchanges[row] == "NSE")
    token_of: dict[str, int] = {}
    for row in rows:
        names = [table.symbols[row]]
        if table.kinds[row] == InstrumentKind.INDEX:
            names.append(table.names[row])
        for derivative in (derivative for name in names for derivative in wanted.get(name, ())):
            is_bombay = exchange_of(derivative) == _BOMBAY_DERIVATIVES
            if not (is_bombay and derivative in token_of and table.exchanges[row] != _BOMBAY):
                token_of[derivative] = int(table.tokens[row])
    return token_of


def underlying_kind(table: InstrumentTable, spot_token: int | None) -> UnderlyingKind:
    """Return what kind of underlying an index's or a share's token stands for; OTHER without one.

    Args:
        table: The day's instruments.
        spot_token: Of the underlying, None or 0 where there is neither index nor share.
    """
    if not spot_token:
        return UnderlyingKind.OTHER
    row = table.row(spot_token)
    if row is None:
        return UnderlyingKind.INDEX if spot_token & 0xFF == _INDEX_SEGMENT else UnderlyingKind.OTHER
    return UnderlyingKind.INDEX if table.kinds[row] == InstrumentKind.INDEX else UnderlyingKind.STOCK
