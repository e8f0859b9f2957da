"""Writes the broker samples of this folder from published values: `python -m tests.data.write_samples`.

The values are facts: what the broker's documentation and clients print as examples, and which index contracts were
listed on 18 Aug 2026 (lots, ticks, expiries, ranges of strikes). The files are ours: tokens of the contracts are
made up, a few strikes stand for all, and no file of the broker's is copied. `tests/unit/test_samples.py` holds that
the files are what this writes.
"""

from __future__ import annotations

import json
import struct
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent

QUOTE_PACKET: Final = (408065, 157315, 1, 157033, 1175986, 256511, 360503, 156915, 157500, 156105, 156780)
"""Token, last price, quantity, average, volume, bought, sold, open, high, low, close; prices in paise."""

NO_LEVEL: Final = {"price": 0, "quantity": 0, "orders": 0}
ANSWERS: Final = {
    "profile": {
        "user_id": "AB1234", "user_name": "AxAx Bxx",
        "exchanges": ["BFO", "MCX", "NSE", "CDS", "BSE", "BCD", "MF", "NFO"],
        "products": ["CNC", "NRML", "MIS", "BO", "CO"], "avatar_url": None, "meta": {"demat_consent": "physical"},
    },
    "quote": {
        "NSE:INFY": {
            "instrument_token": 408065, "timestamp": "2021-06-08 15:45:56", "last_trade_time": "2021-06-08 15:45:52",
            "last_price": 1412.95, "last_quantity": 5, "buy_quantity": 0, "sell_quantity": 5191, "volume": 7360198,
            "average_price": 1412.47, "oi": 0, "oi_day_high": 0, "oi_day_low": 0, "net_change": 0,
            "lower_circuit_limit": 1250.7, "upper_circuit_limit": 1528.6,
            "ohlc": {"open": 1396, "high": 1421.75, "low": 1395.55, "close": 1389.65},
            "depth": {
                "buy": [NO_LEVEL] * 5,
                "sell": [{"price": 1412.95, "quantity": 5191, "orders": 13}, *[NO_LEVEL] * 4],
            },
        }
    },
    "ltp": {"NSE:INFY": {"instrument_token": 408065, "last_price": 1074.35}},
    "session": {
        "user_id": "XX0000", "user_name": "Kite Connect", "api_key": "XXXXXX", "access_token": "XXXXXX",
        "public_token": "XXXXXXXX", "refresh_token": "", "login_time": "2021-01-01 16:15:14",
    },
    "historical": {
        "candles": [
            ["2019-12-04T09:15:00+0530", 12009.9, 12019.35, 12001.25, 12001.5, 163275, 13667775],
            ["2019-12-04T09:16:00+0530", 12001, 12003, 11998.25, 12001, 105750, 13667775],
            ["2019-12-04T09:17:00+0530", 12001, 12001, 11995.1, 11998.55, 48450, 13758000],
        ]
    },
}  # fmt: skip

POSTBACK: Final[dict[str, object]] = {
    "user_id": "AB1234", "order_id": "220303000308932", "exchange_order_id": "1000000001482421",
    "parent_order_id": None, "status": "COMPLETE", "status_message": None, "order_timestamp": "2022-03-03 09:24:25",
    "exchange": "NSE", "tradingsymbol": "SBIN", "instrument_token": 779521, "order_type": "MARKET",
    "transaction_type": "BUY", "validity": "DAY", "product": "CNC", "quantity": 1, "price": 0, "average_price": 470,
    "filled_quantity": 1, "pending_quantity": 0, "cancelled_quantity": 0, "meta": {}, "tag": None,
}  # fmt: skip


class Listed(NamedTuple):
    """An underlying's contracts of 18 Aug 2026; expiries as the broker's files write them."""

    name: str
    exchange: str
    lot: int
    future_tick: str
    middle: int
    step: int
    futures: tuple[str, ...]
    monthly: tuple[str, ...]
    weekly: tuple[str, ...] = ()
    far: tuple[int, int] = (0, 0)
    """Middle and step from December on, where the strikes are fewer."""


