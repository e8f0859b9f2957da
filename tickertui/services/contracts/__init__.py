"""The contracts of the day: the registry, what changed since yesterday, finding one by what is typed.

Plan, history, mock and the ticker loop look contracts up here. Imports `supervision` of the services and, below them,
the broker's instruments file and the store's protocol.
"""
