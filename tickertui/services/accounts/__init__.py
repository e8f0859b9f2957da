"""The broker's accounts: sessions and tokens, their sockets, silence, claims among terminals, plans put into force.

The ticker loop runs the `AccountFleet`; `SessionOrchestrator` hands out REST clients. Imports `plan`, `contracts` and
`supervision` of the services.
"""
