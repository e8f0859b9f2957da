-- Candles made from the session's own ticks, until the broker's take their place: never counted as fetched.
CREATE TABLE session_candles (
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    start BIGINT NOT NULL,
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume BIGINT NOT NULL,
    oi BIGINT NOT NULL,  -- -1 = the ticks did not carry it
    PRIMARY KEY (token, expiry, seconds, start)
);
