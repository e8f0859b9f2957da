#!/usr/bin/env bash
# A currency future moves in steps of 0.0025; one broker's client tells its price with two decimals.
#
# What: dhanhq 2.3.0 (Python, the broker's own), ticker packets of the feed as it documents them: little-endian, the price
#   as a 32-bit float. Four neighbouring prices of a USDINR future, one step of the exchange's tick size apart.
# Source: the feed's parser writes every price with a format of two decimals, whatever the exchange segment in the packet.
# Seen: two steps of the market change nothing in what is told, the third one changes it by 0.01, which is four steps:
#   three of the four are told as a price that they were not. All of them come as text.
# Needs python3. Ends with 1 when it behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env && env/bin/pip install --quiet dhanhq==2.3.0

env/bin/python - <<'PY'
import struct, sys
from dhanhq import MarketFeed

class Context:
    def get_client_id(self): return "client"
    def get_access_token(self): return "token"

NSE_CURRENCY, SECURITY, NOON = 3, 1_134, 1_796_020_000
feed = MarketFeed(Context(), [], "v2")
traded = [88.5000, 88.5025, 88.5050, 88.5075]
told = [
    feed.process_ticker(struct.pack("<BHBIfI", 2, 16, NSE_CURRENCY, SECURITY, price, NOON))["LTP"] for price in traded
]
print("traded:", *[f"{price:.4f}" for price in traded])
print("told:  ", *told)
sys.exit(0 if told == ["88.50", "88.50", "88.50", "88.51"] else "the client has changed")
PY
