"""Whoever watches the others: tasks and their restarts, the record of events, process, clock and store.

Every other room of the services reports here and none is imported from here: the lowest floor of the services.
"""
