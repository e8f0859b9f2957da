"""A Kite-compatible server on loopback: REST, stream and login, with faults on demand.

``tickertui simulate`` runs one for practice, the tests of everything that talks to the broker run their own. Imports
`kite` for the bytes, `market`, and `synthetic` for what it serves; nothing of the program that talks to it.
"""
