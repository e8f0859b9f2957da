-- Candles made from the session's own ticks, until the broker's take their place: never counted as fetched.
CREATE TABLE session_candles (
    token INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    start INTEGER NOT NULL,
    open INTEGER NOT NULL,
    high INTEGER NOT NULL,
    low INTEGER NOT NULL,
    close INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    oi INTEGER NOT NULL,  -- -1 = the ticks did not carry it
    PRIMARY KEY (token, expiry, seconds, start)
) STRICT, WITHOUT ROWID;
