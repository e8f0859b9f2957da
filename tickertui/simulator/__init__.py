"""A Kite-compatible server on loopback over the mock market."""
