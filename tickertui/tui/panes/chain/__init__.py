"""The chain pane: which chain is shown and how, its header, expiry strip, totals, rail and its other views.

The main screen refreshes it for every frame. It imports panels, the chain grid and what is below.
"""