NSE_MONTHS: Final = ("2026-08-25", "2026-09-29", "2026-10-27")
BSE_MONTHS: Final = ("2026-08-27", "2026-09-24", "2026-10-29")
LISTED: Final = (
    Listed(
        "NIFTY", "NFO", 65, "0.1", 24_500, 500, NSE_MONTHS,
        (*NSE_MONTHS, "2026-12-29", "2027-03-30", "2027-06-29", "2027-12-28", "2028-06-27", "2028-12-26", "2029-06-26",
         "2029-12-24", "2030-06-25", "2030-12-31", "2031-06-24"),
        ("2026-08-18", "2026-09-01", "2026-09-08", "2026-09-15"), (24_000, 1_500),
    ),
    Listed("BANKNIFTY", "NFO", 30, "0.2", 57_000, 500, NSE_MONTHS,
           (*NSE_MONTHS, "2026-12-29", "2027-03-30", "2027-06-29"), far=(57_000, 1_500)),
    Listed("FINNIFTY", "NFO", 60, "0.1", 26_200, 100, NSE_MONTHS, NSE_MONTHS),
    Listed("MIDCPNIFTY", "NFO", 120, "0.05", 14_500, 25, NSE_MONTHS, NSE_MONTHS),
    Listed("NIFTYNXT50", "NFO", 25, "0.2", 72_000, 100, NSE_MONTHS, NSE_MONTHS),
    Listed("NIFTYFPI", "NFO", 1100, "0.05", 1_585, 5, NSE_MONTHS, NSE_MONTHS),
    Listed(
        "SENSEX", "BFO", 20, "0.05", 78_000, 1_000, BSE_MONTHS,
        (*BSE_MONTHS, "2026-12-31", "2027-03-25", "2027-06-24", "2027-12-30", "2028-06-29", "2028-12-28", "2029-06-28",
         "2029-12-27", "2030-06-27", "2030-12-26", "2031-06-26"),
        ("2026-08-20", "2026-09-03", "2026-09-10", "2026-09-17", "2026-10-01"),
    ),
    Listed("BANKEX", "BFO", 30, "0.05", 65_000, 100, BSE_MONTHS, BSE_MONTHS),
    Listed("SENSEX50", "BFO", 75, "0.05", 25_400, 50, BSE_MONTHS, BSE_MONTHS),
    Listed("FOCIT", "BFO", 45, "1.0", 37_500, 100, BSE_MONTHS, BSE_MONTHS),
)  # fmt: skip
STRIKES: Final = 3
"""On each side of the middle one."""

HEADER: Final = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange"
)
SEGMENT_BYTES: Final = {"NFO": 2, "BFO": 5}
WEEKLY_MONTHS: Final = "123456789OND"


def packet() -> bytes:
    """The published quote packet."""
    return struct.pack(f">{len(QUOTE_PACKET)}I", *QUOTE_PACKET)


def contracts() -> str:
    """Futures and a few options of each index, in the form of the broker's dump."""
    rows = [HEADER]
    for listed in LISTED:
        for expiry in listed.futures:
            rows.append(_row(len(rows), listed, _month(expiry) + "FUT", expiry, "0.0", listed.future_tick, "FUT"))
        expiries = {expiry: _month(expiry) for expiry in listed.monthly}
        expiries |= {expiry: _week(expiry) for expiry in listed.weekly}
        for expiry, words in sorted(expiries.items()):
            is_far = expiry >= "2026-12" and listed.far != (0, 0)
            middle, step = listed.far if is_far else (listed.middle, listed.step)
            for place in range(-STRIKES, STRIKES + 1):
                strike = middle + place * step
                rows += [
                    _row(len(rows) + side, listed, f"{words}{strike}{kind}", expiry, f"{strike}.0", "0.05", kind)
                    for side, kind in enumerate(("CE", "PE"))
                ]
    return "\n".join(rows) + "\n"


def _row(number: int, listed: Listed, words: str, expiry: str, strike: str, tick: str, kind: str) -> str:
    exchange_token = 40_000 + number
    token = exchange_token << 8 | SEGMENT_BYTES[listed.exchange]
    segment = f"{listed.exchange}-{'FUT' if kind == 'FUT' else 'OPT'}"
    return (
        f"{token},{exchange_token},{listed.name}{words},{listed.name},0.0,{expiry},{strike},{tick},{listed.lot},{kind},"
        f"{segment},{listed.exchange}"
    )


def _month(expiry: str) -> str:
    return date.fromisoformat(expiry).strftime("%y%b").upper()


def _week(expiry: str) -> str:
    day = date.fromisoformat(expiry)
    return f"{day:%y}{WEEKLY_MONTHS[day.month - 1]}{day:%d}"


def files() -> dict[str, bytes]:
    """Every sample by its name."""
    answers = {
        f"{name}.json": json.dumps({"status": "success", "data": data}, indent=1).encode() + b"\n"
        for name, data in ANSWERS.items()
    }
    return answers | {
        "postback.json": json.dumps(POSTBACK, indent=1).encode() + b"\n",
        "ticker_quote.packet": packet(),
        "contracts_2026-08-18.csv": contracts().encode(),
    }


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)
