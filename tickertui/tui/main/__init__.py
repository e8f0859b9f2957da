"""The main screen: its layout, its dialogs, the small panels beside the chain, and how the program stands.

`tickertui.tui.app` shows it. It knows every pane and panel, and nobody knows it.
"""
