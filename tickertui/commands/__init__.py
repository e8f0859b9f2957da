"""One module a command of the command line; each is imported only when it is asked for.

`tickertui.cli` calls them with its parsed arguments. They build the engine and may import everything below; nothing
imports them.
"""
