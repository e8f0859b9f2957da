"""Implied volatility and Greeks of the whole board, kept current while it ticks.

The engine runs `Valuation` beside the ticker loop; the board is read and written, nobody is called. Of the services it
may import `contracts` and `supervision`.
"""
