-- Whose data these are; no row in a database of an earlier schema that nobody has claimed yet.
CREATE TABLE broker (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    identity TEXT NOT NULL,
    name TEXT NOT NULL,
    latest_day BIGINT NOT NULL  -- of a market whose clock can be set back; 0 = not kept
);

-- What was found here although it is of another market, or of days to come. Nothing reads it; nothing deletes it.
CREATE TABLE set_aside (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    set_aside_at BIGINT NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE set_aside_candles (
    number BIGINT NOT NULL,
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    start BIGINT NOT NULL,
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume BIGINT NOT NULL,
    oi BIGINT NOT NULL,
    PRIMARY KEY (number, token, expiry, seconds, start)
);

CREATE TABLE set_aside_open_interest (
    number BIGINT NOT NULL,
    day BIGINT NOT NULL,
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    oi BIGINT NOT NULL,
    PRIMARY KEY (number, day, token)
);

CREATE TABLE set_aside_volatility (
    number BIGINT NOT NULL,
    underlying TEXT NOT NULL,
    day BIGINT NOT NULL,
    atm_iv DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (number, underlying, day)
);

CREATE TABLE set_aside_dump (
    number BIGINT PRIMARY KEY,
    day BIGINT NOT NULL,
    csv BYTEA NOT NULL  -- zlib
);
