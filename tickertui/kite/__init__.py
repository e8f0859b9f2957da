"""How the broker speaks: binary frames, the stream, REST, the instruments file and the daily login.

Services, commands and the simulator (for the same bytes from the other side) call it. Imports `tickertui.market` and
nothing beside it.
"""
