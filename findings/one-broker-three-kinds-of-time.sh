#!/usr/bin/env bash
# One moment of the market, as the broker's Python client tells it: three kinds of time.
#
# What: kiteconnect 5.2.0 (Python) on a host in UTC, as servers are. The market's 11:15:00 in India comes as a candle, as
#   a quote and as a tick, each in the form that the broker documents.
# Source: `KiteConnect._format_historical` and `_parse_response` (dateutil, which keeps what the text says), and
#   `KiteTicker._parse_binary` (`datetime.fromtimestamp` without a zone).
# Seen: the candle's time knows its zone (+05:30); the quote's is 11:15 without one; the tick's is 05:45 without one, which
#   is the host's. Quote and tick of one second are five and a half hours apart, and the candle cannot be compared with
#   either (TypeError).
# Needs python3. Ends with 1 when it behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env && env/bin/pip install --quiet kiteconnect==5.2.0

TZ=UTC env/bin/python - <<'PY'
import json, struct, sys, threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from kiteconnect import KiteConnect, KiteTicker

MOMENT = datetime(2026, 11, 30, 11, 15, tzinfo=timezone(timedelta(hours=5, minutes=30)))

class Broker(BaseHTTPRequestHandler):
    def do_GET(self):
        if "historical" in self.path:
            data = {"candles": [["2026-11-30T11:15:00+0530", 1.0, 2.0, 0.5, 1.5, 100]]}
        else:
            data = {"NFO:X": {"instrument_token": 1, "timestamp": "2026-11-30 11:15:00", "last_price": 1.5}}
        body = json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass

server = HTTPServer(("127.0.0.1", 0), Broker)
threading.Thread(target=server.serve_forever, daemon=True).start()
kite = KiteConnect("key", "token", root=f"http://127.0.0.1:{server.server_port}")
candle = kite.historical_data(1, "2026-11-30", "2026-11-30", "minute")[0]["date"]
quote = kite.quote("NFO:X")["NFO:X"]["timestamp"]
packet = struct.pack(">8I", 256_265, 100, 100, 100, 100, 100, 0, int(MOMENT.timestamp()))
tick = KiteTicker("key", "token")._parse_binary(struct.pack(">HH", 1, len(packet)) + packet)[0]["exchange_timestamp"]
print("candle:", repr(candle)); print("quote: ", repr(quote)); print("tick:  ", repr(tick))
same = candle == MOMENT and candle.utcoffset() == timedelta(hours=5, minutes=30)
same &= quote == datetime(2026, 11, 30, 11, 15) and tick == datetime(2026, 11, 30, 5, 45)
same &= quote - tick == timedelta(hours=5, minutes=30)
try:
    candle < quote
    same = False
except TypeError as error:
    print("candle < quote:", error)
sys.exit(0 if same else "the client has changed")
PY
