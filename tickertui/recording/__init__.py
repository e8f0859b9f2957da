"""Record and replay of a session."""
