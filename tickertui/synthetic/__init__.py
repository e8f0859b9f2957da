"""What a synthetic market does: levels, prices, books and quotes, all of them functions of seed and instant.

The mock generator (`tickertui.services.mock`) shows one on the screen, the simulator serves one over the network.
Imports `tickertui.market` alone.
"""
