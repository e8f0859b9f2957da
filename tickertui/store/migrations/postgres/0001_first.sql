-- Days are yyyymmdd (0 = none), instants microseconds since the epoch, starts of candles seconds since the epoch,
-- prices the segment's wire integers. A contract is (token, expiry): the broker uses tokens again after an expiry.

CREATE TABLE store_state (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL  -- counts changes of what the trader wants
);
INSERT INTO store_state (only_row, revision) VALUES (1, 0);

CREATE TABLE subscriptions (
    token BIGINT PRIMARY KEY CHECK (token > 0),
    tradingsymbol TEXT NOT NULL,
    segment TEXT NOT NULL,
    expiry BIGINT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('ltp', 'quote', 'full')),
    status TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'expired')),
    reason TEXT NOT NULL,
    preferred_account TEXT,  -- only the trader changes it
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE rules (
    rule_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- a number is never used again
    underlying TEXT NOT NULL CHECK (underlying <> ''),
    expiry_count BIGINT NOT NULL CHECK (expiry_count >= 0),
    expiries TEXT NOT NULL,  -- ISO dates, separated by blanks
    strikes BIGINT CHECK (strikes >= 0),
    mode TEXT NOT NULL CHECK (mode IN ('ltp', 'quote', 'full')),
    preferred_account TEXT,
    include_future BIGINT NOT NULL CHECK (include_future IN (0, 1)),
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE assignments (
    token BIGINT PRIMARY KEY,
    expiry BIGINT NOT NULL,
    account TEXT NOT NULL,  -- only the reconciler changes it
    connection BIGINT NOT NULL CHECK (connection >= 0)
);

CREATE TABLE instrument_dump (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    day BIGINT NOT NULL,
    csv BYTEA NOT NULL  -- zlib
);

CREATE TABLE candles (
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    seconds BIGINT NOT NULL,  -- length of the candle
    start BIGINT NOT NULL,
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume BIGINT NOT NULL,
    oi BIGINT NOT NULL,  -- -1 = not asked for
    PRIMARY KEY (token, expiry, seconds, start)
);

CREATE TABLE coverage (
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    start BIGINT NOT NULL,
    stop BIGINT NOT NULL,
    PRIMARY KEY (token, expiry, seconds, start),
    CHECK (stop > start)
);

CREATE TABLE candle_days (
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    day BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    PRIMARY KEY (token, expiry, seconds, day)
);

CREATE TABLE history_failures (
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    retry_at BIGINT,
    PRIMARY KEY (token, expiry, seconds)
);

CREATE TABLE daily_open_interest (
    day BIGINT NOT NULL,
    token BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    oi BIGINT NOT NULL CHECK (oi >= 0),
    PRIMARY KEY (day, token)
);

CREATE TABLE daily_volatility (
    underlying TEXT NOT NULL,
    day BIGINT NOT NULL,
    atm_iv DOUBLE PRECISION NOT NULL CHECK (atm_iv > 0),
    PRIMARY KEY (underlying, day)
);

-- Who streams an account; the advisory lock alone decides, this row only says who has it.
CREATE TABLE account_owners (
    account TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    since BIGINT NOT NULL
);

CREATE FUNCTION announce_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tickertui_changes', NEW.revision::text);
    RETURN NEW;
END
$$;
CREATE TRIGGER announce_revision AFTER UPDATE OF revision ON store_state
    FOR EACH ROW EXECUTE FUNCTION announce_revision();
