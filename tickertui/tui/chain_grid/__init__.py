"""The grid of a chain: columns, order and filter of rows, and the painters that turn a frame into lines.

The chain pane shows it; benchmarks paint with it alone. Imports `view` and what is below.
"""
