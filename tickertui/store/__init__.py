"""What must survive a crash: subscriptions, instruments of the day, candles and backfill progress."""
