"""The ticker loop: `MultiAccountTickerLoop`, what it is wired from, and its duties.

The engine builds and runs it, the screens ask it for changes. The highest floor of the services: it may import every
other room, and none imports it.
"""
