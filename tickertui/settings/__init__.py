"""The configuration: its model, reading and checking of the file, saved presets, paths, where secrets come from.

The commands read it at a start and hand it to the engine; the interface asks for presets of columns alone. Nothing
here imports a service or the interface, and pydantic is loaded only when there is a file to check.
"""
