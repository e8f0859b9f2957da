"""Order updates: the simulator takes no orders, but it can send the postback of one that was placed elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime

from tickertui.frozen import frozen
from tickertui.simulator.accounts import SimulatedAccount


@frozen(kw_only=True)
class SimulatedOrder:
    """What happened to an order.

    Attributes:
        order_id: The broker's number.
        tradingsymbol: Contract.
        exchange: Exchange.
        instrument_token: Token.
        transaction_type: ``BUY`` or ``SELL``.
        status: ``COMPLETE``, ``OPEN``, ``REJECTED``, ``CANCELLED`` or ``UPDATE``.
        quantity: Units ordered.
        filled_quantity: Units filled.
        price: Limit in rupees, 0 for a market order.
        average_price: Rupees.
        order_type: ``MARKET``, ``LIMIT``, ``SL`` or ``SL-M``.
        product: ``NRML``, ``MIS`` or ``CNC``.
        status_message: Why it was rejected, None when it was not.
    """

    order_id: str
    tradingsymbol: str
    exchange: str
    instrument_token: int
    transaction_type: str = "BUY"
    status: str = "COMPLETE"
    quantity: int = 1
    filled_quantity: int = 1
    price: float = 0.0
    average_price: float = 0.0
    order_type: str = "MARKET"
    product: str = "NRML"
    status_message: str | None = None

    def postback(self, account: SimulatedAccount, at: datetime) -> dict[str, object]:
        """Return the broker's object for an account, as sent on its sockets and listed by ``/orders``."""
        time = at.strftime("%Y-%m-%d %H:%M:%S")
        checksum = hashlib.sha256(f"{self.order_id}{time}{account.api_secret}".encode()).hexdigest()
        return {
            **asdict(self),
            "user_id": account.user_id,
            "placed_by": account.user_id,
            "app_id": 1,
            "checksum": checksum,
            "exchange_order_id": f"1{self.order_id}",
            "parent_order_id": None,
            "status_message_raw": self.status_message,
            "order_timestamp": time,
            "exchange_update_timestamp": time,
            "exchange_timestamp": time,
            "variety": "regular",
            "validity": "DAY",
            "disclosed_quantity": 0,
            "trigger_price": 0,
            "unfilled_quantity": self.quantity - self.filled_quantity,
            "pending_quantity": self.quantity - self.filled_quantity if self.status in ("OPEN", "UPDATE") else 0,
            "cancelled_quantity": self.quantity - self.filled_quantity if self.status == "CANCELLED" else 0,
            "market_protection": 0,
            "meta": {},
            "tag": None,
            "guid": "",
        }
