-- Days are yyyymmdd (0 = none), instants microseconds since the epoch, starts of candles seconds since the epoch,
-- prices the segment's wire integers. A contract is (token, expiry): the broker uses tokens again after an expiry.

CREATE TABLE store_state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL  -- counts changes of what the trader wants
) STRICT;
INSERT INTO store_state (only_row, revision) VALUES (1, 0);

CREATE TABLE subscriptions (
    token INTEGER PRIMARY KEY CHECK (token > 0),
    tradingsymbol TEXT NOT NULL,
    segment TEXT NOT NULL,
    expiry INTEGER NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('ltp', 'quote', 'full')),
    status TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'expired')),
    reason TEXT NOT NULL,
    preferred_account TEXT,  -- only the trader changes it
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE rules (
    rule_id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never used again
    underlying TEXT NOT NULL CHECK (underlying <> ''),
    expiry_count INTEGER NOT NULL CHECK (expiry_count >= 0),
    expiries TEXT NOT NULL,  -- ISO dates, separated by blanks
    strikes INTEGER CHECK (strikes >= 0),
    mode TEXT NOT NULL CHECK (mode IN ('ltp', 'quote', 'full')),
    preferred_account TEXT,
    include_future INTEGER NOT NULL CHECK (include_future IN (0, 1)),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE assignments (
    token INTEGER PRIMARY KEY,
    expiry INTEGER NOT NULL,
    account TEXT NOT NULL,  -- only the reconciler changes it
    connection INTEGER NOT NULL CHECK (connection >= 0)
) STRICT;

CREATE TABLE instrument_dump (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    day INTEGER NOT NULL,
    csv BLOB NOT NULL  -- zlib
) STRICT;

CREATE TABLE candles (
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    seconds INTEGER NOT NULL,  -- length of the candle
    start INTEGER NOT NULL,
    open INTEGER NOT NULL,
    high INTEGER NOT NULL,
    low INTEGER NOT NULL,
    close INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    oi INTEGER NOT NULL,  -- -1 = not asked for
    PRIMARY KEY (token, expiry, seconds, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE coverage (
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    PRIMARY KEY (token, expiry, seconds, start),
    CHECK (stop > start)
) STRICT, WITHOUT ROWID;

CREATE TABLE candle_days (
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    day INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    PRIMARY KEY (token, expiry, seconds, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE history_failures (
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    retry_at INTEGER,
    PRIMARY KEY (token, expiry, seconds)
) STRICT, WITHOUT ROWID;

CREATE TABLE daily_open_interest (
    day INTEGER NOT NULL,
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    oi INTEGER NOT NULL CHECK (oi >= 0),
    PRIMARY KEY (day, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE daily_volatility (
    underlying TEXT NOT NULL,
    day INTEGER NOT NULL,
    atm_iv REAL NOT NULL CHECK (atm_iv > 0),
    PRIMARY KEY (underlying, day)
) STRICT, WITHOUT ROWID;
