"""Widgets that know nothing of this program's services: rows, one line, banner, key bar, status bar.

Panes, panels and the main screen are made of them. They may import `look`, `terminal` and `keys`, never a service.
"""
