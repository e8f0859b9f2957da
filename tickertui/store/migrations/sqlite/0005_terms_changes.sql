-- Tokens whose contract has other terms from a day on (a split, a token used again): what is stored of earlier days is
-- about the contract before, and is not shown as the one of now.
CREATE TABLE terms_changes (
    token INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,  -- first day with the terms of now
    start INTEGER NOT NULL,  -- that day's midnight, as candles start
    tradingsymbol TEXT NOT NULL,  -- this and the rest: the terms until then
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    exchange TEXT NOT NULL,
    expiry INTEGER NOT NULL,
    strike REAL,
    lot_size INTEGER NOT NULL,
    is_another INTEGER NOT NULL CHECK (is_another IN (0, 1))
) STRICT, WITHOUT ROWID;
