"""The backfill: which candles are missing, fetched by all accounts within their limits, and what closes tell.

The ticker loop hands `HistoricalBootstrapper` the instruments of the plan. Imports `contracts` and `supervision` of the
services; accounts come to it as a protocol.
"""
