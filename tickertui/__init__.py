"""A live options monitor for the terminal."""

__version__ = "0.1.0"
