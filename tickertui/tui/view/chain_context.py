"""`ChainContext`: what a frame of a chain depends on beside the board; the chain pane makes it, the readers take it."""

from __future__ import annotations

from dataclasses import field

from tickertui.frozen import frozen
from tickertui.market.chain import ReferenceKind
from tickertui.services.loop.status import FeedMode
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, MarketView, SocketHealth


@frozen
class HeaderQuote:
    """An instrument that the header line shows beside the underlying and its future."""

    label: str
    token: int


@frozen
class ChainContext:
    """What is around the chain and changes slowly; the screen renews it about once a second.

    Attributes:
        feed: What fills the board.
        market: What the chain's segment does.
        indices: What the indices do, None where that is the same.
        socket_health: Health of the sockets.
        others: Further instruments of the header line.
        reference: What the at-the-money row is measured from; the forward takes its place in the closing auction.
        convention: How implied volatility and Greeks are computed, in words.
        refused: Tokens that the broker refuses to serve.
    """

    feed: FeedMode = FeedMode.LIVE
    market: MarketView = field(default_factory=MarketView)
    indices: MarketView | None = None
    socket_health: SocketHealth = NO_SOCKET_HEALTH
    others: tuple[HeaderQuote, ...] = ()
    reference: ReferenceKind = ReferenceKind.SPOT
    convention: str = ""
    refused: frozenset[int] = frozenset()
