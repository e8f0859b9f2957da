"""The actions and their keys: one registry, and what the user's own keys may do with it.

Screens, panes and panels take their bindings from it, README and help are written from it. Imports no other room.
"""
