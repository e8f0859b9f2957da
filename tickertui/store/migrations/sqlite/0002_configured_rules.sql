-- What a rule may say is checked by the program; what was written past it is brought within its bounds.

UPDATE rules SET enabled = 0 WHERE expiry_count < 1 AND expiries = '';
UPDATE rules SET expiry_count = 1 WHERE expiry_count < 1 OR expiries <> '';
UPDATE rules SET expiry_count = 20 WHERE expiry_count > 20;
UPDATE rules SET strikes = 1 WHERE strikes < 1;
UPDATE rules SET strikes = 500 WHERE strikes > 500;

-- The [[rules]] of each configuration as they were when rules were last made of them.
CREATE TABLE configured_rules (
    origin TEXT NOT NULL,  -- the configuration's file, on a server with its machine
    place INTEGER NOT NULL CHECK (place >= 0),  -- in the file
    rule_id INTEGER NOT NULL,  -- a rule that is not there any more was dropped by the trader
    underlying TEXT NOT NULL CHECK (underlying <> ''),
    expiry_count INTEGER NOT NULL,
    expiries TEXT NOT NULL,
    strikes INTEGER,
    mode TEXT NOT NULL,
    preferred_account TEXT,
    include_future INTEGER NOT NULL CHECK (include_future IN (0, 1)),
    PRIMARY KEY (origin, place)
) STRICT, WITHOUT ROWID;
