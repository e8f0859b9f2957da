-- Tokens whose contract has other terms from a day on (a split, a token used again): what is stored of earlier days is
-- about the contract before, and is not shown as the one of now.
CREATE TABLE terms_changes (
    token BIGINT PRIMARY KEY,
    since BIGINT NOT NULL,  -- first day with the terms of now
    start BIGINT NOT NULL,  -- that day's midnight, as candles start
    tradingsymbol TEXT NOT NULL,  -- this and the rest: the terms until then
    name TEXT NOT NULL,
    kind BIGINT NOT NULL,
    exchange TEXT NOT NULL,
    expiry BIGINT NOT NULL,
    strike DOUBLE PRECISION,
    lot_size BIGINT NOT NULL,
    is_another BIGINT NOT NULL CHECK (is_another IN (0, 1))
);
