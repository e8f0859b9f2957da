"""Record and replay of a session.

The ticker loop is to feed it and to be fed by it. Imports `tickertui.market`.
"""
