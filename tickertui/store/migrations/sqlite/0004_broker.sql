-- Whose data these are; no row in a database of an earlier schema that nobody has claimed yet.
CREATE TABLE broker (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    identity TEXT NOT NULL,
    name TEXT NOT NULL,
    latest_day INTEGER NOT NULL  -- of a market whose clock can be set back; 0 = not kept
) STRICT;

-- What was found here although it is of another market, or of days to come. Nothing reads it; nothing deletes it.
CREATE TABLE set_aside (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    set_aside_at INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE TABLE set_aside_candles (
    number INTEGER NOT NULL,
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    start INTEGER NOT NULL,
    open INTEGER NOT NULL,
    high INTEGER NOT NULL,
    low INTEGER NOT NULL,
    close INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    oi INTEGER NOT NULL,
    PRIMARY KEY (number, token, expiry, seconds, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_aside_open_interest (
    number INTEGER NOT NULL,
    day INTEGER NOT NULL,
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    oi INTEGER NOT NULL,
    PRIMARY KEY (number, day, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_aside_volatility (
    number INTEGER NOT NULL,
    underlying TEXT NOT NULL,
    day INTEGER NOT NULL,
    atm_iv REAL NOT NULL,
    PRIMARY KEY (number, underlying, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE set_aside_dump (
    number INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    csv BLOB NOT NULL  -- zlib
) STRICT;
