"""Widgets: they know frames, never services."""
