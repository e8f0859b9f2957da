"""The mock feed: `MockDataGenerator`, the ticking of it, and from which prices it starts.

The ticker loop switches to it while no account can stream. The market itself is `tickertui.synthetic`; of the services
only `contracts` and `supervision` may be imported.
"""
