"""What must survive a crash: subscriptions, instruments of the day, candles and backfill progress.

Services and commands speak to `tickertui.store.protocol.Store`; SQLite and PostgreSQL are the two that exist. Imports
`tickertui.market`.
"""
