#!/usr/bin/env bash
# The broker's own Python and Node clients read the same bytes differently.
#
# What: kiteconnect 5.2.0 (Python) and kiteconnect 5.3.0 (Node), both from the broker, each given one and the same
#   184-byte packet of the Kite ticker's documented layout, through the parser that its ticker uses for every frame.
# Source: Python, `KiteTicker._parse_binary` (struct, unsigned); Node, `parseBinary` and `buf2long` in its ticker (sums of
#   bytes shifted left by up to 24 bits, which JavaScript does on signed 32-bit numbers).
# Seen: a day's volume of 3,000,000,000 is -1,294,967,296 in Node; so is open interest. A time of 0, which the broker
#   sends before the first trade of a day, is 1 January 1970 in Python and nothing (null) in Node. An index that has no
#   close yet has a change of 0 in Python and the raw word of the packet in Node, in paise.
# Needs python3, node and npm. Ends with 1 when one of them behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env && env/bin/pip install --quiet kiteconnect==5.2.0
npm install --silent --no-fund --no-audit kiteconnect@5.3.0 >/dev/null

cat > packets.py <<'PY'
import struct
TOKEN, INDEX = 8_960_258, 256_265
full = struct.pack(">16I", TOKEN, 17_640, 65, 17_120, 3_000_000_000, 9_100, 8_450, 16_800, 18_100, 16_050, 16_500, 0,
                   2_900_000_000, 2_900_000_000, 0, 0) + bytes(120)
index = struct.pack(">IIIIIIiI", INDEX, 2_435_000, 2_440_000, 2_430_000, 2_432_000, 0, -1_550, 1_796_013_000)
frame = struct.pack(">H", 2) + b"".join(struct.pack(">H", len(packet)) + packet for packet in (full, index))
print(frame.hex())
PY
frame=$(python3 packets.py)

TZ=Asia/Kolkata env/bin/python - "$frame" > python.txt <<'PY'
import sys
from kiteconnect import KiteTicker
option, index = KiteTicker("key", "token")._parse_binary(bytes.fromhex(sys.argv[1]))
print(option["volume_traded"], option["oi"], option["last_trade_time"].year, index["change"])
PY
cat > read.js <<'JS'
const { KiteTicker } = require("kiteconnect");
const { createServer } = require("http");
const crypto = require("crypto");
// The parser is not exported: the ticker reads the frame from a server on this machine.
const payload = Buffer.from(process.argv[2], "hex");
const server = createServer().on("upgrade", (request, socket) => {
  const accept = crypto.createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.write(Buffer.concat([Buffer.from([0x82, 126, payload.length >> 8, payload.length & 255]), payload]));
  socket.on("error", () => {});
}).listen(0, "127.0.0.1", () => {
  const ticker = new KiteTicker({ api_key: "key", access_token: "token", reconnect: false,
    root: `ws://127.0.0.1:${server.address().port}` });
  ticker.on("ticks", ([option, index]) => {
    console.log(option.volume_traded, option.oi, option.last_trade_time, index.change);
    process.exit(0);
  });
  ticker.on("error", () => {});
  ticker.connect();
});
setTimeout(() => process.exit(3), 20000);
JS
node read.js "$frame" > node.txt

echo "Python: volume, open interest, year of the last trade, change of the index: $(cat python.txt)"
echo "Node:   volume, open interest, time of the last trade, change of the index: $(cat node.txt)"
[ "$(cat python.txt)" = "3000000000 2900000000 1970 0" ] || { echo "the Python client has changed"; exit 1; }
[ "$(cat node.txt)" = "-1294967296 -1394967296 null -1550" ] || { echo "the Node client has changed"; exit 1; }
