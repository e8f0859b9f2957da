"""The panes of the main screen beside the chain: subscriptions, backfill, health, analytics, events.

The main screen shows one at a time and hands it values. They may open panels, and know neither the main screen nor
each other's keys.
"""
