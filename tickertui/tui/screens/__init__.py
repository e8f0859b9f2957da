"""Screens and modal screens, one module each."""
